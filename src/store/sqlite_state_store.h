// SqliteStateStore: state.db. Small tables, one connection under a mutex; several processes use the
// file at once.
//
// Threads: all calls from any thread.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "sql/sqlite.h"
#include "store/state_store.h"

namespace dunlin::store {

class SqliteStateStore final : public StateStore {
 public:
  /// Opens or makes the file. state_corrupt: it is no state store; state_version: another
  /// version's.
  [[nodiscard]] static Result<std::unique_ptr<SqliteStateStore>> open(const std::string& path);
  [[nodiscard]] static Result<std::unique_ptr<SqliteStateStore>> create_in_memory();

  /// True when this call made the file: its summaries have to be rebuilt.
  [[nodiscard]] bool created() const { return created_; }
  /// Reads every page.
  [[nodiscard]] Status check() const;

  [[nodiscard]] Status put_plan(const PlanRow& plan) override;
  [[nodiscard]] Result<PlanRow> plan(const PlanId& id) const override;
  [[nodiscard]] Result<std::vector<PlanRow>> plans() const override;
  [[nodiscard]] Status delete_plan(const PlanId& id) override;
  /// A number that another execution has already is replaced by the next free one. Numbers are
  /// never given twice.
  [[nodiscard]] Result<std::int64_t> put_execution(const ExecutionSummary& summary) override;
  [[nodiscard]] Result<std::vector<ExecutionSummary>> executions() const override;
  [[nodiscard]] Result<ExecutionSummary> execution(const ExecutionId& id) const override;
  [[nodiscard]] Result<ExecutionSummary> resolve(std::string_view text) const override;
  [[nodiscard]] Status delete_execution(const ExecutionId& id) override;
  [[nodiscard]] Result<std::int64_t> add_control(const ControlRow& row) override;
  [[nodiscard]] Result<std::vector<ControlRow>> pending_controls(
      const ExecutionId& id) const override;
  [[nodiscard]] Result<ControlRow> control(std::int64_t id) const override;
  [[nodiscard]] Status answer_control(std::int64_t id, std::string_view answer_json,
                                      std::int64_t now_ms) override;
  [[nodiscard]] Status set_audit_anchor(const ExecutionId& id, const AuditAnchor& anchor) override;
  [[nodiscard]] Result<AuditAnchor> audit_anchor(const ExecutionId& id) const override;
  [[nodiscard]] Result<std::vector<ExecutionId>> anchored_executions() const override;
  [[nodiscard]] Status add_operator(const OperatorRow& row) override;
  [[nodiscard]] Status set_role(std::string_view name, Role role) override;
  [[nodiscard]] Status remove_operator(std::string_view name) override;
  [[nodiscard]] Result<std::vector<OperatorRow>> operators() const override;
  [[nodiscard]] Status add_token(const TokenRow& row) override;
  [[nodiscard]] Status revoke_token(std::string_view name, std::string_view id,
                                    std::int64_t now_ms) override;
  [[nodiscard]] Result<std::vector<TokenRow>> tokens() const override;
  [[nodiscard]] Result<std::optional<TokenRow>> token(std::string_view id) const override;
  [[nodiscard]] Status note_token_use(std::string_view id, std::int64_t now_ms) override;

 private:
  SqliteStateStore(sql::Database database, bool created)
      : database_(std::move(database)), created_(created) {}
  [[nodiscard]] static Status make_schema(sql::Database& database);
  /// `where` holds at most one parameter, which `bind` gives.
  using Bind = std::function<void(sql::Statement&)>;
  [[nodiscard]] Result<std::vector<PlanRow>> select_plans(std::string_view where,
                                                          const Bind& bind) const;
  [[nodiscard]] Result<std::vector<ExecutionSummary>> select_executions(std::string_view where,
                                                                        const Bind& bind) const;
  [[nodiscard]] Result<std::vector<ControlRow>> select_controls(std::string_view where,
                                                                const Bind& bind) const;

  /// With the mutex.
  [[nodiscard]] Result<AuditAnchor> read_anchor(const ExecutionId& id) const;
  [[nodiscard]] Status has_operator(std::string_view name) const;
  /// One transaction of `change`; refused when it leaves operators without an admin.
  [[nodiscard]] Status change_operators(const std::function<Status()>& change);
  [[nodiscard]] Result<std::vector<TokenRow>> select_tokens(std::string_view where,
                                                            const Bind& bind) const;

  mutable std::mutex mutex_;
  mutable sql::Database database_;
  bool created_ = false;
};

}  // namespace dunlin::store
