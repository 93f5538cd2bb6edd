#include "schema/status.h"

#include <algorithm>
#include <future>

#include <fmt/format.h>

#include "base/leave_to_exit.h"
#include "base/text.h"
#include "schema/changes.h"
#include "schema/comparison.h"
#include "schema/ordering.h"

namespace dunlin::schema {

namespace {

/// "2025-11-19 12:00:00" of RFC 3339: for people, in UTC.
std::string for_people(std::string time) {
  time.resize(std::min(time.size(), std::string_view("2025-11-19T12:00:00").size()));
  std::replace(time.begin(), time.end(), 'T', ' ');
  return printable(time);
}

Json entry_json(const AppliedEntry& entry) {
  return Json{{"id", escape_invalid_utf8(entry.id)},
              {"applied_at", entry.applied_at},
              {"applied_by", escape_invalid_utf8(entry.applied_by)},
              {"reversible", entry.has_way_back}};
}

/// In the order of the differences that are shown; those without effect have none.
Json changed_json(const Misfits& misfits, const std::vector<std::string>& differences) {
  Json list = Json::array();
  for (const auto* const group : {&misfits.changed, &misfits.retouched}) {
    for (std::size_t i = 0; i < group->size(); ++i) {
      const Changed& one = (*group)[i];
      const bool is_shown = group == &misfits.changed && i < differences.size();
      list.push_back({{"id", escape_invalid_utf8(one.migration->id)},
                      {"file", escape_invalid_utf8(one.migration->up.file)},
                      {"change", name_of(one.change)},
                      {"accepted", !is_another(one.change)},
                      {"difference", is_shown ? Json(differences[i]) : Json(nullptr)}});
    }
  }
  return list;
}

void add_section(std::string& text, std::string_view title, const std::vector<std::string>& lines,
                 std::string_view mark) {
  if (lines.empty()) return;
  text += fmt::format("\n{}:\n", title);
  for (const std::string& line : lines) text += fmt::format("  {} {}\n", mark, line);
}

}  // namespace

Result<engine::Findings> migration_status(std::span<const std::string> directories,
                                          const sql::DatabaseAddress& database,
                                          const sql::Call& call) {
  auto files = std::async(std::launch::async,
                          [&] { return MigrationFiles::read(directories, database.dialect); });
  DUNLIN_ASSIGN(const std::unique_ptr<Target> target, open_target(database, Access::look, call));
  std::vector<AppliedEntry> entries;
  std::map<std::string, Unfinished> unfinished;
  if (target) {
    DUNLIN_ASSIGN(entries, History::in_order(*target, call));
    DUNLIN_ASSIGN(const bool has_history, target->has_tables(call));
    if (has_history) {
      DUNLIN_ASSIGN(unfinished, History(*target, Owner{}, "").unfinished(call));
    }
  }

  std::map<Version, Applied> applied;
  std::vector<std::string> done;
  for (const AppliedEntry& entry : entries) {
    applied.insert_or_assign(applied.end(), version_of(entry.id),
                             Applied{entry.id, entry.checksum});
    done.push_back(printable(entry.id) + " (" + for_people(entry.applied_at) + ")");
  }
  DUNLIN_ASSIGN(Migrations migrations,
                files.get().understand(TransactionMode::per_migration, applied));
  std::vector<std::string> open;
  std::vector<std::string> pending;
  for (const Migration* const migration : in_order(migrations)) {
    const auto row = applied.find(migration->version);
    if (row != applied.end() && !is_to_be_repeated(*migration, row->second)) continue;
    const auto part = unfinished.find(migration->id);
    std::string line = printable(migration->id);
    if (row != applied.end()) line += " (changed, to be applied again)";
    if (part != unfinished.end())
      line += fmt::format(" ({} of {} statements are applied{})", part->second.passed,
                          migration->up_steps.steps.size(),
                          part->second.failed > 0
                              ? ", and statement " + std::to_string(part->second.failed) + " failed"
                              : std::string());
    open.push_back(std::move(line));
    pending.push_back(migration->id);
  }
  const Misfits misfits = compare(migrations, applied);
  std::vector<std::string> problems;
  for (const Changed& one : misfits.changed) problems.push_back(one.words);
  std::vector<std::string> retouched;
  for (const Changed& one : misfits.retouched) retouched.push_back(one.words);
  problems.insert(problems.end(), misfits.missing.begin(), misfits.missing.end());
  problems.insert(problems.end(), misfits.out_of_order.begin(), misfits.out_of_order.end());
  std::string current;
  for (const auto& [version, row] : applied)
    if (!version.is_repeatable()) current = row.id;
  const std::string server = target ? fmt::format("{} {}", target->connection().server().product,
                                                  target->connection().server().version)
                                    : "does not exist yet";

  const bool exists = target != nullptr;

  engine::Findings found;
  found.good = problems.empty();
  found.text = fmt::format("Database: {} ({})\nCurrent Version: {}\n", printable(database.text()),
                           printable(server), current.empty() ? "none" : printable(current));
  add_section(found.text, "Applied Migrations", done, "✓");
  add_section(found.text, "Pending Migrations", open, "□");
  add_section(found.text, "Problems", problems, "!");
  add_section(found.text, "Changed since, without effect", retouched, "·");
  if (target)
    found.differences = shown_differences(
        *target, misfits.changed, {{directories.begin(), directories.end()}, {database}}, call);
  Json changed = changed_json(misfits, found.differences);
  found.json = [=, entries = std::move(entries), pending = std::move(pending),
                problems = std::move(problems), address = database.text()] {
    Json json = {
        {"event", "migrations"},
        {"database", address},
        {"exists", exists},
        {"server", exists ? Json(server) : Json(nullptr)},
        {"current_version", current.empty() ? Json(nullptr) : Json(escape_invalid_utf8(current))},
        {"applied", Json::array()},
        {"pending", Json::array()},
        {"problems", problems},
        {"changed", changed}};
    for (const AppliedEntry& entry : entries) json["applied"].push_back(entry_json(entry));
    for (const std::string& id : pending) json["pending"].push_back(escape_invalid_utf8(id));
    return json;
  };
  leave_to_exit(std::move(applied));
  leave_to_exit(std::move(migrations));
  return found;
}

}  // namespace dunlin::schema
