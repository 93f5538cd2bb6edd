// SchemaRun: one execution of the schema kind: the pending migrations of a directory, applied to
// one database; or those that were applied last, taken back.
//
// One connection and, once there is something to do, the migration lock for its life; migrations
// run one after another (each depends on the one before). Order of durable steps and what recovery
// finds: README.md.
//
// Threads: any; a turn (mutex) lends the connection to one call at a time.
#pragma once

#include <future>
#include <memory>

#include "engine/run.h"
#include "schema/discovery.h"
#include "schema/schema_plan.h"

namespace dunlin::schema {

/// `files`: those of the plan's directories, where they are being read already.
[[nodiscard]] std::unique_ptr<engine::Run> make_schema_run(SchemaPlan plan,
                                                           std::future<MigrationFiles> files = {});

/// Does a run of this plan read the files of its directories?
[[nodiscard]] bool needs_files(const SchemaPlan& plan);
/// Begins to.
[[nodiscard]] std::future<MigrationFiles> read_files_of(const SchemaPlan& plan);

}  // namespace dunlin::schema
