// See claims.h.
#include "files/claims.h"

#include <filesystem>
#include <system_error>

#include "base/process.h"
#include "engine/claims.h"
#include "files/paths.h"
#include "fs/directory.h"
#include "fs/disks.h"
#include "fs/file_system.h"

namespace dunlin::files {
namespace {

namespace stdfs = std::filesystem;

std::string canonical(const std::string& path) {
  std::error_code code;
  const stdfs::path resolved = stdfs::weakly_canonical(path, code);
  return code ? path : without_slash(resolved.native());
}

/// ASCII alone: other letters fold by rules that only the file system knows.
std::string lower(std::string name) {
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return name;
}

/// The names of a canonical path from `from` on, in lower case where their directory may take two
/// that differ in case for one.
std::string folded(const std::string& path) {
  std::string out;
  std::string above = "/";
  bool folds = false;
  bool exists = true;
  for (std::size_t begin = 1; begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string name = path.substr(begin, end - begin);
    if (exists) {  // what is made in a directory folds as that does
      const auto directory = fs::Directory::open_root(above, fs::Side::destination);
      exists = directory.ok();
      if (exists) {
        const auto may = fs::may_fold_names(*directory);
        folds = may.ok() && *may;
      }
    }
    out += "/" + (folds ? lower(name) : name);
    above = path.substr(0, end);
    begin = end + 1;
  }
  return out;
}

/// Empty: the kernel does not tell.
std::string in_file_system(const std::string& path) {
  const auto boot = boot_id();  // devices have other numbers after the next one
  const auto place = fs::place_on_device(path, folded(path));
  if (!boot.ok() || !place.ok()) return {};
  return std::string(engine::kSamePlace) + *boot + ":" + *place;
}

}  // namespace

std::vector<engine::Claim> claims_of(const FilesPlan& plan, const Layout& layout) {
  std::vector<engine::Claim> claims;
  const auto add = [&](const std::string& directory, const std::string& name) {
    // What stands under the last name is replaced and not followed.
    const std::string path = joined(canonical(directory), name);
    claims.push_back("file:" + path);
    if (std::string place = in_file_system(path); !place.empty())
      claims.push_back(std::move(place));
  };
  if (layout.several()) {
    for (const Layout::Source& source : layout.sources) add(layout.destination_root, source.name);
  } else if (layout.whole_tree()) {
    add(layout.destination_root, "");
  } else {
    add(layout.destination_root, layout.single_target);
  }
  if (!plan.moves()) return claims;
  for (const std::string& source : plan.sources) {  // a move empties them
    const bool contents = ends_in_slash(source) || source == "/";
    const auto [parent, name] = split_path(source);
    add(contents ? source : parent, contents ? "" : name);
  }
  return claims;
}

}  // namespace dunlin::files
