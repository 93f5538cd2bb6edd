// ps, status, watch: looking at executions.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/text.h"
#include "base/units.h"
#include "cli/exit_code.h"
#include "cli/foreground.h"
#include "cli/ledger_json.h"
#include "cli/screens.h"
#include "cli/text_layout.h"
#include "cli/verb_families.h"
#include "engine/test_run.h"

namespace dunlin::cli {

namespace {

using store::ExecutionStatus;

/// `ps` without --all: what is unfinished, and so many of the rest.
constexpr std::size_t kLatest = 20;

struct Filter {
  Flag all;
  Text status;
  Text plan;
};

bool unfinished(const engine::Snapshot& snapshot) {
  switch (snapshot.shown_status) {
    case ExecutionStatus::pending:
    case ExecutionStatus::running:
    case ExecutionStatus::paused:
    case ExecutionStatus::rolling_back:
      return true;
    default:
      return false;
  }
}

Result<ExecutionStatus> status_named(const std::string& name) {
  if (const auto status = store::execution_status_from(name)) return *status;
  const std::vector<std::string> names = {"pending", "running",   "paused",       "completed",
                                          "failed",  "cancelled", "rolling_back", "rolled_back"};
  const auto near = nearest_word(name, names);
  return Error(ErrorType::invalid_input,
               fmt::format("there is no status '{}'; {}", escape_bytes(name),
                           near ? "did you mean '" + *near + "'?"
                                : fmt::format("one of {}", fmt::join(names, ", "))));
}

std::string rate_of(const engine::Snapshot& snapshot) {
  if (!snapshot.live) return "";
  const auto& progress = snapshot.progress;
  if (progress.counters.total_bytes > 0 && progress.bytes_per_second)
    return format_rate(std::llround(*progress.bytes_per_second));
  if (progress.items_per_second)
    return format_count(std::llround(*progress.items_per_second)) + "/s";
  return "";
}

/// "3h ago": that is what one asks oneself; `status` and --json have the time.
std::string started_of(const engine::Snapshot& snapshot, std::int64_t now_ms) {
  const auto ms = snapshot.row.started_ms > 0 ? snapshot.row.started_ms : snapshot.row.created_ms;
  const std::int64_t seconds = std::max<std::int64_t>(now_ms - ms, 0) / 1000;
  if (seconds < 60) return fmt::format("{}s ago", seconds);
  if (seconds < 3600) return fmt::format("{}m ago", seconds / 60);
  if (seconds < 48 * 3600) return fmt::format("{}h ago", seconds / 3600);
  return fmt::format("{}d ago", seconds / (24 * 3600));
}

void print_table(Session& session, const std::vector<engine::Snapshot>& list, bool hidden_some) {
  Terminal& out = session.out();
  if (list.empty()) {
    out.write("no executions; `dunlin copy SRC DST` starts one\n");
    return;
  }
  const std::vector<Table::Column> columns = {
      {"NO", Align::right, false},       {"KIND", Align::left, false},
      {"STATUS", Align::left, false},    {"DONE", Align::right, false},
      {"RATE", Align::right, false},     {"STARTED", Align::left, false},
      {"DESCRIPTION", Align::left, true}};
  constexpr std::size_t kKind = 1;
  constexpr std::size_t kRate = 4;
  std::vector<std::vector<std::string>> rows;
  bool rates = false;
  bool one_kind = true;
  for (const auto& snapshot : list) {
    std::string status = status_words(snapshot);
    if (const auto failed = store::all_failed(snapshot.row.counters); failed > 0)
      status += fmt::format(", {} failed", format_count(failed));
    rows.push_back({std::to_string(snapshot.row.number), snapshot.row.kind,
                    out.paint(colour_of(snapshot), status),
                    fmt::format("{:.1f}%", snapshot.progress.percent_complete), rate_of(snapshot),
                    started_of(snapshot, session.clock().wall_ms()),
                    printable(snapshot.row.description)});
    rates = rates || !rows.back()[kRate].empty();
    one_kind = one_kind && snapshot.row.kind == list.front().row.kind;
  }
  const auto table_of = [&](bool with_kind) {
    const auto kept = [&](auto cells) {
      if (!rates) cells.erase(cells.begin() + kRate);
      if (!with_kind) cells.erase(cells.begin() + kKind);
      return cells;
    };
    Table table(kept(columns));
    for (const auto& row : rows) table.add(kept(row));
    return table;
  };
  Table table = table_of(true);
  // What is the same everywhere gives way to what tells them apart.
  if (one_kind && out.width() > 0 && table.natural_width() > out.width()) table = table_of(false);
  out.write(table.text(out.width(), out.charset()));
  if (hidden_some && out.is_terminal())
    out.write(out.paint(Colour::dim, "older ones: dunlin ps --all") + "\n");
}

Result<int> list(Session& session, const Filter& filter) {
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  DUNLIN_ASSIGN(auto list, engine->list());
  if (!filter.status->empty()) {
    DUNLIN_ASSIGN(const ExecutionStatus wanted, status_named(*filter.status));
    std::erase_if(list, [wanted](const auto& one) { return one.shown_status != wanted; });
  }
  if (!filter.plan->empty())
    std::erase_if(list, [&](const auto& one) { return one.row.plan_id.value != *filter.plan; });
  std::sort(list.begin(), list.end(),
            [](const auto& a, const auto& b) { return a.row.number < b.row.number; });
  bool hidden_some = false;
  if (!*filter.all && filter.status->empty() && filter.plan->empty() && list.size() > kLatest) {
    const auto first_latest = list[list.size() - kLatest].row.number;
    const auto before = list.size();
    std::erase_if(
        list, [&](const auto& one) { return one.row.number < first_latest && !unfinished(one); });
    hidden_some = list.size() < before;
  }
  if (session.options().json) {
    Json out = Json::array();
    for (const auto& snapshot : list) out.push_back(engine::snapshot_json(snapshot));
    session.emit(out);
  } else {
    print_table(session, list, hidden_some);
  }
  return kDone;
}

Result<int> status(Session& session, const std::string& text) {
  DUNLIN_ASSIGN(const auto snapshot, session.snapshot(text));
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  DUNLIN_ASSIGN(const auto ledger, engine->open_ledger(snapshot.row.id));
  if (session.options().json) {
    session.emit(execution_json(snapshot, *ledger));
  } else {
    Shown shown{snapshot, {}, {}, session.clock().wall_ms(), -1, {}};
    if (!snapshot.live) {
      DUNLIN_ASSIGN(shown.remarks, ledger->remarks());
      DUNLIN_ASSIGN(shown.test, engine::test_result(*ledger));
    }
    session.result(status_screen(shown, session.out()));
  }
  return kDone;
}

}  // namespace

void add_watch_verbs(Verbs& verbs) {
  auto filter = std::make_shared<Filter>();
  CLI::App& ps = verbs.add("ps", "Lists executions: the unfinished ones and the latest others.",
                           "dunlin ps\ndunlin ps --all --status failed\ndunlin ps --json",
                           [filter](Session& session) { return list(session, *filter); });
  filter->all = add_flag(ps, "--all", "older ones, too");
  filter->status =
      add_text(ps, "--status", "S", "only those: running, paused, completed, failed …");
  filter->plan = add_text(ps, "--plan", "ID", "only executions of this plan");

  auto shown = std::make_shared<Text>();
  CLI::App& status_app =
      verbs.add("status", "Shows one execution: how far it is, what failed, what to type next.",
                "dunlin status last\ndunlin status 3 --json",
                [shown](Session& session) { return status(session, **shown); });
  const std::string help = "the execution: its number in `dunlin ps`, its id, or last";
  *shown = add_place(status_app, "EXEC", help);

  auto watched = std::make_shared<Text>();
  CLI::App& watch =
      verbs.add("watch", "Shows one execution live until it ends or pauses; exits with its code.",
                "dunlin watch last", [watched](Session& session) -> Result<int> {
                  DUNLIN_ASSIGN(const ExecutionId id, session.execution(**watched));
                  return follow(session, id, true);
                });
  *watched = add_place(watch, "EXEC", help);
}

}  // namespace dunlin::cli
