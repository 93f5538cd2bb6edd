// RecordsRun: one execution of the records kind, from one SQLite database into another.
//
// It keeps two connections for its life: a reader with one open read transaction (the snapshot that
// every range is read from) and a writer. SQLite has one writer per database, so batches take
// turns; `single` keeps one write transaction open from the first batch to commit(). Order of
// durable steps and what recovery finds: README.md.
//
// Threads: any; a turn (mutex) lends both connections to one call at a time, waiting for it is
// woken by cancellation.
#pragma once

#include <memory>

#include "engine/run.h"
#include "records/plan.h"

namespace dunlin::records {

[[nodiscard]] std::unique_ptr<engine::Run> make_records_run(RecordsPlan plan);

}  // namespace dunlin::records
