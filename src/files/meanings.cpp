// See meanings.h.
#include "files/meanings.h"

#include <algorithm>

#include "base/text.h"
#include "files/layout.h"
#include "files/paths.h"

namespace dunlin::files {
namespace {

std::string shown(const std::string& root, const std::string& name) {
  return escape_bytes(joined(root, name));
}

/// The first of them are enough to see the rule.
std::string about_several(const FilesPlan& plan, const Layout& layout, const std::string& becomes) {
  constexpr std::size_t kShown = 5;
  std::string text = "each of the " + std::to_string(layout.sources.size()) +
                     " sources goes into the directory that DST names, under its own name: ";
  for (std::size_t n = 0; n < std::min(layout.sources.size(), kShown); ++n) {
    const Layout::Source& source = layout.sources[n];
    const std::string below = source.whole_tree ? "/NAME" : "";
    text += (n == 0 ? "" : "; ") + escape_bytes(source.path()) + below + becomes +
            shown(layout.destination_root, source.name) + below;
  }
  if (layout.sources.size() > kShown)
    text += "; and " + std::to_string(layout.sources.size() - kShown) + " more";
  if (plan.moves()) text += "; a source that is a directory stays, emptied";
  return text;
}

std::string about_paths(const FilesPlan& plan, const Layout& layout) {
  const std::string becomes = plan.moves()   ? " is moved to "
                              : plan.links() ? " is linked as "
                                             : " is copied to ";
  if (layout.several()) return about_several(plan, layout, becomes);
  if (!layout.whole_tree()) {
    return shown(layout.source_root, layout.single_name) + becomes +
           shown(layout.destination_root, layout.single_target) +
           (plan.destination.ends_with('/') ? ", into the directory that DST names" : "");
  }
  if (plan.source().ends_with('/')) {
    return "SRC has one, so only what is in it is meant: " + shown(plan.source(), "NAME") +
           becomes + shown(layout.destination_root, "NAME");
  }
  return "SRC has none, so it goes as a whole: " + shown(without_slash(plan.source()), "NAME") +
         becomes + shown(layout.destination_root, "NAME");
}

std::string about_symlinks(const FilesPlan& plan) {
  if (plan.follows(fs::Follow::always)) {
    return "in SRC are copied as what they point to, wherever it lies; one that points to nothing "
           "fails; none is followed below DST";
  }
  if (plan.follows(fs::Follow::in_tree)) {
    return "that point into SRC are copied as what they point to, the others as symlinks with the "
           "same target; none is followed below DST";
  }
  if (plan.links()) return "become further names of the symlinks themselves; none is followed";
  return "are copied as symlinks with the same target, wherever it lies; none is followed, in SRC "
         "or below DST";
}

std::string about_hard_links(const FilesPlan& plan) {
  if (plan.links()) {
    return "each file in DST is its source under a further name: what is written to one is written "
           "to the other";
  }
  if (!plan.preserve_links) return "each name of a file becomes a file of its own";
  return "names of one file within SRC become names of one file within DST; names outside of SRC "
         "are not looked for";
}

std::string about_existing(const FilesPlan& plan) {
  switch (plan.conflict_rule()) {
    case Conflict::skip:
      return "stays, and is counted as skipped";
    case Conflict::overwrite:
      return "is replaced; the old one is kept for rollback";
    case Conflict::overwrite_if_newer:
      return "is replaced by what is newer; the old one is kept for rollback";
    case Conflict::overwrite_if_different:
      return std::string("is replaced where type, size or ") +
             (plan.by_content ? "content" : "time") + " differ; the old one is kept for rollback";
    case Conflict::fail:
      return "stays, and the item fails";
    case Conflict::keep_both:
      return "stays; the newcomer gets a numbered name beside it";
    case Conflict::rename:
      return "gets a numbered name; the newcomer gets its";
    case Conflict::ask:
      return "stays until it is answered: dunlin retry EXEC --item ID replaces it, dunlin skip "
             "EXEC --item ID leaves it";
  }
  return "";
}

std::string about_source(const FilesPlan& plan) {
  if (plan.links()) return "gets further names, and is otherwise left alone";
  if (!plan.moves()) return "is only read";
  return std::string("loses each file once it stands at DST, proven where it had to be copied; ") +
         (plan.remove_emptied ? "directories that have become empty go, too"
                              : "its directories stay");
}

}  // namespace

std::vector<engine::Meaning> meanings(const FilesPlan& plan) {
  std::vector<engine::Meaning> all;
  if (const auto layout = layout_now(plan); layout.ok())
    all.push_back({layout->whole_tree() && !layout->several() ? "trailing slash" : "paths",
                   about_paths(plan, *layout)});
  all.push_back({"symlinks", about_symlinks(plan)});
  all.push_back({"hard links", about_hard_links(plan)});
  all.push_back({"what stands there", about_existing(plan)});
  all.push_back({"the source", about_source(plan)});
  return all;
}

}  // namespace dunlin::files
