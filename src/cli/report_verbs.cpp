// report: everything known of one execution, as text, JSON or HTML.
#include <algorithm>
#include <chrono>
#include <map>

#include <fmt/format.h>

#include "base/file_io.h"
#include "base/text.h"
#include "base/units.h"
#include "cli/exit_code.h"
#include "cli/ledger_json.h"
#include "cli/report_html.h"
#include "cli/screens.h"
#include "cli/session.h"
#include "cli/text_layout.h"
#include "cli/verb_families.h"
#include "engine/breakdown.h"
#include "engine/incremental.h"
#include "engine/test_run.h"

namespace dunlin::cli {

namespace {

constexpr std::size_t kAuditPage = 10'000;
constexpr std::size_t kSamples = 20;
constexpr std::size_t kTasksShown = 10'000;
constexpr std::size_t kInterventions = 50;
constexpr std::size_t kEarlierRuns = 10;
constexpr std::size_t kGroups = 20;

using TypeCounts = std::vector<std::pair<std::string, std::int64_t>>;

/// {total_audit_entries, by_action}: counted page by page.
Result<Json> audit_summary(const store::Ledger& ledger) {
  std::map<std::string, std::int64_t> actions;
  std::int64_t total = 0;
  for (std::int64_t after = 0;;) {
    DUNLIN_ASSIGN(const auto page, ledger.audit(after, kAuditPage));
    for (const auto& entry : page) ++actions[entry.action];
    total += static_cast<std::int64_t>(page.size());
    if (page.size() < kAuditPage) break;
    after = page.back().sequence;
  }
  Json by_action = Json::object();
  for (const auto& [action, count] : actions) by_action[action] = count;
  return Json{{"total_audit_entries", total}, {"by_action", std::move(by_action)}};
}

/// Items, bytes and failures by type of task.
Result<Json> results(const store::Ledger& ledger) {
  DUNLIN_ASSIGN(const auto tasks, ledger.tasks(kTasksShown));
  struct Sums {
    std::int64_t tasks = 0, batches = 0, failed_batches = 0, items = 0;
  };
  std::map<std::string, Sums> by_type;
  for (const auto& task : tasks) {
    auto& sums = by_type[task.task_type];
    ++sums.tasks;
    sums.batches += task.batches;
    sums.failed_batches += task.failed_batches;
    sums.items += task.items;
  }
  Json out = Json::array();
  for (const auto& [type, sums] : by_type)
    out.push_back({{"task_type", type},
                   {"tasks", sums.tasks},
                   {"batches", sums.batches},
                   {"failed_batches", sums.failed_batches},
                   {"items", sums.items}});
  return out;
}

/// `put` names the group: its directory, ending or size.
template <typename Put>
Json groups_json(const std::vector<engine::ResultGroup>& groups, Put&& put) {
  Json out = Json::array();
  for (const engine::ResultGroup& group : groups) {
    Json row = Json::object();
    put(row, group.name);
    row["groups"] = group.groups;
    row["items"] = group.sums.items;
    row["successful"] = group.sums.succeeded;
    row["failed"] = group.sums.failed;
    row["skipped"] = group.sums.skipped;
    row["bytes"] = group.sums.bytes;
    row["transferred_bytes"] = group.sums.transferred_bytes;
    out.push_back(std::move(row));
  }
  return out;
}

/// Who knows what its items are; none: then nobody does.
engine::TypeOf type_of_items(const engine::Engine& engine, const engine::Snapshot& snapshot) {
  const engine::Kind* kind = engine.kinds().find(snapshot.row.kind);
  const auto document = parse_json(snapshot.row.plan_json, "stored plan");
  if (kind == nullptr || !document.ok()) return {};
  const auto plan = engine::decode_plan(*document, engine.kinds());
  if (!plan.ok()) return {};
  auto run = kind->open(*plan);
  if (!run.ok()) return {};
  return [run = std::shared_ptr<engine::Run>(*std::move(run))](const store::ItemRow& item) {
    return run->type_of(item);
  };
}

/// Items by where they lie, what they are, what their names end in, how large they are, and their
/// batch.
Result<Json> results_by(const engine::Engine& engine, const engine::Snapshot& snapshot,
                        const store::Ledger& ledger) {
  DUNLIN_ASSIGN(const engine::Breakdown by,
                engine::breakdown_of(ledger, kGroups, type_of_items(engine, snapshot)));
  const auto named = [](const char* key) {
    return [key](Json& row, const std::string& name) { put_path(row, key, name); };
  };
  Json out = Json::object();
  put_path(out, "path", by.below);
  out["directories"] = groups_json(by.by_directory, named("path"));
  out["types"] = groups_json(by.by_type, named("type"));
  out["endings"] = groups_json(by.by_ending, named("ending"));
  out["sizes"] = groups_json(by.by_size, named("up_to"));
  out["batches"] = groups_json(by.by_batch, [](Json& row, const std::string& name) {
    row["batch"] = name.empty() ? Json(nullptr) : Json(std::stoll(name));
  });
  return out;
}

/// What was noted of items that have ended well, by what it says; null: of that many several.
Result<Json> remarks_json(const store::Ledger& ledger) {
  DUNLIN_ASSIGN(const auto remarks, ledger.remarks());
  Json out = Json::array();
  for (const store::Remark& remark : remarks)
    out.push_back({{"status", std::string(store::to_string(remark.status))},
                   {"message", remark.text.empty() ? Json(nullptr) : Json(remark.text)},
                   {"items", remark.items}});
  return out;
}

Json timing(const engine::Snapshot& snapshot) {
  const auto& row = snapshot.row;
  const auto time = [](std::int64_t ms) { return ms > 0 ? Json(rfc3339(ms)) : Json(nullptr); };
  return Json{{"started_at", time(row.started_ms)},
              {"completed_at", time(row.ended_ms)},
              {"duration_seconds", snapshot.progress.running_seconds},
              {"paused_duration_seconds", snapshot.progress.paused_seconds},
              {"attempts", row.attempt}};
}

std::string heading(std::string_view title) {
  return fmt::format("\n{}\n{}\n", title, std::string(title.size(), '-'));
}

std::string timing_text(const engine::Snapshot& snapshot) {
  const auto& row = snapshot.row;
  std::string out = heading("Timing");
  const auto line = [&out](std::string_view label, const std::string& text) {
    out += fmt::format("  {:<10}  {}\n", label, text);
  };
  line("started", row.started_ms > 0 ? rfc3339(row.started_ms) : "not yet");
  if (row.ended_ms > 0) line("ended", rfc3339(row.ended_ms));
  line("running", took(snapshot.progress.running_seconds) +
                      (row.attempt > 1 ? fmt::format(", in {} attempts", row.attempt) : ""));
  if (snapshot.progress.paused_seconds > 0) line("paused", took(snapshot.progress.paused_seconds));
  if (const auto rate = snapshot.progress.average_bytes_per_second; rate && *rate >= 1)
    line("average", format_rate(static_cast<std::int64_t>(*rate)));
  return out;
}

std::string results_text(const Json& results, const Terminal& terminal) {
  Table kinds({{"TASK", Align::left, false},
               {"TASKS", Align::right, false},
               {"BATCHES", Align::right, false},
               {"FAILED", Align::right, false},
               {"ITEMS", Align::right, false}});
  for (const auto& row : results)
    kinds.add({row["task_type"], format_count(row["tasks"]), format_count(row["batches"]),
               format_count(row["failed_batches"]), format_count(row["items"])});
  return heading("Results by task") + kinds.text(terminal.width(), terminal.charset());
}

/// Nothing for a single group: it says no more than the whole.
std::string groups_text(std::string_view title, std::string_view column, const Json& rows,
                        const char* key, std::string_view unnamed, const Terminal& terminal) {
  if (rows.size() < 2) return "";
  Table table({{std::string(column), Align::left, true},
               {"ITEMS", Align::right, false},
               {"DONE", Align::right, false},
               {"SKIPPED", Align::right, false},
               {"FAILED", Align::right, false},
               {"SIZE", Align::right, false}});
  for (const auto& row : rows) {
    const std::int64_t groups = row["groups"];
    std::string name = row[key].is_string()   ? row[key].get<std::string>()
                       : row[key].is_number() ? std::to_string(row[key].get<std::int64_t>())
                                              : "";
    if (groups > 1)
      name = format_count(groups) + " others";
    else if (name.empty())
      name = unnamed;
    table.add({printable(name), format_count(row["items"]), format_count(row["successful"]),
               format_count(row["skipped"]), format_count(row["failed"]),
               format_bytes(row["bytes"])});
  }
  return heading(title) + table.text(terminal.width(), terminal.charset());
}

std::string results_by_text(const Json& by, const Terminal& terminal) {
  const std::string below = by["path"];
  const std::string title =
      "Results by directory" + (below.empty() ? "" : " below " + printable(below));
  return groups_text(title, "DIRECTORY", by["directories"], "path", "directly in it", terminal) +
         groups_text("Results by type", "TYPE", by["types"], "type", "not known", terminal) +
         groups_text("Results by ending", "ENDING", by["endings"], "ending", "none", terminal) +
         groups_text("Results by size", "UP TO", by["sizes"], "up_to", "", terminal) +
         groups_text("Results by batch", "BATCH", by["batches"], "batch", "", terminal);
}

/// Each type with its number and some of its items.
Result<std::string> types_text(std::string_view title, const TypeCounts& counts,
                               const store::Ledger& ledger) {
  if (counts.empty()) return std::string();
  std::string out = heading(title);
  for (const auto& [type, count] : counts) {
    const auto known = error_type_from_name(type);
    out += fmt::format("{:>8}  {}{}\n", format_count(count), type,
                       known ? ": " + std::string(info(*known).summary) : "");
    store::ItemFilter filter;
    filter.error_type = type;
    filter.limit = kSamples;
    DUNLIN_ASSIGN(const auto errors, ledger.errors(filter, true));
    for (const auto& row : errors)
      out += fmt::format("          {}: {}\n", escape_bytes(path_of(row.directory_path, row.name)),
                         printable(row.error.text()));
    if (count > static_cast<std::int64_t>(errors.size()) && !errors.empty())
      out += fmt::format("          and {} more\n",
                         format_count(count - static_cast<std::int64_t>(errors.size())));
  }
  return out;
}

/// What changed the course of it, and who: all but the work itself.
Result<Json> interventions(const store::Ledger& ledger) {
  Json out = Json::array();
  for (std::int64_t after = 0; out.size() < kInterventions;) {
    DUNLIN_ASSIGN(const auto page, ledger.audit(after, kAuditPage));
    for (const auto& entry : page)
      if (!entry.action.starts_with("batch.") && out.size() < kInterventions)
        out.push_back(
            {{"time", rfc3339(entry.time_ms)}, {"actor", entry.actor}, {"action", entry.action}});
    if (page.size() < kAuditPage) break;
    after = page.back().sequence;
  }
  return out;
}

/// What an execution is compared with: a dry run and a test do something else.
bool does_the_work(const store::ExecutionRow& row) {
  return row.mode != engine::kDryRun && row.mode != engine::kTest;
}

/// Executions that did the same, oldest first, the last of them. Those that try it are compared
/// with their own kind.
Result<std::vector<engine::Snapshot>> runs_like(engine::Engine& engine,
                                                const engine::Snapshot& snapshot) {
  DUNLIN_ASSIGN(auto list, engine.list());
  DUNLIN_ASSIGN(const Json plan, parse_json(snapshot.row.plan_json, "stored plan"));
  std::erase_if(list, [&](const engine::Snapshot& one) {
    if (one.row.number > snapshot.row.number || one.row.started_ms == 0) return true;
    if (one.row.kind != snapshot.row.kind) return true;
    if (does_the_work(one.row) != does_the_work(snapshot.row)) return true;
    if (!does_the_work(one.row) && one.row.mode != snapshot.row.mode) return true;
    const auto other = parse_json(one.row.plan_json, "stored plan");
    return !other.ok() || !engine::same_work(plan, *other);
  });
  std::sort(list.begin(), list.end(),
            [](const auto& a, const auto& b) { return a.row.number < b.row.number; });
  if (list.size() > kEarlierRuns) list.erase(list.begin(), list.end() - kEarlierRuns);
  return list;
}

Json runs_json(const std::vector<engine::Snapshot>& runs) {
  Json out = Json::array();
  for (const engine::Snapshot& run : runs)
    out.push_back({{"number", run.row.number},
                   {"execution_id", run.row.id.value},
                   {"mode", run.row.mode},
                   {"status", std::string(store::to_string(run.shown_status))},
                   {"started_at", rfc3339(run.row.started_ms)},
                   {"running_duration_seconds", run.progress.running_seconds},
                   {"successful", run.row.counters.succeeded_items},
                   {"failed", run.row.counters.failed_items},
                   {"skipped", run.row.counters.skipped_items},
                   {"transferred_bytes", run.row.counters.transferred_bytes}});
  return out;
}

std::string runs_text(const std::vector<engine::Snapshot>& runs, const Terminal& terminal) {
  if (runs.size() < 2) return "";
  Table table({{"NO", Align::right, false},
               {"STARTED", Align::left, false},
               {"MODE", Align::left, false},
               {"STATUS", Align::left, false},
               {"DONE", Align::right, false},
               {"SKIPPED", Align::right, false},
               {"FAILED", Align::right, false},
               {"DATA", Align::right, false},
               {"TOOK", Align::right, false}});
  for (const engine::Snapshot& run : runs) {
    const auto& counters = run.row.counters;
    table.add({std::to_string(run.row.number), rfc3339(run.row.started_ms), run.row.mode,
               std::string(store::to_string(run.shown_status)),
               format_count(counters.succeeded_items), format_count(counters.skipped_items),
               format_count(counters.failed_items), format_bytes(counters.transferred_bytes),
               took(run.progress.running_seconds)});
  }
  return heading("The same, this time and before") +
         table.text(terminal.width(), terminal.charset());
}

std::string ends_text(const Json& json) {
  std::string out = heading("Milestones");
  for (const auto& row : json["milestones"])
    out +=
        fmt::format("  {}  {}\n", row["time"].get<std::string>(), row["name"].get<std::string>());
  out += heading("Who did what");
  for (const auto& row : json["interventions"])
    out += fmt::format("  {}  {:<24}  {}\n", row["time"].get<std::string>(),
                       printable(row["action"].get<std::string>()),
                       printable(row["actor"].get<std::string>()));
  out += heading("Audit");
  out += fmt::format("{:>8}  entries\n",
                     json["audit_summary"]["total_audit_entries"].get<std::int64_t>());
  for (const auto& [action, count] : json["audit_summary"]["by_action"].items())
    out += fmt::format("{:>8}  {}\n", count.get<std::int64_t>(), action);
  out += heading("Checkpoints");
  return out + fmt::format("{:>8}  kept\n", json["checkpoints"].size());
}

Result<Json> report_json(engine::Engine& engine, const engine::Snapshot& snapshot,
                         const store::Ledger& ledger) {
  Json out = execution_json(snapshot, ledger);
  out["timing"] = timing(snapshot);
  out["errors"] = error_summary(snapshot, ledger);
  DUNLIN_ASSIGN(out["results"], results(ledger));
  DUNLIN_ASSIGN(out["results_by"], results_by(engine, snapshot, ledger));
  DUNLIN_ASSIGN(out["remarks"], remarks_json(ledger));
  DUNLIN_ASSIGN(out["audit_summary"], audit_summary(ledger));
  DUNLIN_ASSIGN(out["interventions"], interventions(ledger));
  DUNLIN_ASSIGN(const auto runs, runs_like(engine, snapshot));
  out["runs"] = runs_json(runs);
  Json checkpoints = Json::array();
  DUNLIN_ASSIGN(const auto rows, ledger.checkpoints());
  for (const auto& row : rows) checkpoints.push_back(checkpoint_json(row));
  out["checkpoints"] = std::move(checkpoints);
  return out;
}

Result<std::string> report_text(Session& session, const engine::Snapshot& snapshot,
                                const store::Ledger& ledger, const Terminal& terminal) {
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  DUNLIN_ASSIGN(const Json json, report_json(*engine, snapshot, ledger));
  Shown shown{snapshot, {}, {}, session.clock().wall_ms(), -1, {}};
  DUNLIN_ASSIGN(shown.remarks, ledger.remarks());
  DUNLIN_ASSIGN(shown.test, engine::test_result(ledger));
  std::string out = status_screen(shown, terminal) + timing_text(snapshot);
  out += results_text(json["results"], terminal) + results_by_text(json["results_by"], terminal);
  DUNLIN_ASSIGN(const std::string errors, types_text("Errors", snapshot.error_counts, ledger));
  DUNLIN_ASSIGN(const std::string warnings,
                types_text("Warnings", snapshot.warning_counts, ledger));
  DUNLIN_ASSIGN(const auto runs, runs_like(*engine, snapshot));
  return out + errors + warnings + runs_text(runs, terminal) + ends_text(json);
}

struct ReportFlags {
  Text execution;
  Text format;
  Text file;
};

Result<int> report(Session& session, const ReportFlags& flags) {
  const std::string format =
      flags.format->empty() ? (session.options().json ? "json" : "text") : *flags.format;
  if (format != "text" && format != "json" && format != "html")
    return Error(ErrorType::invalid_input,
                 fmt::format("--format takes text, json or html, not '{}'", escape_bytes(format)));
  DUNLIN_ASSIGN(const auto snapshot, session.snapshot(*flags.execution));
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  DUNLIN_ASSIGN(const auto ledger, engine->open_ledger(snapshot.row.id));
  std::string text;
  if (format != "text") {
    DUNLIN_ASSIGN(const Json json, report_json(*engine, snapshot, *ledger));
    text = format == "html" ? report_html(snapshot, json, session.version())
                            : dump_json(json, session.options().json ? -1 : 2) + "\n";
  } else {
    const Terminal plain(-1, false);
    DUNLIN_ASSIGN(
        text, report_text(session, snapshot, *ledger, flags.file->empty() ? session.out() : plain));
  }
  if (flags.file->empty() || *flags.file == "-") {
    session.result(text);
  } else {
    DUNLIN_TRY(write_file_durably(*flags.file, text, 0644));
    session.print("written: " + escape_bytes(*flags.file) + "\n");
  }
  return kDone;
}

}  // namespace

void add_report_verbs(Verbs& verbs) {
  auto flags = std::make_shared<ReportFlags>();
  CLI::App& app =
      verbs.add("report", "Reports one execution: timing, results, errors, proof, audit.",
                "dunlin report last\ndunlin report last --format html -o report.html\n"
                "dunlin report 3 --format json -o report.json",
                [flags](Session& session) { return report(session, *flags); });
  flags->execution =
      add_place(app, "EXEC", "the execution: its number in `dunlin ps`, its id, or last");
  flags->format =
      add_text(app, "--format", "FORMAT", "text, json, or html: a page that needs nothing else");
  flags->file = add_text(app, "-o,--output", "FILE", "into this file");
}

}  // namespace dunlin::cli
