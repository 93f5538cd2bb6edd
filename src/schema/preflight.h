// What speaks against a run before anything of it runs: files and history that do not fit together,
// what has no way back, what the plan asks for and the server cannot keep. Reads only; one thread
// at a time.
#pragma once

#include <map>
#include <vector>

#include "base/ids.h"
#include "engine/run.h"
#include "schema/discovery.h"
#include "schema/history.h"
#include "schema/schema_plan.h"
#include "schema/target.h"
#include "schema/work_list.h"

namespace dunlin::schema {

/// `target`: nullptr when there is no such database. `execution`: ours, which may go on where it
/// has failed itself.
[[nodiscard]] Result<std::vector<engine::Problem>> check_plan(
    const SchemaPlan& plan, const ExecutionId& execution, const Migrations& all,
    const std::map<Version, Applied>& done, Target* target, const sql::Call& call);

}  // namespace dunlin::schema
