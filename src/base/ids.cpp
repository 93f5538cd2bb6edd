// UUIDv7 by RFC 9562 section 5.7, with the counter of section 6.2 method 1 in rand_a.
#include "base/ids.h"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <mutex>

#include "base/check.h"
#include "base/text.h"

namespace dunlin {
namespace {

void fill_random(std::array<unsigned char, 16>& bytes) {
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = ::getrandom(bytes.data() + filled, bytes.size() - filled, 0);
    DUNLIN_CHECK(got > 0 || errno == EINTR, "the kernel gives no random bytes");
    if (got > 0) filled += static_cast<std::size_t>(got);
  }
}

struct Stamp {
  std::uint64_t ms;
  std::uint64_t counter;  ///< 12 bits
};

// Later calls get later stamps, also within one millisecond and when the wall clock is set back.
// The counter starts at a random value below 2048, so that ids of two processes differ in it, and
// at least 2048 ids fit into a millisecond.
Stamp next_stamp(std::uint64_t now_ms, std::uint64_t random) {
  static std::mutex mutex;
  static Stamp last{0, 0};
  const std::scoped_lock lock(mutex);
  if (now_ms > last.ms) {
    last = {now_ms, random & 0x7ffU};
  } else if (last.counter < 0xfffU) {
    ++last.counter;
  } else {
    last = {last.ms + 1, random & 0x7ffU};
  }
  return last;
}

}  // namespace

std::string new_uuid_v7(std::int64_t unix_ms) {
  std::array<unsigned char, 16> bytes{};
  fill_random(bytes);
  const std::uint64_t random = (static_cast<std::uint64_t>(bytes[6]) << 8U) | bytes[7];
  constexpr std::uint64_t kLargest = (1ULL << 48U) - 1;
  const auto wanted = unix_ms < 0 ? 0ULL : static_cast<std::uint64_t>(unix_ms);
  const Stamp stamp = next_stamp(wanted < kLargest ? wanted : kLargest, random);
  for (unsigned i = 0; i < 6; ++i)
    bytes[i] = static_cast<unsigned char>(stamp.ms >> (40U - 8U * i));
  bytes[6] = static_cast<unsigned char>(0x70U | (stamp.counter >> 8U));
  bytes[7] = static_cast<unsigned char>(stamp.counter);
  bytes[8] = static_cast<unsigned char>(0x80U | (bytes[8] & 0x3fU));
  const std::string digits = hex({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  return digits.substr(0, 8) + '-' + digits.substr(8, 4) + '-' + digits.substr(12, 4) + '-' +
         digits.substr(16, 4) + '-' + digits.substr(20);
}

std::optional<std::string> parse_uuid(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  std::string canonical(text);
  for (std::size_t i = 0; i < canonical.size(); ++i) {
    char& c = canonical[i];
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (c != '-') return std::nullopt;
      continue;
    }
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return std::nullopt;
  }
  return canonical;
}

std::string short_id(const ExecutionId& id) {
  return id.value.size() <= 8 ? id.value : id.value.substr(id.value.size() - 8);
}

}  // namespace dunlin
