// See screens.h.
#include "cli/screens.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "base/units.h"
#include "cli/progress_line.h"
#include "cli/remedy.h"
#include "cli/shown_text.h"
#include "cli/test_words.h"
#include "cli/text_layout.h"
#include "engine/selector.h"
#include "engine/test_run.h"

namespace dunlin::cli {

namespace {

using engine::Snapshot;
using store::ExecutionStatus;

constexpr std::size_t kLabelWidth = 12;
constexpr std::size_t kNarrowest = 40;
constexpr std::size_t kBarWidth = 40;

/// Lines "  label     text", the label only where it changes.
class Lines {
 public:
  explicit Lines(const Terminal& terminal) : terminal_(terminal) {}

  void add(std::string_view label, std::string_view text, Colour colour = Colour::dim) {
    if (text.empty()) return;
    out_ += "  " + terminal_.paint(colour, pad_right(label, kLabelWidth)) +
            wrap_below(text, terminal_.width(), 2 + kLabelWidth) + "\n";
  }
  void add_title(std::string_view line) { out_ += wrap_below(line, terminal_.width(), 2) + "\n"; }
  /// Lines that are laid out already.
  void add_whole(std::string_view text) { out_ += text; }
  [[nodiscard]] const Terminal& terminal() const { return terminal_; }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  const Terminal& terminal_;
  std::string out_;
};

/// Of an incremental execution that found none before it; else the description says which.
std::string builds_on_text(const store::ExecutionRow& row) {
  if (row.mode != engine::kIncremental || row.baseline) return "";
  return "nothing yet: no execution of this plan has taken all of it before, so this one looks at "
         "all of it, as a full one does";
}

/// What the kind does with an item, past tense.
std::string done_word(const Snapshot& snapshot) {
  if (snapshot.row.mode == engine::kDryRun) return "to do";
  if (snapshot.row.kind == "records") return "loaded";
  if (snapshot.row.kind == "schema") return "applied";
  if (snapshot.row.description.starts_with("link ")) return "linked";
  return snapshot.row.description.starts_with("move ") ? "moved" : "copied";
}

std::string count_of_directories(std::int64_t count) {
  return format_count(count) + (count == 1 ? " directory" : " directories");
}

std::int64_t running_ms(const Snapshot& snapshot, std::int64_t now_ms) {
  const auto& row = snapshot.row;
  if (row.started_ms == 0) return 0;
  const std::int64_t end = row.ended_ms > 0       ? row.ended_ms
                           : snapshot.interrupted ? row.updated_ms
                                                  : now_ms;
  const std::int64_t paused =
      row.paused_ms_total + (row.paused_since_ms > 0 ? end - row.paused_since_ms : 0);
  return std::max<std::int64_t>(end - row.started_ms - std::max<std::int64_t>(paused, 0), 0);
}

std::string failed_types(const Snapshot& snapshot, const Terminal& terminal) {
  std::vector<std::string> parts;
  for (const auto& [type, count] : snapshot.error_counts) {
    if (parts.size() == 5) {
      parts.emplace_back(terminal.utf8() ? "…" : "...");
      break;
    }
    parts.push_back(fmt::format("{} {}", type, format_count(count)));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string reason_text(const Shown& shown) {
  if (shown.reason) return printable(shown.reason->text());
  const auto reason = parse_json(shown.snapshot.row.reason_json);
  return reason.ok() ? printable(string_or(*reason, "message", "")) : "";
}

/// What to do about the cause, unless a person asked for the pause.
std::string remedy_text(const Shown& shown) {
  const auto remedy = [&](const Error& error) {
    const bool differs = error.type == ErrorType::verification_mismatch;
    return error.type == ErrorType::interrupted
               ? std::string()
               : remedy_for(error, differs ? Concern::difference : Concern::execution,
                            shown.snapshot);
  };
  if (shown.reason) return remedy(*shown.reason);
  const auto reason = parse_json(shown.snapshot.row.reason_json);
  if (!reason.ok()) return "";
  const auto type = error_type_from_name(string_or(*reason, "type", ""));
  return type ? remedy(Error(*type, "")) : "";
}

void add_next(Lines& lines, const Snapshot& snapshot) {
  const auto commands = next_commands(snapshot);
  std::size_t widest = 0;
  for (const auto& next : commands) widest = std::max(widest, next.command.size());
  std::string_view label = "next";
  for (const auto& next : commands) {
    lines.add(label, pad_right(next.command, widest) + "  " + next.purpose);
    label = "";
  }
}

void add_problems(Lines& lines, const Shown& shown) {
  std::string remedy;
  const auto advise = [&] { lines.add("  try", std::exchange(remedy, "")); };
  for (const auto& problem : shown.problems) {
    const Concern concern = problem.critical ? Concern::execution : Concern::failed_item;
    std::string next = printable(remedy_for(problem.error, concern, shown.snapshot));
    if (next != remedy) advise();  // what several ask for is said once, below the last
    lines.add(problem.critical ? "problem" : "warning", printable(problem.error.text()),
              problem.critical ? Colour::red : Colour::yellow);
    for (const std::string& difference : problem.differences)
      lines.add_whole(painted_difference(difference, lines.terminal(), "    "));
    remedy = std::move(next);
  }
  advise();
}

/// "3 files, 1 directory": the items, and beside them what else there is of the same outcome.
std::string counts_text(const store::Counters& counters,
                        std::int64_t store::Counters::* store::OutcomeCounters::* outcome,
                        std::string_view noun, bool with_steps) {
  const auto number = [&](store::CountAs count_as) {
    return counters.*(store::outcome_counters(count_as).*outcome);
  };
  std::vector<std::string> parts;
  const std::int64_t items = number(store::CountAs::items);
  const std::int64_t directories = number(store::CountAs::directories);
  const std::int64_t steps = with_steps ? number(store::CountAs::steps) : 0;
  if (items > 0 || directories + steps == 0) parts.push_back(count_of(items, noun));
  if (directories > 0) parts.push_back(count_of_directories(directories));
  if (steps > 0) parts.push_back(count_of(steps, "further steps"));
  return fmt::format("{}", fmt::join(parts, ", "));
}

/// Of a rollback that has not ended: "120 of 300 files, 0 of 1 directories".
std::string taken_back_of(const store::Counters& counters, std::string_view noun) {
  std::vector<std::string> parts;
  for (const auto one : {store::CountAs::items, store::CountAs::directories}) {
    const store::OutcomeCounters& members = store::outcome_counters(one);
    const std::int64_t back = counters.*members.rolled_back;
    const std::int64_t all = back + counters.*members.succeeded;
    const bool directories = one == store::CountAs::directories;
    if (all == 0 && directories) continue;
    parts.push_back(fmt::format("{} of {}", format_count(back),
                                directories ? count_of_directories(all) : count_of(all, noun)));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

/// "unchanged: same type, size and time (300)": of those with that status, most frequent first.
std::string remarks_text(const std::vector<store::Remark>& remarks, store::ItemStatus status) {
  constexpr std::size_t kMost = 5;
  std::vector<std::string> parts;
  std::int64_t others = 0;
  for (const store::Remark& remark : remarks) {
    if (remark.status != status) continue;
    if (remark.text.empty() || parts.size() == kMost)
      others += remark.items;
    else
      parts.push_back(fmt::format("{} ({})", printable(remark.text), format_count(remark.items)));
  }
  if (others > 0) parts.push_back(fmt::format("other reasons ({})", format_count(others)));
  return fmt::format("{}", fmt::join(parts, "; "));
}

/// The reason stands alone where all have the same.
std::string skipped_text(const Shown& shown) {
  const auto& counters = shown.snapshot.row.counters;
  const std::string count =
      counts_text(counters, &store::OutcomeCounters::skipped, shown.snapshot.noun, false);
  std::vector<store::Remark> why;
  for (const store::Remark& remark : shown.remarks)
    if (remark.status == store::ItemStatus::skipped) why.push_back(remark);
  if (why.empty()) return count;
  if (why.size() == 1 && !why.front().text.empty())
    return count + ": " + printable(why.front().text);
  return count + ": " + remarks_text(why, store::ItemStatus::skipped);
}

void add_remarks(Lines& lines, const Shown& shown) {
  const std::string noted = remarks_text(shown.remarks, store::ItemStatus::completed);
  lines.add("noted", noted);
  if (!noted.empty())
    lines.add("", fmt::format("dunlin items {}  says of which", shown.snapshot.row.number));
}

void add_warnings(Lines& lines, const Snapshot& snapshot) {
  for (const std::string& warning : warning_lines(snapshot))
    lines.add("warning", warning, Colour::yellow);
}

/// What has not ended; the steps only where nothing else is left.
std::string left_text(const store::Counters& counters, std::string_view noun) {
  store::Counters left;
  for (const auto one :
       {store::CountAs::items, store::CountAs::directories, store::CountAs::steps}) {
    const store::OutcomeCounters& members = store::outcome_counters(one);
    left.*members.total = counters.*members.total - counters.*members.succeeded -
                          counters.*members.failed - counters.*members.skipped -
                          counters.*members.rolled_back;
  }
  return counts_text(left, &store::OutcomeCounters::total, noun,
                     left.total_items + left.total_directories == 0);
}

std::string done_line(const Shown& shown) {
  const auto& counters = shown.snapshot.row.counters;
  // Between two attempts nothing ran, and nobody recorded for how long: a later attempt tells its
  // own time, and no rate, for the counters are those of all attempts.
  const bool only_attempt = shown.snapshot.row.attempt <= 1;
  const std::int64_t ms =
      shown.attempt_ms >= 0 ? shown.attempt_ms : running_ms(shown.snapshot, shown.now_ms);
  std::string out = count_of(counters.succeeded_items, shown.snapshot.noun);
  if (counters.succeeded_directories > 0)
    out += " in " + count_of_directories(counters.succeeded_directories);
  if (counters.transferred_bytes > 0) out += ", " + format_bytes(counters.transferred_bytes);
  if (!only_attempt && shown.attempt_ms >= 0)
    out += "; this attempt took " + format_duration(std::chrono::milliseconds(ms));
  else if (ms > 0)
    out += " in " + format_duration(std::chrono::milliseconds(ms));
  if (only_attempt && ms >= 100 && counters.transferred_bytes > 0)
    out += fmt::format(" ({})", format_rate(counters.transferred_bytes * 1000 / ms));
  return out;
}

/// Of the status screen.
std::string items_text(const Snapshot& snapshot, const Terminal& terminal) {
  const auto& counters = snapshot.row.counters;
  std::string items = count_of(counters.succeeded_items, snapshot.noun) + " " + done_word(snapshot);
  if (counters.failed_items > 0)
    items += ", " + terminal.paint(Colour::red, format_count(counters.failed_items) + " failed");
  if (counters.skipped_items > 0) items += ", " + format_count(counters.skipped_items) + " skipped";
  if (counters.rolled_back_items > 0)
    items += ", " + format_count(counters.rolled_back_items) + " taken back";
  if (snapshot.progress.totals_exact || counters.total_items > 0)
    items += fmt::format(" of {}{}", format_count(counters.total_items),
                         snapshot.progress.totals_exact ? "" : " found so far");
  return items;
}

/// Of the status screen; empty where there are none.
std::string directories_text(const Snapshot& snapshot, const Terminal& terminal) {
  const auto& counters = snapshot.row.counters;
  if (counters.total_directories == 0) return "";
  std::string out = format_count(counters.succeeded_directories) + " made or found";
  if (counters.failed_directories > 0)
    out +=
        ", " + terminal.paint(Colour::red, format_count(counters.failed_directories) + " failed");
  if (counters.skipped_directories > 0)
    out += ", " + format_count(counters.skipped_directories) + " skipped";
  if (counters.rolled_back_directories > 0)
    out += ", " + format_count(counters.rolled_back_directories) + " taken back";
  return out + fmt::format(" of {}{}", format_count(counters.total_directories),
                           snapshot.progress.totals_exact ? "" : " found so far");
}

/// What is worked on just now, where that takes long enough to be watched.
void add_current_items(Lines& lines, const engine::Progress& progress, const Terminal& terminal) {
  constexpr std::size_t kBefore = 2 + kLabelWidth;
  const std::size_t width = terminal.width();
  const LineStyle style{width == 0 ? 0 : std::max(width, kBefore + 2) - kBefore - 1,
                        terminal.utf8(), terminal.colour()};
  std::string_view label = "now";
  const auto& items = progress.current_items;
  for (const std::string& line : item_lines(items, items.size(), style)) {
    lines.add(label, line);
    label = "";
  }
}

/// What holds now of rates and CPU, where anything does, and how many items at a time.
std::string limits_text(const Json& limits) {
  if (!limits.is_object()) return "";
  std::vector<std::string> parts;
  if (const auto io = integer_or(limits, "io", 0); io > 0) parts.push_back(format_rate(io));
  if (const auto iops = integer_or(limits, "iops", 0); iops > 0)
    parts.push_back(format_count(iops) + " operations/s");
  if (const auto cpu = integer_or(limits, "cpu", 0); cpu > 0)
    parts.push_back(fmt::format("{}% CPU", cpu));
  if (const auto memory = integer_or(limits, "memory", 0); memory > 0)
    parts.push_back(format_count(memory) + " MB");
  if (const auto items = integer_or(limits, "concurrency", 0); items > 0)
    parts.push_back(fmt::format("{} at a time", format_count(items)));
  return fmt::format("{}", fmt::join(parts, ", "));
}

/// The parts that a person holds back, as the flags that let them go.
std::string held_text(const engine::Snapshot& snapshot) {
  const auto settings = parse_json(snapshot.row.settings_json);
  const Json* const parts = settings.ok() ? find_member(*settings, "selective_pause") : nullptr;
  if (parts == nullptr || !parts->is_array()) return "";
  std::vector<std::string> out;
  for (const Json& part : *parts) {
    if (const auto selector = engine::selector_from(part); selector.ok())
      out.push_back(printable(engine::selector_flags(*selector)));
  }
  return fmt::format("{}", fmt::join(out, "; "));
}

/// Its priority where it is no usual one or others use the same devices.
std::string priority_text(const engine::Snapshot& snapshot) {
  const std::string priority =
      snapshot.limits.is_object() ? string_or(snapshot.limits, "priority", "") : "";
  const Json& sharing = snapshot.sharing;
  if (!sharing.is_object()) return priority == "normal" ? "" : priority;
  const auto others = integer_or(sharing, "with", 0);
  const Json* due = find_member(sharing, "due");
  const double part = due != nullptr && due->is_number() ? due->get<double>() : 1;
  return fmt::format("{}; {:.0f} % of what it shares with {} other execution{} is due to it{}",
                     priority, part * 100, others, others == 1 ? "" : "s",
                     boolean_or(sharing, "waits", false) ? "; waits for them" : "");
}

std::string age_of(std::int64_t then_ms, std::int64_t now_ms) {
  return format_duration(std::chrono::milliseconds(std::max<std::int64_t>(now_ms - then_ms, 0))) +
         " ago";
}

/// What a rollback would need, how large it is, and how long it is kept.
std::string kept_text(const Snapshot& snapshot, std::int64_t now_ms) {
  const std::int64_t bytes = snapshot.row.counters.kept_bytes;
  if (bytes == 0 || !engine::has_ended(snapshot.shown_status)) return "";
  std::string out = format_bytes(bytes) + " of old versions, for a rollback";
  const std::int64_t until = store::keeps_until_ms(snapshot.row);
  if (snapshot.undo == engine::Undo::given_up || (until > 0 && until <= now_ms))
    out += ", given up with the next command that changes something";
  else if (until > 0)
    out += fmt::format(", until {} (in {})", rfc3339(until),
                       format_duration(std::chrono::milliseconds(until - now_ms)));
  return out + fmt::format("; dunlin accept {}  frees it", snapshot.row.number);
}

/// Of a rollback of a part that has not ended, as the flags that name it.
std::string part_text(const Snapshot& snapshot) {
  if (!snapshot.row.rollback_part) return "";
  const auto of = parse_json(snapshot.row.rollback_part->of_json);
  const auto selector = of.ok() ? engine::undo_selector_from(*of) : of.error();
  return selector.ok() ? printable(engine::selector_flags(*selector)) : "";
}

std::string owner_text(const Snapshot& snapshot) {
  const auto owner = parse_json(snapshot.row.owner_json);
  if (!owner.ok() || integer_or(*owner, "pid", 0) == 0) return "";
  const std::string who = fmt::format("process {} on {}", integer_or(*owner, "pid", 0),
                                      printable(string_or(*owner, "host", "this machine")));
  return snapshot.live ? who : snapshot.interrupted ? who + ", which is gone" : "";
}

}  // namespace

Colour colour_of(const Snapshot& snapshot) {
  switch (snapshot.shown_status) {
    case ExecutionStatus::completed:
      return store::all_failed(snapshot.row.counters) > 0 ? Colour::yellow : Colour::green;
    case ExecutionStatus::failed:
      return Colour::red;
    case ExecutionStatus::paused:
    case ExecutionStatus::cancelled:
      return Colour::yellow;
    case ExecutionStatus::running:
    case ExecutionStatus::rolling_back:
      return Colour::cyan;
    case ExecutionStatus::pending:
    case ExecutionStatus::rolled_back:
      break;
  }
  return Colour::none;
}

std::string status_words(const Snapshot& snapshot) {
  std::string out(store::to_string(snapshot.shown_status));
  const bool halted = snapshot.shown_status == ExecutionStatus::paused ||
                      snapshot.shown_status == ExecutionStatus::cancelled;
  const bool rollback = halted && takes_back(snapshot.row.phase);
  if (snapshot.interrupted || rollback)
    out += fmt::format(" ({})", snapshot.interrupted && rollback ? "rollback, interrupted"
                                : rollback                       ? "rollback"
                                                                 : "interrupted");
  if (!snapshot.pending_request.empty())
    out += ", " + printable(snapshot.pending_request) + " requested";
  return out;
}

std::string verification_statement(const Snapshot& snapshot) {
  const auto& counters = snapshot.row.counters;
  const auto& noun = snapshot.noun;
  if (counters.differences > 0)
    return fmt::format("{} {} source", count_of(counters.differences, noun),
                       counters.differences == 1 ? "differs from its" : "differ from their");
  const auto settings = parse_json(snapshot.row.settings_json);
  const std::string level =
      settings.ok() ? string_or(*settings, "verification_level", "full") : "full";
  if (counters.verified_items == 0 && counters.verified_batches > 0 &&
      counters.succeeded_items == 0 && counters.succeeded_directories > 0)
    return fmt::format("{} found as copied ({})",
                       count_of_directories(counters.succeeded_directories), level);
  if (counters.verified_items == 0)
    return level == "none" ? "nothing was compared (--verify none)" : "";
  const bool all = counters.verified_items >= counters.succeeded_items;
  // What was renamed is known by its inode: its content was never read.
  if (snapshot.row.description.starts_with("move ")) {
    return fmt::format(
        "{}{} found as moved; what had to be copied was compared with its source ({})",
        all && counters.verified_items > 1 ? "all " : "", count_of(counters.verified_items, noun),
        level);
  }
  if (snapshot.row.description.starts_with("link ")) {
    return fmt::format("{}{} found to be what was put there: the file that was linked, or its copy",
                       all && counters.verified_items > 1 ? "all " : "",
                       count_of(counters.verified_items, noun));
  }
  return fmt::format("{}{} compared equal to {} source ({})",
                     all && counters.verified_items > 1 ? "all " : "",
                     count_of(counters.verified_items, noun),
                     counters.verified_items == 1 ? "its" : "their", level);
}

std::vector<std::string> warning_lines(const Snapshot& snapshot) {
  std::vector<std::string> lines;
  for (const auto& [type, count] : snapshot.warning_counts) {
    const auto known = error_type_from_name(type);
    const std::string number = std::to_string(snapshot.row.number);
    lines.push_back(fmt::format("{}: {}; {} (dunlin errors {} lists them)",
                                count_of(count, snapshot.noun),
                                known ? info(*known).summary : std::string_view(type),
                                known ? Error(*known, "").remedy(number) : "", number));
  }
  return lines;
}

namespace {

/// What a person does, by what an outcome says was done.
std::string_view imperative(std::string_view action) {
  constexpr std::pair<std::string_view, std::string_view> kWords[] = {
      {"created", "create"},
      {"overwritten", "overwrite"},
      {"updated", "overwrite"},
      {"kept_both", "keep both"},
      {"renamed_existing", "set aside"},
      {"renamed", "rename"},
      {"moved", "move"},
      {"linked", "link"},
      {"cloned", "clone"},
      {"applied", "apply"},
      {"removed", "remove"}};
  for (const auto& [done, word] : kWords)
    if (done == action) return word;
  return action;
}

/// Of a dry run: each kind of operation with its number and its first paths. What stands already
/// is no operation.
void add_actions(Lines& lines, const Shown& shown, const Terminal& terminal) {
  const std::string_view more = terminal.utf8() ? ", …" : ", ...";
  for (const engine::ActionResults& results : shown.actions) {
    if (results.action == "existing") continue;
    std::vector<std::string> parts;
    if (results.items > 0) parts.push_back(count_of(results.items, shown.snapshot.noun));
    if (results.directories > 0) parts.push_back(count_of_directories(results.directories));
    if (results.transferred_bytes > 0) parts.push_back(format_bytes(results.transferred_bytes));
    std::vector<std::string> samples;
    for (const std::string& path : results.samples)
      samples.push_back(path.empty() ? "." : escape_bytes(path));
    const auto all = results.items + results.directories;
    lines.add(imperative(results.action),
              fmt::format("{}: {}{}", fmt::join(parts, ", "), fmt::join(samples, ", "),
                          all > static_cast<std::int64_t>(samples.size()) ? more : ""));
  }
  if (shown.snapshot.shown_status == ExecutionStatus::completed)
    lines.add("changed", "nothing: this was a dry run; the same without --dry-run does it");
}

}  // namespace

namespace {

/// What a sample has told of the whole.
void add_test(Lines& lines, const Shown& shown) {
  if (!shown.test.is_object()) return;
  for (const auto& [label, text] : test_in_words(shown.test, shown.snapshot.noun))
    lines.add(label, text);
}

}  // namespace

std::string summary_text(const Shown& shown, const Terminal& terminal) {
  const auto& snapshot = shown.snapshot;
  const auto& counters = snapshot.row.counters;
  const auto& noun = snapshot.noun;
  Lines lines(terminal);
  lines.add_title(
      terminal.paint(colour_of(snapshot), status_words(snapshot)) + ": " +
      printable(snapshot.row.description) +
      terminal.paint(Colour::dim, fmt::format("  (execution {})", snapshot.row.number)));
  add_problems(lines, shown);
  lines.add("builds on", builds_on_text(snapshot.row));
  const bool ended_well = snapshot.shown_status == ExecutionStatus::completed ||
                          snapshot.shown_status == ExecutionStatus::rolled_back;
  if (!ended_well) {
    if (shown.problems.empty()) {
      lines.add("cause", reason_text(shown));
      lines.add("try", printable(remedy_text(shown)));
    }
  }
  if (snapshot.row.phase == "rolling_back" ||
      snapshot.shown_status == ExecutionStatus::rolled_back) {
    const bool to_the_end = snapshot.shown_status == ExecutionStatus::rolled_back;
    if (snapshot.failure_taken_back)
      lines.add("cause", fmt::format("it had failed, and on_failure: rollback was asked for; why: "
                                     "dunlin errors {}",
                                     snapshot.row.number));
    lines.add("part", part_text(snapshot));
    lines.add("taken back",
              to_the_end || snapshot.row.rollback_part
                  ? counts_text(counters, &store::OutcomeCounters::rolled_back, noun, false)
                  : taken_back_of(counters, noun));
    if (snapshot.shown_status == ExecutionStatus::rolled_back &&
        store::all_succeeded(counters) > 0) {
      lines.add(
          "left alone",
          terminal.paint(Colour::red,
                         counts_text(counters, &store::OutcomeCounters::succeeded, noun, true)) +
              ": dunlin errors " + std::to_string(snapshot.row.number) + "  says why");
    }
  } else if (snapshot.row.mode == engine::kDryRun) {
    add_actions(lines, shown, terminal);
  } else if (shown.problems.empty() || store::all_succeeded(counters) > 0) {
    lines.add(done_word(snapshot), done_line(shown));
    if (store::all_rolled_back(counters) > 0)
      lines.add("taken back",
                counts_text(counters, &store::OutcomeCounters::rolled_back, noun, false));
  }
  if (!ended_well && store::all_planned(counters) > store::all_ended(counters))
    lines.add("left",
              left_text(counters, noun) + (snapshot.progress.totals_exact ? "" : " or more"));
  if (store::all_failed(counters) > 0) {
    const std::string types = failed_types(snapshot, terminal);
    lines.add("failed",
              terminal.paint(Colour::red,
                             counts_text(counters, &store::OutcomeCounters::failed, noun, true)) +
                  (types.empty() ? "" : ": " + types));
  }
  if (counters.skipped_items + counters.skipped_directories > 0)
    lines.add("skipped", skipped_text(shown));
  lines.add("left out", printable(snapshot.left_out));
  add_remarks(lines, shown);
  add_warnings(lines, snapshot);
  const bool dry = snapshot.row.mode == engine::kDryRun;
  if (!dry && (snapshot.shown_status == ExecutionStatus::completed || counters.differences > 0))
    lines.add("verified", terminal.paint(counters.differences > 0 ? Colour::red : Colour::none,
                                         verification_statement(snapshot)));
  lines.add("kept", kept_text(snapshot, shown.now_ms));
  add_test(lines, shown);
  add_next(lines, snapshot);
  return lines.take();
}

std::string status_screen(const Shown& shown, const Terminal& terminal) {
  const auto& snapshot = shown.snapshot;
  const auto& row = snapshot.row;
  const auto& counters = row.counters;
  const auto& progress = snapshot.progress;
  const std::size_t width = terminal.width();
  Lines lines(terminal);
  lines.add_title(fmt::format("execution {}: {}", row.number, printable(row.description)));
  lines.add("status", terminal.paint(colour_of(snapshot), status_words(snapshot)) +
                          (row.phase.empty() || !snapshot.live ? "" : ", " + row.phase));
  lines.add("builds on", builds_on_text(row));
  lines.add("cause", reason_text(shown));
  lines.add("try", printable(remedy_text(shown)));
  const std::size_t bar = width == 0 ? kBarWidth : std::clamp(width / 2, kNarrowest / 2, kBarWidth);
  // How much there is of a part is known when it is taken back.
  if (!row.rollback_part)
    lines.add("progress", fmt::format("{} {:.1f}%",
                                      progress_bar(progress.percent_complete, bar, terminal.utf8()),
                                      progress.percent_complete));
  lines.add("part", part_text(snapshot));
  const bool back = takes_back(row.phase) && snapshot.shown_status != ExecutionStatus::rolled_back;
  if (back)
    lines.add("taken back", row.rollback_part
                                ? counts_text(counters, &store::OutcomeCounters::rolled_back,
                                              snapshot.noun, false)
                                : taken_back_of(counters, snapshot.noun));
  if (!back) {
    lines.add(snapshot.noun, items_text(snapshot, terminal));
    lines.add("directories", directories_text(snapshot, terminal));
  }
  if (counters.failed_steps > 0)
    lines.add("failed",
              terminal.paint(Colour::red, count_of(counters.failed_steps, "further steps")));
  lines.add("skipped", remarks_text(shown.remarks, store::ItemStatus::skipped));
  lines.add("left out", printable(snapshot.left_out));
  if (counters.total_bytes > 0 && !back)
    lines.add("data", bytes_of(progress.counters.processed_bytes, counters.total_bytes));
  // What was copied is taken back by removing it.
  const bool moves_bytes = !back || progress.bytes_per_second.value_or(0) >= 1;
  if (progress.bytes_per_second && counters.total_bytes > 0 && moves_bytes) {
    std::string rate = format_rate(static_cast<std::int64_t>(*progress.bytes_per_second)) + " now";
    if (!back && progress.average_bytes_per_second && *progress.average_bytes_per_second >= 1)
      rate +=
          fmt::format(", {} on average",
                      format_rate(static_cast<std::int64_t>(*progress.average_bytes_per_second)));
    if (progress.estimated_seconds_remaining)
      rate += ", " + format_duration(std::chrono::seconds(*progress.estimated_seconds_remaining)) +
              " left";
    lines.add("rate", rate);
  }
  add_current_items(lines, progress, terminal);
  lines.add("limits", limits_text(snapshot.limits));
  lines.add("priority", priority_text(snapshot));
  if (!back) lines.add("held back", held_text(snapshot));
  lines.add("batches",
            back ? fmt::format("{} of {} taken back", format_count(counters.undone_batches),
                               format_count(counters.undone_batches + counters.ended_batches))
                 : fmt::format("{} of {} ended", format_count(counters.ended_batches),
                               format_count(counters.total_batches)));
  const bool dry = row.mode == engine::kDryRun;
  if (!back && !dry && snapshot.shown_status != ExecutionStatus::rolled_back)
    lines.add("verified", verification_statement(snapshot));
  add_remarks(lines, shown);
  add_warnings(lines, snapshot);
  if (!snapshot.error_counts.empty()) lines.add("errors", failed_types(snapshot, terminal));
  if (row.started_ms > 0)
    lines.add("started", fmt::format("{} ({}), attempt {}", rfc3339(row.started_ms),
                                     age_of(row.started_ms, shown.now_ms), row.attempt));
  if (row.ended_ms > 0)
    lines.add("ended",
              fmt::format("{} ({})", rfc3339(row.ended_ms), age_of(row.ended_ms, shown.now_ms)));
  lines.add("kept", kept_text(snapshot, shown.now_ms));
  add_test(lines, shown);
  lines.add("owner", owner_text(snapshot));
  lines.add("id", row.id.value);
  add_next(lines, snapshot);
  return lines.take();
}

std::string took(std::int64_t seconds) {
  return seconds == 0 ? "under 1s" : format_duration(std::chrono::seconds(seconds));
}

}  // namespace dunlin::cli
