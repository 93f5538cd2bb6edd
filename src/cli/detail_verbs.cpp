// items, errors, tasks, checkpoints: what the ledger of one execution holds.
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "base/text.h"
#include "base/units.h"
#include "cli/exit_code.h"
#include "cli/ledger_json.h"
#include "cli/remedy.h"
#include "cli/selector.h"
#include "cli/session.h"
#include "cli/text_layout.h"
#include "cli/verb_families.h"

namespace dunlin::cli {

namespace {

constexpr std::size_t kPage = 1000;
constexpr std::size_t kDefaultLimit = 1000;

struct DetailFlags {
  Text execution;
  Text status;
  Text batch;
  Text type;
  Text limit;
  Flag history;
};

Result<std::size_t> limit_of(const DetailFlags& flags) {
  if (flags.limit->empty()) return kDefaultLimit;
  if (*flags.limit == "0") return SIZE_MAX;
  DUNLIN_ASSIGN(const std::int64_t limit, whole_number(*flags.limit, "--limit"));
  return static_cast<std::size_t>(limit);
}

Result<store::ItemFilter> filter_of(const DetailFlags& flags) {
  store::ItemFilter out;
  if (flags.status && !flags.status->empty()) {
    out.status = store::item_status_from(*flags.status);
    if (!out.status) {
      const std::vector<std::string> names = {"pending", "executing", "completed",
                                              "failed",  "skipped",   "rolled_back"};
      const auto near = nearest_word(*flags.status, names);
      return Error(ErrorType::invalid_input,
                   fmt::format("there is no status '{}' of items; {}", escape_bytes(*flags.status),
                               near ? "did you mean '" + *near + "'?"
                                    : fmt::format("one of {}", fmt::join(names, ", "))));
    }
  }
  if (flags.batch && !flags.batch->empty()) {
    DUNLIN_ASSIGN(const std::int64_t batch, whole_number(*flags.batch, "--batch"));
    out.batch = BatchId(batch);
  }
  if (flags.type && !flags.type->empty()) {
    DUNLIN_ASSIGN(out.error_type, error_type_name(*flags.type));
  }
  return out;
}

Result<std::unique_ptr<store::Ledger>> ledger_of(Session& session, const DetailFlags& flags) {
  DUNLIN_ASSIGN(const ExecutionId id, session.execution(*flags.execution));
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  return engine->open_ledger(id);
}

/// A page of rows at a time, so that memory stays bounded; `read` fills one page from the filter
/// and moves filter.after past it, `show` prints it.
template <typename Row, typename Read, typename Show>
Status pages(store::ItemFilter filter, std::size_t limit, Read read, Show show) {
  bool first = true;
  for (std::size_t left = limit; left > 0;) {
    filter.limit = std::min(left, kPage);
    DUNLIN_ASSIGN(const std::vector<Row> rows, read(filter));
    if (rows.empty() && !first) break;
    show(rows, first);
    first = false;
    if (rows.size() < filter.limit) break;
    left -= rows.size();
  }
  return success();
}

/// Rows as the elements of one JSON array, or as a table for each page.
class Listing {
 public:
  Listing(Session& session, std::vector<Table::Column> columns)
      : session_(session), columns_(std::move(columns)), table_(columns_) {}

  void add(const Json& json, std::vector<std::string> cells) {
    if (session_.options().json) {
      text_ += (count_ == 0 ? "[" : ",") + dump_json(json);
    } else {
      rows_.push_back(cells);
      table_.add(std::move(cells));
    }
    ++count_;
  }
  void end_page() {
    if (session_.options().json) {
      session_.result(text_);
      text_.clear();
    } else if (!table_.empty()) {
      session_.result(page_text());
      table_ = Table(columns_);
      rows_.clear();
    }
  }
  void end(std::string_view when_empty) {
    end_page();
    if (session_.options().json)
      session_.result(count_ == 0 ? "[]\n" : "]\n");
    else if (count_ == 0)
      session_.result(when_empty);
  }

