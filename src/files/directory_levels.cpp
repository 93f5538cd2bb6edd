// See directory_levels.h.
#include "files/directory_levels.h"

#include <algorithm>
#include <iterator>
#include <mutex>

#include "files/first_error.h"

namespace dunlin::files {

using engine::ItemOutcome;
using engine::ItemRow;

namespace {

std::int64_t depth_of(const ItemRow& row) {
  const std::string path = path_of(row);
  return path.empty() ? 0 : 1 + std::count(path.begin(), path.end(), '/');
}

ItemOutcome failed(const ItemRow& row, Error error) {
  ItemOutcome outcome;
  outcome.item = row.id;
  outcome.status = engine::ItemStatus::failed;
  outcome.error = std::move(error);
  return outcome;
}

}  // namespace

std::string path_of(const ItemRow& row) {
  if (row.name.empty()) return row.directory_path;
  return row.directory_path.empty() ? row.name : row.directory_path + "/" + row.name;
}

Status run_by_level(engine::BatchContext& context, std::vector<ItemRow>& rows, LevelOrder order,
                    fs::BatchFlush& flush, const LevelStep& step) {
  std::vector<ItemOutcome> outcomes;
  const Status status = run_by_level(context, rows, order, flush, step, outcomes);
  for (ItemOutcome& outcome : outcomes) context.report(std::move(outcome));
  return status;
}

Status run_by_level(engine::BatchContext& context, std::vector<ItemRow>& rows, LevelOrder order,
                    fs::BatchFlush& flush, const LevelStep& step,
                    std::vector<ItemOutcome>& outcomes) {
  const auto before = [&](const ItemRow& one, const ItemRow& other) {
    return order == LevelOrder::parents_first ? depth_of(one) < depth_of(other)
                                              : depth_of(one) > depth_of(other);
  };
  std::sort(rows.begin(), rows.end(), before);
  std::mutex mutex;
  std::vector<ItemOutcome> found;
  FirstError ended;
  Status status = success();
  for (auto begin = rows.begin(); begin != rows.end() && status.ok();) {
    const auto end =
        std::find_if(begin, rows.end(), [&](const ItemRow& row) { return before(*begin, row); });
    status = context.for_each_item({begin, end}, [&](ItemRow& row) {
      if (ended.seen()) return;
      auto made = step(row);
      if (!made.ok() && ends_the_process(made.error())) {
        ended.note(std::move(made).error());
        return;
      }
      ItemOutcome outcome =
          made.ok() ? std::move(made).value() : failed(row, std::move(made).error());
      outcome.item = row.id;
      const std::scoped_lock lock(mutex);
      found.push_back(std::move(outcome));
    });
    if (ended.seen()) status = ended.status();
    begin = end;
  }
  if (context.cancel().reason() == CancelReason::stop) return status;
  if (!status.ok() && status.error().type == ErrorType::stale_owner) return status;
  DUNLIN_TRY(flush.flush_names());
  outcomes.insert(outcomes.end(), std::make_move_iterator(found.begin()),
                  std::make_move_iterator(found.end()));
  return status;
}

}  // namespace dunlin::files
