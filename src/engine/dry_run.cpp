// DryRun; see dry_run.h.
#include "engine/dry_run.h"

namespace dunlin::engine {

namespace {

Error did_nothing() {
  return Error(ErrorType::invalid_state, "a dry run has written nothing");
}

}  // namespace

Status DryRun::verify(BatchContext&) {
  return did_nothing();
}

Status DryRun::undo(BatchContext&) {
  return did_nothing();
}

}  // namespace dunlin::engine
