// FilesRun: one execution of a copy; hands each duty of the seam to the part that knows it.
#pragma once

#include <string>
#include <vector>

#include "engine/resume_point.h"
#include "engine/run.h"
#include "engine/test_run.h"
#include "files/site.h"

namespace dunlin::files {

class FilesRun final : public engine::Run, public engine::TestableRun, public engine::SettlesDoubt {
 public:
  FilesRun(FilesPlan plan, fs::Features features, sandbox::ParserCommand parser)
      : site_(std::move(plan), features, std::move(parser)) {}

  [[nodiscard]] engine::CommitScope commit_scope() const override {
    return engine::CommitScope::item;
  }
  [[nodiscard]] engine::Truth truth() const override { return engine::Truth::ledger; }
  void started_with(const std::string& identity) override { site_.started_with(identity); }
  void build_on(const store::Baseline& baseline) override { site_.build_on(baseline); }
  void begin_test(const ExecutionId& execution, std::int64_t items) override {
    site_.begin_test(execution, items);
  }
  [[nodiscard]] Result<std::string> root_identity(engine::RunContext& context) override;
  [[nodiscard]] bool reads_back(engine::VerificationLevel level) const override {
    return level == engine::VerificationLevel::full;
  }
  [[nodiscard]] std::string changed_roots(const std::string& stored,
                                          const std::string& now) const override;
  [[nodiscard]] Result<bool> same_destination(engine::RunContext& context,
                                              const std::string& stored) override;
  [[nodiscard]] Result<engine::Analysis> analyse(engine::RunContext& context) override;
  [[nodiscard]] Result<std::vector<engine::Problem>> check_items(
      engine::ItemsContext& context) override;
  [[nodiscard]] Result<std::vector<engine::Problem>> preflight(
      engine::RunContext& context) override;
  [[nodiscard]] Status enumerate(engine::EnumerateContext& context) override;
  [[nodiscard]] Status rehearse(engine::BatchContext& context) override;
  [[nodiscard]] Status execute(engine::BatchContext& context) override;
  [[nodiscard]] Status settle(engine::BatchContext& context) override;
  [[nodiscard]] Status commit(engine::RunContext&) override { return success(); }
  [[nodiscard]] Result<bool> committed(engine::RunContext&) override { return false; }
  void close(engine::RunContext& context) override;
  [[nodiscard]] Status verify(engine::BatchContext& context) override;
  [[nodiscard]] std::vector<std::string> devices() override { return site_.devices(); }
  [[nodiscard]] Status undo(engine::BatchContext& context) override;
  [[nodiscard]] bool undoes_alone(const store::BatchRow& batch,
                                  const engine::ItemRow& item) const override;
  [[nodiscard]] Status settle_undo(engine::BatchContext& context) override;
  [[nodiscard]] Status release(engine::RunContext& context) override;
  [[nodiscard]] std::optional<std::string> manifest_path(
      const engine::ItemRow& item) const override;
  [[nodiscard]] std::string type_of(const engine::ItemRow& item) const override;
  [[nodiscard]] bool matches(const engine::Selector& selector,
                             const engine::ItemRow& item) const override;
  [[nodiscard]] Json report_sections() const override;

 private:
  mutable Site site_;
};

}  // namespace dunlin::files
