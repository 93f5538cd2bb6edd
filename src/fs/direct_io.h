// Direct I/O: past the page cache, where a file system offers and reports it (STATX_DIOALIGN, Linux
// 6.1). Any thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "fs/file_system.h"

namespace dunlin::fs {

/// What asks for more is not used.
inline constexpr std::size_t kLargestAlignment = 64 << 10;

/// What direct I/O on a file asks for, powers of two. memory 0: there is none, or none that is told
/// of.
struct Alignment {
  std::size_t memory = 0;
  std::size_t offset = 0;
};
[[nodiscard]] Alignment alignment_of(int fd);

/// Does what a direct read gives come from blocks of the file's own: neither inline in its inode
/// nor compressed? Ask when everything is written.
[[nodiscard]] bool lies_in_blocks(int fd, const FileSystemTraits& traits);

struct FreedMemory {
  void operator()(std::byte* memory) const { std::free(memory); }
};
using AlignedBuffer = std::unique_ptr<std::byte, FreedMemory>;
/// nullptr when there is no memory. `alignment`: a power of two.
[[nodiscard]] AlignedBuffer aligned_buffer(std::size_t bytes,
                                           std::size_t alignment = kLargestAlignment);

/// For one block, to be a local variable: a small one needs no allocation, which is felt where each
/// of many small files has its own.
class BlockBuffer {
 public:
  /// get() is nullptr when there is no memory. `alignment`: a power of two.
  explicit BlockBuffer(std::size_t bytes, std::size_t alignment = 1) {
    if (bytes > sizeof small_ || alignment > kSmallAlignment)
      large_ = aligned_buffer(bytes, std::max(alignment, sizeof(void*)));
    else
      begin_ = small_;
  }
  BlockBuffer(const BlockBuffer&) = delete;
  BlockBuffer& operator=(const BlockBuffer&) = delete;
  [[nodiscard]] std::byte* get() { return begin_ != nullptr ? begin_ : large_.get(); }

 private:
  static constexpr std::size_t kSmallAlignment = 4096;
  alignas(kSmallAlignment) std::byte small_[32 << 10];
  AlignedBuffer large_;
  std::byte* begin_ = nullptr;
};

[[nodiscard]] constexpr std::size_t round_up(std::size_t value, std::size_t to) {
  return (value + to - 1) / to * to;
}

/// O_DIRECT on an open file for as long as this lives; the file is as it was afterwards. Where a
/// call is refused in the midst of it, all go on through the cache.
class DirectMode {
 public:
  /// Not switched on yet.
  explicit DirectMode(int fd) : fd_(fd) {}
  ~DirectMode() { off(); }
  DirectMode(const DirectMode&) = delete;
  DirectMode& operator=(const DirectMode&) = delete;

  /// False where the file system refuses.
  bool on();
  void off();
  /// A call was refused (EINVAL): off for good.
  void refuse();
  [[nodiscard]] bool is_on() const { return on_; }
  [[nodiscard]] bool was_refused() const { return refused_; }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
  std::atomic<bool> on_{false};
  std::atomic<bool> refused_{false};
};

/// Reads `wanted` bytes, fewer at the end of the file only, in the mode that the file is in.
/// `offset` is a multiple of `granule`, and `buffer` has room for `wanted` rounded up to it.
/// `written_here`: the file is the destination's (the type of an error).
[[nodiscard]] Result<std::size_t> read_block(DirectMode& file, std::byte* buffer,
                                             std::size_t wanted, std::int64_t offset,
                                             std::size_t granule, const Subject& shown,
                                             bool written_here);

/// Writes all of it. In direct mode `bytes`, too, is a multiple of the alignment.
[[nodiscard]] Status write_block(DirectMode& file, const std::byte* buffer, std::size_t bytes,
                                 std::int64_t offset, const Subject& shown);

}  // namespace dunlin::fs
