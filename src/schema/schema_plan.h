// What an execution of the schema kind is to do, as decoded from its plan. Plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "schema/discovery.h"
#include "schema/history.h"
#include "schema/steps.h"
#include "sql/database_address.h"

namespace dunlin::schema {

/// Several databases that are all brought to the same version (schema.md S-19).
struct Databases {
  std::vector<sql::DatabaseAddress> listed;
  /// Those of the server (PostgreSQL: the schemas of the database) whose name this shell pattern
  /// matches; empty: none but the listed ones.
  std::string pattern;

  [[nodiscard]] bool are_several() const { return listed.size() > 1 || !pattern.empty(); }
};

struct SchemaPlan {
  std::vector<std::string> directories;  ///< absolute
  sql::DatabaseAddress database;         ///< the first one
  Databases databases;
  TransactionMode mode = TransactionMode::per_migration;
  Direction direction = Direction::up;
  bool redo = false;              ///< what is taken back is applied again
  std::int64_t steps = 0;         ///< down, redo: so many; 0: as `target` says
  std::optional<Version> target;  ///< the last one that is applied in the end; down: 0 is none
  /// What is pending is called applied, and nothing of it is run.
  /// `repair`: what is applied and has changed since is called applied as it is now.
  enum class Mark : std::uint8_t { no, yes, as_other_tool_did, repair };
  Mark mark = Mark::no;
  std::optional<Version> only;  ///< this one, and what it depends on
  bool out_of_order = false;    ///< latecomers are applied, missing files accepted
  bool stop_on_error = true;    ///< else what does not depend on the failed one goes on
  bool validate_checksums = true;
  bool ensure_created = true;  ///< a database that is missing is made
  std::int64_t lock_timeout_ms = 30'000;
  std::int64_t statement_timeout_ms = 300'000;  ///< 0: as long as it takes
  std::string product_version;

  /// One batch holds all, instead of one each.
  [[nodiscard]] bool is_one_batch() const {
    return !stop_on_error || mode == TransactionMode::all_in_one;
  }
};

}  // namespace dunlin::schema
