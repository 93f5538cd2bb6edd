// See resume_point.h.
#include "engine/resume_point.h"

#include <algorithm>
#include <limits>
#include <set>
#include <string>
#include <vector>

namespace dunlin::engine {
namespace {

constexpr std::size_t kTasksMax = 10'000;

/// "1 to 3", "1": what there is.
std::string numbered(std::int64_t first, std::int64_t last) {
  return first == last ? std::to_string(first)
                       : std::to_string(first) + " to " + std::to_string(last);
}

Result<std::optional<BatchId>> from_batch(const store::Ledger& ledger, std::int64_t number) {
  DUNLIN_ASSIGN(const auto last, ledger.last_ids());
  if (number >= 1 && number <= last.batch.value) return std::optional(BatchId(number));
  Error error(ErrorType::not_found, "there is no batch " + std::to_string(number));
  error.remediation = last.batch.valid() ? "its batches are " + numbered(1, last.batch.value)
                                         : "it has no batches yet: `dunlin resume %E` goes on";
  return error;
}

/// Barrier stages are in doubt with whatever was done before them.
Result<std::set<std::int64_t>> barrier_tasks(const store::Ledger& ledger) {
  DUNLIN_ASSIGN(const auto tasks, ledger.tasks(kTasksMax));
  std::set<std::int64_t> ids;
  for (const store::TaskRow& task : tasks)
    if (task.barrier) ids.insert(task.id.value);
  return ids;
}

/// The first batch of which an item ended later than that: it may have been tried again. Reads the
/// items up to that one.
Result<std::int64_t> first_ended_after(const store::Ledger& ledger, std::int64_t time_ms,
                                       const std::set<std::int64_t>& barriers) {
  store::ItemFilter filter;
  store::BatchRow batch;
  while (true) {
    DUNLIN_ASSIGN(const std::vector<store::ItemRow> page, ledger.items(filter));
    for (const store::ItemRow& item : page) {
      if (item.ended_ms <= time_ms) continue;
      if (item.batch != batch.id) {
        DUNLIN_ASSIGN(batch, ledger.batch(item.batch));
      }
      if (!barriers.contains(batch.task.value)) return item.batch.value;
    }
    if (page.size() < filter.limit) return std::numeric_limits<std::int64_t>::max();
    filter.after = page.back().id;
  }
}

/// Batches end in any order: what had ended when the checkpoint was written is all below its first
/// one that had not.
Result<std::optional<BatchId>> from_checkpoint(const store::Ledger& ledger, std::int64_t id) {
  DUNLIN_ASSIGN(const std::vector<store::CheckpointRow> rows, ledger.checkpoints());
  const auto found =
      std::find_if(rows.begin(), rows.end(), [id](const auto& row) { return row.id == id; });
  if (found == rows.end()) {
    Error error(ErrorType::not_found,
                "there is no checkpoint " + std::to_string(id) + ", or it is no longer kept");
    error.remediation = "`dunlin checkpoints %E` lists them";
    return error;
  }
  if (!found->valid) {
    Error error(ErrorType::state_corrupt, "checkpoint " + std::to_string(id) + " is damaged");
    error.remediation = "take one before it: `dunlin checkpoints %E` lists them";
    return error;
  }
  DUNLIN_ASSIGN(const std::set<std::int64_t> barriers, barrier_tasks(ledger));
  DUNLIN_ASSIGN(const std::int64_t later, first_ended_after(ledger, found->created_ms, barriers));
  for (const std::int64_t pending : found->pending_batch_ids) {
    DUNLIN_ASSIGN(const store::BatchRow batch, ledger.batch(BatchId(pending)));
    if (!barriers.contains(batch.task.value))
      return std::optional(BatchId(std::min(pending, later)));
  }
  DUNLIN_ASSIGN(const auto last, ledger.last_ids());
  const bool all_named = found->pending_batch_ids.size() < store::kPendingNamed;
  const std::int64_t next =
      (all_named ? found->last_processed_batch : found->pending_batch_ids.back()) + 1;
  if (found->pending_batch_ids.empty() && std::min(next, later) > last.batch.value)
    return std::optional<BatchId>();
  return std::optional(BatchId(std::min(next, later)));
}

}  // namespace

Result<std::optional<BatchId>> first_in_doubt(const store::Ledger& ledger, const Json& point) {
  const std::int64_t batch = integer_or(point, "batch_number", 0);
  const std::int64_t checkpoint = integer_or(point, "checkpoint_id", 0);
  if (batch != 0 && checkpoint == 0) return from_batch(ledger, batch);
  if (checkpoint != 0 && batch == 0) return from_checkpoint(ledger, checkpoint);
  return Error(ErrorType::invalid_input,
               "an execution is resumed from a batch or from a checkpoint: name one of the two");
}

}  // namespace dunlin::engine
