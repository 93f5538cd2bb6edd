// ResumableCopy; see resumable_copy.h.
#include "fs/resumable_copy.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/file_io.h"
#include "fs/chunk_recorder.h"

namespace dunlin::fs {
namespace {

constexpr std::int64_t kBlockBytes = BlockPipeline::kBlockBytes;
constexpr int kBlocksWanted = 24;
constexpr int kBlocksLeast = 3;
/// Smaller stretches of data between holes are not preallocated: each call waits until all direct
/// writes of the file have ended.
constexpr std::int64_t kPreallocateFrom = 8 << 20;

}  // namespace

Result<std::int64_t> ResumableCopy::run(const ChunkHashes& known, HashSet& hashes,
                                        const Transfer& transfer) {
  choose_modes();
  DUNLIN_ASSIGN(const std::size_t chunks, chunks_that_hold(known, transfer));
  done_ = known.substr(0, chunks * kChunkHashBytes);
  kept_bytes_ = static_cast<std::int64_t>(chunks) * options_.chunk_bytes;
  // Reading it back takes minutes: the file may be another owner's by now, and published.
  DUNLIN_TRY(make_room());
  DUNLIN_TRY(feed_kept(hashes, transfer));
  if (!known.empty() && options_.goes_on) options_.goes_on(kept_bytes_);
  return copy_rest(hashes, transfer);
}

void ResumableCopy::choose_modes() {
  if (!options_.direct_io) return;
  const auto usable = [this](const Alignment& alignment) {
    const auto chunk = static_cast<std::size_t>(options_.chunk_bytes);
    return alignment.memory != 0 && chunk % alignment.offset == 0;
  };
  const Alignment from = alignment_of(from_.fd);
  if (usable(from) && from_mode_.on()) granule_ = std::max(granule_, from.offset);
  const Alignment to = alignment_of(to_.fd);
  direct_writes_ = options_.to_traits.direct_writes && usable(to) && to_mode_.on();
  if (direct_writes_) granule_ = std::max(granule_, to.offset);
  compares_ = direct_writes_ && options_.read_back_blocks;
}

/// With holes, and for direct writes, it has its size from the start: a chunk that ends in a hole
/// reads back whole, XFS reserves no room behind the end of a file that does not grow, and direct
/// writes that let a file grow would be done one after the other.
Status ResumableCopy::make_room() {
  // Each change of its size is fenced: a preallocation may take seconds, and another owner would go
  // on with this file.
  const auto resize = [this](std::int64_t size) -> Status {
    DUNLIN_TRY(options_.fence());
    if (::ftruncate(to_.fd, size) != 0) return error_from_errno(errno, to_.shown, true);
    return success();
  };
  DUNLIN_TRY(resize(kept_bytes_));
  if (!options_.holes && !direct_writes_) return success();
  DUNLIN_TRY(resize(size_));
  if (options_.holes || !direct_writes_ || size_ - kept_bytes_ < kPreallocateFrom) return success();
  // Writes into blocks that are reserved already run side by side; and where there is no room for
  // all of them, that is known before the first is written.
  DUNLIN_TRY(options_.fence());
  if (::fallocate(to_.fd, FALLOC_FL_KEEP_SIZE, kept_bytes_, size_ - kept_bytes_) == 0)
    return success();
  if (errno != ENOSPC && errno != EDQUOT) return success();
  Error full = error_from_errno(errno, to_.shown, true);
  DUNLIN_TRY(resize(kept_bytes_));  // gives back what could be had
  return full;
}

Status ResumableCopy::run_pipeline(BlockPipeline::Steps steps, const Transfer& transfer) {
  const bool with_use = steps.use != nullptr;
  DUNLIN_ASSIGN(const MemoryLease lease,
                transfer.permits.memory(kBlocksWanted * kBlockBytes, kBlocksLeast * kBlockBytes,
                                        transfer.cancel));
  const auto blocks = static_cast<int>(lease.bytes() / kBlockBytes);
  BlockPipeline pipeline(std::move(steps), BlockPipeline::size_within(blocks, with_use));
  return pipeline.run();
}

/// The destination from its start to `end`, in blocks.
BlockPipeline::Steps ResumableCopy::reading_back(std::int64_t end, const Transfer& transfer) {
  BlockPipeline::Steps steps;
  next_offset_ = 0;
  steps.next = [this, end](Block& block) {
    if (next_offset_ >= end) return false;
    const std::int64_t chunk_end = (next_offset_ / options_.chunk_bytes + 1) * options_.chunk_bytes;
    block.offset = next_offset_;
    block.wanted = static_cast<std::size_t>(
        std::min({kBlockBytes, end - next_offset_, chunk_end - next_offset_}));
    next_offset_ += static_cast<std::int64_t>(block.wanted);
    return true;
  };
  steps.fill = [this, &transfer](Block& block) -> Status {
    DUNLIN_TRY(
        transfer.permits.acquire(static_cast<std::int64_t>(block.wanted), 1, transfer.cancel));
    DUNLIN_TRY(transfer.cancel.check());
    DUNLIN_ASSIGN(block.got, read_block(to_mode_, block.data, block.wanted, block.offset, granule_,
                                        to_.shown, true));
    return success();
  };
  return steps;
}

/// Whole chunks from the start that read back as they were written.
Result<std::size_t> ResumableCopy::chunks_that_hold(const ChunkHashes& known,
                                                    const Transfer& transfer) {
  const auto whole_chunks = static_cast<std::size_t>(size_ / options_.chunk_bytes);
  const std::size_t claimed = std::min(known.size() / kChunkHashBytes, whole_chunks);
  if (claimed == 0) return std::size_t{0};
  DUNLIN_ASSIGN(Hasher chunk, Hasher::create(HashKind::xxh3));
  std::size_t holding = 0;
  const std::int64_t end = static_cast<std::int64_t>(claimed) * options_.chunk_bytes;
  BlockPipeline::Steps steps = reading_back(end, transfer);
  steps.done = [&](const Block& block) -> Result<bool> {
    transfer.permits.pause_if_too_many(transfer.cancel);
    DUNLIN_TRY(transfer.cancel.check());
    chunk.update(block.data, block.got);
    if (options_.read_back) options_.read_back(static_cast<std::int64_t>(block.got));
    const std::int64_t done = block.offset + static_cast<std::int64_t>(block.got);
    if (block.got < block.wanted || done % options_.chunk_bytes != 0) return true;
    if (chunk.finish() != known.substr(holding * kChunkHashBytes, kChunkHashBytes)) return false;
    chunk.reset();
    ++holding;
    return true;
  };
  DUNLIN_TRY(run_pipeline(std::move(steps), transfer));
  return holding;
}

/// The other hashes begin with what is kept. From the destination, which has just been compared.
Status ResumableCopy::feed_kept(HashSet& hashes, const Transfer& transfer) {
  if (hashes.empty() || kept_bytes_ == 0) return success();
  UnlimitedPermits free;  // it was paid for when it was compared
  const Transfer again{free, transfer.cancel, {}};
  BlockPipeline::Steps steps = reading_back(kept_bytes_, again);
  for (Hasher& one : hashes.each())
    steps.lanes.emplace_back([&one](auto bytes) { one.update(bytes.data(), bytes.size()); });
  std::int64_t fed = 0;
  steps.done = [&fed](const Block& block) -> Result<bool> {
    fed += static_cast<std::int64_t>(block.got);
    return true;
  };
  DUNLIN_TRY(run_pipeline(std::move(steps), transfer));
  if (fed == kept_bytes_) return success();
  return Error(ErrorType::destination_changed, to_.shown + " became shorter while it was read");
}

/// Up to the end of the extent and of the chunk. Where a hole and data meet within a unit of direct
/// I/O, it counts as data.
bool ResumableCopy::next_block(Block& block) {
  if (next_offset_ >= size_) return false;
  if (!options_.holes) {
    extent_ = {size_, false};
  } else if (next_offset_ >= extent_.end) {
    extent_ = extent_at(from_.fd, next_offset_, size_);
    const auto granule = static_cast<std::int64_t>(granule_);
    const bool inside = extent_.end < size_;
    if (inside && extent_.hole) extent_.end -= extent_.end % granule;
    if (extent_.end <= next_offset_) extent_ = {next_offset_ + granule, false};
    if (!extent_.hole) extent_.end += (granule - extent_.end % granule) % granule;
    extent_.end = std::min(extent_.end, size_);
    if (!extent_.hole) preallocate(next_offset_, extent_.end);
  }
  const std::int64_t chunk_end = (next_offset_ / options_.chunk_bytes + 1) * options_.chunk_bytes;
  block.offset = next_offset_;
  block.wanted = static_cast<std::size_t>(
      std::min({kBlockBytes, extent_.end - next_offset_, chunk_end - next_offset_}));
  block.hole = extent_.hole;
  next_offset_ += static_cast<std::int64_t>(block.wanted);
  return true;
}

/// Of the data between two holes. What is refused shows when it is written.
void ResumableCopy::preallocate(std::int64_t offset, std::int64_t end) {
  if (!direct_writes_ || end - offset < kPreallocateFrom || !options_.fence().ok()) return;
  static_cast<void>(::fallocate(to_.fd, FALLOC_FL_KEEP_SIZE, offset, end - offset));
}

Status ResumableCopy::read_source(Block& block, bool believes_holes, const Transfer& transfer) {
  DUNLIN_TRY(transfer.permits.acquire(static_cast<std::int64_t>(block.wanted), 1, transfer.cancel));
  DUNLIN_TRY(transfer.cancel.check());
  if (block.hole && believes_holes) {
    std::fill_n(block.data, block.wanted, std::byte{0});
    block.got = block.wanted;
    return success();
  }
  auto got =
      read_block(from_mode_, block.data, block.wanted, block.offset, granule_, from_.shown, false);
  if (!got.ok())
    return std::move(got).error().with_context("at offset " + std::to_string(block.offset));
  block.got = *got;
  return success();
}

bool ResumableCopy::stays_a_hole(const Block& block) const {
  return options_.holes && block.hole && all_zero(block.data, block.got);
}

Status ResumableCopy::write_and_compare(const Block& block, std::byte* spare,
                                        const Transfer& transfer) {
  const std::size_t whole = direct_writes_ ? block.got - block.got % granule_ : block.got;
  if (whole == 0) return success();
  if (!stays_a_hole(block)) {
    DUNLIN_TRY(options_.fence());
    DUNLIN_TRY(write_block(to_mode_, block.data, whole, block.offset, to_.shown));
  }
  if (!compares_) return success();
  DUNLIN_TRY(transfer.permits.acquire(static_cast<std::int64_t>(whole), 1, transfer.cancel));
  return compare({block.data, whole}, block.offset, spare);
}

/// `spare` has room for a block.
Status ResumableCopy::compare(std::span<const std::byte> bytes, std::int64_t offset,
                              std::byte* spare) {
  DUNLIN_ASSIGN(const std::size_t got,
                read_block(to_mode_, spare, bytes.size(), offset, granule_, to_.shown, true));
  if (got == bytes.size() && std::memcmp(spare, bytes.data(), got) == 0) return success();
  return Error(ErrorType::verification_mismatch,
               to_.shown + ": the device does not hold what was read from the source, at offset " +
                   std::to_string(offset));
}

Result<bool> ResumableCopy::finish_block(const Block& block, ChunkRecorder& recorder,
                                         const Transfer& transfer) {
  transfer.permits.pause_if_too_many(transfer.cancel);
  DUNLIN_TRY(transfer.cancel.check());
  const std::size_t rest = direct_writes_ ? block.got % granule_ : 0;
  if (rest != 0 && !stays_a_hole(block)) {
    tail_.offset = block.offset + static_cast<std::int64_t>(block.got - rest);
    tail_.bytes.assign(reinterpret_cast<const char*>(block.data) + block.got - rest, rest);
  }
  copied_ = block.offset + static_cast<std::int64_t>(block.got);
  if (transfer.progress) transfer.progress(static_cast<std::int64_t>(block.got));
  if (block.got != 0 && copied_ % options_.chunk_bytes == 0) DUNLIN_TRY(end_chunk(recorder));
  return true;
}

void ResumableCopy::hash_chunks(Hasher& chunk, std::span<const std::byte> bytes) {
  chunk.update(bytes.data(), bytes.size());
  hashed_to_ += static_cast<std::int64_t>(bytes.size());
  if (hashed_to_ % options_.chunk_bytes != 0 || bytes.empty()) return;
  const auto n = static_cast<std::size_t>(hashed_to_ / options_.chunk_bytes - 1);
  // In place, byte by byte: another thread reads earlier ones meanwhile.
  std::memcpy(computed_.data() + n * kChunkHashBytes, chunk.finish().data(), kChunkHashBytes);
  chunk.reset();
}

Status ResumableCopy::end_chunk(ChunkRecorder& recorder) {
  done_ += computed_.substr(done_.size(), kChunkHashBytes);
  return recorder.add(done_);
}

Status ResumableCopy::write_tail() {
  if (tail_.bytes.empty()) return success();
  const auto* bytes = reinterpret_cast<const std::byte*>(tail_.bytes.data());
  to_mode_.off();
  DUNLIN_TRY(options_.fence());
  DUNLIN_TRY(write_block(to_mode_, bytes, tail_.bytes.size(), tail_.offset, to_.shown));
  if (!compares_ || to_mode_.was_refused() || !to_mode_.on()) return success();
  const AlignedBuffer spare = aligned_buffer(granule_);
  if (!spare) return error_from_errno(ENOMEM, "get memory for a copy");
  return compare({bytes, tail_.bytes.size()}, tail_.offset, spare.get());
}

Result<std::int64_t> ResumableCopy::copy_rest(HashSet& hashes, const Transfer& transfer) {
  DUNLIN_ASSIGN(Hasher chunk, Hasher::create(HashKind::xxh3));
  computed_.assign(static_cast<std::size_t>(size_ / options_.chunk_bytes) * kChunkHashBytes, '\0');
  // What a file system calls a hole is read all the same where somebody compares: it may be wrong.
  const bool believes_holes = options_.holes && hashes.empty() && !compares_;
  next_offset_ = copied_ = hashed_to_ = kept_bytes_;
  BlockPipeline::Steps steps;
  steps.next = [this](Block& block) { return next_block(block); };
  steps.fill = [&](Block& block) { return read_source(block, believes_holes, transfer); };
  steps.use = [&](const Block& block, std::byte* spare) {
    return write_and_compare(block, spare, transfer);
  };
  for (Hasher& one : hashes.each())
    steps.lanes.emplace_back([&one](auto bytes) { one.update(bytes.data(), bytes.size()); });
  steps.lanes.emplace_back([&](auto bytes) { hash_chunks(chunk, bytes); });
  ChunkRecorder recorder(options_.chunk_done, transfer.cancel);
  steps.done = [&](const Block& block) { return finish_block(block, recorder, transfer); };
  DUNLIN_TRY(run_pipeline(std::move(steps), transfer));
  DUNLIN_TRY(write_tail());
  DUNLIN_TRY(transfer.permits.acquire(1, 1, transfer.cancel));
  if (copied_ == size_) {  // whatever was appended since shows as a change
    from_mode_.off();
    std::byte more{};
    DUNLIN_ASSIGN(const std::size_t got, pread_up_to(from_.fd, &more, 1, size_, from_.shown));
    if (got != 0) return size_ + 1;
  }
  DUNLIN_TRY(options_.fence());
  if (::ftruncate(to_.fd, copied_) != 0) return error_from_errno(errno, to_.shown, true);
  DUNLIN_TRY(recorder.finish());
  proven_ = compares_ && to_mode_.is_on() && !to_mode_.was_refused() &&
            lies_in_blocks(to_.fd, options_.to_traits);
  to_mode_.off();
  from_mode_.off();
  return copied_;
}

}  // namespace dunlin::fs
