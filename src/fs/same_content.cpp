// Comparing two files by what they hold; see copy.h.
#include <fcntl.h>

#include <cerrno>
#include <memory>

#include "base/file_io.h"
#include "fs/copy.h"

namespace dunlin::fs {
namespace {

constexpr std::size_t kBlockBytes = 1 << 20;

Status feed(int fd, std::string_view shown, HashSet& hashes, const Transfer& transfer) {
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kBlockBytes);
  while (true) {
    DUNLIN_TRY(transfer.permits.acquire(kBlockBytes, 1, transfer.cancel));
    DUNLIN_TRY(transfer.cancel.check());
    DUNLIN_ASSIGN(const std::size_t got, read_up_to(fd, buffer.get(), kBlockBytes, shown));
    hashes.update({buffer.get(), got});
    if (transfer.progress) transfer.progress(static_cast<std::int64_t>(got));
    if (got < kBlockBytes) return success();
  }
}

}  // namespace

Result<bool> same_content(const Directory& one, std::string_view one_name, const Directory& two,
                          std::string_view two_name, const FileSystemTraits& two_traits,
                          const Transfer& transfer) {
  DUNLIN_ASSIGN(const UniqueFd file, one.open_file(one_name, O_RDONLY | O_NOATIME));
  const std::string shown = one.shown(one_name);
  DUNLIN_ASSIGN(const FileInfo info, info_of(file.get(), shown, one.side()));
  if (info.type != EntryType::file) return one.error(ESTALE, "read", one_name);
  DUNLIN_ASSIGN(HashSet hashes, HashSet::create({HashKind::xxh3}));
  DUNLIN_TRY(feed(file.get(), shown, hashes, transfer));
  const std::string content = hashes.finish();
  DUNLIN_TRY(read_back(two, two_name, two_traits, hashes, transfer));
  return hashes.finish() == content;
}

}  // namespace dunlin::fs
