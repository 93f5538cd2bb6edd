// SchemaRun: one execution of the schema kind: the pending migrations of a directory, applied to
// one SQLite database.
//
// One connection and the migration lock for its life; migrations run one after another (each
// depends on the one before), a migration and its history row in one transaction. Order of durable
// steps and what recovery finds: README.md.
//
// Threads: any; a turn (mutex) lends the connection to one call at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/run.h"

namespace dunlin::schema {

struct SchemaPlan {
  std::string directory;      ///< absolute
  std::string database_path;  ///< absolute
  std::int64_t lock_timeout_ms = 30'000;
  std::string product_version;
};

[[nodiscard]] std::unique_ptr<engine::Run> make_schema_run(SchemaPlan plan);

}  // namespace dunlin::schema
