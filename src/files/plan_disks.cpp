// See plan_disks.h.
#include "files/plan_disks.h"

#include <utility>

#include "files/paths.h"

namespace dunlin::files {
namespace {

/// Of a disk as a whole what is in it, while it is the only source.
Status find_sources(const fs::Disks& disks, FilesPlan& plan) {
  const bool several = plan.disks.size() * plan.sources.size() > 1;
  std::vector<std::string> found;
  for (const std::string& disk : plan.disks) {
    DUNLIN_ASSIGN(const std::string point, disks.mount_point(disk));
    for (const std::string& path : plan.sources) {
      const bool contents = path.empty() && !several && !ends_in_slash(point);
      found.push_back(contents ? point + "/" : joined(point, path));
    }
  }
  plan.sources = std::move(found);
  std::vector<std::string> problems;
  if (several) check_several(plan.sources, problems);
  if (!problems.empty()) return Error(ErrorType::invalid_input, problems.front());
  return success();
}

}  // namespace

Result<FilesPlan> on_disks(FilesPlan plan, const fs::DiskPlaces& places) {
  if (plan.disks.empty() && plan.target_disk.empty()) return plan;
  DUNLIN_ASSIGN(const fs::Disks disks, fs::Disks::read(places));
  if (!plan.disks.empty()) {
    DUNLIN_TRY(find_sources(disks, plan));
    plan.disks.clear();
  }
  if (!plan.target_disk.empty()) {
    DUNLIN_ASSIGN(const std::string point, disks.mount_point(plan.target_disk));
    plan.destination = joined(point, plan.destination);
    plan.target_disk.clear();
  }
  return plan;
}

}  // namespace dunlin::files
