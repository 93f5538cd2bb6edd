// audit show, verify, export: who did what to an execution, when and from where, and the proof that
// nobody has changed that record since (store/audit_proof.h). docs/audit.md says what is proven.
#include <algorithm>
#include <deque>
#include <map>

#include <fmt/format.h>

#include "base/text.h"
#include "base/units.h"
#include "cli/exit_code.h"
#include "cli/output_file.h"
#include "cli/selector.h"
#include "cli/session.h"
#include "cli/text_layout.h"
#include "cli/verb_families.h"

namespace dunlin::cli {
namespace {

constexpr std::size_t kPage = 1000;
constexpr std::size_t kDefaultLimit = 1000;
constexpr std::size_t kHashShown = 12;

/// "uid 1000 (cli)" is who and from where; what the engine does by itself comes from the process
/// that took the execution over last.
struct Origin {
  std::string who;
  std::string from;
};

class Origins {
 public:
  Origin of(const store::AuditRow& entry) {
    const std::size_t open = entry.actor.rfind(" (");
    const bool both = open != std::string::npos && entry.actor.ends_with(')');
    Origin origin{both ? entry.actor.substr(0, open) : entry.actor,
                  both ? entry.actor.substr(open + 2, entry.actor.size() - open - 3) : owner_};
    if (entry.action == "execution.taken_over") owner_ = origin.from;
    return origin;
  }

 private:
  std::string owner_;
};

/// The action itself, or a group of them ("batch").
bool is_action(const std::string& action, const std::string& wanted) {
  return wanted.empty() || action == wanted || action.starts_with(wanted + ".");
}

Json detail_of(const store::AuditRow& entry) {
  auto detail = parse_json(entry.detail_json, "detail");
  return detail.ok() ? *std::move(detail) : Json(entry.detail_json);
}

/// "batch 3, items 1000": for one line of a table.
std::string detail_text(const store::AuditRow& entry) {
  const Json detail = detail_of(entry);
  if (!detail.is_object()) return printable(entry.detail_json);
  std::string out;
  for (const auto& [key, value] : detail.items()) {
    std::string text = value.is_string() ? value.get<std::string>() : dump_json(value);
    if (key == "segment") text = text.substr(0, kHashShown);
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", key, text);
  }
  return printable(out);
}

Json entry_json(const store::AuditRow& entry, const Origin& origin) {
  return Json{{"sequence", entry.sequence},
              {"time", rfc3339(entry.time_ms)},
              {"actor", printable(entry.actor)},
              {"who", printable(origin.who)},
              {"from", origin.from.empty() ? Json(nullptr) : Json(printable(origin.from))},
              {"action", printable(entry.action)},
              {"detail", detail_of(entry)},
              {"hash", entry.hash}};
}

/// Calls `see` for each entry in order.
template <typename See>
Status each_entry(const store::Ledger& ledger, See see) {
  for (std::int64_t after = 0;;) {
    DUNLIN_ASSIGN(const auto page, ledger.audit(after, kPage));
    for (const auto& entry : page) DUNLIN_TRY(see(entry));
    if (page.size() < kPage) return success();
    after = page.back().sequence;
  }
}

// ---- show --------------------------------------------------------------------------------------

struct ShowFlags {
  Text execution;
  Text limit;
  Text action;
};

class Entries {
 public:
  Entries(Session& session, std::size_t limit) : session_(session), limit_(limit) {}

  /// The last of them, or (no limit) a page at a time, so that memory stays bounded.
  void add(const store::AuditRow& entry, Origin origin) {
    rows_.emplace_back(entry, std::move(origin));
    if (limit_ == 0 && rows_.size() == kPage) print();
    if (limit_ > 0 && rows_.size() > limit_) {
      rows_.pop_front();
      ++left_out_;
    }
  }
  void end() {
    print();
    if (session_.options().json)
      session_.result(any_ ? "]\n" : "[]\n");
    else if (!any_)
      session_.result("no such entries\n");
    else if (left_out_ > 0)
      session_.print(fmt::format("{} earlier entries are not shown; --limit 0 shows all\n",
                                 format_count(left_out_)));
  }

