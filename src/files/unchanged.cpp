// See unchanged.h.
#include "files/unchanged.h"

#include "files/look_ahead.h"
#include "fs/file_system.h"

namespace dunlin::files {

Result<std::unique_ptr<const Unchanged>> Unchanged::make(Site& site,
                                                         engine::EnumerateContext& context) {
  using Made = std::unique_ptr<const Unchanged>;
  const bool skips =
      context.may_skip() && !context.continued() && !site.plan.moves() && !site.plan.links();
  DUNLIN_ASSIGN(auto since, site.changed_since());
  if (!skips && since == nullptr) return Made();
  const auto destination = site.destination();
  if (!destination.ok()) return Made();  // to be made, or the error of who makes it
  ConflictRules rules;
  rules.conflict = site.plan.conflict_rule();
  rules.by_content = site.plan.by_content;
  DUNLIN_ASSIGN(rules.granularity_ns, site.time_granularity_ns());
  rules.changed_since = std::move(since);
  return Made(new Unchanged(**destination, rules, site.plan.preserve_links, skips));
}

void Unchanged::mark(const std::string& path, std::vector<LookedAt>& entries) const {
  const auto there = destination_.get(path);
  if (!there.ok()) return;
  const auto folds = fs::may_fold_names(**there);
  if (!folds.ok() || *folds) return;
  for (LookedAt& entry : entries) look(**there, entry);
}

/// What an earlier execution has left here, and nobody has touched since. By content every entry is
/// to be compared; a followed link may lead elsewhere by now.
void Unchanged::leave_out(const fs::Directory& directory, LookedAt& entry,
                          const fs::FileInfo& source) const {
  const bool set = links_ && source.links > 1;
  const bool followed =
      entry.type == fs::EntryType::symlink && source.type != fs::EntryType::symlink;
  if (source.type == fs::EntryType::directory || set || followed || rules_.by_content) return;
  if (rules_.changed_since->takes(source)) return;
  const auto there = directory.find(entry.name);
  entry.left_out = there.ok() && *there && same_attributes(source, **there, rules_.granularity_ns);
}

void Unchanged::look(const fs::Directory& directory, LookedAt& entry) const {
  if (!entry.info.ok() || !*entry.info) return;
  const fs::FileInfo& source = **entry.info;
  if (rules_.changed_since != nullptr) leave_out(directory, entry, source);
  if (!skips_ || entry.left_out) return;
  if (source.type != fs::EntryType::file || (links_ && source.links > 1)) return;
  const auto there = directory.find(entry.name);
  if (!there.ok()) return;
  Decision decision = decide(source, *there, rules_);
  if (decision.action == Action::skip) entry.skip_reason = std::move(decision.reason);
}

}  // namespace dunlin::files
