// What tree_compare says of one file: content and holes.
#include "support/file_compare.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <tuple>

namespace dunlin::testing {
namespace {

constexpr off_t kHoleBlock = off_t{64} << 10;
constexpr blkcnt_t kAllowedBlocks = (128 << 10) / 512;  // st_blocks counts in 512 bytes
constexpr std::size_t kBuffer = std::size_t{256} << 10;

/// The first offset from `from` on where data is on either side; the end if there is none.
off_t next_data(const OpenPair& files, off_t from, off_t end) {
  off_t next = end;
  for (const int fd : {files.one, files.other}) {
    const off_t data = ::lseek(fd, from, SEEK_DATA);
    if (data >= 0) next = std::min(next, data);
    if (data < 0 && errno != ENXIO) return from;  // it cannot tell: read
  }
  return next;
}

/// Less than `wanted` at the end of the file; -1 with errno.
ssize_t read_fully(int fd, std::string& buffer, std::size_t wanted, off_t at) {
  std::size_t done = 0;
  ssize_t got = 1;
  while (done < wanted && got > 0) {
    got = ::pread(fd, &buffer[done], wanted - done, at + static_cast<off_t>(done));
    if (got > 0) done += static_cast<std::size_t>(got);
  }
  return got < 0 ? -1 : static_cast<ssize_t>(done);
}

}  // namespace

std::string content_difference(const OpenPair& files, CompareBuffers& buffers) {
  auto& [one, other] = buffers;
  const off_t size = files.one_info.st_size;
  const bool sparse = std::min(files.one_info.st_blocks, files.other_info.st_blocks) * 512 < size;
  one.resize(kBuffer);
  other.resize(kBuffer);
  off_t at = 0;
  while (at < size) {
    if (sparse) at = next_data(files, at, size);
    const auto wanted = static_cast<std::size_t>(std::min<off_t>(kBuffer, size - at));
    for (const auto& [fd, buffer, side] :
         {std::tuple(files.one, &one, "first"), std::tuple(files.other, &other, "second")}) {
      const ssize_t got = read_fully(fd, *buffer, wanted, at);
      if (got < 0) {
        return std::string("cannot be read on the ") + side + " side: " + std::strerror(errno);
      }
      if (static_cast<std::size_t>(got) != wanted) {
        return std::string("ends too early on the ") + side + " side";
      }
    }
    if (std::memcmp(one.data(), other.data(), wanted) != 0) {
      const auto end = one.begin() + static_cast<std::ptrdiff_t>(wanted);
      const auto differs = std::mismatch(one.begin(), end, other.begin()).first - one.begin();
      return "differs from byte " + std::to_string(at + differs) + " on";
    }
    at += static_cast<off_t>(wanted);
  }
  return "";
}

std::string hole_difference(const OpenPair& files) {
  const blkcnt_t allowed = files.one_info.st_blocks + kAllowedBlocks;
  if (files.other_info.st_blocks > allowed) {
    return "allocated: " + std::to_string(files.one_info.st_blocks * 512) + " bytes | " +
           std::to_string(files.other_info.st_blocks * 512);
  }
  const off_t size = files.one_info.st_size;
  off_t at = 0;
  while (at < size) {
    const off_t hole = ::lseek(files.one, at, SEEK_HOLE);
    if (hole < 0 || hole >= size) break;
    off_t end = ::lseek(files.one, hole, SEEK_DATA);
    if (end < 0) end = size;
    const off_t first = (hole + kHoleBlock - 1) / kHoleBlock * kHoleBlock;
    const off_t last = end / kHoleBlock * kHoleBlock;
    const off_t data = first < last ? ::lseek(files.other, first, SEEK_DATA) : -1;
    if (data >= 0 && data < last) {
      return "hole: bytes " + std::to_string(first) + " to " + std::to_string(last) +
             " | data at byte " + std::to_string(data);
    }
    at = end;
  }
  return "";
}

}  // namespace dunlin::testing
