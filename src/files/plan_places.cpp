// See plan_places.h.
#include "files/plan_places.h"

#include <filesystem>

#include "base/text.h"
#include "files/paths.h"
#include "files/plan.h"

namespace dunlin::files {

namespace stdfs = std::filesystem;

std::vector<std::string> check_places(const Json& document) {
  std::vector<std::string> problems;
  const FilesPlan plan = decode_plan(document, problems);
  if (!problems.empty() || !plan.disks.empty() || !plan.target_disk.empty()) return {};
  const auto plain = [](const std::string& path) {
    std::string out = stdfs::path(path).lexically_normal().native();
    while (out.size() > 1 && out.ends_with('/')) out.pop_back();
    return out;
  };
  const std::string to = plain(plan.destination);
  for (const std::string& source : plan.sources) {
    const std::string from = plain(source);
    const std::string shown = "'" + escape_bytes(from) + "'";
    if (from == to && (plan.several() || ends_in_slash(source) || !ends_in_slash(plan.destination)))
      problems.push_back("/destination/base_path: is the source itself, " + shown +
                         "; name another place");
    else if (to.starts_with(from == "/" ? from : from + "/"))
      problems.push_back("/destination/base_path: lies inside of the source " + shown +
                         ", so the copy would copy itself; name a place outside of it");
  }
  return problems;
}

}  // namespace dunlin::files
