#include "sql/model/create.h"
namespace dunlin::sql::model {
Result<Converted> convert(const Catalogue&, Dialect) { return Error(ErrorType::unsupported_item, "not yet"); }
}  // namespace dunlin::sql::model
