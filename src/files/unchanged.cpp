// See unchanged.h.
#include "files/unchanged.h"

#include "files/look_ahead.h"
#include "fs/file_system.h"

namespace dunlin::files {

Result<std::unique_ptr<const Unchanged>> Unchanged::make(Site& site,
                                                         engine::EnumerateContext& context) {
  using Made = std::unique_ptr<const Unchanged>;
  if (!context.may_skip() || context.continued() || site.plan.moves() || site.plan.links())
    return Made();
  const auto destination = site.destination();
  if (!destination.ok()) return Made();  // to be made, or the error of who makes it
  ConflictRules rules;
  rules.conflict = site.plan.conflict_rule();
  rules.by_content = site.plan.by_content;
  DUNLIN_ASSIGN(rules.granularity_ns, site.time_granularity_ns());
  return Made(new Unchanged(**destination, rules, site.plan.preserve_links));
}

void Unchanged::mark(const std::string& path, std::vector<LookedAt>& entries) const {
  const auto there = destination_.get(path);
  if (!there.ok()) return;
  const auto folds = fs::may_fold_names(**there);
  if (!folds.ok() || *folds) return;
  for (LookedAt& entry : entries) look(**there, entry);
}

void Unchanged::look(const fs::Directory& directory, LookedAt& entry) const {
  if (!entry.info.ok() || !*entry.info) return;
  const fs::FileInfo& source = **entry.info;
  if (source.type != fs::EntryType::file || (links_ && source.links > 1)) return;
  const auto there = directory.find(entry.name);
  if (!there.ok()) return;
  Decision decision = decide(source, *there, rules_);
  if (decision.action == Action::skip) entry.skip_reason = std::move(decision.reason);
}

}  // namespace dunlin::files
