// Content: one pass from the source to the destination, hashed on the way, and the read-back that
// proves what the device holds. Any thread, each call on descriptors of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.h"
#include "base/hash.h"
#include "base/permits.h"
#include "base/result.h"
#include "fs/directory.h"
#include "fs/file_system.h"

namespace dunlin::fs {

/// How a transfer asks for leave, ends early and tells how far it is. `progress` may be empty.
struct Transfer {
  Permits& permits;
  const CancelToken& cancel;
  std::function<void(std::int64_t bytes)> progress;
};

/// Several hashes fed in one pass. One thread at a time.
class HashSet {
 public:
  [[nodiscard]] static Result<HashSet> create(const std::vector<HashKind>& kinds);
  void update(std::span<const std::byte> bytes);
  /// "md5:<hex> xxh3:<hex>" of everything since the last call; empty for no kinds.
  [[nodiscard]] std::string finish();
  /// Nothing of what is read is wanted.
  [[nodiscard]] bool empty() const { return hashers_.empty() && content_ == nullptr; }
  /// Each by itself, for those that feed them from several threads.
  [[nodiscard]] std::span<Hasher> each() { return hashers_; }
  /// From now on update(), not those who feed each(), also adds the bytes to `content`, but never
  /// so that it holds more than `at_most`; nullptr: no more. For a hash that is taken of many small
  /// files at once.
  void keep(std::string* content, std::size_t at_most = 0) {
    content_ = content;
    at_most_ = at_most;
  }

 private:
  std::vector<Hasher> hashers_;
  std::string* content_ = nullptr;
  std::size_t at_most_ = 0;
};

/// Copies from the present offset of `from` to its end (not to a size: files in /proc have none) in
/// blocks of at most 1 MiB, with permits and a look at `cancel` for each. Returns the bytes copied.
/// A read error is the source's (read_error with the offset), a write error the destination's.
[[nodiscard]] Result<std::int64_t> copy_content(int from, const Subject& from_shown, int to,
                                                const Subject& to_shown, std::int64_t size_hint,
                                                HashSet& hashes, const Transfer& transfer);

/// As copy_content, from the start of a file with holes into an empty one: what the source calls a
/// hole and reads as zeros is not written. A hole is read all the same where there are hashes, and
/// what is not zero in it is written (file systems have been wrong about holes, OpenZFS #15526).
[[nodiscard]] Result<std::int64_t> copy_with_holes(int from, const Subject& from_shown, int to,
                                                   const Subject& to_shown, HashSet& hashes,
                                                   const Transfer& transfer);

/// Feeds `hashes` with a file from its start to its end, without a copy; where its holes are does
/// not matter. For a second look at a source.
[[nodiscard]] Status hash_content(int from, const Subject& from_shown, HashSet& hashes,
                                  const Transfer& transfer);

/// Where the bytes of a read-back came from (files.md F-14).
enum class Origin : std::uint8_t {
  device,   ///< direct I/O, reported by the file system, on data neither inline nor compressed
  evicted,  ///< the pages were dropped and seen to be gone before the read
  cached,   ///< neither is possible here (tmpfs, FUSE, network): memory may have answered
};

/// Reads a file that was flushed before, past the page cache where that is possible, feeding
/// `hashes`; then drops its pages, which nobody will need soon.
[[nodiscard]] Result<Origin> read_back(const Directory& directory, std::string_view name,
                                       const FileSystemTraits& traits, HashSet& hashes,
                                       const Transfer& transfer);

/// Do both files hold the same bytes? Both are read to their end, `two` as by read_back: what the
/// device holds, not what memory remembers. source_changed (destination_exists) for what is no
/// regular file by now.
[[nodiscard]] Result<bool> same_content(const Directory& one, std::string_view one_name,
                                        const Directory& two, std::string_view two_name,
                                        const FileSystemTraits& two_traits,
                                        const Transfer& transfer);

}  // namespace dunlin::fs
