// See paths.h.
#include "files/paths.h"

#include <sys/stat.h>

namespace dunlin::files {

bool ends_in_slash(const std::string& path) {
  return path.ends_with('/');
}

std::pair<std::string, std::string> split_path(std::string path) {
  path = without_slash(std::move(path));
  const std::size_t slash = path.rfind('/');
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

std::string joined(const std::string& directory, const std::string& name) {
  if (name.empty()) return directory;
  return ends_in_slash(directory) ? directory + name : directory + "/" + name;
}

std::string without_slash(std::string path) {
  while (path.size() > 1 && ends_in_slash(path)) path.pop_back();
  return path;
}

bool is_directory(const std::string& path, bool follow) {
  struct stat raw{};
  return (follow ? ::stat(path.c_str(), &raw) : ::lstat(path.c_str(), &raw)) == 0 &&
         S_ISDIR(raw.st_mode);
}

}  // namespace dunlin::files
