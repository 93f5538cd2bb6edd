// The copy pass; see copy.h. The read-back is in read_back.cpp.
#include "fs/copy.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/file_io.h"
#include "base/text.h"
#include "fs/direct_io.h"
#include "fs/extents.h"
#include "fs/feed.h"

namespace dunlin::fs {
namespace {

constexpr std::int64_t kBlockBytes = 1 << 20;
constexpr std::int64_t kSmallestBlockBytes = 4096;

/// As read_up_to(), but where a read ends early and exactly `expected` bytes have come, that is the
/// end of the file: one more call would say the same. Whoever copies looks at size and times
/// afterwards, which tell of a file that goes on.
Result<std::size_t> read_block(int from, std::byte* buffer, std::size_t size, std::size_t expected,
                               const Subject& shown) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got = TEMP_FAILURE_RETRY(::read(from, buffer + done, size - done));
    if (got < 0) return error_from_errno(errno, "read " + shown.text());
    done += static_cast<std::size_t>(got);
    if (got == 0 || done == expected) break;
  }
  return done;
}

}  // namespace

Result<HashSet> HashSet::create(const std::vector<HashKind>& kinds) {
  HashSet set;
  for (const HashKind kind : kinds) {
    DUNLIN_ASSIGN(Hasher hasher, Hasher::create(kind));
    set.hashers_.push_back(std::move(hasher));
  }
  return set;
}

void HashSet::update(std::span<const std::byte> bytes) {
  for (Hasher& hasher : hashers_) hasher.update(bytes.data(), bytes.size());
  if (content_ == nullptr || bytes.size() > at_most_ - std::min(at_most_, content_->size())) return;
  content_->append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

std::string HashSet::finish() {
  std::string text;
  for (Hasher& hasher : hashers_) {
    if (!text.empty()) text += ' ';
    text += std::string(to_string(hasher.kind())) + ":" + hex(hasher.finish());
    hasher.reset();
  }
  return text;
}

Result<std::int64_t> copy_content(int from, const Subject& from_shown, int to,
                                  const Subject& to_shown, std::int64_t size_hint, HashSet& hashes,
                                  const Transfer& transfer) {
  // One byte more than the size, so that a small file ends within one block and is seen to end.
  const auto block =
      static_cast<std::size_t>(std::clamp(size_hint + 1, kSmallestBlockBytes, kBlockBytes));
  const auto held = static_cast<std::int64_t>(block);
  DUNLIN_ASSIGN(const MemoryLease lease, transfer.permits.memory(held, held, transfer.cancel));
  BlockBuffer buffer(block);
  if (buffer.get() == nullptr) return error_from_errno(ENOMEM, from_shown.text());
  std::int64_t copied = 0;
  while (true) {
    const auto wanted = std::min<std::int64_t>(static_cast<std::int64_t>(block),
                                               std::max<std::int64_t>(size_hint - copied, 0) + 1);
    DUNLIN_TRY(transfer.permits.acquire(std::max<std::int64_t>(wanted - 1, 1), 1, transfer.cancel));
    DUNLIN_TRY(transfer.cancel.check());
    const auto expected = static_cast<std::size_t>(std::max<std::int64_t>(size_hint - copied, 0));
    auto got = read_block(from, buffer.get(), block, expected, from_shown);
    if (!got.ok()) {
      return std::move(got).error().with_context("at offset " + std::to_string(copied));
    }
    const std::size_t bytes = *got;
    if (bytes > 0) {
      hashes.update({buffer.get(), bytes});
      DUNLIN_TRY(write_all(to, buffer.get(), bytes, to_shown));
      copied += static_cast<std::int64_t>(bytes);
      if (transfer.progress) transfer.progress(static_cast<std::int64_t>(bytes));
    }
    if (bytes < block) return copied;
  }
}

Result<std::int64_t> copy_with_holes(int from, const Subject& from_shown, int to,
                                     const Subject& to_shown, HashSet& hashes,
                                     const Transfer& transfer) {
  DUNLIN_ASSIGN(const MemoryLease lease,
                transfer.permits.memory(kBlockBytes, kBlockBytes, transfer.cancel));
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kBlockBytes);
  struct stat info{};
  if (::fstat(from, &info) != 0) return error_from_errno(errno, from_shown.text());
  // XFS reserves room behind the end of a file that grows, and what the next write leaves out of it
  // stays allocated: the file never grows.
  if (::ftruncate(to, info.st_size) != 0) return error_from_errno(errno, to_shown.text(), true);
  std::int64_t offset = 0;
  for (Extent extent{0, false};;) {
    DUNLIN_TRY(transfer.cancel.check());
    if (offset >= extent.end && offset < info.st_size)
      extent = extent_at(from, offset, info.st_size);
    if (extent.hole && hashes.empty() && offset < extent.end) {
      offset = extent.end;
      continue;
    }
    // At the end one byte more is asked for: whatever was appended since shows as a change.
    const std::int64_t left = std::max<std::int64_t>(extent.end - offset, 1);
    const auto wanted = static_cast<std::size_t>(std::min(left, kBlockBytes));
    DUNLIN_TRY(transfer.permits.acquire(static_cast<std::int64_t>(wanted), 1, transfer.cancel));
    auto got = pread_up_to(from, buffer.get(), wanted, offset, from_shown);
    if (!got.ok())
      return std::move(got).error().with_context("at offset " + std::to_string(offset));
    if (*got == 0) break;
    hashes.update({buffer.get(), *got});
    if (!extent.hole || !all_zero(buffer.get(), *got))
      DUNLIN_TRY(pwrite_all(to, buffer.get(), *got, offset, to_shown));
    offset += static_cast<std::int64_t>(*got);
    if (transfer.progress) transfer.progress(static_cast<std::int64_t>(*got));
    if (offset > info.st_size) break;  // it has grown: that is all there is to say
  }
  if (::ftruncate(to, offset) != 0) return error_from_errno(errno, to_shown.text(), true);
  return offset;
}

Status hash_content(int from, const Subject& from_shown, HashSet& hashes,
                    const Transfer& transfer) {
  struct stat info{};
  if (::fstat(from, &info) != 0) return error_from_errno(errno, from_shown.text());
  DirectMode cached(from);
  DUNLIN_ASSIGN(std::int64_t offset,
                feed({cached, from_shown, 1, false}, info.st_size, hashes, transfer));
  // To its end, not to its size: files in /proc have none.
  BlockBuffer buffer(kSmallestBlockBytes);
  while (true) {
    DUNLIN_TRY(transfer.cancel.check());
    DUNLIN_ASSIGN(const std::size_t got,
                  pread_up_to(from, buffer.get(), kSmallestBlockBytes, offset, from_shown));
    if (got == 0) return success();
    hashes.update({buffer.get(), got});
    if (transfer.progress) transfer.progress(static_cast<std::int64_t>(got));
    offset += static_cast<std::int64_t>(got);
  }
}

}  // namespace dunlin::fs
