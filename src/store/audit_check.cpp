// LedgerReader::prove_audit(): the audit record against its chain, its seals and its anchor.
#include <fmt/format.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "store/ledger_codec.h"
#include "store/ledger_reader.h"
#include "store/ledger_writer.h"

namespace dunlin::store {
namespace {

using Difference = AuditProof::Difference;

std::string of_entries(const AuditRange& range) {
  return range.first == range.last ? fmt::format("entry {}", range.first)
                                   : fmt::format("entries {} to {}", range.first, range.last);
}

/// Entries that are sealed alike and follow one another, so that they are told in one sentence.
struct Stretch {
  AuditRange range;
  SealState state = SealState::right;
  std::string key;
};

class AuditWalk {
 public:
  AuditWalk(const ExecutionId& execution, const AuditEvidence& evidence, AuditProof& proof)
      : execution_(execution), evidence_(evidence), proof_(proof) {}

  /// False once a difference is known.
  Result<bool> entry(Hasher& hasher, const AuditRow& row, std::string_view stored_hash,
                     std::string_view seal) {
    const std::int64_t expected = proof_.entries + 1;
    if (row.sequence != expected)
      return differs(expected, fmt::format("audit entry {} is missing", expected));
    head_ = audit_hash(hasher, head_, row);
    if (head_ != stored_hash)
      return differs(row.sequence, fmt::format("audit entry {} was changed", row.sequence));
    DUNLIN_ASSIGN(const bool sealed, look(row.sequence, seal));
    if (!sealed) return false;
    if (row.sequence == evidence_.anchor.sequence && hex(head_) != evidence_.anchor.hash) {
      return differs(row.sequence,
                     fmt::format("audit entry {} is not the one that was recorded: it, or one "
                                 "before it, was changed and the chain computed anew",
                                 row.sequence));
    }
    proof_.entries = row.sequence;
    return true;
  }

  Status end(const LedgerState& state) {
    proof_.anchored = evidence_.anchor.sequence;
    DUNLIN_ASSIGN(const bool genuine, anchor_is_genuine());
    if (!genuine || proof_.difference) return success();
    const std::int64_t known = std::max(evidence_.anchor.sequence, state.audit_entries);
    if (proof_.entries < known) {
      static_cast<void>(
          differs(proof_.entries + 1,
                  fmt::format("audit {} {} missing: the audit log ends at entry {}, not {}",
                              of_entries({proof_.entries + 1, known}),
                              known == proof_.entries + 1 ? "is" : "are", proof_.entries, known)));
    } else if (proof_.entries != state.audit_entries || head_ != state.audit_head) {
      static_cast<void>(
          differs(state.audit_entries + 1, fmt::format("the audit log ends at entry {}, not {}",
                                                       proof_.entries, state.audit_entries)));
    }
    if (!proof_.difference) tell_what_is_unproven();
    return success();
  }

 private:
  bool differs(std::int64_t entry, std::string text) {
    proof_.difference = Difference{entry, std::move(text)};
    return false;
  }

  Result<bool> look(std::int64_t sequence, std::string_view seal) {
    DUNLIN_ASSIGN(const SealState state,
                  look_at_seal(evidence_.keys, Sealed::entry, execution_, sequence, head_, seal));
    if (state == SealState::wrong) {
      return differs(sequence,
                     fmt::format("audit entry {} was changed and the chain computed anew by "
                                 "somebody without the key: its seal is wrong",
                                 sequence));
    }
    // An owner that has no key does not go on with a record that is sealed.
    if (state == SealState::none && sealed_before_) {
      return differs(sequence, fmt::format("audit entry {} has lost its seal, or was written by "
                                           "somebody without the key: those before it are sealed",
                                           sequence));
    }
    if (state == SealState::right) {
      ++proof_.sealed;
      sealed_before_ = true;
      anchored_is_sealed_ |= sequence == evidence_.anchor.sequence;
    }
    const std::string key = state == SealState::other_key ? key_of_seal(seal) : std::string();
    const bool goes_on =
        !stretches_.empty() && stretches_.back().state == state && stretches_.back().key == key;
    if (goes_on) {
      stretches_.back().range.last = sequence;
    } else if (stretches_.size() < kStretches) {
      stretches_.push_back({{sequence, sequence}, state, key});
    } else {
      stretches_.back() = {{stretches_.back().range.first, sequence}, SealState::other_key, "…"};
    }
    return true;
  }

