// SchemaRun: one execution of the schema kind: the pending migrations of a directory, applied to
// one database; or those that were applied last, taken back.
//
// One connection and, once there is something to do, the migration lock for its life; migrations
// run one after another (each depends on the one before). Order of durable steps and what recovery
// finds: README.md.
//
// Threads: any; a turn (mutex) lends the connection to one call at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "engine/run.h"
#include "schema/history.h"
#include "schema/steps.h"
#include "sql/database_address.h"

namespace dunlin::schema {

struct SchemaPlan {
  std::string directory;  ///< absolute
  sql::DatabaseAddress database;
  TransactionMode mode = TransactionMode::per_migration;
  Direction direction = Direction::up;
  std::int64_t steps = 0;         ///< down: so many; 0: as `target` says
  std::optional<Version> target;  ///< the last one that is applied in the end; down: 0 is none
  /// What is pending is called applied, and nothing of it is run.
  /// `repair`: what is applied and has changed since is called applied as it is now.
  enum class Mark : std::uint8_t { no, yes, as_other_tool_did, repair };
  Mark mark = Mark::no;
  std::optional<Version> only;  ///< this one alone
  bool out_of_order = false;    ///< latecomers are applied, missing files accepted
  std::int64_t lock_timeout_ms = 30'000;
  std::int64_t statement_timeout_ms = 300'000;  ///< 0: as long as it takes
  std::string product_version;
};

[[nodiscard]] std::unique_ptr<engine::Run> make_schema_run(SchemaPlan plan);

}  // namespace dunlin::schema
