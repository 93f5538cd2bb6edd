#include "schema/work_list.h"

#include <algorithm>
#include <optional>
#include <set>

#include "base/text.h"
#include "schema/comparison.h"
#include "schema/foreign_history.h"
#include "schema/ordering.h"

namespace dunlin::schema {

namespace {

Work to_apply(const Migration& migration) {
  return {migration.id, Direction::up, static_cast<std::int64_t>(migration.up.sql.size()),
          static_cast<std::int64_t>(migration.rank), true};
}

/// In reverse order of applying, whatever files there are.
Result<std::vector<Work>> applied_last(const SchemaPlan& plan, Target* target,
                                       const sql::Call& call) {
  std::vector<Work> work;
  if (target == nullptr) return work;
  DUNLIN_ASSIGN(std::vector<AppliedEntry> all, History::in_order(*target, call));
  std::reverse(all.begin(), all.end());
  const bool everything = plan.target && plan.target->text() == "0";
  bool found = !plan.target || everything;
  for (const AppliedEntry& one : all) {
    const Version version = version_of(one.id);
    if (version.is_repeatable()) continue;  // it has no way back, and stays
    if (plan.target && version == *plan.target) {
      found = true;
      break;
    }
    if (plan.steps > 0 && static_cast<std::int64_t>(work.size()) == plan.steps) break;
    work.push_back({one.id, Direction::down, 0, one.sequence, one.has_way_back});
  }
  if (found) return work;
  return Error(ErrorType::invalid_input, "migration " + printable(plan.target->text()) +
                                             " is not applied, so there is no going back to it; "
                                             "`dunlin migrate status` shows those that are");
}

/// Taken back, and applied again from the files as they are now.
Result<std::vector<Work>> to_redo(const SchemaPlan& plan, const Migrations& all, Target* target,
                                  const sql::Call& call) {
  DUNLIN_ASSIGN(std::vector<Work> work, applied_last(plan, target, call));
  for (std::size_t i = work.size(); i-- > 0;) {
    const auto file = all.find(version_of(work[i].id));
    if (file == all.end() || file->second.id != work[i].id)
      return Error(ErrorType::not_found, "the file of '" + printable(work[i].id) +
                                             "' is gone, so it cannot be applied again");
    work.push_back(to_apply(file->second));
  }
  return work;
}

/// Applied, and another file now; or failed half way.
Result<std::vector<Work>> to_repair(const SchemaPlan& plan, const Migrations& all,
                                    const std::map<Version, Applied>& done, Target* target,
                                    const sql::Call& call) {
  std::map<std::string, Unfinished> unfinished;
  if (target != nullptr) {
    DUNLIN_ASSIGN(const bool has_history, target->has_tables(call));
    if (has_history) {
      DUNLIN_ASSIGN(unfinished, History(*target, Owner{}, "").unfinished(call));
    }
  }
  std::vector<Work> work;
  for (const Migration* const migration : in_order(all)) {
    if (plan.only && migration->version != *plan.only) continue;
    const auto row = done.find(migration->version);
    const auto part = unfinished.find(migration->id);
    const bool changed = row != done.end() && row->second.checksum != migration->checksum &&
                         !is_to_be_repeated(*migration, row->second);
    const bool failed = part != unfinished.end() &&
                        (part->second.failed > 0 || (plan.only && part->second.begun > 0));
    if (changed || failed) work.push_back(to_apply(*migration));
  }
  return work;
}

/// Those that the plan asks for; empty: all.
std::set<Version> asked_for(const SchemaPlan& plan, const Migrations& all) {
  std::set<Version> wanted;
  if (plan.only) {
    wanted.insert(*plan.only);
    // What is only called applied is not run, so nothing of what it needs has to be.
    if (plan.mark == SchemaPlan::Mark::no) wanted.merge(with_dependencies(all, wanted));
    return wanted;
  }
  if (!plan.target) return wanted;
  for (const auto& [version, migration] : all)
    if (!(*plan.target < version)) wanted.insert(version);
  if (!wanted.empty()) wanted = with_dependencies(all, wanted);
  wanted.insert(*plan.target);  // never empty
  return wanted;
}

}  // namespace

Result<std::vector<Work>> list_work(const SchemaPlan& plan, const Migrations& all,
                                    const std::map<Version, Applied>& done, Target* target,
                                    const sql::Call& call) {
  if (plan.redo) return to_redo(plan, all, target, call);
  if (plan.direction == Direction::down) return applied_last(plan, target, call);
  if (plan.mark == SchemaPlan::Mark::repair) return to_repair(plan, all, done, target, call);
  std::optional<ForeignHistory> foreign;
  if (plan.mark == SchemaPlan::Mark::as_other_tool_did) {
    if (target != nullptr) {
      DUNLIN_ASSIGN(foreign, foreign_history(*target, call));
    }
    if (!foreign)
      return Error(ErrorType::not_found,
                   "there is no history of another tool (schema_migrations, goose_db_version, "
                   "flyway_schema_history)");
  }
  const std::set<Version> wanted = asked_for(plan, all);
  std::vector<Work> work;
  FindInOrder rows(done);
  for (const Migration* const migration : in_order(all)) {
    if (!wanted.empty() && !wanted.contains(migration->version)) continue;
    const Applied* const row = rows.find(migration->version);
    if (row != nullptr && !is_to_be_repeated(*migration, *row)) continue;
    if (foreign && !foreign->has(migration->version)) continue;
    work.push_back(to_apply(*migration));
  }
  return work;
}

}  // namespace dunlin::schema
