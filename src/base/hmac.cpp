// See hmac.h.
#include "base/hmac.h"

#include <sys/random.h>

#include <cerrno>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/hash.h"

namespace dunlin {

Result<std::string> hmac_sha256(std::string_view key, std::string_view bytes) {
  std::string digest(digest_size(HashKind::sha256), '\0');
  unsigned size = 0;
  const auto* made = ::HMAC(::EVP_sha256(), key.data(), static_cast<int>(key.size()),
                            reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                            reinterpret_cast<unsigned char*>(digest.data()), &size);
  if (made == nullptr || size != digest.size())
    return Error(ErrorType::unsupported_item, "this system's OpenSSL refuses HMAC-SHA-256");
  return digest;
}

bool equal_in_constant_time(std::string_view one, std::string_view other) {
  return one.size() == other.size() && ::CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

Result<std::string> random_bytes(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t have = 0; have < size;) {
    const ssize_t got = ::getrandom(bytes.data() + have, size - have, 0);
    if (got < 0 && errno != EINTR) return error_from_errno(errno, "read random bytes", false);
    if (got > 0) have += static_cast<std::size_t>(got);
  }
  return bytes;
}

}  // namespace dunlin
