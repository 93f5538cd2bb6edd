// lineage: where an item of a destination came from, and what came of an item of a source, out of
// the ledgers of all executions.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "base/text.h"
#include "base/units.h"
#include "cli/exit_code.h"
#include "cli/session.h"
#include "cli/text_layout.h"
#include "cli/verb_families.h"
#include "store/lineage.h"

namespace dunlin::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using store::ItemStatus;

constexpr std::size_t kMostOfOne = 1000;  ///< items of one execution
constexpr milliseconds kQuietFor{1000};
constexpr milliseconds kSaidEvery{500};

struct LineageFlags {
  Text item;
  Text execution;
};

/// One item of one execution that has to do with what was asked for.
struct Event {
  ExecutionId execution;
  std::int64_t number = 0;
  std::string kind;
  std::string operation;  ///< copy, move …
  std::string description;
  store::LineageItem what;
};

/// Says how far the search is once it has taken a second.
class Search {
 public:
  explicit Search(Session& session) : session_(session) {}
  ~Search() {
    if (said_) session_.err().set_live({});
  }
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;

  void of(std::size_t execution, std::size_t executions) {
    execution_ = execution;
    executions_ = executions;
    say();
  }
  void looked_at(std::int64_t items) {
    items_ += items;
    say();
  }

 private:
  void say() {
    const auto now = steady_clock::now();
    if (!session_.shows_progress() || now - begun_ < kQuietFor || now - said_at_ < kSaidEvery)
      return;
    const std::string line = fmt::format("searching: execution {} of {}, {} items looked at",
                                         execution_, executions_, format_count(items_));
    if (session_.err().draws())
      session_.err().set_live({line, ""});
    else if (!said_)
      session_.err().write(line + "\n");
    said_ = true;
    said_at_ = now;
  }

  Session& session_;
  const steady_clock::time_point begun_ = steady_clock::now();
  steady_clock::time_point said_at_;
  std::size_t execution_ = 0;
  std::size_t executions_ = 0;
  std::int64_t items_ = 0;
  bool said_ = false;
};

/// As typed, from the root of this machine, with symlinks followed, and (for a name copied from a
/// list) unescaped: whichever of them a ledger knows.
std::vector<std::string> spellings(const std::string& text) {
  std::set<std::string> out;
  const auto add = [&](const std::string& path) {
    out.insert(path);
    if (path.find("://") != std::string::npos) return;
    std::error_code problem;
    const std::filesystem::path absolute = std::filesystem::absolute(path, problem);
    if (problem) return;
    std::filesystem::path plain = absolute.lexically_normal();
    if (!plain.has_filename() && plain.has_parent_path()) plain = plain.parent_path();
    out.insert(plain.string());
    // What an item is called is its own name, also when that is a symlink.
    const std::filesystem::path folder =
        std::filesystem::weakly_canonical(plain.parent_path(), problem);
    if (!problem) out.insert((folder / plain.filename()).string());
  };
  add(text);
  if (text.find('\\') != std::string::npos)
    if (const auto bytes = unescape_bytes(text)) add(*bytes);
  return {out.begin(), out.end()};
}

std::string operation_of(const store::ExecutionRow& row) {
  const auto plan = parse_json(row.plan_json, "plan");
  const Json* strategy = plan.ok() ? find_member(*plan, "strategy") : nullptr;
  const std::string said = strategy == nullptr ? "" : string_or(*strategy, "operation", "");
  if (!said.empty()) return said;
  return row.kind == "records" ? "load" : row.kind == "schema" ? "migrate" : "copy";
}

bool worked(const Event& event) {
  return event.what.item.status == ItemStatus::completed;
}

/// What has become of what this event put at the destination.
struct Since {
  std::string state;  ///< stands, overwritten, moved_away, rolled_back, not_written
  const Event* by = nullptr;
};

Since since(const std::vector<Event>& events, std::size_t at) {
  const Event& event = events[at];
  if (event.what.item.status == ItemStatus::rolled_back) return {"rolled_back", nullptr};
  if (!worked(event)) return {"not_written", nullptr};
  for (std::size_t later = at + 1; later < events.size(); ++later) {
    const Event& next = events[later];
    if (!worked(next) || next.execution == event.execution) continue;
    if (next.what.into_it) return {"overwritten", &next};
    if (next.what.from_it && next.operation == "move") return {"moved_away", &next};
  }
  return {"stands", nullptr};
}

