// read_back(); see copy.h.
//
// Direct I/O first: statx tells its alignment (STATX_DIOALIGN, Linux 6.1). Some file systems accept
// O_DIRECT and answer from memory all the same, so "device" is only said where the alignment is
// reported and the data is neither inline in the inode nor compressed. Else the pages are dropped
// and mincore(2) has to see them gone; mincore tells the truth only about files that we may write
// (Linux 5.2) and shows all others as resident, which errs on the safe side.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "fs/copy.h"
#include "fs/direct_io.h"
#include "fs/feed.h"

namespace dunlin::fs {
namespace {

constexpr std::size_t kWindowBytes = 64 << 20;  // of mincore: 16 KiB of answers

std::size_t granule_of(const Alignment& alignment) {
  return std::max(alignment.memory, alignment.offset);
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
  const Subject shown = directory.subject(name);
  DUNLIN_ASSIGN(const UniqueFd plain, directory.open_file(name, O_RDONLY | O_NOATIME));
  const Alignment alignment = alignment_of(plain.get());
  DUNLIN_ASSIGN(const FileInfo info, info_of(plain.get(), shown, directory.side()));
  if (directory.features().direct_io && alignment.memory != 0 &&
      lies_in_blocks(plain.get(), traits)) {
    DirectMode direct(plain.get());
    if (direct.on()) {
      DUNLIN_TRY(feed({direct, shown, granule_of(alignment), true}, info.size, hashes, transfer));
      // Refused in its midst, the rest came through the cache: start again on the next best way.
      if (!direct.was_refused()) {
        static_cast<void>(::posix_fadvise(plain.get(), 0, 0, POSIX_FADV_DONTNEED));
        return Origin::device;
      }
      static_cast<void>(hashes.finish());
    }
  }
  Origin origin = Origin::cached;
  if (directory.features().eviction && traits.evictable) {
    static_cast<void>(::posix_fadvise(plain.get(), 0, 0, POSIX_FADV_DONTNEED));
    if (none_resident(plain.get(), info.size)) origin = Origin::evicted;
  }
  DirectMode cached(plain.get());
  DUNLIN_TRY(feed({cached, shown, 1, true}, info.size, hashes, transfer));
  static_cast<void>(::posix_fadvise(plain.get(), 0, 0, POSIX_FADV_DONTNEED));
  return origin;
}

}  // namespace dunlin::fs
