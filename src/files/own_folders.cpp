// Own folders; see own_folders.h.
#include "files/own_folders.h"

#include "base/crash_point.h"

namespace dunlin::files {

Status remove_own_folder(const fs::Directory& root, const std::string& name,
                         engine::RunContext& context, bool until_cancelled) {
  const auto folder = root.open_directory(name);
  if (!folder.ok()) return is_absent(folder.error()) ? success() : folder.error();
  DUNLIN_TRY(context.fence());
  DUNLIN_CRASH_POINT("files.release.before");
  DUNLIN_ASSIGN(fs::Listing listing, fs::Listing::open(*folder));
  while (true) {
    if (until_cancelled) DUNLIN_TRY(context.cancel().check());
    DUNLIN_ASSIGN(const auto entry, listing.next());
    if (!entry) break;
    DUNLIN_TRY(folder->remove_file(entry->name));
  }
  DUNLIN_TRY(root.remove_directory(name));
  DUNLIN_CRASH_POINT("files.release.after");
  return success();
}

}  // namespace dunlin::files
