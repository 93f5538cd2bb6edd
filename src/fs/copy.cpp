// The copy pass; see copy.h. The read-back is in read_back.cpp.
#include "fs/copy.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/file_io.h"
#include "base/text.h"

namespace dunlin::fs {
namespace {

constexpr std::int64_t kBlockBytes = 1 << 20;
constexpr std::int64_t kSmallestBlockBytes = 4096;

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

Result<std::int64_t> copy_content(int from, std::string_view from_shown, int to,
                                  std::string_view to_shown, std::int64_t size_hint,
                                  HashSet& hashes, const Transfer& transfer) {
  // One byte more than the size, so that a small file ends within one block and is seen to end.
  const auto block =
      static_cast<std::size_t>(std::clamp(size_hint + 1, kSmallestBlockBytes, kBlockBytes));
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(block);
  std::int64_t copied = 0;
  while (true) {
    const auto wanted = std::min<std::int64_t>(static_cast<std::int64_t>(block),
                                               std::max<std::int64_t>(size_hint - copied, 0) + 1);
    DUNLIN_TRY(transfer.permits.acquire(std::max<std::int64_t>(wanted - 1, 1), 1, transfer.cancel));
    DUNLIN_TRY(transfer.cancel.check());
    auto got = read_up_to(from, buffer.get(), block, from_shown);
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

}  // namespace dunlin::fs