  /// One that was made by somebody without the key would vouch for a record that was cut short.
  Result<bool> anchor_is_genuine() {
    const AuditAnchor& anchor = evidence_.anchor;
    if (anchor.sequence == 0) return true;
    DUNLIN_ASSIGN(anchor_state_,
                  look_at_seal(evidence_.keys, Sealed::anchor, execution_, anchor.sequence,
                               unhex(anchor.hash).value_or(""), unhex(anchor.seal).value_or("-")));
    // Whoever had the key for the entry had it for the anchor.
    const bool lost = anchor_state_ == SealState::none && anchored_is_sealed_;
    if (anchor_state_ != SealState::wrong && !lost) return true;
    return differs(0, fmt::format("what state.db knows of the audit log (entry {}) was changed by "
                                  "somebody without the key: its seal is {}",
                                  anchor.sequence, lost ? "gone" : "wrong"));
  }

  void tell_what_is_unproven() {
    std::vector<std::string>& out = proof_.unproven;
    for (const Stretch& one : stretches_) {
      const std::string which = of_entries(one.range);
      const bool several = one.range.first != one.range.last;
      if (one.state == SealState::none)
        out.push_back(fmt::format("{} {} no seal: there was no key when {} written", which,
                                  several ? "have" : "has", several ? "they were" : "it was"));
      if (one.state == SealState::other_key)
        out.push_back(fmt::format("{} {} sealed with the key {}, which is not here", which,
                                  several ? "are" : "is", one.key));
    }
    const std::int64_t anchored = evidence_.anchor.sequence;
    if (anchored == 0 && proof_.entries > 0)
      out.push_back("state.db knows no entry of it: that its end was not cut off is not proven");
    else if (anchor_state_ == SealState::other_key ||
             (anchor_state_ == SealState::none && anchored > 0))
      out.push_back(
          fmt::format("state.db knows entry {}, {}: that the end was not cut off is not "
                      "proven",
                      anchored,
                      anchor_state_ == SealState::none ? "without a seal"
                                                       : "sealed with a key that is not here"));
  }

  static constexpr std::size_t kStretches = 16;  // more changes of keys than anybody makes

  const ExecutionId& execution_;
  const AuditEvidence& evidence_;
  AuditProof& proof_;
  std::string head_ = std::string(32, '\0');
  bool sealed_before_ = false;
  bool anchored_is_sealed_ = false;  ///< the entry that the anchor names
  SealState anchor_state_ = SealState::none;
  std::vector<Stretch> stretches_;
};

}  // namespace

Status LedgerReader::walk_audit(const LedgerState& state, const ExecutionId& execution,
                                const AuditEvidence& evidence, AuditProof& proof) {
  DUNLIN_ASSIGN(Hasher hasher, Hasher::create(HashKind::sha256));
  DUNLIN_ASSIGN(sql::Statement row,
                database_.cached("SELECT sequence, time_ms, actor, action, detail_json, hash, seal "
                                 "FROM audit ORDER BY sequence"));
  AuditWalk walk(execution, evidence, proof);
  while (true) {
    DUNLIN_ASSIGN(const bool more, row.step());
    if (!more) break;
    AuditRow entry;
    entry.sequence = row.column_int64(0);
    entry.time_ms = row.column_int64(1);
    entry.actor = row.column_string(2);
    entry.action = row.column_string(3);
    entry.detail_json = row.column_string(4);
    DUNLIN_ASSIGN(const bool fine,
                  walk.entry(hasher, entry, row.column_blob(5),
                             row.column_is_null(6) ? std::string_view() : row.column_blob(6)));
    if (!fine) return success();
    if (entry.detail_json.find("\"segment\"") == std::string::npos) continue;
    if (const Result<Json> detail = parse_json(entry.detail_json, "audit"); detail) {
      segments_[integer_or(*detail, "batch", 0)] = string_or(*detail, "segment", "");
    }
  }
  return walk.end(state);
}

Result<bool> LedgerReader::audit_is_sealed() {
  DUNLIN_ASSIGN(
      const auto sealed,
      database_.query_int64("SELECT seal IS NOT NULL FROM audit ORDER BY sequence DESC LIMIT 1"));
  return sealed.value_or(0) != 0;
}

Result<AuditProof> LedgerReader::prove_audit(const ExecutionId& execution,
                                             const AuditEvidence& evidence) {
  AuditProof proof;
  const auto look = [&]() -> Status {
    DUNLIN_TRY(database_.quick_check());
    DUNLIN_ASSIGN(sql::Transaction snapshot, sql::Transaction::begin_read(database_));
    DUNLIN_ASSIGN(const LedgerState state, read_ledger_state(database_));
    segments_.clear();
    DUNLIN_TRY(walk_audit(state, execution, evidence, proof));
    if (proof.difference) return success();
    DUNLIN_TRY(check_segments());
    DUNLIN_TRY(check_structure(state));
    return check_counters(state);
  };
  Status looked = look();
  segments_.clear();
  if (!looked && looked.error().type != ErrorType::state_corrupt) return std::move(looked).error();
  if (!looked) proof.difference = Difference{0, looked.error().message};
  return proof;
}

}  // namespace dunlin::store
