// From where an execution is resumed when a person does not trust all that it has done (engine.md
//
#pragma once

#include <optional>

#include "base/json.h"
#include "store/ledger.h"

namespace dunlin::engine {

/// Beside Run, of one whose settle() keeps what run.h says of work that is in doubt. Without it
/// nothing can be doubted.
class SettlesDoubt {
 public:
  virtual ~SettlesDoubt() = default;
};

/// The first batch of `point`, {"batch_number": N} or {"checkpoint_id": N}: of a checkpoint the
/// first one that had not ended when it was written. Above the last batch: nothing was done after
/// it. invalid_input where it is neither, or both; not_found, state_corrupt as
/// Execution::resume_from().
[[nodiscard]] Result<std::optional<BatchId>> first_in_doubt(const store::Ledger& ledger,
                                                            const Json& point);

}  // namespace dunlin::engine
