// See feed.h.
#include "fs/feed.h"

#include <algorithm>
#include <cerrno>

#include "fs/block_pipeline.h"

namespace dunlin::fs {
namespace {

constexpr std::int64_t kBlockBytes = BlockPipeline::kBlockBytes;
/// Smaller files are many at once anyway, and threads would cost more than they give.
constexpr std::int64_t kPipelineFrom = 16 << 20;
constexpr int kBlocks = 12;
constexpr int kBlocksLeast = 2;

Status read_one(const FedFile& file, Block& block, const Transfer& transfer) {
  DUNLIN_TRY(transfer.permits.acquire(static_cast<std::int64_t>(block.wanted), 1, transfer.cancel));
  DUNLIN_TRY(transfer.cancel.check());
  DUNLIN_ASSIGN(block.got, read_block(file.mode, block.data, block.wanted, block.offset,
                                      file.granule, file.shown, file.written_here));
  return success();
}

Result<std::int64_t> feed_in_turn(const FedFile& file, std::int64_t size, HashSet& hashes,
                                  const Transfer& transfer) {
  const auto largest = static_cast<std::size_t>(std::clamp<std::int64_t>(size, 1, kBlockBytes));
  const auto held = static_cast<std::int64_t>(largest);
  DUNLIN_ASSIGN(const MemoryLease lease, transfer.permits.memory(held, held, transfer.cancel));
  BlockBuffer buffer(round_up(largest, file.granule), std::max<std::size_t>(file.granule, 4096));
  if (buffer.get() == nullptr) return error_from_errno(ENOMEM, file.shown.text());
  std::int64_t offset = 0;
  while (offset < size) {
    Block block{offset, static_cast<std::size_t>(std::min(kBlockBytes, size - offset)), 0, false,
                buffer.get()};
    DUNLIN_TRY(read_one(file, block, transfer));
    hashes.update({block.data, block.got});
    offset += static_cast<std::int64_t>(block.got);
    if (transfer.progress) transfer.progress(static_cast<std::int64_t>(block.got));
    if (block.got < block.wanted) break;
  }
  return offset;
}

}  // namespace

Result<std::int64_t> feed(const FedFile& file, std::int64_t size, HashSet& hashes,
                          const Transfer& transfer) {
  if (size < kPipelineFrom) return feed_in_turn(file, size, hashes, transfer);
  std::int64_t next = 0;
  std::int64_t fed = 0;
  BlockPipeline::Steps steps;
  steps.next = [&](Block& block) {
    block.offset = next;
    block.wanted = static_cast<std::size_t>(std::min(kBlockBytes, size - next));
    next += static_cast<std::int64_t>(block.wanted);
    return block.wanted != 0;
  };
  steps.fill = [&](Block& block) { return read_one(file, block, transfer); };
  for (Hasher& one : hashes.each())
    steps.lanes.emplace_back([&one](auto bytes) { one.update(bytes.data(), bytes.size()); });
  steps.done = [&](const Block& block) -> Result<bool> {
    transfer.permits.pause_if_too_many(transfer.cancel);
    fed += static_cast<std::int64_t>(block.got);
    if (transfer.progress) transfer.progress(static_cast<std::int64_t>(block.got));
    return true;
  };
  DUNLIN_ASSIGN(
      const MemoryLease lease,
      transfer.permits.memory(kBlocks * kBlockBytes, kBlocksLeast * kBlockBytes, transfer.cancel));
  const auto blocks = static_cast<int>(lease.bytes() / kBlockBytes);
  BlockPipeline pipeline(std::move(steps), BlockPipeline::size_within(blocks, false));
  DUNLIN_TRY(pipeline.run());
  return fed;
}

}  // namespace dunlin::fs
