// DatabasesRun: one execution that brings several databases to the same version (schema.md S-19).
//
// Each database is an item and a batch of its own; as many at a time as the engine has batches
// going. One that fails leaves the others alone. Each has its own history, log and lock, so what
// was done to one is known from that one alone, whatever becomes of the rest.
//
// Threads: any; every database has a session of its own.
#pragma once

#include <memory>

#include "engine/run.h"
#include "schema/schema_plan.h"

namespace dunlin::schema {

[[nodiscard]] std::unique_ptr<engine::Run> make_databases_run(SchemaPlan plan);

}  // namespace dunlin::schema
