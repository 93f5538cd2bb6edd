// The judge: was anything outside touched, and has anything of it come inside?
//
// Three witnesses, because each sees what the others cannot. inotify sees that something was opened
// or read, though nothing was changed. A picture of every entry in every attribute sees what was
// changed, by whatever call. The marker sees what was carried in. One thread.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace dunlin::attack {

enum class Witness { event, picture, marker };
[[nodiscard]] const char* to_string(Witness witness);

struct Finding {
  Witness witness = Witness::event;
  std::string text;  ///< the path and what happened to it
};

class Outside {
 public:
  /// Watches what stands at `root` now.
  explicit Outside(std::string root);
  /// What happened since the last call, at most a few of each kind.
  [[nodiscard]] std::vector<Finding> touched();

 private:
  using Picture = std::map<std::string, std::string>;  // path: everything that a stat shows
  void watch();
  [[nodiscard]] std::set<std::string> events();
  [[nodiscard]] Picture picture() const;

  std::string root_;
  UniqueFd inotify_;
  std::map<int, std::string> watched_;
  Picture before_;
};

/// Where below `folder` the marker occurs: in names, content, targets and attributes.
[[nodiscard]] std::vector<Finding> carried_in(const std::string& folder);

}  // namespace dunlin::attack
