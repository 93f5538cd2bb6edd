// ResumableCopy: the copy of a large file that can go on in the middle (files.md F-17).
//
// The file is cut into chunks; the hash of each is handed out as soon as it is written, for the
// ledger. A later process reads the chunks that are there back and goes on after the last one that
// still has its hash: what a crash or power cut took shows, and nothing is believed by its length.
// One thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "fs/copy.h"

namespace dunlin::fs {

/// The hashes of the chunks from the start of a file, XXH3-128, 16 bytes each, one after the other.
using ChunkHashes = std::string;
inline constexpr std::size_t kChunkHashBytes = 16;

/// A file and its name for messages.
struct NamedFile {
  int fd = -1;
  std::string shown;
};

class ResumableCopy {
 public:
  struct Options {
    std::int64_t chunk_bytes = 0;
    bool holes = true;  ///< holes of the source stay holes
    /// Called with all hashes so far after each chunk, and before the content it stands for is
    /// flushed. An error ends the copy.
    std::function<Status(const ChunkHashes&)> chunk_done;
    /// Asked before each write: an owner that was stopped and replaced shares the file with the new
    /// one, and may not write into it.
    std::function<Status()> fence;
    /// For displays, and only where something is known from an earlier process; may be empty. Each
    /// block of it that was read back; then, once, how many bytes are kept.
    std::function<void(std::int64_t bytes)> read_back;
    std::function<void(std::int64_t kept_bytes)> goes_on;
  };

  ResumableCopy(NamedFile from, NamedFile to, std::int64_t size, Options options)
      : from_(std::move(from)), to_(std::move(to)), size_(size), options_(std::move(options)) {}

  /// Copies `size` bytes and looks whether there are more; returns how many there were. `known`:
  /// hashes from an earlier process, empty when there is none. What is kept of it is not counted as
  /// progress. `hashes` is fed with the whole content in order.
  [[nodiscard]] Result<std::int64_t> run(const ChunkHashes& known, HashSet& hashes,
                                         const Transfer& transfer);
  /// How many bytes of an earlier process were kept.
  [[nodiscard]] std::int64_t kept_bytes() const { return kept_bytes_; }

 private:
  struct Block;
  [[nodiscard]] Result<std::size_t> chunks_that_hold(const ChunkHashes& known,
                                                     const Transfer& transfer);
  [[nodiscard]] Status feed_kept(HashSet& hashes, const Transfer& transfer);
  [[nodiscard]] Result<std::int64_t> copy_rest(HashSet& hashes, const Transfer& transfer);
  [[nodiscard]] Status end_chunk(Hasher& chunk);

  NamedFile from_;
  NamedFile to_;
  std::int64_t size_;
  Options options_;
  ChunkHashes done_;
  std::int64_t kept_bytes_ = 0;
};

}  // namespace dunlin::fs
