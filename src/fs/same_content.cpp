// Comparing two files by what they hold; see copy.h.
#include <fcntl.h>

#include <cerrno>

#include "fs/copy.h"

namespace dunlin::fs {

Result<bool> same_content(const Directory& one, std::string_view one_name, const Directory& two,
                          std::string_view two_name, const FileSystemTraits& two_traits,
                          const Transfer& transfer) {
  DUNLIN_ASSIGN(const UniqueFd file, one.open_file(one_name, O_RDONLY | O_NOATIME));
  const Subject shown = one.subject(one_name);
  DUNLIN_ASSIGN(const FileInfo info, info_of(file.get(), shown, one.side()));
  if (info.type != EntryType::file) return one.error(ESTALE, "read", one_name);
  DUNLIN_ASSIGN(HashSet hashes, HashSet::create({HashKind::xxh3}));
  DUNLIN_TRY(hash_content(file.get(), shown, hashes, transfer));
  const std::string content = hashes.finish();
  DUNLIN_TRY(read_back(two, two_name, two_traits, hashes, transfer));
  return hashes.finish() == content;
}

}  // namespace dunlin::fs
