// Hashers over OpenSSL's EVP and xxHash's streaming state.
#include "base/hash.h"

#include <optional>
#include <utility>

#include <openssl/evp.h>
#include <xxhash.h>

#include "base/check.h"

namespace dunlin {

struct Hasher::State {
  const EVP_MD* algorithm = nullptr;
  EVP_MD_CTX* context = nullptr;
  XXH3_state_t* xxh3 = nullptr;

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    EVP_MD_CTX_free(context);
    XXH3_freeState(xxh3);
  }
};

std::string_view to_string(HashKind kind) {
  switch (kind) {
    case HashKind::md5:
      return "md5";
    case HashKind::sha256:
      return "sha256";
    case HashKind::xxh3:
      return "xxh3";
  }
  return "unknown";
}

std::optional<HashKind> hash_kind_from_name(std::string_view name) {
  for (const HashKind kind : {HashKind::md5, HashKind::sha256, HashKind::xxh3}) {
    if (to_string(kind) == name) return kind;
  }
  return std::nullopt;
}

std::size_t digest_size(HashKind kind) {
  return kind == HashKind::sha256 ? 32 : 16;
}

namespace {

/// Asked for once: OpenSSL takes longer to find it than to hash a small file. Never given back.
const EVP_MD* algorithm_of(HashKind kind) {
  static const EVP_MD* const md5 = EVP_MD_fetch(nullptr, "MD5", nullptr);
  static const EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return kind == HashKind::md5 ? md5 : sha256;
}

}  // namespace

Result<Hasher> Hasher::create(HashKind kind) {
  auto state = std::make_unique<State>();
  if (kind == HashKind::xxh3) {
    state->xxh3 = XXH3_createState();
    if (state->xxh3 == nullptr) return Error(ErrorType::out_of_memory, "no memory for a hash");
  } else {
    state->algorithm = algorithm_of(kind);
    if (state->algorithm == nullptr) {
      return Error(ErrorType::unsupported_item,
                   "this system's OpenSSL refuses the hash " + std::string(to_string(kind)));
    }
    state->context = EVP_MD_CTX_new();
    if (state->context == nullptr) return Error(ErrorType::out_of_memory, "no memory for a hash");
  }
  Hasher hasher(kind, std::move(state));
  hasher.reset();
  return hasher;
}

Hasher::Hasher(HashKind kind, std::unique_ptr<State> state)
    : kind_(kind), state_(std::move(state)) {}
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;
Hasher::~Hasher() = default;

void Hasher::update(const void* data, std::size_t size) {
  DUNLIN_CHECK(!finished_, "a hash goes on after finish() without reset()");
  if (size == 0) return;
  if (kind_ == HashKind::xxh3) {
    DUNLIN_CHECK(XXH3_128bits_update(state_->xxh3, data, size) == XXH_OK, "XXH3 update failed");
  } else {
    DUNLIN_CHECK(EVP_DigestUpdate(state_->context, data, size) == 1, "digest update failed");
  }
}

std::string Hasher::finish() {
  DUNLIN_CHECK(!std::exchange(finished_, true), "finish() twice without reset()");
  std::string digest(digest_size(kind_), '\0');
  if (kind_ == HashKind::xxh3) {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_->xxh3));
    digest.assign(reinterpret_cast<const char*>(canonical.digest), sizeof canonical.digest);
  } else {
    unsigned size = 0;
    auto* bytes = reinterpret_cast<unsigned char*>(digest.data());
    DUNLIN_CHECK(EVP_DigestFinal_ex(state_->context, bytes, &size) == 1 && size == digest.size(),
                 "digest failed");
  }
  return digest;
}

void Hasher::reset() {
  finished_ = false;
  if (kind_ == HashKind::xxh3) {
    DUNLIN_CHECK(XXH3_128bits_reset(state_->xxh3) == XXH_OK, "XXH3 reset failed");
  } else {
    DUNLIN_CHECK(EVP_DigestInit_ex2(state_->context, state_->algorithm, nullptr) == 1,
                 "digest reset failed");
  }
}

Result<std::string> hash_bytes(HashKind kind, std::string_view bytes) {
  // Small files are hashed by the ten thousand, and a hasher costs as much as hashing one of them.
  thread_local std::optional<Hasher> last;
  if (!last || last->kind() != kind) {
    DUNLIN_ASSIGN(last, Hasher::create(kind));
  }
  last->update(bytes);
  std::string digest = last->finish();
  last->reset();
  return digest;
}

}  // namespace dunlin
