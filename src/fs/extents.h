// Extents of a file, as its file system tells them: data and holes. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dunlin::fs {

/// A part of a file up to `end`, all hole or all data as the file system says. File systems have
/// been wrong about it (OpenZFS #15526): a hint, never a proof.
struct Extent {
  std::int64_t end = 0;
  bool hole = false;
};

/// The extent at `offset`, which lies before `size`. Without an answer everything is data.
[[nodiscard]] Extent extent_at(int fd, std::int64_t offset, std::int64_t size);

[[nodiscard]] bool all_zero(const std::byte* bytes, std::size_t size);

}  // namespace dunlin::fs
