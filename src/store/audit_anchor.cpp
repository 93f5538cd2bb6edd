// StateDirectory: the key that seals audit records, and what state.db knows of them.
//
// Order: an entry and its seal are committed with the change that they record; only what is on disk
// in the ledger is told to state.db. So the anchor may lag behind the ledger after a death, and is
// never ahead of it: a record that is shorter than its anchor was cut.
#include <filesystem>

#include <fmt/format.h>

#include "base/logging.h"
#include "base/text.h"
#include "store/sqlite_ledger.h"
#include "store/state_directory.h"

namespace dunlin::store {
namespace {

constexpr std::size_t kPage = 1000;

bool lies_within(const std::string& path, const std::string& folder) {
  std::error_code problem;
  const std::filesystem::path real = std::filesystem::weakly_canonical(path, problem);
  const std::string text = problem ? path : real.string();
  return text.starts_with(folder + "/");
}

Error record_changed(const ExecutionId& id, const std::string& what) {
  Error error(ErrorType::state_corrupt,
              fmt::format("the audit log of execution {} was changed: {}", id.value, what));
  error.remediation = fmt::format("`dunlin audit verify {}` says what is wrong", id.value);
  return error;
}

}  // namespace

void StateDirectory::use_audit_key(AuditKeyPlace place) {
  const std::lock_guard lock(audit_mutex_);
  audit_place_ = std::move(place);
  audit_key_.reset();
  audit_refusal_.reset();
}

Result<const AuditKey*> StateDirectory::audit_key() {
  const std::lock_guard lock(audit_mutex_);
  if (!audit_place_ || audit_refusal_) return nullptr;
  if (audit_key_) return &*audit_key_;
  if (lies_within(audit_place_->path, path_)) {
    Error error(ErrorType::invalid_input,
                fmt::format("the audit key '{}' lies in the state directory, whose record it is to "
                            "protect",
                            escape_bytes(audit_place_->path)));
    error.remediation = "name a file elsewhere with --audit-key-file or DUNLIN_AUDIT_KEY_FILE";
    return error;
  }
  Result<AuditKey> key = AuditKey::load_or_make(audit_place_->path);
  if (key.ok()) return &audit_key_.emplace(*std::move(key));
  // A file that is there and no good is for a person to mend; where none can be made, what is new
  // goes on without seals.
  if (audit_place_->named || key.error().type == ErrorType::invalid_input)
    return std::move(key).error();
  log_warn("audit entries are not sealed: {}", key.error().text());
  audit_refusal_ = std::move(key).error();
  return nullptr;
}

Status StateDirectory::seal_with_key(SqliteLedger& ledger) {
  DUNLIN_ASSIGN(const AuditKey* key, audit_key());
  if (key != nullptr) {
    ledger.seal_with(*key);
    return success();
  }
  if (!audit_refusal_) return success();
  DUNLIN_ASSIGN(const bool sealed, ledger.audit_is_sealed());
  if (!sealed) return success();
  Error error(ErrorType::invalid_state,
              "the audit log of this execution is sealed, and there is no key to go on with: " +
                  audit_refusal_->message);
  error.remediation = "name the key's file, or one to be made, with --audit-key-file FILE";
  return error;
}

Status StateDirectory::anchor_audit(const ExecutionId& id, const Ledger& ledger) {
  DUNLIN_ASSIGN(const AuditAnchor known, store_->audit_anchor(id));
  AuditAnchor head = known;
  for (std::int64_t after = std::max<std::int64_t>(known.sequence, 1) - 1;;) {
    DUNLIN_ASSIGN(const std::vector<AuditRow> page, ledger.audit(after, kPage));
    const bool first = after == known.sequence - 1;
    if (first && (page.empty() || page.front().sequence != known.sequence))
      return record_changed(id, fmt::format("entry {} is missing", known.sequence));
    if (first && page.front().hash != known.hash)
      return record_changed(id, fmt::format("entry {} is not what it was", known.sequence));
    if (page.empty()) break;
    head = {page.back().sequence, page.back().hash, {}};
    after = head.sequence;
    if (page.size() < kPage) break;
  }
  if (head.sequence == known.sequence) return success();
  DUNLIN_ASSIGN(const AuditKey* key, audit_key());
  if (key != nullptr) {
    const auto hash = unhex(head.hash);
    DUNLIN_ASSIGN(const std::string seal,
                  key->seal(Sealed::anchor, id, head.sequence, hash.value_or("")));
    head.seal = hex(seal);
  }
  return store_->set_audit_anchor(id, head);
}

Result<AuditProof> StateDirectory::prove_audit(const ExecutionId& id,
                                               std::span<const AuditKey> keys) {
  // Before the ledger: what an owner adds meanwhile stands behind it.
  DUNLIN_ASSIGN(const AuditAnchor anchor, store_->audit_anchor(id));
  DUNLIN_ASSIGN(const bool there, has_ledger(id));
  if (there) {
    const auto ledger = SqliteLedger::open(execution_path(id) + "/ledger.db", true, clock_);
    if (ledger.ok()) return (*ledger)->prove_audit(keys, anchor);
    if (ledger.error().type != ErrorType::state_corrupt) return ledger.error();
    AuditProof proof;
    proof.difference = AuditProof::Difference{0, ledger.error().message};
    return proof;
  }
  if (anchor.sequence == 0)
    return Error(ErrorType::not_found, fmt::format("there is no execution '{}'", id.value));
  AuditProof proof;
  proof.anchored = anchor.sequence;
  proof.difference = AuditProof::Difference{
      1, fmt::format("the ledger is gone, with {} audit entries that state.db knows of",
                     anchor.sequence)};
  return proof;
}

}  // namespace dunlin::store
