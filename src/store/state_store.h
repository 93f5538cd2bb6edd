// StateStore: what belongs to no single execution: plans, one summary row per execution, control
// rows, operators.
//
// A summary is a cache of the ledger's own row and is rewritten from it when they differ; deleting
// state.db loses plans that were never run, control rows not yet read and operators, no migration.
// Implementation: sqlite_state_store.h.
//
// Threads: all calls from any thread.
#pragma once

#include "base/result.h"
#include "store/audit_proof.h"
#include "store/model.h"
#include "store/operators.h"

namespace dunlin::store {

struct PlanRow {
  PlanId id;
  std::string name;
  std::string kind;
  std::string status = "draft";  ///< draft, ready, executing, completed, failed, cancelled
  std::string document_json;
  std::int64_t created_ms = 0;
  std::int64_t updated_ms = 0;
};

/// One line of `dunlin ps`. `claims`: canonical destinations that this execution writes.
struct ExecutionSummary {
  ExecutionId id;
  std::int64_t number = 0;  ///< 0 when new: the store gives the next one
  PlanId plan_id;
  std::string kind;
  std::string description;
  ExecutionStatus status = ExecutionStatus::pending;
  std::string phase;
  std::vector<std::string> claims;
  std::vector<std::string>
      depends_on;  ///< execution or plan ids that this one may share its destination with
  std::int64_t created_ms = 0;
  std::int64_t updated_ms = 0;
  Counters counters;
  std::int64_t keeps_until_ms = 0;  ///< keeps_until_ms() of its ledger's row
};

/// A request to the owner of an execution, written when its socket does not answer. Order is by id.
struct ControlRow {
  std::int64_t id = 0;
  ExecutionId execution;
  std::string verb;  ///< pause, resume, cancel, stop, limits, priority, retry, skip …
  std::string arguments_json;
  std::string actor;
  std::int64_t uid = -1;  ///< of who wrote it; -1: unknown
  std::string token_id;   ///< of the token that it came with; empty: none
  std::int64_t created_ms = 0;
  std::int64_t answered_ms = 0;  ///< 0: not yet seen by an owner
  std::string answer_json;
};

class StateStore {
 public:
  virtual ~StateStore() = default;

  [[nodiscard]] virtual Status put_plan(const PlanRow& plan) = 0;
  [[nodiscard]] virtual Result<PlanRow> plan(const PlanId& id) const = 0;
  [[nodiscard]] virtual Result<std::vector<PlanRow>> plans() const = 0;
  [[nodiscard]] virtual Status delete_plan(const PlanId& id) = 0;

  /// Inserts or rewrites; returns the row's number.
  [[nodiscard]] virtual Result<std::int64_t> put_execution(const ExecutionSummary& summary) = 0;
  [[nodiscard]] virtual Result<std::vector<ExecutionSummary>> executions() const = 0;
  [[nodiscard]] virtual Result<ExecutionSummary> execution(const ExecutionId& id) const = 0;
  /// By full id, running number or `last` (conventions.md, "Ids"); not_found names what is
  /// accepted.
  [[nodiscard]] virtual Result<ExecutionSummary> resolve(std::string_view text) const = 0;
  [[nodiscard]] virtual Status delete_execution(const ExecutionId& id) = 0;

  [[nodiscard]] virtual Result<std::int64_t> add_control(const ControlRow& row) = 0;
  [[nodiscard]] virtual Result<std::vector<ControlRow>> pending_controls(
      const ExecutionId& id) const = 0;
  [[nodiscard]] virtual Result<ControlRow> control(std::int64_t id) const = 0;
  [[nodiscard]] virtual Status answer_control(std::int64_t id, std::string_view answer_json,
                                              std::int64_t now_ms) = 0;

  /// What is known of an execution's audit record from outside of its ledger: a cut tail and a
  /// chain computed anew are found by it. It never goes back: state_corrupt for a lower sequence
  /// than is known, or another hash for the same one; nothing is changed then.
  [[nodiscard]] virtual Status set_audit_anchor(const ExecutionId& id,
                                                const AuditAnchor& anchor) = 0;
  /// sequence 0: none is known.
  [[nodiscard]] virtual Result<AuditAnchor> audit_anchor(const ExecutionId& id) const = 0;
  /// Executions that have one, also those that state.db knows nothing else of.
  [[nodiscard]] virtual Result<std::vector<ExecutionId>> anchored_executions() const = 0;

  // Operators. Each change is durable on return, and refused whole (invalid_state, or invalid_input
  // for a name) where it would leave operators and no admin: processes that change them at once
  // cannot lock each other out.
  /// Refuses a name or user id that another operator has, and a first one that is no admin.
  [[nodiscard]] virtual Status add_operator(const OperatorRow& row) = 0;
  [[nodiscard]] virtual Status set_role(std::string_view name, Role role) = 0;
  /// With its tokens. The last admin goes last of all.
  [[nodiscard]] virtual Status remove_operator(std::string_view name) = 0;
  /// By name.
  [[nodiscard]] virtual Result<std::vector<OperatorRow>> operators() const = 0;
  /// not_found: no such operator; destination_exists: the id is another token's.
  [[nodiscard]] virtual Status add_token(const TokenRow& row) = 0;
  /// Repeatable; the first time stands. not_found when `name` has no such token.
  [[nodiscard]] virtual Status revoke_token(std::string_view name, std::string_view id,
                                            std::int64_t now_ms) = 0;
  /// By operator and time; also revoked ones.
  [[nodiscard]] virtual Result<std::vector<TokenRow>> tokens() const = 0;
  [[nodiscard]] virtual Result<std::optional<TokenRow>> token(std::string_view id) const = 0;
  [[nodiscard]] virtual Status note_token_use(std::string_view id, std::int64_t now_ms) = 0;
};

}  // namespace dunlin::store
