// read_back(); see copy.h.
//
// Direct I/O first: statx tells its alignment (STATX_DIOALIGN, Linux 6.1). Some file systems accept
// O_DIRECT and answer from memory all the same, so "device" is only said where the alignment is
// reported and the data is neither inline in the inode nor compressed. Else the pages are dropped
// and mincore(2) has to see them gone; mincore tells the truth only about files that we may write
// (Linux 5.2) and shows all others as resident, which errs on the safe side.
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/file_io.h"
#include "fs/copy.h"

#ifndef FS_INLINE_DATA_FL
#define FS_INLINE_DATA_FL 0x10000000
#endif

namespace dunlin::fs {
namespace {

constexpr std::size_t kBlockBytes = 1 << 20;
constexpr std::size_t kWindowBytes = 64 << 20;  // of mincore: 16 KiB of answers
constexpr std::size_t kLargestAlignment = 64 << 10;

struct Alignment {
  std::size_t memory = 0;  ///< 0: no direct I/O
  std::size_t offset = 0;
  std::int64_t size = 0;
};

Alignment alignment_of(int fd) {
  Alignment alignment;
#ifdef STATX_DIOALIGN
  struct statx raw{};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_SIZE | STATX_DIOALIGN, &raw) != 0) return alignment;
  alignment.size = static_cast<std::int64_t>(raw.stx_size);
  if ((raw.stx_mask & STATX_DIOALIGN) == 0 || raw.stx_dio_offset_align == 0) return alignment;
  if ((raw.stx_attributes & STATX_ATTR_COMPRESSED) != 0) return alignment;
  if (raw.stx_dio_offset_align > kLargestAlignment) return alignment;
  alignment.memory = std::max<std::size_t>(raw.stx_dio_mem_align, sizeof(void*));
  alignment.offset = raw.stx_dio_offset_align;
#endif
  return alignment;
}

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

bool lies_in_blocks(int fd, const FileSystemTraits& traits) {
  if (traits.inline_by_extent_map) return !inline_or_encoded(fd);
  unsigned flags = 0;
  // A file system without these flags has no inline data that they could tell of.
  if (::ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) return true;
  return (flags & (FS_INLINE_DATA_FL | FS_COMPR_FL)) == 0;
}

struct Freed {
  void operator()(std::byte* memory) const { std::free(memory); }
};
using Buffer = std::unique_ptr<std::byte, Freed>;

constexpr std::size_t round_up(std::size_t value, std::size_t to) {
  return (value + to - 1) / to * to;
}

Buffer aligned_buffer(std::size_t alignment, std::size_t bytes) {
  std::size_t power = sizeof(void*);
  while (power < alignment) power *= 2;
  return Buffer(static_cast<std::byte*>(std::aligned_alloc(power, round_up(bytes, power))));
}

/// Reads from `offset` to the end. `granule` is 1, or the alignment of direct I/O: every call then
/// starts on it and the last one, reaching beyond the end, comes back short by the unaligned tail.
Status read_all(int fd, std::string_view shown, std::int64_t size, const Alignment& direct,
                HashSet& hashes, const Transfer& transfer) {
  const std::size_t granule = std::max<std::size_t>(direct.offset, 1);
  const std::size_t block =
      std::min(round_up(static_cast<std::size_t>(std::max<std::int64_t>(size, 1)),
                        std::max<std::size_t>(granule, 4096)),
               round_up(kBlockBytes, granule));
  const Buffer buffer = aligned_buffer(std::max(direct.memory, granule), block);
  if (!buffer) return error_from_errno(ENOMEM, shown);
  std::int64_t offset = 0;
  while (offset < size) {
    const auto wanted = std::min<std::int64_t>(static_cast<std::int64_t>(block), size - offset);
    DUNLIN_TRY(transfer.permits.acquire(wanted, 1, transfer.cancel));
    DUNLIN_TRY(transfer.cancel.check());
    ssize_t got = -1;
    do {
      got = ::pread(fd, buffer.get(), block, offset);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
      return error_from_errno(errno, std::string("read back ") + std::string(shown), true);
    if (got == 0) break;
    hashes.update({buffer.get(), static_cast<std::size_t>(got)});
    offset += got;
    if (transfer.progress) transfer.progress(got);
    if (offset < size && static_cast<std::size_t>(got) % granule != 0) {
      // Direct I/O that stops between two sectors cannot be continued.
      return error_from_errno(EINVAL, std::string("read back ") + std::string(shown), true);
    }
  }
  return success();
}

/// True when no page of the file is in memory.
bool none_resident(int fd, std::int64_t size) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> answers(kWindowBytes / page);
  for (std::int64_t offset = 0; offset < size; offset += static_cast<std::int64_t>(kWindowBytes)) {
    const std::size_t length =
        std::min<std::size_t>(kWindowBytes, static_cast<std::size_t>(size - offset));
    void* mapped = ::mmap(nullptr, length, PROT_READ, MAP_SHARED, fd, offset);
    if (mapped == MAP_FAILED) return false;
    const std::size_t pages = round_up(length, page) / page;
    const bool asked = ::mincore(mapped, length, answers.data()) == 0;
    ::munmap(mapped, length);
    if (!asked) return false;
    const auto end = answers.begin() + static_cast<std::ptrdiff_t>(pages);
    if (std::any_of(answers.begin(), end, [](unsigned char answer) { return (answer & 1U) != 0; }))
      return false;
  }
  return true;
}

}  // namespace

Result<Origin> read_back(const Directory& directory, std::string_view name,
                         const FileSystemTraits& traits, HashSet& hashes,
                         const Transfer& transfer) {
  const std::string shown = directory.shown(name);
  DUNLIN_ASSIGN(const UniqueFd plain, directory.open_file(name, O_RDONLY | O_NOATIME));
  const Alignment alignment = alignment_of(plain.get());
  DUNLIN_ASSIGN(const FileInfo info, info_of(plain.get(), shown, directory.side()));
  if (directory.features().direct_io && alignment.memory != 0 &&
      lies_in_blocks(plain.get(), traits)) {
    const auto direct = directory.open_file(name, O_RDONLY | O_DIRECT | O_NOATIME);
    if (direct.ok()) {
      const Status done = read_all(direct->get(), shown, info.size, alignment, hashes, transfer);
      if (done.ok()) {
        static_cast<void>(::posix_fadvise(plain.get(), 0, 0, POSIX_FADV_DONTNEED));
        return Origin::device;
      }
      // Refused after all: start again on the next best way. Real errors end here.
      if (done.error().native.code != "EINVAL") return done.error();
      static_cast<void>(hashes.finish());
    }
  }
  Origin origin = Origin::cached;
  if (directory.features().eviction && traits.evictable) {
    static_cast<void>(::posix_fadvise(plain.get(), 0, 0, POSIX_FADV_DONTNEED));
    if (none_resident(plain.get(), info.size)) origin = Origin::evicted;
  }
  DUNLIN_TRY(read_all(plain.get(), shown, info.size, Alignment{}, hashes, transfer));
  static_cast<void>(::posix_fadvise(plain.get(), 0, 0, POSIX_FADV_DONTNEED));
  return origin;
}

}  // namespace dunlin::fs
