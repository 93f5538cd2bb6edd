// ResumableCopy: the copy of a large file that can go on in the middle (files.md F-17).
//
// The file is cut into chunks; the hash of each is handed out as soon as it is written, for the
// ledger. A later process reads the chunks that are there back and goes on after the last one that
// still has its hash: what a crash or power cut took shows, and nothing is believed by its length.
//
// Blocks are read and written several at once (block_pipeline.h), past the page cache on both sides
// where that is offered: what a chunk's hash stands for is then on the device when it is handed
// out. What was written so can be read back at once from there, and compared with what is still in
// memory.
//
// One thread at a time, on which the callbacks run, too, but for those that say otherwise.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "fs/block_pipeline.h"
#include "fs/copy.h"
#include "fs/direct_io.h"
#include "fs/extents.h"
#include "fs/file_system.h"

namespace dunlin::fs {

class ChunkRecorder;

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
    /// Called with all hashes so far after each chunk, on a thread of its own, and before the
    /// content it stands for is flushed. An error ends the copy.
    std::function<Status(const ChunkHashes&)> chunk_done;
    /// Asked before each write, on several threads: an owner that was stopped and replaced shares
    /// the file with the new one, and may not write into it.
    std::function<Status()> fence;
    /// Direct I/O may be used; of the destination as far as its file system's traits say.
    bool direct_io = false;
    FileSystemTraits to_traits;
    /// Each block is read back after it was written, where that says something: see proven().
    bool read_back_blocks = false;
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
  /// Every byte was read back from the device and was what the source gave (Origin::device).
  [[nodiscard]] bool proven() const { return proven_; }

 private:
  /// What lies behind the last whole block of direct I/O: written through the cache, at the end.
  struct Tail {
    std::int64_t offset = 0;
    std::string bytes;
  };
  void choose_modes();
  void preallocate(std::int64_t offset, std::int64_t end);
  void hash_chunks(Hasher& chunk, std::span<const std::byte> bytes);
  [[nodiscard]] Status make_room();
  [[nodiscard]] BlockPipeline::Steps reading_back(std::int64_t end, const Transfer& transfer);
  [[nodiscard]] Status run_pipeline(BlockPipeline::Steps steps, const Transfer& transfer);
  [[nodiscard]] bool next_block(Block& block);
  [[nodiscard]] Status read_source(Block& block, bool believes_holes, const Transfer& transfer);
  [[nodiscard]] Status write_and_compare(const Block& block, std::byte* spare,
                                         const Transfer& transfer);
  [[nodiscard]] bool stays_a_hole(const Block& block) const;
  [[nodiscard]] Status compare(std::span<const std::byte> bytes, std::int64_t offset,
                               std::byte* spare);
  [[nodiscard]] Result<bool> finish_block(const Block& block, ChunkRecorder& recorder,
                                          const Transfer& transfer);
  [[nodiscard]] Status write_tail();
  [[nodiscard]] Result<std::size_t> chunks_that_hold(const ChunkHashes& known,
                                                     const Transfer& transfer);
  [[nodiscard]] Status feed_kept(HashSet& hashes, const Transfer& transfer);
  [[nodiscard]] Result<std::int64_t> copy_rest(HashSet& hashes, const Transfer& transfer);
  [[nodiscard]] Status end_chunk(ChunkRecorder& recorder);

  NamedFile from_;
  NamedFile to_;
  std::int64_t size_;
  Options options_;
  DirectMode from_mode_{from_.fd};
  DirectMode to_mode_{to_.fd};
  std::size_t granule_ = 1;  ///< of direct I/O on either side
  bool direct_writes_ = false;
  bool compares_ = false;
  ChunkHashes done_;
  ChunkHashes computed_;  ///< those of this process, each in its place, by the thread that hashes
  std::int64_t hashed_to_ = 0;
  std::int64_t kept_bytes_ = 0;
  std::int64_t next_offset_ = 0;
  Extent extent_;
  std::int64_t copied_ = 0;  ///< the end of what was done with in order
  Tail tail_;
  bool proven_ = false;
};

}  // namespace dunlin::fs
