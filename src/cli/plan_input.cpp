// See plan_input.h.
#include "cli/plan_input.h"

#include <sys/stat.h>

#include <algorithm>

#include <fmt/format.h>

#include "base/redact.h"
#include "base/text.h"
#include "base/units.h"
#include "engine/plan_file.h"
#include "engine/settings_table.h"
#include "engine/test_run.h"

namespace dunlin::cli {

namespace {

using engine::Plan;

/// A flag that a kind reads itself. `value` empty: it stands alone; with "…" at its end: it may be
/// given more than once; "[=X|…]": it may stand alone and then means `alone`. `also`: another name,
/// with its dashes.
struct KindFlag {
  std::string_view verb;
  std::string_view name;
  std::string_view value;
  std::string_view help;
  std::vector<std::string_view> kinds;
  std::string_view also = {};
  std::string_view alone = {};
};
constexpr std::string_view kRepeated = "…";
constexpr std::string_view kOnlyToCopy = "link";  // moves nothing

const std::vector<KindFlag>& kind_flags() {
  static const std::vector<KindFlag> flags = {
      {"copy",
       "conflict",
       "POLICY",
       "when something else stands at the destination: skip, overwrite, overwrite_if_newer, "
       "overwrite_if_different, fail; files: also ask, keep_both ('a (2).txt' beside it), rename "
       "(what stands there becomes 'a (2).txt')",
       {"files", "objects"}},
      {"copy",
       "checksum",
       "",
       "what has the same size is read on both sides and compared, whatever its times",
       {"files"}},
      {"copy", "hash", "LIST", "md5, sha256, xxh3, or several with commas between", {"files"}},
      {"copy",
       "preserve",
       "LIST",
       "times, mode, owner, xattr, acl, flags, links, holes with commas between (default all); "
       "no-owner: all but the owner",
       {"files"}},
      {"copy",
       "special-files",
       "POLICY",
       "FIFOs, sockets, devices: copy (default) or skip",
       {"files"}},
      {"copy",
       "link",
       "",
       "make hard links to the source's files instead of copies (one file system)",
       {"files"},
       "-l"},
      {"copy",
       "reflink",
       "[=WHEN]",
       "share content with the source where the file system can (XFS, btrfs): auto (default), else "
       "copy; always, else fail (--reflink alone); never",
       {"files"},
       "",
       "always"},
      {"copy",
       "usermap",
       "RULES",
       "owners by rules FROM:TO with commas between: names, numbers, 1000-1999, * (default: by "
       "number, as they are)",
       {"files"}},
      {"copy", "groupmap", "RULES", "the same for groups", {"files"}},
      {"copy",
       "include",
       "GLOB…",
       "take only what matches, as in .gitignore; a directory that matches with all it holds",
       {"files"}},
      {"copy",
       "exclude",
       "GLOB…",
       "leave out what matches, as in .gitignore; wins over --include; '!GLOB' takes back",
       {"files"}},
      {"copy", "min-size", "SIZE", "leave out smaller files: 10MiB", {"files"}},
      {"copy", "max-size", "SIZE", "leave out larger files: 2GB", {"files"}},
      {"copy",
       "modified-since",
       "TIME",
       "only what was modified since 2026-01-31T08:00:00Z, 2026-01-31, or in the last 7d",
       {"files"}},
      {"copy",
       "file-types",
       "LIST",
       "by extension: image, video, audio, document, archive, code, other; or by content: "
       "image/jpeg, video/*",
       {"files"}},
      {"copy",
       "files-from",
       "FILE",
       "take only the names listed there, one a line, relative to SRC (-: standard input)",
       {"files"}},
      {"copy", "from0", "", "the names of --files-from end in NUL, as of find -print0", {"files"}},
      {"copy",
       "one-file-system",
       "",
       "do not enter what is mounted inside of SRC; its directory is made, empty",
       {"files"},
       "-x"},
      {"copy",
       "follow-symlinks",
       "HOW",
       "copy what symlinks point to: never (default), in_tree (what lies inside of SRC), always",
       {"files"}},
      {"copy", "copy-links", "", "as --follow-symlinks always", {"files"}, "-L,--dereference"},
      {"copy",
       "space-reservation",
       "SIZE|P%",
       "room to leave free at DST: 10GiB, or 5% of the disk",
       {"files"}},
      {"copy", "multipart-threshold", "SIZE", "objects above it are sent in parts", {"objects"}},
      {"copy", "part-size", "SIZE", "of one part", {"objects"}},
      {"move",
       "delete-empty-src-dirs",
       "",
       "remove source directories that have become empty; SRC itself stays",
       {"files"}},
      {"load", "table", "TABLE", "one table", {"records"}},
      {"load", "tables", "LIST", "several, with commas between", {"records"}},
      {"load", "all", "", "every table of the source", {"records"}},
      {"load",
       "transaction-mode",
       "MODE",
       "per-batch (the default), or single: all or nothing",
       {"records"}},
      {"migrate",
       "db",
       "URL…",
       "the database: sqlite:PATH, postgres://USER@HOST/DB or mysql://USER@HOST/DB; up takes "
       "several",
       {"schema"}},
      {"migrate",
       "dir",
       "DIR…",
       "where the migrations are; several are taken together",
       {"schema"}},
      {"migrate up",
       "tenants",
       "PATTERN",
       "each schema (PostgreSQL) or database (MariaDB, MySQL) of that name: 'tenant_*'",
       {"schema"}},
      {"migrate up",
       "keep-going",
       "",
       "when one fails, apply what does not depend on it",
       {"schema"}},
      {"migrate up",
       "ignore-checksums",
       "",
       "go on where files of applied ones have changed",
       {"schema"}},
      {"migrate up", "no-create", "", "do not make a database that is missing", {"schema"}},
      {"migrate show", "down", "", "the SQL that takes it back", {"schema"}},
      {"migrate show",
       "diff",
       "",
       "how the file in --dir differs from it, as diff -u writes it",
       {"schema"}},
      {"migrate redo", "steps", "N", "take back and apply again so many (default 1)", {"schema"}},
      {"migrate redo",
       "target",
       "VERSION",
       "take back and apply again all after this one",
       {"schema"}},
      {"migrate redo", "timeout", "SECONDS", "how long a statement may take", {"schema"}},
      {"migrate redo",
       "lock-timeout",
       "SECONDS",
       "how long to wait for others who migrate (default 30)",
       {"schema"}},
      {"migrate down",
       "transaction-mode",
       "MODE",
       "per_migration (default), all_in_one or none",
       {"schema"}},
      {"migrate up",
       "target",
       "VERSION",
       "up to this one, and not further (default: all that are pending)",
       {"schema"}},
      {"migrate up",
       "out-of-order",
       "",
       "apply also what is older than the last one applied, and go on where files of applied ones "
       "are gone",
       {"schema"}},
      {"migrate down",
       "steps",
       "N",
       "take back so many, the last one first (default 1)",
       {"schema"}},
      {"migrate down",
       "target",
       "VERSION",
       "take back all that was applied after this one; 0: everything",
       {"schema"}},
      {"migrate up",
       "transaction-mode",
       "MODE",
       "per_migration (default): each in one transaction, as far as its statements let it; "
       "all_in_one: all or nothing; none: each statement by itself",
       {"schema"}},
      {"migrate up",
       "timeout",
       "SECONDS",
       "how long a statement may take (default 300; 0: as long as it takes)",
       {"schema"}},
      {"migrate down", "timeout", "SECONDS", "how long a statement may take", {"schema"}},
      {"migrate up",
       "lock-timeout",
       "SECONDS",
       "how long to wait for others who migrate (default 30)",
       {"schema"}},
      {"migrate down",
       "lock-timeout",
       "SECONDS",
       "how long to wait for others who migrate (default 30)",
       {"schema"}},
  };
  return flags;
}

/// Flags of the contract that this version has not: said so when given, never ignored.
struct NotBuilt {
  std::string_view names;
  bool has_value;
};
constexpr NotBuilt kNotBuiltToCopy[] = {{"--delete", false}};
/// Habits of cp and rsync that ask for what is done anyway.
constexpr std::string_view kDoneAnyway[] = {"-a,--archive", "-r,-R,--recursive"};

/// `concurrency` bounds both numbers: items in flight, and batches never above their default.
constexpr std::int64_t kDefaultParallelBatches = 4;

Error problems_error(const std::vector<std::string>& problems) {
  return Error(ErrorType::invalid_input, fmt::format("{}", fmt::join(problems, "\n")));
}

}  // namespace

SettingsFlags::SettingsFlags(CLI::App& app) {
  const auto text = [&](const std::string& path, const std::string& names, const std::string& value,
                        const std::string& help) {
    texts_.push_back({path, names.substr(0, names.find(',')), add_text(app, names, value, help)});
  };
  text("verification_level", "--verify", "LEVEL", "none, basic or full (the default)");
  text("batch_size", "--batch-size", "N", "items in a batch; not given: it follows the work");
  concurrency_ = add_text(app, "--concurrency,--transfers", "N",
                          "items in flight at the same time (default 16)");
  text("preflight", "--preflight", "MODE",
       "when all items are checked: complete, before the first is begun; streaming, as they come; "
       "auto (default), complete up to 100,000 items");
  text("io_limit", "--io-limit", "RATE", "at most this many bytes per second: 200MB/s, 10MiB");
  bandwidth_kib_ =
      add_text(app, "--bwlimit", "RATE", "as --io-limit; without unit KiB/s, as in rsync");
  memory_ = add_text(app, "--memory", "SIZE", "at most so much memory, from 64MB");
  text("priority", "--priority", "NAME",
       "immediate, high, normal (default) or low: who is served first at the same disks");
  text(
      "undo_retention", "--undo-retention", "TIME",
      "how long what a rollback needs is kept after the end (default 7d); forever: until accepted");
  text("cleanup_policy.undo", "--undo", "keep|drop",
       "what a rollback would need, once it has completed: keep (default) or drop");
  text("cleanup_policy.on_failure", "--on-failure", "keep|rollback",
       "when it fails as a whole: what was done stays (default), or is taken back at once");
  text("max_failures", "--max-failures", "N|P%", "stop after so many failed items");
  text("max_retries", "--retries", "N", "tries after the first one (default 2)");
  stop_on_first_error_ = add_flag(app, "--stop-on-first-error", "stop when an item has failed");
  dry_run_ = add_flag(app, "-n,--dry-run",
                      "show what would be done to each item, and change nothing on either side");
  incremental_ =
      add_flag(app, "--incremental",
               "only what has changed since the last time that this was done to the end");
  test_ =
      add_text(app, "--test", "N",
               "copy a sample of N files into a place of its own, prove it, remove it, and say how "
               "long the whole would take");
}

Result<std::int64_t> memory_megabytes(const std::string& text) {
  if (text == "none") return 0;
  DUNLIN_ASSIGN(const std::int64_t bytes, parse_size(text));
  const std::int64_t megabytes = bytes / engine::kMegabyte;
  const std::string problem =
      bytes == 0 ? "" : engine::memory_problem(std::max<std::int64_t>(megabytes, 1));
  if (!problem.empty()) return Error(ErrorType::invalid_input, "--memory " + problem);
  return megabytes;
}

Result<Json> SettingsFlags::read() const {
  Json out = Json::object();
  std::vector<std::string> problems;
  for (const auto& flag : texts_)
    if (!flag.value->empty())
      put_setting(out, flag.path, value_of(*flag.value), flag.name, problems);
  if (!concurrency_->empty()) {
    const Json value = value_of(*concurrency_);
    put_setting(out, "io_concurrency", value, "--concurrency", problems);
    if (problems.empty())
      put_setting(out, "parallel_batches",
                  std::min(value.get<std::int64_t>(), kDefaultParallelBatches), "--concurrency",
                  problems);
  }
  if (!bandwidth_kib_->empty()) {
    const auto rate = parse_rate(*bandwidth_kib_, BareRate::kibibytes);
    if (!rate.ok())
      problems.push_back("--bwlimit: " + rate.error().message);
    else
      put_setting(out, "io_limit", *rate, "--bwlimit", problems);
  }
  if (!memory_->empty()) {
    const auto megabytes = memory_megabytes(*memory_);
    if (!megabytes.ok())
      problems.push_back(megabytes.error().message);
    else
      put_setting(out, "resource_limits.max_memory_mb", *megabytes, "--memory", problems);
  }
  if (*stop_on_first_error_)
    put_setting(out, "stop_on_first_error", true, "--stop-on-first-error", problems);
  if (*dry_run_ && !test_->empty())
    problems.emplace_back(
        "--dry-run and --test exclude each other: the one does nothing, the other "
        "a sample of it");
  if (*incremental_ && !test_->empty())
    problems.emplace_back(
        "--incremental and --test exclude each other: a sample is taken of everything");
  if (*incremental_)
    put_setting(out, "mode", std::string(engine::kIncremental), "--incremental", problems);
  if (!test_->empty()) {
    put_setting(out, "mode", std::string(engine::kTest), "--test", problems);
    put_setting(out, "test_items", value_of(*test_), "--test", problems);
  }
  if (*dry_run_) put_setting(out, "mode", std::string(engine::kDryRun), "--dry-run", problems);
  if (problems.empty()) return out;
  return problems_error(problems);
}

KindFlags::KindFlags(CLI::App& app, std::string_view verb) {
  for (const auto& flag : kind_flags()) {
    // A move of files is told the same things as a copy of files, and some more.
    const bool of_files =
        std::find(flag.kinds.begin(), flag.kinds.end(), "files") != flag.kinds.end();
    const bool for_move =
        verb == "move" && flag.verb == "copy" && of_files && flag.name != kOnlyToCopy;
    // "migrate" stands for every verb of that group.
    const bool of_group = verb.starts_with(std::string(flag.verb) + " ");
    if (flag.verb != verb && !of_group && !for_move) continue;
    Given given{std::string(flag.name), flag.kinds, nullptr, nullptr};
    std::string names = "--" + given.name;
    if (!flag.also.empty()) names = std::string(flag.also) + "," + names;
    given.repeated = flag.value.ends_with(kRepeated);
    std::string_view value = flag.value;
    if (given.repeated) value.remove_suffix(kRepeated.size());
    if (!flag.alone.empty())
      given.value = add_optional(app, names, std::string(value), std::string(flag.alone),
                                 std::string(flag.help));
    else if (value.empty())
      given.flag = add_flag(app, names, std::string(flag.help));
    else
      given.value = add_texts(app, names, std::string(value), std::string(flag.help));
    given_.push_back(std::move(given));
  }
  const auto hidden = [&](const NotBuilt& flag) {
    CLI::Option* option = nullptr;
    if (flag.has_value)
      option = app.add_option(std::string(flag.names))->allow_extra_args(false);
    else
      option = app.add_flag(std::string(flag.names));
    option->group("");
    not_built_.emplace_back(flag.names, option);
  };
  if (verb != "copy" && verb != "move") return;
  for (const auto& flag : kNotBuiltToCopy) hidden(flag);
  for (const std::string_view names : kDoneAnyway) app.add_flag(std::string(names))->group("");
}

Status KindFlags::check_built() const {
  for (const auto& [names, option] : not_built_) {
    if (option->count() == 0) continue;
    Error error(ErrorType::invalid_input,
                fmt::format("this version does not have {} yet", names.substr(names.find("--"))));
    error.remediation = "leave it out; `dunlin VERB --help` lists what there is";
    return error;
  }
  return success();
}

Result<std::map<std::string, std::string>> KindFlags::read(std::string_view kind) const {
  std::map<std::string, std::string> out;
  for (const auto& given : given_) {
    const bool set = given.flag ? *given.flag : !given.value->empty();
    if (!set) continue;
    if (std::find(given.kinds.begin(), given.kinds.end(), kind) == given.kinds.end())
      return Error(ErrorType::invalid_input,
                   fmt::format("--{} has no meaning for {}", given.name, kind));
    if (given.value && given.value->size() > 1 && !given.repeated)
      return Error(ErrorType::invalid_input, fmt::format("--{} is given twice", given.name));
    if (given.flag) {
      out[given.name] = "true";
      continue;
    }
    std::string& joined = out[given.name];
    for (const std::string& value : *given.value) {
      if (&value != &given.value->front()) joined += '\0';
      joined += value;
    }
  }
  return out;
}

Result<Plan> with_settings(Session& session, const Plan& plan, const Json& flags) {
  Json document = plan.document;
  document["settings"] = engine::merge_settings(
      engine::merge_settings(session.config().settings, document["settings"]), flags);
  DUNLIN_ASSIGN(Plan out, engine::decode_plan(document, session.kinds()));
  out.id = plan.id;
  return out;
}

Result<Plan> plan_from_line(Session& session, const engine::CommandLine& line,
                            const KindFlags& kind_flags, const SettingsFlags& settings_flags) {
  DUNLIN_TRY(kind_flags.check_built());
  DUNLIN_ASSIGN(const Json flags, settings_flags.read());
  const engine::Kind* kind = session.kinds().for_command(line);
  if (kind == nullptr)
    return Error(ErrorType::invalid_input,
                 fmt::format("nothing here can {} {}", line.verb,
                             escape_bytes(fmt::format("{}", fmt::join(line.positional, " ")))));
  engine::CommandLine whole = line;
  DUNLIN_ASSIGN(whole.options, kind_flags.read(kind->name()));
  DUNLIN_ASSIGN(const Json document, kind->plan_for(whole));
  DUNLIN_ASSIGN(const Plan plan, engine::decode_plan(document, session.kinds()));
  return with_settings(session, plan, flags);
}

Result<store::PlanRow> stored_plan(Session& session, const std::string& id) {
  const auto uuid = parse_uuid(id);
  if (!uuid) {
    Error error(ErrorType::not_found,
                fmt::format("'{}' is neither a file nor the id of a plan", escape_bytes(id)));
    error.remediation = "dunlin plan list";
    return error;
  }
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  return engine->state().store().plan(PlanId(*uuid));
}

bool is_plan_id(const std::string& word) {
  struct stat about{};
  return parse_uuid(word).has_value() && ::stat(word.c_str(), &about) != 0;
}

Result<Plan> plan_from_file(Session& session, const std::string& file) {
  DUNLIN_ASSIGN(engine::PlanReading reading, engine::read_plan_file(file, session.kinds()));
  if (reading.plan) return *std::move(reading.plan);
  Json problems = Json::array();
  for (const auto& problem : reading.problems) {
    const Json suggestion = problem.suggestion.empty() ? Json() : Json(redact(problem.suggestion));
    problems.push_back({{"file", printable(file)},
                        {"line", problem.line},
                        {"column", problem.column},
                        {"key", problem.key()},
                        {"message", printable(redact(problem.message))},
                        {"suggestion", suggestion}});
  }
  session.event("plan_checked", {{"valid", false}, {"problems", std::move(problems)}});
  return reading.error();
}

Result<Plan> plan_from_word(Session& session, const std::string& word) {
  if (!is_plan_id(word)) return plan_from_file(session, word);
  DUNLIN_ASSIGN(const store::PlanRow row, stored_plan(session, word));
  DUNLIN_ASSIGN(const Json document, parse_json(row.document_json, "stored plan"));
  DUNLIN_ASSIGN(Plan plan, engine::decode_plan(document, session.kinds()));
  plan.id = row.id;
  return plan;
}

}  // namespace dunlin::cli
