// ResumableCopy; see resumable_copy.h.
#include "fs/resumable_copy.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/crash_point.h"
#include "base/file_io.h"
#include "fs/extents.h"

namespace dunlin::fs {
namespace {

constexpr std::int64_t kBlockBytes = 1 << 20;

}  // namespace

Result<std::int64_t> ResumableCopy::run(const ChunkHashes& known, HashSet& hashes,
                                        const Transfer& transfer) {
  DUNLIN_ASSIGN(const std::size_t chunks, chunks_that_hold(known, transfer));
  done_ = known.substr(0, chunks * kChunkHashBytes);
  kept_bytes_ = static_cast<std::int64_t>(chunks) * options_.chunk_bytes;
  // Reading it back takes minutes: the file may be another owner's by now, and published.
  DUNLIN_TRY(options_.fence());
  if (::ftruncate(to_.fd, kept_bytes_) != 0) return error_from_errno(errno, to_.shown, true);
  // With holes it has its size from the start: a chunk that ends in one reads back whole, and XFS
  // reserves no room behind the end of a file that does not grow.
  if (options_.holes && ::ftruncate(to_.fd, size_) != 0)
    return error_from_errno(errno, to_.shown, true);
  DUNLIN_TRY(feed_kept(hashes, transfer));
  if (!known.empty() && options_.goes_on) options_.goes_on(kept_bytes_);
  return copy_rest(hashes, transfer);
}

/// Whole chunks from the start that read back as they were written.
Result<std::size_t> ResumableCopy::chunks_that_hold(const ChunkHashes& known,
                                                    const Transfer& transfer) {
  const std::size_t claimed = known.size() / kChunkHashBytes;
  if (claimed == 0) return std::size_t{0};
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kBlockBytes);
  DUNLIN_ASSIGN(Hasher chunk, Hasher::create(HashKind::xxh3));
  for (std::size_t n = 0; n < claimed; ++n) {
    const std::int64_t begin = static_cast<std::int64_t>(n) * options_.chunk_bytes;
    const std::int64_t end = begin + options_.chunk_bytes;
    if (end > size_) return n;
    chunk.reset();
    for (std::int64_t at = begin; at < end; at += kBlockBytes) {
      const auto wanted = static_cast<std::size_t>(std::min(kBlockBytes, end - at));
      DUNLIN_TRY(transfer.permits.acquire(static_cast<std::int64_t>(wanted), 1, transfer.cancel));
      DUNLIN_TRY(transfer.cancel.check());
      DUNLIN_ASSIGN(const std::size_t got,
                    pread_up_to(to_.fd, buffer.get(), wanted, at, to_.shown));
      if (got < wanted) return n;
      chunk.update(buffer.get(), got);
      if (options_.read_back) options_.read_back(static_cast<std::int64_t>(got));
    }
    if (chunk.finish() != known.substr(n * kChunkHashBytes, kChunkHashBytes)) return n;
  }
  return claimed;
}

/// The other hashes begin with what is kept. From the destination: it has just been compared, and
/// lies in memory more likely than the source.
Status ResumableCopy::feed_kept(HashSet& hashes, const Transfer& transfer) {
  if (hashes.empty()) return success();
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kBlockBytes);
  for (std::int64_t at = 0; at < kept_bytes_; at += kBlockBytes) {
    DUNLIN_TRY(transfer.cancel.check());
    const auto wanted = static_cast<std::size_t>(std::min(kBlockBytes, kept_bytes_ - at));
    DUNLIN_TRY(pread_all(to_.fd, buffer.get(), wanted, at, to_.shown));
    hashes.update({buffer.get(), wanted});
  }
  return success();
}

Status ResumableCopy::end_chunk(Hasher& chunk) {
  done_ += chunk.finish();
  chunk.reset();
  DUNLIN_CRASH_POINT("fs.chunk.before");
  DUNLIN_TRY(options_.chunk_done(done_));
  DUNLIN_CRASH_POINT("fs.chunk.after");
  return success();
}

Result<std::int64_t> ResumableCopy::copy_rest(HashSet& hashes, const Transfer& transfer) {
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kBlockBytes);
  DUNLIN_ASSIGN(Hasher chunk, Hasher::create(HashKind::xxh3));
  std::int64_t offset = kept_bytes_;
  for (Extent extent;;) {
    DUNLIN_TRY(transfer.cancel.check());
    if (offset >= extent.end && offset < size_) extent = extent_at(from_.fd, offset, size_);
    // Up to the end of the extent and of the chunk; at the end one byte more is asked for, so that
    // whatever was appended since shows as a change.
    const std::int64_t chunk_end = (offset / options_.chunk_bytes + 1) * options_.chunk_bytes;
    const std::int64_t left = std::max<std::int64_t>(std::min(extent.end, chunk_end) - offset, 1);
    const auto wanted = static_cast<std::size_t>(std::min(left, kBlockBytes));
    DUNLIN_TRY(transfer.permits.acquire(static_cast<std::int64_t>(wanted), 1, transfer.cancel));
    // What a file system calls a hole is read all the same where somebody compares: it may be
    // wrong.
    const bool believed = options_.holes && extent.hole && hashes.empty() && offset < extent.end;
    if (believed) std::fill_n(buffer.get(), wanted, std::byte{0});
    auto got = believed ? Result<std::size_t>(wanted)
                        : pread_up_to(from_.fd, buffer.get(), wanted, offset, from_.shown);
    if (!got.ok())
      return std::move(got).error().with_context("at offset " + std::to_string(offset));
    if (*got == 0) break;
    hashes.update({buffer.get(), *got});
    chunk.update(buffer.get(), *got);
    if (!options_.holes || !extent.hole || !all_zero(buffer.get(), *got)) {
      DUNLIN_TRY(options_.fence());
      DUNLIN_TRY(pwrite_all(to_.fd, buffer.get(), *got, offset, to_.shown));
    }
    offset += static_cast<std::int64_t>(*got);
    if (transfer.progress) transfer.progress(static_cast<std::int64_t>(*got));
    if (offset == chunk_end) DUNLIN_TRY(end_chunk(chunk));
    if (offset > size_) break;  // it has grown: that is all there is to say
  }
  DUNLIN_TRY(options_.fence());
  if (::ftruncate(to_.fd, offset) != 0) return error_from_errno(errno, to_.shown, true);
  return offset;
}

}  // namespace dunlin::fs
