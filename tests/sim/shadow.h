// Shadow: the ledger's rules once more, in their simplest form, fed with every mutation that the
// real ledger accepted.
//
// The simulator compares its counters with the real ones after each commit and asks it what may
// happen: whether a batch may start, whether an item has ended. It shares no code with src/store.
// One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "sim/scenario.h"
#include "store/ledger.h"

namespace dunlin::sim {

class Shadow {
 public:
  explicit Shadow(const Scenario& scenario) : scenario_(scenario) {}

  struct Item {
    store::ItemStatus status = store::ItemStatus::pending;
    std::int64_t batch = 0;
    bool by_dependency = false;  ///< skipped because something before it failed
    bool committed = false;      ///< by a final commit (commit_scope execution)
  };
  struct Batch {
    store::BatchStatus status = store::BatchStatus::pending;
    store::Pass pass = store::Pass::work;
    store::BatchStatus before = store::BatchStatus::pending;
    std::int64_t token = 0;
    bool verified = false;
    bool held = false;   ///< ended as held, and not let go since
    bool tried = false;  ///< has given this rollback, of a part, what it was to
  };

  /// The real ledger accepted it. Returns a complaint when it should have refused, else empty.
  [[nodiscard]] std::string accept(const store::Mutation& mutation);
  /// Compares what is counted in both; returns the first difference, or empty.
  [[nodiscard]] std::string compare(const store::Counters& counters) const;

  [[nodiscard]] const Item& item(std::int64_t id) const { return items_.at(id); }
  [[nodiscard]] const std::map<std::int64_t, Item>& items() const { return items_; }
  [[nodiscard]] const Batch& batch(std::int64_t id) const { return batches_.at(id); }
  [[nodiscard]] bool knows(std::int64_t batch) const { return batches_.contains(batch); }
  [[nodiscard]] const std::map<std::int64_t, Batch>& batches() const { return batches_; }
  [[nodiscard]] bool committing() const { return committing_; }
  /// A batch is worked on or has ended: what was to be looked at before that is history.
  [[nodiscard]] bool anything_begun() const;
  /// A new owner may start what was held.
  void taken_over() {
    for (auto& [id, batch] : batches_) batch.held = false;
  }
  /// Why the batch may not be started in this pass now, or empty.
  [[nodiscard]] std::string blocked(std::int64_t batch, store::Pass pass) const;

 private:
  std::string append(const store::AppendWork& work);
  std::string start(const store::StartBatches& start);
  std::string outcomes(std::int64_t batch, std::int64_t token,
                       const std::vector<store::ItemOutcome>& outcomes);
  std::string end(const store::EndBatch& end);
  void skip_dependants(std::int64_t batch);
  [[nodiscard]] bool has(std::int64_t batch, store::ItemStatus status) const;
  /// Something that it waits for has failed or was skipped.
  [[nodiscard]] bool doomed(std::int64_t batch) const;
  void reopen(const store::ReopenItems& reopen);
  std::string enter(const store::SetStatus& to);
  [[nodiscard]] static store::BatchStatus seen(const Batch& batch);
  [[nodiscard]] static bool ended_well(const Batch& batch);

  const Scenario& scenario_;
  std::map<std::int64_t, Item> items_;
  std::map<std::int64_t, Batch> batches_;
  std::int64_t verified_items_ = 0;
  std::int64_t differences_ = 0;
  bool committing_ = false;
  bool enumeration_complete_ = false;
  bool part_ = false;  ///< what is taken back is a part
  store::ExecutionStatus status_ = store::ExecutionStatus::pending;
};

}  // namespace dunlin::sim
