// What a run has to do at one database, in its order. Reads only; one thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "schema/discovery.h"
#include "schema/history.h"
#include "schema/schema_plan.h"
#include "schema/target.h"

namespace dunlin::schema {

/// One migration that is to be applied, or to be taken back.
struct Work {
  std::string id;
  Direction direction = Direction::up;
  std::int64_t size = 0;     ///< bytes of SQL; 0: not known
  std::int64_t place = 0;    ///< up: its rank; down: when it was applied
  bool has_way_back = true;  ///< down
};

/// `target`: nullptr when there is no such database. not_found when the plan names what is not
/// there.
[[nodiscard]] Result<std::vector<Work>> list_work(const SchemaPlan& plan, const Migrations& all,
                                                  const std::map<Version, Applied>& done,
                                                  Target* target, const sql::Call& call);

}  // namespace dunlin::schema
