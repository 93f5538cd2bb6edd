// LedgerWriter: the one thread that writes an execution's ledger, with group commit.
//
// Whatever is waiting when a transaction ends goes into the next one: 366 commits a second one by
// one become hundreds of thousands of rows a second (anchors: SQLite with synchronous=FULL,
// measured). submit() may be called from any thread, also under a lock that the callback takes, and
// never blocks on I/O; callbacks run on the writer's thread (of what abandon() gives up: on its
// caller's) and must be short.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "store/ledger.h"

namespace dunlin::engine {

class LedgerWriter {
 public:
  /// What became of one submitted group.
  struct Written {
    Result<std::vector<Status>>
        results;               ///< one per mutation; an error: nothing of the group was applied
    store::Counters counters;  ///< after it
    std::int64_t as_of = 0;    ///< the ledger's sequence of `counters`
  };
  using Done = std::function<void(Written)>;

  LedgerWriter(store::Ledger& ledger, std::int64_t epoch);
  /// Writes what is queued, then ends the thread.
  ~LedgerWriter();

  void submit(std::vector<store::Mutation> mutations, Done done);
  /// Durable on return. The first refused mutation's error, or the error of the whole.
  [[nodiscard]] Status write(std::vector<store::Mutation> mutations);
  /// Gives up what is queued; later submissions fail with `interrupted` (emergency stop).
  void abandon();

 private:
  struct Group {
    std::vector<store::Mutation> mutations;
    Done done;
  };
  void loop();
  void apply(std::vector<Group>& groups);

  store::Ledger& ledger_;
  const std::int64_t epoch_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Group> queue_;
  bool ending_ = false;
  bool abandoned_ = false;
  std::thread thread_;
};

}  // namespace dunlin::engine
