// What the records kind finds out before anything is changed. Reads only, on connections of its
// own; any thread.
#pragma once

#include <vector>

#include "engine/run.h"
#include "records/plan.h"
#include "sql/sqlite.h"

namespace dunlin::records {

[[nodiscard]] Result<engine::Analysis> analyse(engine::RunContext& context,
                                               const RecordsPlan& plan);
/// Missing tables, shapes that do not fit, values that would be converted, a target that cannot be
/// written: all at once.
[[nodiscard]] Result<std::vector<engine::Problem>> preflight(engine::RunContext& context,
                                                             const RecordsPlan& plan);
/// Gives a database that is still empty the text encoding of the source, so that text is copied
/// byte by byte.
[[nodiscard]] Status match_encoding(const RecordsPlan& plan, sql::Database& target);

}  // namespace dunlin::records
