// AuditProof: what could be shown of an execution's audit record, and the first thing that is wrong
// with it.
//
// What is looked at, in this order: the chain of hashes, entry by entry; the seal of each entry
// (audit_key.h), as far as its key is at hand; the anchor in state.db, which knows an entry that
// the record must hold; the end of the record as the ledger's own row counts it; the outcomes of
// all items, which enter the record as one hash for each batch; the ledger's structure and
// counters. No thread rule: values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace dunlin::store {

/// What state.db knows of an execution's record: the newest entry that its owner has told it of.
/// It lags behind the ledger, by seconds while it runs, and is never ahead of it.
struct AuditAnchor {
  std::int64_t sequence = 0;  ///< 0: none
  std::string hash;           ///< of that entry, hexadecimal
  std::string seal;           ///< hexadecimal; empty: there was no key
};

/// Entries that are next to one another.
struct AuditRange {
  std::int64_t first = 0;
  std::int64_t last = 0;
};

struct AuditProof {
  std::int64_t entries = 0;   ///< that follow one another in an unbroken chain
  std::int64_t sealed = 0;    ///< of these: sealed with a key at hand, and the seal is right
  std::int64_t anchored = 0;  ///< the entry that state.db knows; 0: it knows none

  struct Difference {
    std::int64_t entry = 0;  ///< the first wrong one; 0: it is not about one entry
    std::string text;        ///< a sentence that names it
  };
  std::optional<Difference> difference;
  /// Why not everything could be proven though nothing is wrong; each a sentence.
  std::vector<std::string> unproven;

  /// Nobody without the key has changed, added or removed anything.
  [[nodiscard]] bool whole() const { return !difference && unproven.empty(); }
};

}  // namespace dunlin::store
