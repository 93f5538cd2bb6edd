// HMAC-SHA-256 (RFC 2104, OpenSSL): that bytes are as somebody left them who knew a key. And keys.
//
// Pure functions; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace dunlin {

/// The 32 raw bytes. Fails only where OpenSSL refuses (ErrorType::unsupported_item).
[[nodiscard]] Result<std::string> hmac_sha256(std::string_view key, std::string_view bytes);

/// Takes as long whatever differs, so that no answer tells how much of a guess was right.
[[nodiscard]] bool equal_in_constant_time(std::string_view one, std::string_view other);

/// From the kernel (getrandom), fit for keys and tokens.
[[nodiscard]] Result<std::string> random_bytes(std::size_t size);

}  // namespace dunlin
