// AuditKey: the secret that makes the audit record more than a chain of hashes, which anybody can
// compute anew. It lies outside of the state directory: who may write there and does not know it
// cannot make an entry, or the anchor in state.db, that `dunlin audit verify` takes for genuine.
//
// The file holds 64 hexadecimal digits (32 random bytes) and a newline, mode 0600; it is made at
// first use. A seal is the id of its key (8 bytes, of no use for finding the key) and an
// HMAC-SHA-256 (32 bytes) over what is sealed, the execution it belongs to, its number and the hash
// of the entry: no seal can be moved to another place. Part of the file format.
//
// Threads: values; load and make from any thread and any number of processes at once.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"

namespace dunlin::store {

/// Where the key is looked for. `named`: a person said so, and then it has to be there or to be
/// made; at the default place it may turn out that none can be made.
struct AuditKeyPlace {
  std::string path;
  bool named = false;
};

/// `option` (a flag), else $DUNLIN_AUDIT_KEY_FILE, else `configured`, else dunlin/audit.key below
/// $XDG_CONFIG_HOME or ~/.config, else (no HOME) /etc/dunlin/audit.key.
[[nodiscard]] AuditKeyPlace audit_key_place(std::string_view option, std::string_view configured);

/// What a seal is put on; the numbers are part of the format.
enum class Sealed : std::uint8_t { entry = 1, anchor = 2 };

class AuditKey {
 public:
  /// 32 bytes.
  explicit AuditKey(std::string secret);
  AuditKey(const AuditKey&) = default;
  AuditKey(AuditKey&&) noexcept = default;
  AuditKey& operator=(const AuditKey&) = default;
  AuditKey& operator=(AuditKey&&) noexcept = default;
  ~AuditKey();

  /// The key in the file. not_found: there is none; invalid_input, saying what to do: it is no
  /// plain file, others may read it, or it holds no key.
  [[nodiscard]] static Result<AuditKey> load(const std::string& path);
  /// As load(), but a file that is missing is made, with its folder, and durable on return; of
  /// several processes that make it at once all get the same key.
  [[nodiscard]] static Result<AuditKey> load_or_make(const std::string& path);

  /// In hexadecimal, for people.
  [[nodiscard]] std::string name() const;
  /// 40 raw bytes; see above. `hash`: raw.
  [[nodiscard]] Result<std::string> seal(Sealed what, const ExecutionId& execution,
                                         std::int64_t sequence, std::string_view hash) const;

 private:
  std::string secret_;
  std::string id_;
};

inline constexpr std::size_t kSealIdBytes = 8;

enum class SealState : std::uint8_t {
  none,       ///< there is no seal
  other_key,  ///< made with a key that is not at hand
  right,
  wrong,
};
/// Whether one of `keys` has sealed this.
[[nodiscard]] Result<SealState> look_at_seal(std::span<const AuditKey> keys, Sealed what,
                                             const ExecutionId& execution, std::int64_t sequence,
                                             std::string_view hash, std::string_view seal);
/// The name() of the key that a seal says it was made with.
[[nodiscard]] std::string key_of_seal(std::string_view seal);

}  // namespace dunlin::store
