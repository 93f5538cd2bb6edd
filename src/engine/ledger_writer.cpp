#include "engine/ledger_writer.h"

#include <future>
#include <utility>

namespace dunlin::engine {
namespace {

/// Mutations in one transaction at most: bounds its time to tens of milliseconds.
constexpr std::size_t kGroupMax = 512;

LedgerWriter::Written dropped() {
  return {Error(ErrorType::interrupted, "the execution is stopping"), {}, 0};
}

}  // namespace

LedgerWriter::LedgerWriter(store::Ledger& ledger, std::int64_t epoch)
    : ledger_(ledger), epoch_(epoch), thread_([this] { loop(); }) {}

LedgerWriter::~LedgerWriter() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void LedgerWriter::submit(std::vector<store::Mutation> mutations, Done done) {
  const std::lock_guard lock(mutex_);
  queue_.push_back({std::move(mutations), std::move(done)});
  wake_.notify_one();
}

Status LedgerWriter::write(std::vector<store::Mutation> mutations) {
  std::promise<Status> promise;
  std::future<Status> future = promise.get_future();
  submit(std::move(mutations), [&promise](Written written) {
    if (!written.results.ok()) return promise.set_value(written.results.error());
    for (const Status& status : *written.results) {
      if (!status.ok()) return promise.set_value(status);
    }
    promise.set_value(success());
  });
  return future.get();
}

void LedgerWriter::abandon() {
  std::deque<Group> waiting;
  {
    const std::lock_guard lock(mutex_);
    abandoned_ = true;
    waiting.swap(queue_);
  }
  for (Group& group : waiting) group.done(dropped());
}

void LedgerWriter::loop() {
  for (;;) {
    std::vector<Group> groups;
    bool abandoned = false;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return ending_ || !queue_.empty(); });
      if (queue_.empty()) return;
      abandoned = abandoned_;
      std::size_t taken = 0;
      while (!queue_.empty() &&
             (groups.empty() || taken + queue_.front().mutations.size() <= kGroupMax)) {
        taken += queue_.front().mutations.size();
        groups.push_back(std::move(queue_.front()));
        queue_.pop_front();
      }
    }
    if (abandoned) {
      for (Group& group : groups) group.done(dropped());
    } else {
      apply(groups);
    }
  }
}

void LedgerWriter::apply(std::vector<Group>& groups) {
  std::vector<store::Mutation> all;
  std::vector<std::size_t> sizes;
  for (Group& group : groups) {
    sizes.push_back(group.mutations.size());
    std::move(group.mutations.begin(), group.mutations.end(), std::back_inserter(all));
  }
  Result<std::vector<Status>> applied = ledger_.apply(epoch_, all);
  store::Counters counters;
  std::int64_t as_of = 0;
  if (applied.ok()) {
    // This thread is the only writer, so both reads see the same state.
    const auto row = ledger_.execution();
    const auto sequence = ledger_.sequence();
    if (row.ok() && sequence.ok()) {
      counters = row->counters;
      as_of = *sequence;
    }
  }
  std::size_t at = 0;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    if (!applied.ok()) {
      groups[g].done({applied.error(), {}, 0});
      continue;
    }
    std::vector<Status> own;
    for (std::size_t i = 0; i < sizes[g]; ++i) own.push_back(std::move((*applied)[at++]));
    groups[g].done({std::move(own), counters, as_of});
  }
}

}  // namespace dunlin::engine