std::string since_text(const Event& event, const Since& now) {
  const auto by = [&] {
    return fmt::format("execution {} ({})", now.by->number, rfc3339(now.by->what.item.ended_ms));
  };
  const std::string& message = event.what.item.message;
  if (now.state == "rolled_back") return "taken back by a rollback";
  if (now.state == "overwritten") return "overwritten by " + by();
  if (now.state == "moved_away")
    return fmt::format("moved away to {} by {}", escape_bytes(now.by->what.destination), by());
  if (now.state == "stands")
    return "stands as it was written, as far as dunlin has had a hand in it";
  const std::string status(to_string(event.what.item.status));
  return message.empty() ? status : status + ": " + printable(message);
}

std::string event_text(const Event& event, const Since& now, bool into) {
  const store::ItemRow& item = event.what.item;
  const std::string action =
      item.action.empty() ? std::string(to_string(item.status)) : item.action;
  std::string out = fmt::format("  {}  execution {}, item {}\n",
                                item.ended_ms > 0 ? rfc3339(item.ended_ms) : "not yet",
                                event.number, item.id.value);
  const auto line = [&](std::string_view label, const std::string& text) {
    if (!text.empty()) out += fmt::format("      {:<9} {}\n", label, text);
  };
  line(into ? "from" : "to", escape_bytes(into ? event.what.source : event.what.destination));
  line("how",
       fmt::format("{}: {}, {}", event.operation, printable(action), format_bytes(item.size)));
  line("checksum", item.checksum);
  if (worked(event)) line("proof", std::string(to_string(item.proof)));
  line(into ? "since" : "result",
       into ? since_text(event, now) : std::string(to_string(item.status)));
  line("in", printable(event.description));
  return out;
}

Json event_json(const Event& event, const Since& now) {
  const store::ItemRow& item = event.what.item;
  Json out = Json::object();
  out["execution_id"] = event.execution.value;
  out["number"] = event.number;
  out["kind"] = event.kind;
  out["item_id"] = item.id.value;
  out["batch_number"] = item.batch.value;
  out["is_destination"] = event.what.into_it;
  out["is_source"] = event.what.from_it;
  put_path(out, "source_path", event.what.source);
  put_path(out, "destination_path", event.what.destination);
  out["operation"] = event.operation;
  out["status"] = std::string(to_string(item.status));
  out["action"] = item.action.empty() ? Json(nullptr) : Json(item.action);
  out["size"] = item.size;
  out["checksum"] = item.checksum.empty() ? Json(nullptr) : Json(item.checksum);
  out["proof"] = std::string(to_string(item.proof));
  out["completed_at"] = item.ended_ms > 0 ? Json(rfc3339(item.ended_ms)) : Json(nullptr);
  out["message"] = item.message.empty() ? Json(nullptr) : Json(printable(item.message));
  out["since"] = event.what.into_it ? Json(now.state) : Json(nullptr);
  out["since_by"] = now.by == nullptr ? Json(nullptr) : Json(now.by->number);
  return out;
}

std::string ledger_file(engine::Engine& engine, const ExecutionId& id) {
  return engine.state().execution_path(id) + "/ledger.db";
}

/// `lineage 17 --exec 3`: an item is meant, and with it the place it went to.
Result<std::string> path_of_item(Session& session, const LineageFlags& flags) {
  std::int64_t number = 0;
  const std::string& text = *flags.item;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_number = problem == std::errc() && end == text.data() + text.size();
  if (flags.execution->empty() || !is_number) return text;
  DUNLIN_ASSIGN(const ExecutionId id, session.execution(*flags.execution));
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  DUNLIN_ASSIGN(const auto reader, store::LineageReader::open(ledger_file(*engine, id)));
  auto item = reader->item(ItemId(number));
  if (!item.ok() && item.error().type == ErrorType::not_found) {
    Error error = item.error();
    error.remediation = fmt::format("`dunlin items {}` lists them; a file of this name is ./{}",
                                    *flags.execution, text);
    return error;
  }
  DUNLIN_TRY(item);
  return item->destination;
}

struct Found {
  std::vector<Event> events;
  int unreadable = 0;
};