 private:
  /// Where a message has no room beside the rest it stands below it, whole: what it says at its end
  /// is why.
  [[nodiscard]] std::string page_text() const {
    constexpr std::string_view kMessage = "MESSAGE";
    constexpr std::size_t kIndent = 6;
    const Terminal& out = session_.out();
    const bool fits = out.width() == 0 || table_.natural_width() <= out.width();
    if (fits || columns_.back().title != kMessage) return table_.text(out.width(), out.charset());
    const std::vector<Table::Column> before(columns_.begin(), columns_.end() - 1);
    Table table(before);
    for (const auto& row : rows_) table.add({row.begin(), row.end() - 1});
    std::istringstream lines(table.text(out.width(), out.charset()));
    std::string text;
    std::string line;
    for (std::size_t i = 0; std::getline(lines, line); ++i) {
      text += line + "\n";
      if (i == 0 || rows_[i - 1].back().empty()) continue;  // the titles come first
      text +=
          std::string(kIndent, ' ') + wrap_below(rows_[i - 1].back(), out.width(), kIndent) + "\n";
    }
    return text;
  }

  Session& session_;
  const std::vector<Table::Column> columns_;
  Table table_;
  std::vector<std::vector<std::string>> rows_;  ///< those of the table
  std::string text_;
  std::size_t count_ = 0;
};

Result<int> items(Session& session, const DetailFlags& flags) {
  DUNLIN_ASSIGN(const std::size_t limit, limit_of(flags));
  DUNLIN_ASSIGN(const store::ItemFilter filter, filter_of(flags));
  DUNLIN_ASSIGN(const auto ledger, ledger_of(session, flags));
  Listing listing(session, {{"ID", Align::right, false},
                            {"STATUS", Align::left, false},
                            {"SIZE", Align::right, false},
                            {"ACTION", Align::left, false},
                            {"PROOF", Align::left, false},
                            {"PATH", Align::left, true},
                            {"MESSAGE", Align::left, true}});
  DUNLIN_TRY(pages<store::ItemRow>(
      filter, limit,
      [&](store::ItemFilter& page) {
        auto rows = ledger->items(page);
        if (rows.ok() && !rows->empty()) page.after = rows->back().id;
        return rows;
      },
      [&](const std::vector<store::ItemRow>& rows, bool) {
        for (const auto& item : rows)
          listing.add(
              item_json(item),
              {std::to_string(item.id.value), std::string(store::to_string(item.status)),
               format_bytes(item.size), printable(item.action),
               std::string(store::to_string(item.proof)),
               escape_bytes(path_of(item.directory_path, item.name)) +
                   (item.placed_name.empty() ? "" : " -> " + escape_bytes(item.placed_name)),
               printable(item.message)});
        listing.end_page();
      }));
  listing.end("no items\n");
  return kDone;
}

Result<int> errors(Session& session, const DetailFlags& flags) {
  DUNLIN_ASSIGN(const engine::Snapshot snapshot, session.snapshot(*flags.execution));
  DUNLIN_ASSIGN(const std::size_t limit, limit_of(flags));
  DUNLIN_ASSIGN(const store::ItemFilter filter, filter_of(flags));
  DUNLIN_ASSIGN(const auto ledger, ledger_of(session, flags));
  Listing listing(session, {{"ITEM", Align::right, false},
                            {"TYPE", Align::left, false},
                            {"PATH", Align::left, true},
                            {"MESSAGE", Align::left, true}});
  std::set<std::string> remedies;  // one per type, as a rule
  DUNLIN_TRY(pages<store::ErrorRow>(
      filter, limit,
      [&](store::ItemFilter& page) {
        auto rows = ledger->errors(page, !*flags.history);
        if (rows.ok() && !rows->empty()) page.after = ItemId(rows->back().id);
        return rows;
      },
      [&](const std::vector<store::ErrorRow>& rows, bool) {
        for (const auto& row : rows) {
          listing.add(error_json(row, snapshot),
                      {row.item.valid() ? std::to_string(row.item.value) : "",
                       std::string(to_string(row.error.type)),
                       row.item.valid() ? escape_bytes(path_of(row.directory_path, row.name)) : "",
                       printable(row.error.text())});
          if (std::string remedy = remedy_for(row.error, concern_of(row), snapshot);
              !remedy.empty())
            remedies.insert(printable(remedy));
        }
        listing.end_page();
      }));
  listing.end("no errors\n");
  if (!session.options().json)
    for (const auto& remedy : remedies)
      session.result("try: " + wrap_below(remedy, session.out().width(), 5) + "\n");
  return kDone;
}

Result<int> tasks(Session& session, const DetailFlags& flags) {
  DUNLIN_ASSIGN(const std::size_t limit, limit_of(flags));
  DUNLIN_ASSIGN(const auto ledger, ledger_of(session, flags));
  Listing listing(session, {{"UID", Align::left, false},
                            {"TYPE", Align::left, false},
                            {"STATUS", Align::left, false},
                            {"BATCHES", Align::right, false},
                            {"ITEMS", Align::right, false},
                            {"DESCRIPTION", Align::left, true},
                            {"ERROR", Align::left, false}});
  DUNLIN_ASSIGN(const auto rows, ledger->tasks(limit));
  for (const auto& task : rows)
    listing.add(
        task_json(task),
        {task.uid, task.task_type, std::string(store::to_string(task.status)),
         fmt::format("{}/{}", format_count(task.ended_batches), format_count(task.batches)),
         format_count(task.items), printable(task.description), printable(task.error_message)});
  listing.end("no tasks yet\n");
  return kDone;
}

Result<int> checkpoints(Session& session, const DetailFlags& flags) {
  DUNLIN_ASSIGN(const auto ledger, ledger_of(session, flags));
  Listing listing(session, {{"ID", Align::right, false},
                            {"BATCH", Align::right, false},
                            {"LAST ITEM", Align::right, false},
                            {"CREATED", Align::left, false},
                            {"VALID", Align::left, false}});
  DUNLIN_ASSIGN(const auto rows, ledger->checkpoints());
  for (const auto& row : rows)
    listing.add(checkpoint_json(row),
                {std::to_string(row.id), format_count(row.last_processed_batch),
                 format_count(row.last_processed_record_id), rfc3339(row.created_ms),
                 row.valid ? "yes" : "damaged"});
  listing.end("no checkpoints yet\n");
  return kDone;
}

}  // namespace

void add_detail_verbs(Verbs& verbs) {
  const auto verb = [&](std::string_view name, std::string_view summary, std::string_view examples,
                        Result<int> (*act)(Session&, const DetailFlags&)) {
    auto flags = std::make_shared<DetailFlags>();
    CLI::App& app = verbs.add(name, summary, examples,
                              [flags, act](Session& session) { return act(session, *flags); });
    flags->execution =
        add_place(app, "EXEC", "the execution: its number in `dunlin ps`, its id, or last");
    if (name != "checkpoints")
      flags->limit = add_text(app, "--limit", "N", "at most so many (default 1000; 0: all)");
    if (name == "items")
      flags->status = add_text(app, "--status", "S", "completed, failed, skipped, pending …");
    if (name == "items" || name == "errors")
      flags->batch = add_text(app, "--batch", "N", "only this batch");
    if (name == "errors") {
      flags->type = add_text(app, "--type", "TYPE", "only this type or category");
      flags->history = add_flag(app, "--history", "also errors that a later try made good");
    }
  };
  verb("items", "Lists the items of an execution and how each ended.",
       "dunlin items last\ndunlin items 3 --status failed --json", items);
  verb("errors", "Lists what failed, why, and what to do about it.",
       "dunlin errors last\ndunlin errors 3 --type permission_denied", errors);
  verb("tasks", "Lists the tasks of an execution.", "dunlin tasks last", tasks);
  verb("checkpoints", "Lists the checkpoints of an execution.", "dunlin checkpoints last",
       checkpoints);
}

}  // namespace dunlin::cli