 private:
  void print() {
    if (rows_.empty()) return;
    if (session_.options().json) {
      std::string text;
      for (const auto& [entry, origin] : rows_) {
        text += (any_ ? "," : "[") + dump_json(entry_json(entry, origin));
        any_ = true;
      }
      session_.result(text);
    } else {
      Table table({{"ENTRY", Align::right, false},
                   {"TIME", Align::left, false},
                   {"WHO", Align::left, false},
                   {"FROM", Align::left, false},
                   {"ACTION", Align::left, false},
                   {"DETAIL", Align::left, true}});
      for (const auto& [entry, origin] : rows_)
        table.add({std::to_string(entry.sequence), rfc3339(entry.time_ms), printable(origin.who),
                   printable(origin.from), printable(entry.action), detail_text(entry)});
      session_.result(table.text(session_.out().width(), session_.out().charset()));
      any_ = true;
    }
    rows_.clear();
  }

  Session& session_;
  const std::size_t limit_;
  std::deque<std::pair<store::AuditRow, Origin>> rows_;
  std::int64_t left_out_ = 0;
  bool any_ = false;
};

std::string exec_or_last(const Text& text) {
  return text->empty() ? "last" : *text;
}

Result<int> show(Session& session, const ShowFlags& flags) {
  std::size_t limit = kDefaultLimit;
  if (*flags.limit == "0") {
    limit = 0;
  } else if (!flags.limit->empty()) {
    DUNLIN_ASSIGN(const std::int64_t number, whole_number(*flags.limit, "--limit"));
    limit = static_cast<std::size_t>(number);
  }
  DUNLIN_ASSIGN(const ExecutionId id, session.execution(exec_or_last(flags.execution)));
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  DUNLIN_ASSIGN(const auto ledger, engine->open_ledger(id));
  Entries shown(session, limit);
  Origins origins;
  DUNLIN_TRY(each_entry(*ledger, [&](const store::AuditRow& entry) -> Status {
    Origin origin = origins.of(entry);
    if (is_action(entry.action, *flags.action)) shown.add(entry, std::move(origin));
    return success();
  }));
  shown.end();
  return kDone;
}

// ---- which executions --------------------------------------------------------------------------

struct Subject {
  ExecutionId id;
  std::int64_t number = 0;  ///< 0: state.db does not know it
};

/// One, or all that there are: in state.db, as a folder with a ledger, or only as an anchor of one
/// that is gone. In the order of their numbers.
Result<std::vector<Subject>> subjects_of(Session& session, const std::string& execution, bool all) {
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  store::StateDirectory& state = engine->state();
  if (!all) {
    DUNLIN_ASSIGN(const auto one, state.store().resolve(execution));
    return std::vector<Subject>{{one.id, one.number}};
  }
  if (!execution.empty() && execution != "last")
    return Error(ErrorType::invalid_input, "name an execution or give --all, not both");
  std::map<ExecutionId, std::int64_t> numbers;
  DUNLIN_ASSIGN(const auto summaries, state.store().executions());
  DUNLIN_ASSIGN(const auto on_disk, state.ledgers_on_disk());
  DUNLIN_ASSIGN(const auto anchored, state.store().anchored_executions());
  for (const ExecutionId& id : on_disk) numbers.emplace(id, 0);
  for (const ExecutionId& id : anchored) numbers.emplace(id, 0);
  for (const auto& summary : summaries)
    if (const auto known = numbers.find(summary.id); known != numbers.end())
      known->second = summary.number;
  std::vector<Subject> subjects;
  for (const auto& [id, number] : numbers) subjects.push_back({id, number});
  std::stable_sort(subjects.begin(), subjects.end(),
                   [](const Subject& a, const Subject& b) { return a.number < b.number; });
  return subjects;
}

std::string name_of(const Subject& subject) {
  return subject.number > 0 ? std::to_string(subject.number) : subject.id.value;
}

// ---- verify ------------------------------------------------------------------------------------

struct VerifyFlags {
  Text execution;
  Flag all;
  Texts keys;
};

struct Keys {
  std::vector<store::AuditKey> at_hand;
  std::string missing;  ///< where there should have been one
};

/// Never made here: a key that is made now proves nothing.
Result<Keys> keys_of(Session& session, const VerifyFlags& flags) {
  Keys keys;
  const store::AuditKeyPlace place = session.audit_key_place();
  Result<store::AuditKey> own = store::AuditKey::load(place.path);
  if (own.ok()) {
    keys.at_hand.push_back(*std::move(own));
  } else if (!place.named && own.error().type != ErrorType::invalid_input) {
    keys.missing = place.path;
  } else {
    return own.error();
  }
  for (const std::string& path : *flags.keys) {
    DUNLIN_ASSIGN(auto key, store::AuditKey::load(path));
    keys.at_hand.push_back(std::move(key));
  }
  return keys;
}

Json proof_json(const Subject& subject, const store::AuditProof& proof) {
  Json out = {{"execution_id", subject.id.value},
              {"number", subject.number > 0 ? Json(subject.number) : Json(nullptr)},
              {"result", proof.difference ? "changed"
                         : proof.whole()  ? "intact"
                                          : "not_proven"},
              {"entries", proof.entries},
              {"sealed_entries", proof.sealed},
              {"anchored_entry", proof.anchored},
              {"first_wrong_entry", nullptr},
              {"message", nullptr},
              {"not_proven", proof.unproven}};
  if (proof.difference) {
    if (proof.difference->entry > 0) out["first_wrong_entry"] = proof.difference->entry;
    out["message"] = printable(proof.difference->text);
  }
  return out;
}

std::string proof_text(const Terminal& out, const Subject& subject,
                       const store::AuditProof& proof) {
  const std::string name = fmt::format("execution {}", name_of(subject));
  const auto line = [&](Colour colour, std::string_view result, const std::string& what) {
    return fmt::format("{}  {}  {}\n", name, out.paint(colour, result), printable(what));
  };
  if (proof.difference) return line(Colour::red, "CHANGED", proof.difference->text);
  if (proof.whole()) {
    return line(
        Colour::green, "intact",
        proof.entries == 0
            ? "nothing is recorded yet"
            : fmt::format("{} entries, each sealed; the end is known to state.db (entry {})",
                          format_count(proof.entries), proof.anchored));
  }
  std::string text =
      line(Colour::yellow, "not proven",
           fmt::format("the chain of {} entries is intact, but whoever could write it could also "
                       "have made it anew:",
                       format_count(proof.entries)));
  for (const std::string& why : proof.unproven) text += "    " + printable(why) + "\n";
  return text;
}

Result<int> verify(Session& session, const VerifyFlags& flags) {
  DUNLIN_ASSIGN(const Keys keys, keys_of(session, flags));
  DUNLIN_ASSIGN(const auto subjects,
                subjects_of(session, exec_or_last(flags.execution), *flags.all));
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  int code = kDone;
  std::string lines;
  for (const Subject& subject : subjects) {
    DUNLIN_ASSIGN(const store::AuditProof proof,
                  engine->state().prove_audit(subject.id, keys.at_hand));
    if (proof.difference)
      code = kDifferences;
    else if (!proof.whole() && code == kDone)
      code = kItemsFailed;
    if (session.options().json)
      lines += (lines.empty() ? "[" : ",") + dump_json(proof_json(subject, proof));
    else
      session.result(proof_text(session.out(), subject, proof));
  }
  if (session.options().json) {
    session.result(lines.empty() ? "[]\n" : lines + "]\n");
    return code;
  }
  if (subjects.empty()) session.result("no executions\n");
  if (!keys.missing.empty() && code != kDone)
    session.err().write(fmt::format(
        "dunlin: there is no audit key '{}'\n  try:  dunlin audit verify --audit-key-file FILE, "
        "with the key of the machine that ran it\n",
        escape_bytes(keys.missing)));
  if (code == kDifferences)
    session.err().write(
        "  try:  compare with a backup of the state directory; `dunlin audit show` lists what "
        "stands there now\n");
  return code;
}

// ---- export ------------------------------------------------------------------------------------

struct ExportFlags {
  Text execution;
  Flag all;
  Text format;
  Text file;
};

/// RFC 4180; a control byte becomes \xNN, so that each entry is one line.
std::string csv_field(std::string_view text) {
  const std::string plain = printable(text);
  if (plain.find_first_of(",\"") == std::string::npos) return plain;
  std::string out = "\"";
  for (const char c : plain) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

constexpr std::string_view kCsvTitle =
    "execution_id,number,sequence,time,actor,action,detail,hash\r\n";

std::string exported(const Subject& subject, const store::AuditRow& entry, const Origin& origin,
                     bool csv) {
  if (csv) {
    return fmt::format("{},{},{},{},{},{},{},{}\r\n", subject.id.value, name_of(subject),
                       entry.sequence, rfc3339(entry.time_ms), csv_field(entry.actor),
                       csv_field(entry.action), csv_field(entry.detail_json), entry.hash);
  }
  Json json = entry_json(entry, origin);
  json["execution_id"] = subject.id.value;
  json["number"] = subject.number > 0 ? Json(subject.number) : Json(nullptr);
  json["time_ms"] = entry.time_ms;
  return dump_json(json) + "\n";
}

Status export_all(Session& session, const std::vector<Subject>& subjects, bool csv,
                  const Write& write, std::int64_t& entries) {
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  if (csv) DUNLIN_TRY(write(kCsvTitle));
  for (const Subject& subject : subjects) {
    DUNLIN_ASSIGN(const auto ledger, engine->open_ledger(subject.id));
    Origins origins;
    DUNLIN_TRY(each_entry(*ledger, [&](const store::AuditRow& entry) {
      ++entries;
      return write(exported(subject, entry, origins.of(entry), csv));
    }));
  }
  return success();
}

Result<int> export_entries(Session& session, const ExportFlags& flags) {
  const std::string format = flags.format->empty() ? "jsonl" : *flags.format;
  if (format != "jsonl" && format != "csv")
    return Error(ErrorType::invalid_input,
                 fmt::format("--format takes jsonl or csv, not '{}'", escape_bytes(format)));
  DUNLIN_ASSIGN(const auto subjects,
                subjects_of(session, exec_or_last(flags.execution), *flags.all));
  std::int64_t entries = 0;
  const auto produce = [&](const Write& write) {
    return export_all(session, subjects, format == "csv", write, entries);
  };
  if (flags.file->empty() || *flags.file == "-") {
    DUNLIN_TRY(produce([&](std::string_view bytes) {
      session.result(bytes);
      return success();
    }));
    return kDone;
  }
  DUNLIN_TRY(into_new_file(*flags.file, session.options().yes, produce));
  session.event("exported", {{"file", printable(*flags.file)}, {"entries", entries}});
  session.print(
      fmt::format("written: {} ({} entries)\n", escape_bytes(*flags.file), format_count(entries)));
  return kDone;
}

Text add_optional_execution(CLI::App& app) {
  auto value = std::make_shared<std::string>();
  app.add_option("EXEC", *value,
                 "the execution: its number in `dunlin ps`, its id, or last (the default)")
      ->type_name("");
  return value;
}

}  // namespace

void add_audit_verbs(Verbs& verbs) {
  CLI::App& audit =
      verbs.group("audit", "Shows who did what and when, and proves that nobody changed that.");
  {
    auto flags = std::make_shared<ShowFlags>();
    CLI::App& app = verbs.add(audit, "show",
                              "Lists the audit log of an execution: who, what, when, from where.",
                              "dunlin audit show\ndunlin audit show 3 --action execution\n"
                              "dunlin audit show last --limit 20 --json",
                              [flags](Session& session) { return show(session, *flags); });
    flags->execution = add_optional_execution(app);
    flags->limit = add_text(app, "--limit", "N", "the last N entries (default 1000; 0: all)");
    flags->action = add_text(app, "--action", "ACTION",
                             "only this action (batch.completed) or group of them (batch)");
  }
  {
    auto flags = std::make_shared<VerifyFlags>();
    CLI::App& app = verbs.add(
        audit, "verify",
        "Proves that nothing of the audit log was removed or changed, or names the first entry "
        "that is wrong.",
        "dunlin audit verify\ndunlin audit verify --all\n"
        "dunlin audit verify 3 --also-key /mnt/usb/old-machine.key",
        [flags](Session& session) { return verify(session, *flags); });
    flags->execution = add_optional_execution(app);
    flags->all = add_flag(app, "--all", "every execution of the state directory");
    flags->keys = add_texts(app, "--also-key", "FILE",
                            "a further key that entries were sealed with, on another machine");
  }
  {
    auto flags = std::make_shared<ExportFlags>();
    CLI::App& app =
        verbs.add(audit, "export", "Writes the audit log out, one line for each entry.",
                  "dunlin audit export -o audit.jsonl\n"
                  "dunlin audit export --all --format csv -o audit.csv",
                  [flags](Session& session) { return export_entries(session, *flags); });
    flags->execution = add_optional_execution(app);
    flags->all = add_flag(app, "--all", "every execution of the state directory");
    flags->format = add_text(app, "--format", "FORMAT", "jsonl (the default) or csv (RFC 4180)");
    flags->file = add_text(app, "-o,--output", "FILE",
                           "into this file, which is not there yet (or --yes: is replaced)");
  }
}

}  // namespace dunlin::cli
