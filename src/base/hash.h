// Content hashes behind one streaming interface: MD5 and SHA-256 (OpenSSL EVP), XXH3-128.
//
// xxh3 finds accidents at memory speed and is the default proof of copies; sha256 also withstands
// intent; md5 is for servers that speak it. A Hasher belongs to one thread at a time and is reused
// by reset(): no allocation per item.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/text.h"  // hex()

namespace dunlin {

/// The numbers are stored in ledgers: never renumber.
enum class HashKind : std::uint8_t { md5 = 1, sha256 = 2, xxh3 = 3 };

[[nodiscard]] std::string_view to_string(HashKind kind);
/// "md5", "sha256", "xxh3"; nullopt for anything else.
[[nodiscard]] std::optional<HashKind> hash_kind_from_name(std::string_view name);
/// Bytes of a raw digest: 16, 32, 16.
[[nodiscard]] std::size_t digest_size(HashKind kind);

class Hasher {
 public:
  /// Fails only where OpenSSL refuses the algorithm (MD5 under FIPS: ErrorType::unsupported_item).
  [[nodiscard]] static Result<Hasher> create(HashKind kind);
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  ~Hasher();

  void update(const void* data, std::size_t size);
  void update(std::string_view bytes) { update(bytes.data(), bytes.size()); }
  /// The raw digest of everything since create or reset; XXH3-128 in its canonical big-endian form.
  /// Call reset() before the next update.
  [[nodiscard]] std::string finish();
  void reset();
  [[nodiscard]] HashKind kind() const { return kind_; }

 private:
  struct State;
  explicit Hasher(HashKind kind, std::unique_ptr<State> state);
  HashKind kind_;
  bool finished_ = false;  ///< OpenSSL 3.0 would go on with a finished digest and give nonsense
  std::unique_ptr<State> state_;
};

/// The raw digest of bytes in memory.
[[nodiscard]] Result<std::string> hash_bytes(HashKind kind, std::string_view bytes);

}  // namespace dunlin
