// See layout.h.
#include "files/layout.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <tuple>
#include <utility>

#include "base/text.h"
#include "files/paths.h"

namespace dunlin::files {
namespace {

Result<bool> is_tree(const FilesPlan& plan, const std::string& source) {
  struct stat raw{};
  const bool contents = ends_in_slash(source);
  const bool follows = contents || plan.follows(fs::Follow::always);
  const int looked = follows ? ::stat(source.c_str(), &raw) : ::lstat(source.c_str(), &raw);
  if (looked == 0) return S_ISDIR(raw.st_mode);
  if (errno != ENOENT && errno != ENOTDIR)
    return error_from_errno(errno, "look at source '" + escape_bytes(source) + "'");
  return contents;
}

Error unknown() {
  return {ErrorType::state_corrupt,
          "the ledger does not say which of its sources were directories when it began"};
}

Layout layout_of_several(const FilesPlan& plan, const Found& found) {
  Layout layout;
  for (std::size_t n = 0; n < plan.sources.size(); ++n) {
    const std::string& path = plan.sources[n];
    const auto [parent, name] = split_path(path);
    layout.by_name.emplace(name, n);
    layout.sources.push_back({found.trees[n] ? path : parent, name, found.trees[n]});
  }
  layout.destination_root = plan.destination;
  return layout;
}

Layout layout_of_one(const FilesPlan& plan, const Found& found) {
  Layout layout;
  const auto [parent, name] = split_path(plan.source());
  if (found.trees.front()) {
    const bool contents = ends_in_slash(plan.source());
    layout.source_root = plan.source();
    layout.destination_root = contents ? plan.destination : joined(plan.destination, name);
    if (!contents) layout.destination_name = name;
    return layout;
  }
  layout.source_root = parent;
  layout.single_name = name;
  if (found.into) {
    layout.destination_root = plan.destination;
    layout.single_target = name;
  } else {
    std::tie(layout.destination_root, layout.single_target) = split_path(plan.destination);
  }
  return layout;
}

}  // namespace

Result<Found> Found::look(const FilesPlan& plan) {
  Found found;
  for (const std::string& path : plan.sources) {
    DUNLIN_ASSIGN(const bool tree, is_tree(plan, path));
    found.trees.push_back(tree);
  }
  found.into = !plan.several() && !found.trees.front() &&
               (ends_in_slash(plan.destination) || is_directory(plan.destination, true));
  return found;
}

void Found::put(Json& object) const {
  object["trees"] = trees;
  object["into"] = into;
}

Result<Found> Found::get(const Json& object, const FilesPlan& plan) {
  const Json* const trees = find_member(object, "trees");
  const Json* const into = find_member(object, "into");
  if (trees == nullptr || !trees->is_array() || trees->size() != plan.sources.size() ||
      into == nullptr || !into->is_boolean())
    return unknown();
  Found found;
  for (const Json& one : *trees) {
    if (!one.is_boolean()) return unknown();
    found.trees.push_back(one.get<bool>());
  }
  found.into = into->get<bool>();
  return found;
}

std::string Layout::Source::path() const {
  return whole_tree ? root : joined(root, name);
}

std::string Layout::source_path(const std::string& relative) const {
  if (!several()) return source_root + "/" + relative;
  const std::size_t slash = std::min(relative.find('/'), relative.size());
  const auto source = by_name.find(std::string_view(relative).substr(0, slash));
  if (source == by_name.end()) return relative;
  return sources[source->second].path() + relative.substr(slash);
}

std::string Layout::destination_base() const {
  if (destination_name.empty()) return destination_root;
  const std::size_t length = destination_root.size() - destination_name.size();
  return destination_root.substr(0, std::max<std::size_t>(length - 1, 1));
}

Layout layout_of(const FilesPlan& plan, Found found) {
  Layout layout = plan.several() ? layout_of_several(plan, found) : layout_of_one(plan, found);
  layout.source_root = without_slash(std::move(layout.source_root));
  layout.destination_root = without_slash(std::move(layout.destination_root));
  layout.found = std::move(found);
  return layout;
}

Result<Layout> layout_now(const FilesPlan& plan) {
  DUNLIN_ASSIGN(Found found, Found::look(plan));
  return layout_of(plan, std::move(found));
}

}  // namespace dunlin::files
