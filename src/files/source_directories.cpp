// See source_directories.h.
#include "files/source_directories.h"

#include <cerrno>
#include <vector>

#include "fs/metadata.h"

namespace dunlin::files {
namespace {

constexpr mode_t kWhileWorking = 0700;

}  // namespace

Status SourceDirectories::make(const std::string& path) {
  const std::scoped_lock lock(mutex_);
  DUNLIN_ASSIGN(SourceTrees* const source, site_.source());
  std::vector<std::string> missing;
  for (std::string above = path;;) {
    const auto there = source->get(above);
    if (there.ok()) break;
    if (!is_absent(there.error()) || above.empty()) return there.error();
    missing.push_back(above);
    const std::size_t slash = above.rfind('/');
    above = slash == std::string::npos ? std::string() : above.substr(0, slash);
  }
  for (; !missing.empty(); missing.pop_back()) DUNLIN_TRY(make_one(missing.back()));
  return success();
}

Status SourceDirectories::make_one(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const bool top = slash == std::string::npos;
  DUNLIN_ASSIGN(SourceTrees* const source, site_.source());
  DUNLIN_ASSIGN(const auto parent, source->get(top ? std::string() : path.substr(0, slash)));
  DUNLIN_TRY(flush_.prepare(*parent));
  DUNLIN_TRY(context_.fence());
  const Status made = parent->make_directory(
      top ? std::string_view(path) : std::string_view(path).substr(slash + 1), kWhileWorking);
  if (!made.ok() && made.error().native.code != "EEXIST") return made;
  DUNLIN_TRY(flush_.directory_changed(*parent));
  return made.ok() ? take_over(path) : success();
}

Status SourceDirectories::take_over(const std::string& path) {
  DUNLIN_ASSIGN(fs::DirectoryCache* const root, site_.destination());
  DUNLIN_ASSIGN(const auto copy, root->get(path));
  DUNLIN_ASSIGN(SourceTrees* const source, site_.source());
  DUNLIN_ASSIGN(const auto directory, source->get(path));
  DUNLIN_ASSIGN(const fs::FileInfo info, copy->info());
  DUNLIN_ASSIGN(const fs::Extended extended, fs::read_extended({copy->fd(), false}, *copy, ""));
  fs::FileInfo open = info;
  open.mode |= kWhileWorking;
  fs::Preserve preserve;
  preserve.flags = false;
  DUNLIN_TRY(fs::apply_directory_metadata(*directory, open, extended, preserve));
  made_.emplace(path, info);
  return success();
}

Status SourceDirectories::finish() {
  if (made_.empty()) return success();
  DUNLIN_ASSIGN(SourceTrees* const source, site_.source());
  for (const auto& [path, info] : made_) {
    DUNLIN_ASSIGN(const auto directory, source->get(path));
    const fs::InodeRef inode{directory->fd(), false};
    int refused = fs::change_mode(inode, info.mode);
    if (refused == 0) refused = fs::change_times(inode, info.atime, info.mtime);
    if (refused != 0 && refused != EPERM && refused != EOPNOTSUPP)
      return directory->error(refused, "change mode and times of", "");
    DUNLIN_TRY(flush_.prepare(*directory));
    DUNLIN_TRY(flush_.directory_changed(*directory));
  }
  made_.clear();
  return success();
}

}  // namespace dunlin::files
