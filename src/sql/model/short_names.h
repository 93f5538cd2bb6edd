// Names that another server takes, each once. Used by this folder alone; one thread.
#pragma once

#include <map>
#include <set>
#include <string>

#include "sql/dialect.h"

namespace dunlin::sql::model {

/// Names in one space of a server (its tables; the indexes of a schema): what it is given comes out
/// as it is, or cut, or with a hash where another one has that name already. Servers that compare
/// names without case get none that differ by ASCII case alone.
class NameSpace {
 public:
  explicit NameSpace(Dialect dialect) : dialect_(dialect) {}
  [[nodiscard]] std::string take(const std::string& name);

 private:
  Dialect dialect_;
  std::set<std::string> taken_;
};

}  // namespace dunlin::sql::model
