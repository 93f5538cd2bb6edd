// ObjectsRun: one execution of `kind: objects`: lists the source, drives Mover over batches.
//
// commit_scope item, truth ledger: an ended item is believed, an open one is looked at. One task
// `batch_object_operation`, stage 0. Directory 1 is the root; an item's name is its whole key below
// the root, bytes as they are. Thread rule as for engine::Run.
#pragma once

#include <memory>
#include <string>

#include "engine/run.h"
#include "objects/mover.h"

namespace dunlin::objects {

class ObjectsRun final : public engine::Run {
 public:
  /// The backends are buckets; `source` and `destination` of the plan give the prefixes in them.
  ObjectsRun(ObjectsPlan plan, std::unique_ptr<Backend> source,
             std::unique_ptr<Backend> destination);

  [[nodiscard]] engine::CommitScope commit_scope() const override {
    return engine::CommitScope::item;
  }
  [[nodiscard]] engine::Truth truth() const override { return engine::Truth::ledger; }
  [[nodiscard]] Result<std::string> root_identity(engine::RunContext& context) override;
  [[nodiscard]] Result<engine::Analysis> analyse(engine::RunContext& context) override;
  [[nodiscard]] Result<std::vector<engine::Problem>> preflight(
      engine::RunContext& context) override;
  [[nodiscard]] Status enumerate(engine::EnumerateContext& context) override;
  [[nodiscard]] Status rehearse(engine::BatchContext& context) override;
  [[nodiscard]] Status execute(engine::BatchContext& context) override;
  [[nodiscard]] Status settle(engine::BatchContext& context) override;
  [[nodiscard]] Status commit(engine::RunContext& context) override;
  [[nodiscard]] Result<bool> committed(engine::RunContext& context) override;
  void close(engine::RunContext& context) override;
  [[nodiscard]] Status verify(engine::BatchContext& context) override;
  [[nodiscard]] Status undo(engine::BatchContext& context) override;
  [[nodiscard]] bool undoes_alone(const store::BatchRow&, const engine::ItemRow&) const override {
    return true;
  }
  [[nodiscard]] Status release(engine::RunContext& context) override;
  [[nodiscard]] bool matches(const engine::Selector& selector,
                             const engine::ItemRow& item) const override;

 private:
  class Listing;

  [[nodiscard]] Status probe(engine::RunContext& context);
  [[nodiscard]] Result<std::optional<std::string>> single_target(engine::RunContext& context);
  [[nodiscard]] Status announce_uploads(engine::BatchContext& context);
  [[nodiscard]] Status each_reported(
      engine::BatchContext& context,
      Result<engine::ItemOutcome> (Mover::*step)(engine::BatchContext&, const engine::ItemRow&));

  const ObjectsPlan plan_;
  const KeyMap keys_;
  const std::unique_ptr<Backend> source_;
  const std::unique_ptr<Backend> destination_;
  Mover mover_;
};

}  // namespace dunlin::objects
