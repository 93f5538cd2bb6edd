// MD5 of many messages at once, one in each lane of a vector register.
//
// One MD5 is a chain of operations that each wait for the one before: a core does 0.6 to 0.9 GB/s
// of it whatever its width. Messages do not wait for each other: 4, 8 or 16 of them side by side
// (SSE2, AVX2, AVX-512, as the processor has) take about as long as one. For one long message use
// Hasher.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dunlin {

/// The raw MD5 (RFC 1321) of each message, in their order. Whether MD5 is allowed here is asked
/// before, of Hasher::create(). Best with many messages of like size. Any thread; touches nothing
/// but its arguments.
[[nodiscard]] std::vector<std::string> md5_of_each(std::span<const std::string_view> messages);

/// As md5_of_each, in so many lanes: 4, 8 or 16. For tests; the processor has to have them, see
/// md5_lanes_of_this_processor().
[[nodiscard]] std::vector<std::string> md5_of_each(std::span<const std::string_view> messages,
                                                   int lanes);

[[nodiscard]] int md5_lanes_of_this_processor();

}  // namespace dunlin
