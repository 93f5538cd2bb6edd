// SchemaRun: one execution of the schema kind: the pending migrations of a directory, applied to
// one database; or those that were applied last, taken back.
//
// One connection and, once there is something to do, the migration lock for its life; migrations
// run one after another (each depends on the one before). Order of durable steps and what recovery
// finds: README.md.
//
// Threads: any; a turn (mutex) lends the connection to one call at a time.
#pragma once

#include <memory>

#include "engine/run.h"
#include "schema/schema_plan.h"

namespace dunlin::schema {

[[nodiscard]] std::unique_ptr<engine::Run> make_schema_run(SchemaPlan plan);

}  // namespace dunlin::schema
