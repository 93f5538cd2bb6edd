// Extents; see extents.h.
#include "fs/extents.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace dunlin::fs {

Extent extent_at(int fd, std::int64_t offset, std::int64_t size) {
  const off_t data = ::lseek(fd, offset, SEEK_DATA);
  if (data < 0) return {size, errno == ENXIO};
  if (data > offset) return {std::min<std::int64_t>(data, size), true};
  const off_t hole = ::lseek(fd, offset, SEEK_HOLE);
  return {hole > offset ? std::min<std::int64_t>(hole, size) : size, false};
}

bool all_zero(const std::byte* bytes, std::size_t size) {
  return size == 0 || (bytes[0] == std::byte{0} && std::memcmp(bytes, bytes + 1, size - 1) == 0);
}

}  // namespace dunlin::fs