Status look_into(engine::Engine& engine, const store::ExecutionSummary& summary,
                 const std::vector<std::string>& paths, Search& search, Found& found) {
  DUNLIN_ASSIGN(const auto reader, store::LineageReader::open(ledger_file(engine, summary.id)));
  DUNLIN_ASSIGN(const store::ExecutionRow row, reader->execution());
  DUNLIN_ASSIGN(std::vector<store::LineageItem> items,
                reader->find(paths, kMostOfOne, [&](std::int64_t looked_at) {
                  search.looked_at(looked_at);
                  return success();
                }));
  for (store::LineageItem& item : items) {
    if (item.count_as == store::CountAs::steps) continue;
    found.events.push_back({summary.id, summary.number, row.kind, operation_of(row),
                            row.description, std::move(item)});
  }
  return success();
}

Result<Found> find_events(Session& session, const LineageFlags& flags, const std::string& text) {
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  const bool as_number = text != *flags.item;  // then all of its history is wanted
  std::vector<store::ExecutionSummary> summaries;
  if (!flags.execution->empty() && !as_number) {
    DUNLIN_ASSIGN(const ExecutionId id, session.execution(*flags.execution));
    DUNLIN_ASSIGN(auto one, engine->state().store().execution(id));
    summaries.push_back(std::move(one));
  } else {
    DUNLIN_ASSIGN(summaries, engine->state().store().executions());
  }
  const std::vector<std::string> paths = spellings(text);
  Found found;
  Search search(session);
  for (std::size_t i = 0; i < summaries.size(); ++i) {
    search.of(i + 1, summaries.size());
    DUNLIN_ASSIGN(const bool there, engine->state().has_ledger(summaries[i].id));
    if (!there) continue;  // being made now
    const Status looked = look_into(*engine, summaries[i], paths, search, found);
    if (looked.ok()) continue;
    ++found.unreadable;
    session.err().write(fmt::format("dunlin: execution {} cannot be searched: {}\n",
                                    summaries[i].number, printable(looked.error().text())));
  }
  return found;
}

Result<int> lineage(Session& session, const LineageFlags& flags) {
  DUNLIN_ASSIGN(const std::string text, path_of_item(session, flags));
  DUNLIN_ASSIGN(const Found found, find_events(session, flags, text));
  const int code = found.unreadable > 0 ? kItemsFailed : kDone;
  if (found.events.empty()) {
    Error error(ErrorType::not_found,
                fmt::format("no execution that dunlin has a record of has put '{}' anywhere, or "
                            "taken it from there",
                            escape_bytes(text)));
    error.remediation =
        "give the whole path as it is at the source or the destination; `dunlin ps --all` lists "
        "the executions, `dunlin items EXEC` what each has done";
    return error;
  }
  std::string into;
  std::string from;
  std::string json;
  for (std::size_t i = 0; i < found.events.size(); ++i) {
    const Event& event = found.events[i];
    const Since now = since(found.events, i);
    if (session.options().json) {
      json += (json.empty() ? "[" : ",") + dump_json(event_json(event, now));
      continue;
    }
    if (event.what.into_it) into += event_text(event, now, true);
    if (event.what.from_it) from += event_text(event, now, false);
  }
  if (session.options().json) {
    session.result(json + "]\n");
    return code;
  }
  session.result(escape_bytes(text) + "\n");
  if (!into.empty()) session.result("came here:\n" + into);
  if (!from.empty()) session.result("went from here:\n" + from);
  return code;
}

}  // namespace

void add_lineage_verb(Verbs& verbs) {
  auto flags = std::make_shared<LineageFlags>();
  CLI::App& app = verbs.add(
      "lineage", "Says where an item came from and what came of it, out of all executions.",
      "dunlin lineage /mnt/backup/photos/a.jpg\n"
      "dunlin lineage /data/photos/a.jpg --json\n"
      "dunlin lineage 17 --exec 3",
      [flags](Session& session) { return lineage(session, *flags); });
  flags->item =
      add_place(app, "ITEM",
                "a path at the destination or the source, as it is there; the name of an "
                "object, range of rows or script; with --exec also the number of an item");
  flags->execution = add_text(app, "--exec", "EXEC", "only this execution; ITEM may be a number");
}

}  // namespace dunlin::cli
