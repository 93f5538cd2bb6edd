// DryRun: an execution that changes nothing. It goes the way of every other one (checks, listing,
// batches, ledger, pause, resume), but each batch is only decided upon: what execute() would report
// of an item is its outcome. Wraps the Run of a kind; its thread rules are those of engine/run.h.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/run.h"

namespace dunlin::engine {

class DryRun final : public Run {
 public:
  explicit DryRun(std::unique_ptr<Run> run) : run_(std::move(run)) {}

  /// Nothing is held back for a last step, and nothing at the target is believed.
  [[nodiscard]] CommitScope commit_scope() const override { return CommitScope::item; }
  [[nodiscard]] Truth truth() const override { return Truth::ledger; }
  void started_with(const std::string& identity) override { run_->started_with(identity); }
  [[nodiscard]] Result<std::string> root_identity(RunContext& context) override {
    return run_->root_identity(context);
  }
  [[nodiscard]] std::vector<std::string> devices() override { return run_->devices(); }
  [[nodiscard]] std::string changed_roots(const std::string& stored,
                                          const std::string& now) const override {
    return run_->changed_roots(stored, now);
  }
  [[nodiscard]] Result<Analysis> analyse(RunContext& context) override {
    return run_->analyse(context);
  }
  [[nodiscard]] Result<std::vector<Problem>> preflight(RunContext& context) override {
    return run_->preflight(context);
  }
  [[nodiscard]] Status enumerate(EnumerateContext& context) override {
    return run_->enumerate(context);
  }
  [[nodiscard]] Result<std::vector<Problem>> check_items(ItemsContext& context) override {
    return run_->check_items(context);
  }
  [[nodiscard]] Status rehearse(BatchContext& context) override { return run_->rehearse(context); }
  [[nodiscard]] Status execute(BatchContext& context) override { return run_->rehearse(context); }
  /// There is nothing outside that a process which died could have left.
  [[nodiscard]] Status settle(BatchContext&) override { return success(); }
  [[nodiscard]] Status commit(RunContext&) override { return success(); }
  [[nodiscard]] Result<bool> committed(RunContext&) override { return false; }
  void close(RunContext& context) override { run_->close(context); }
  [[nodiscard]] Status verify(BatchContext&) override;
  [[nodiscard]] Status undo(BatchContext&) override;
  [[nodiscard]] Status release(RunContext&) override { return success(); }
  [[nodiscard]] bool matches(const Selector& selector, const ItemRow& item) const override {
    return run_->matches(selector, item);
  }
  [[nodiscard]] Json report_sections() const override { return run_->report_sections(); }

 private:
  const std::unique_ptr<Run> run_;
};

}  // namespace dunlin::engine
