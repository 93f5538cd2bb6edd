// ScriptedRun: the Run of ScriptedKind; see scripted_kind.h.
//
// A blob at the destination begins with the execution that wrote it and holds items as (id, name,
// content): one of them (scope item), those of a batch, or all. So settle can tell its own work
// from another's, as the bookkeeping of a real kind does. Thread rule: as Run.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/run.h"
#include "support/scripted_kind.h"

namespace dunlin::testing {

class ScriptedRun final : public engine::Run {
 public:
  ScriptedRun(Script script, std::string path, std::shared_ptr<ScriptedDestination> destination);

  [[nodiscard]] engine::CommitScope commit_scope() const override { return script_.scope; }
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
  [[nodiscard]] Status release(engine::RunContext& context) override;
  [[nodiscard]] bool matches(const engine::Selector& selector,
                             const engine::ItemRow& item) const override;

 private:
  struct Entry {
    std::string name;
    std::string content;
    friend bool operator==(const Entry&, const Entry&) = default;
  };
  /// A blob as read.
  struct Blob {
    std::string execution;
    std::map<std::int64_t, Entry> entries;  ///< by item id
  };
  enum class Decision : std::uint8_t { create, overwrite, skip, done };

  [[nodiscard]] const ScriptedItem& script_of(const engine::ItemRow& item) const;
  [[nodiscard]] std::string blob_name(const engine::ItemRow& item) const;
  [[nodiscard]] Result<std::optional<Blob>> read_blob(std::string_view name);
  [[nodiscard]] static std::string encode(const Blob& blob);
  /// What execute does with an item, and what rehearse() says of it.
  [[nodiscard]] Result<Decision> decide(const engine::RunContext& context,
                                        const engine::ItemRow& item);
  /// Temporary, fence, publish. `kept`: the hash of what stood there before; empty: nothing did.
  [[nodiscard]] Status publish(engine::RunContext& context, const std::string& temporary,
                               const std::string& keep, const std::string& name, const Blob& blob,
                               std::string* kept);
  [[nodiscard]] static Status stall(const engine::RunContext& context, std::int64_t ms);
  [[nodiscard]] static Status ask(engine::RunContext& context, const ScriptedItem& item);
  /// The error that the script wants instead of a success.
  [[nodiscard]] std::optional<Error> scripted_error(const ScriptedItem& item,
                                                    std::int32_t attempt) const;
  [[nodiscard]] Status execute_item(engine::BatchContext& context, const engine::ItemRow& item);
  [[nodiscard]] Status execute_whole(engine::BatchContext& context,
                                     const std::vector<engine::ItemRow>& items);
  [[nodiscard]] Status undo_item(engine::BatchContext& context, const engine::ItemRow& item);

  const Script script_;
  const std::string path_;
  const std::shared_ptr<ScriptedDestination> destination_;
  std::mutex mutex_;
  std::map<std::int64_t, Entry> staged_;  ///< scope execution: the open transaction
};

}  // namespace dunlin::testing
