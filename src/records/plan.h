// The records kind's part of a plan, decoded: which tables of which database go into which tables
// of which other. Values.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace dunlin::records {

struct Entity {
  std::string source;  ///< table
  std::string target;  ///< table
};

struct RecordsPlan {
  std::string source_path;  ///< absolute
  std::string target_path;
  std::vector<Entity> entities;  ///< ordered by source table; empty: every table (`entities: auto`)
  bool single = false;           ///< transaction_mode single: all or nothing
};

/// Decodes and checks the kind's sections; every problem is one line that names the key as a JSON
/// pointer.
[[nodiscard]] RecordsPlan decode_plan(const Json& document, std::vector<std::string>& problems);

}  // namespace dunlin::records
