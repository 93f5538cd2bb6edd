// Destination: where simulated effects land, one counter per item. It outlives every crash, as a
// disk or a server does.
//
// An effect is an upsert: applying what is there changes nothing. `applied` counts the changes from
// absent to present, so "exactly once" is `applied == 1`. A transaction (commit_scope execution)
// belongs to one owner and dies with it.
#pragma once

#include <cstdint>
#include <map>
#include <set>

namespace dunlin::sim {

class Destination {
 public:
  struct Effect {
    bool present = false;
    std::int32_t applied = 0;
    std::int32_t removed = 0;
  };

  void apply(std::int64_t item) {
    Effect& effect = effects_[item];
    if (effect.present) return;
    effect.present = true;
    ++effect.applied;
  }
  void remove(std::int64_t item) {
    Effect& effect = effects_[item];
    if (!effect.present) return;
    effect.present = false;
    ++effect.removed;
  }
  [[nodiscard]] bool present(std::int64_t item) const {
    const auto found = effects_.find(item);
    return found != effects_.end() && found->second.present;
  }
  [[nodiscard]] Effect effect(std::int64_t item) const {
    const auto found = effects_.find(item);
    return found == effects_.end() ? Effect{} : found->second;
  }
  [[nodiscard]] const std::map<std::int64_t, Effect>& effects() const { return effects_; }

  /// All or nothing, with the mark that a later owner finds. No upsert: rows that are inserted
  /// twice are there twice.
  void commit(const std::set<std::int64_t>& staged) {
    for (const std::int64_t item : staged) {
      Effect& effect = effects_[item];
      effect.present = true;
      ++effect.applied;
    }
    committed_ = true;
  }
  [[nodiscard]] bool committed() const { return committed_; }
  /// A retry after the commit opens a new transaction, whose mark is not there yet.
  void forget_commit() { committed_ = false; }

 private:
  std::map<std::int64_t, Effect> effects_;
  bool committed_ = false;
};

}  // namespace dunlin::sim
