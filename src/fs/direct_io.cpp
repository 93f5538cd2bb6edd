// Direct I/O; see direct_io.h.
#include "fs/direct_io.h"

#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <string>

#ifndef FS_INLINE_DATA_FL
#define FS_INLINE_DATA_FL 0x10000000
#endif

namespace dunlin::fs {
namespace {

/// Does the extent map show data that does not lie in blocks of its own? (btrfs; also on error.)
bool inline_or_encoded(int fd) {
  constexpr std::size_t kExtents = 32;
  alignas(fiemap) std::byte memory[sizeof(fiemap) + kExtents * sizeof(fiemap_extent)];
  constexpr unsigned kOdd = FIEMAP_EXTENT_DATA_INLINE | FIEMAP_EXTENT_ENCODED |
                            FIEMAP_EXTENT_DATA_TAIL | FIEMAP_EXTENT_DELALLOC;
  for (std::uint64_t start = 0;;) {
    std::memset(memory, 0, sizeof memory);
    auto* map = reinterpret_cast<fiemap*>(memory);
    map->fm_start = start;
    map->fm_length = FIEMAP_MAX_OFFSET - start;
    map->fm_extent_count = kExtents;
    if (::ioctl(fd, FS_IOC_FIEMAP, map) != 0) return true;
    if (map->fm_mapped_extents == 0) return false;
    for (std::uint32_t n = 0; n < map->fm_mapped_extents; ++n) {
      const fiemap_extent& extent = map->fm_extents[n];
      if ((extent.fe_flags & kOdd) != 0) return true;
      if ((extent.fe_flags & FIEMAP_EXTENT_LAST) != 0) return false;
      start = extent.fe_logical + extent.fe_length;
    }
  }
}

bool ends_at(int fd, std::int64_t offset) {
  struct stat info{};
  return ::fstat(fd, &info) != 0 || info.st_size <= offset;
}

}  // namespace

Alignment alignment_of(int fd) {
  Alignment alignment;
#ifdef STATX_DIOALIGN
  struct statx raw{};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &raw) != 0) return alignment;
  if ((raw.stx_mask & STATX_DIOALIGN) == 0 || raw.stx_dio_offset_align == 0) return alignment;
  if ((raw.stx_attributes & STATX_ATTR_COMPRESSED) != 0) return alignment;
  const std::size_t memory = std::max<std::size_t>(raw.stx_dio_mem_align, sizeof(void*));
  const std::size_t offset = raw.stx_dio_offset_align;
  if (memory > kLargestAlignment || offset > kLargestAlignment) return alignment;
  if (!std::has_single_bit(memory) || !std::has_single_bit(offset)) return alignment;
  alignment = {memory, offset};
#endif
  return alignment;
}

bool lies_in_blocks(int fd, const FileSystemTraits& traits) {
  if (traits.inline_by_extent_map) return !inline_or_encoded(fd);
  unsigned flags = 0;
  // A file system without these flags has no inline data that they could tell of.
  if (::ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) return true;
  return (flags & (FS_INLINE_DATA_FL | FS_COMPR_FL)) == 0;
}

AlignedBuffer aligned_buffer(std::size_t bytes, std::size_t alignment) {
  return AlignedBuffer(
      static_cast<std::byte*>(std::aligned_alloc(alignment, round_up(bytes, alignment))));
}

bool DirectMode::on() {
  const int flags = ::fcntl(fd_, F_GETFL);
  if (flags < 0 || ::fcntl(fd_, F_SETFL, flags | O_DIRECT) != 0) return false;
  on_ = true;
  return true;
}

void DirectMode::off() {
  if (!on_.exchange(false)) return;
  const int flags = ::fcntl(fd_, F_GETFL);
  if (flags >= 0) static_cast<void>(::fcntl(fd_, F_SETFL, flags & ~O_DIRECT));
}

void DirectMode::refuse() {
  refused_ = true;
  off();
}

Result<std::size_t> read_block(DirectMode& file, std::byte* buffer, std::size_t wanted,
                               std::int64_t offset, std::size_t granule, const Subject& shown,
                               bool written_here) {
  std::size_t done = 0;
  while (done < wanted) {
    const bool direct = file.is_on();
    const std::size_t length = direct ? round_up(wanted - done, granule) : wanted - done;
    const ssize_t got =
        ::pread(file.fd(), buffer + done, length, offset + static_cast<std::int64_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EINVAL && direct) {
      file.refuse();
      continue;
    }
    if (got < 0) {
      const std::string doing = written_here ? "read back " : "read ";
      return error_from_errno(errno, doing + shown.text(), written_here);
    }
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
    if (direct && done % granule != 0) {
      // The end of the file; else a short call, behind which direct I/O cannot go on.
      if (ends_at(file.fd(), offset + static_cast<std::int64_t>(done))) break;
      file.refuse();
    }
  }
  return std::min(done, wanted);
}

Status write_block(DirectMode& file, const std::byte* buffer, std::size_t bytes,
                   std::int64_t offset, const Subject& shown) {
  std::size_t done = 0;
  while (done < bytes) {
    const bool direct = file.is_on();
    const ssize_t put =
        ::pwrite(file.fd(), buffer + done, bytes - done, offset + static_cast<std::int64_t>(done));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EINVAL && direct) {
      file.refuse();
      continue;
    }
    if (put <= 0) return error_from_errno(put < 0 ? errno : EIO, "write " + shown.text(), true);
    done += static_cast<std::size_t>(put);
  }
  return success();
}

}  // namespace dunlin::fs
