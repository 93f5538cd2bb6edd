// The schema kind; see schema_kind.h.
#include "schema/schema_kind.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <future>
#include <mutex>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include "base/text.h"
#include "schema/databases_run.h"
#include "schema/schema_run.h"
#include "schema/show.h"
#include "schema/status.h"

namespace dunlin::schema {

namespace {

using engine::Claim;
using engine::CommandLine;
using engine::Plan;

constexpr std::int64_t kLockTimeoutMaxS = 24 * 3600;
constexpr std::int64_t kTimeoutMaxS = 30 * 24 * 3600;

Result<std::string> absolute(const std::string& directory) {
  std::error_code code;
  const std::filesystem::path path = std::filesystem::absolute(directory, code);
  if (code) return error_from_errno(code.value(), "resolve '" + printable(directory) + "'");
  return path.lexically_normal().native();
}

/// Keys of a section that are none of its own.
void check_keys(const Json& document, std::string_view section,
                std::span<const std::string_view> known, std::vector<std::string>& problems) {
  const Json* object = find_member(document, section);
  if (object == nullptr || !object->is_object()) return;
  for (const auto& [key, ignored] : object->items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    problems.push_back("/" + std::string(section) + "/" + json_pointer_token(key) +
                       ": unknown key; did you mean " +
                       nearest_word(key, known).value_or(std::string(known.front())) + "?");
  }
}

/// One text under `one`, or several under `many`; a problem when there is none.
std::vector<std::string> texts_of(const Json& document, std::string_view section,
                                  std::string_view one, std::string_view many,
                                  std::string_view what, std::vector<std::string>& problems) {
  std::vector<std::string> texts;
  const std::string pointer = "/" + std::string(section) + "/";
  const Json* object = find_member(document, section);
  const Json* list = object == nullptr ? nullptr : find_member(*object, many);
  if (object != nullptr)
    if (std::string text = string_or(*object, one, ""); !text.empty())
      texts.push_back(std::move(text));
  if (list != nullptr && !texts.empty())
    problems.push_back(pointer + std::string(many) + ": cannot stand beside " + std::string(one));
  if (list != nullptr && list->is_array())
    for (const Json& text : *list)
      if (text.is_string() && !text.get_ref<const std::string&>().empty())
        texts.push_back(text.get<std::string>());
  if (list != nullptr && (!list->is_array() || texts.size() < list->size()))
    problems.push_back(pointer + std::string(many) + ": must be a list of texts");
  const bool is_missing = object == nullptr || find_member(*object, one) == nullptr;
  if (texts.empty() && list == nullptr)
    problems.push_back(
        pointer + std::string(one) +
        (is_missing ? ": is missing; write " + std::string(one) + ": and " : ": is empty; write ") +
        std::string(what));
  if (texts.empty() && list != nullptr && list->is_array() && list->empty())
    problems.push_back(pointer + std::string(many) + ": is empty");
  return texts;
}

void read_source(const Json& document, SchemaPlan& plan, std::vector<std::string>& problems) {
  constexpr std::array<std::string_view, 2> kKeys = {"directory", "directories"};
  check_keys(document, "source", kKeys, problems);
  for (std::string& directory : texts_of(document, "source", kKeys[0], kKeys[1],
                                         "the path of a directory of migrations", problems)) {
    if (!directory.starts_with('/'))
      problems.push_back("/source/directory: must be an absolute path, not '" +
                         escape_bytes(directory) +
                         "', since a plan may be run from any folder; write what `realpath " +
                         escape_bytes(directory) + "` prints");
    if (auto path = absolute(directory); path.ok()) directory = std::move(path).value();
    plan.directories.push_back(std::move(directory));
  }
}

void read_destination(const Json& document, SchemaPlan& plan, std::vector<std::string>& problems) {
  constexpr std::array<std::string_view, 3> kKeys = {"url", "urls", "tenants"};
  check_keys(document, "destination", kKeys, problems);
  const auto urls = texts_of(document, "destination", kKeys[0], kKeys[1],
                             "sqlite:PATH or postgres://USER@HOST/DATABASE", problems);
  for (const std::string& url : urls) {
    Result<sql::DatabaseAddress> database = parse_target_address(url);
    if (database.ok()) {
      plan.databases.listed.push_back(std::move(database).value());
    } else {
      problems.push_back((urls.size() > 1 ? "/destination/urls: " : "/destination/url: ") +
                         database.error().message);
    }
  }
  if (const Json* object = find_member(document, "destination"))
    plan.databases.pattern = string_or(*object, "tenants", "");
  if (!plan.databases.listed.empty()) plan.database = plan.databases.listed.front();
  if (!plan.databases.pattern.empty() && plan.databases.listed.size() > 1)
    problems.push_back("/destination/tenants: cannot stand beside several urls");
  const sql::Dialect dialect = plan.database.dialect;
  for (const sql::DatabaseAddress& one : plan.databases.listed)
    if (one.dialect != dialect)
      problems.push_back("/destination/urls: are of different servers; write a plan for each");
  if (plan.databases.are_several() &&
      (plan.direction == Direction::down || plan.redo || plan.mark != SchemaPlan::Mark::no))
    problems.push_back("/destination: several databases are for direction up; the others take one");
}

void read_mark(const Json& settings, SchemaPlan& plan, std::vector<std::string>& problems) {
  const std::string mark = string_or(settings, "mark", "no");
  if (mark == "yes") {
    plan.mark = SchemaPlan::Mark::yes;
  } else if (mark == "as_other_tool_did") {
    plan.mark = SchemaPlan::Mark::as_other_tool_did;
  } else if (mark == "repair") {
    plan.mark = SchemaPlan::Mark::repair;
  } else if (mark != "no") {
    problems.push_back("/settings/mark: must be no, yes, as_other_tool_did or repair, not '" +
                       printable(mark) + "'");
  }
  if (plan.mark != SchemaPlan::Mark::no && (plan.direction == Direction::down || plan.redo))
    problems.push_back("/settings/mark: is for direction up");
  if (const std::string only = string_or(settings, "only", ""); !only.empty()) {
    plan.only = version_of(only);
    if (plan.only->empty())
      problems.push_back("/settings/only: must begin with the number of a migration, not '" +
                         printable(only) + "'");
  }
  if (plan.mark == SchemaPlan::Mark::yes && !plan.only && string_or(settings, "target", "").empty())
    problems.push_back(
        "/settings/target: is missing; up to which one is all to be called applied?");
}

void read_direction(const Json& settings, SchemaPlan& plan, std::vector<std::string>& problems) {
  const std::string direction = string_or(settings, "direction", "up");
  plan.redo = direction == "redo";
  if (direction == "down") {
    plan.direction = Direction::down;
  } else if (direction != "up" && !plan.redo) {
    problems.push_back("/settings/direction: must be up, down or redo, not '" +
                       printable(direction) + "'");
  }
  const bool goes_back = plan.direction == Direction::down || plan.redo;
  plan.out_of_order = boolean_or(settings, "out_of_order", false);
  read_mark(settings, plan, problems);
  if (const std::string target = string_or(settings, "target", ""); !target.empty()) {
    plan.target = version_of(target);
    if (plan.target->empty() || plan.target->is_repeatable())
      problems.push_back("/settings/target: must begin with the number of a migration, not '" +
                         printable(target) + "'");
  }
  plan.steps = integer_or(settings, "steps", 0);
  if (find_member(settings, "steps") != nullptr) {
    if (!goes_back)
      problems.push_back(
          "/settings/steps: is for direction down and redo; up goes to a target, or to the end");
    if (plan.steps < 1) problems.push_back("/settings/steps: must be 1 or more");
    if (plan.target) problems.push_back("/settings/steps: cannot stand beside a target");
  } else if (goes_back && !plan.target) {
    plan.steps = 1;
  }
}

void read_mode(const Json& settings, SchemaPlan& plan, std::vector<std::string>& problems) {
  const std::string mode = string_or(settings, "transaction_mode", "");
  if (mode == "none") {
    plan.mode = TransactionMode::none;
  } else if (mode == "all_in_one") {
    plan.mode = TransactionMode::all_in_one;
  } else if (!mode.empty() && mode != "per_migration") {
    problems.push_back(
        "/settings/transaction_mode: must be per_migration, all_in_one or none, not '" +
        printable(mode) + "'; write one of these, or take the key out");
  }
  // The engine's own default is to go on; migrations stand on each other.
  for (const std::string_view key : {"stop_on_error", "stop_on_first_error"})
    if (find_member(settings, key) != nullptr) plan.stop_on_error = boolean_or(settings, key, true);
  plan.validate_checksums = boolean_or(settings, "validate_checksums", true);
  plan.ensure_created = boolean_or(settings, "ensure_created", true);
  if (plan.mode != TransactionMode::all_in_one) return;
  plan.stop_on_error = true;
  if (plan.redo)
    problems.push_back("/settings/transaction_mode: all_in_one is for direction up or down");
}

SchemaPlan decode(const Json& document, std::vector<std::string>& problems) {
  SchemaPlan plan;
  const Json* settings = find_member(document, "settings");
  if (settings != nullptr) {
    read_direction(*settings, plan, problems);
    read_mode(*settings, plan, problems);
  }
  read_source(document, plan, problems);
  read_destination(document, plan, problems);
  if (settings == nullptr) return plan;
  const std::int64_t seconds =
      integer_or(*settings, "lock_timeout_seconds", plan.lock_timeout_ms / 1000);
  if (seconds < 0 || seconds > kLockTimeoutMaxS) {
    problems.push_back("/settings/lock_timeout_seconds: must be from 0 to " +
                       std::to_string(kLockTimeoutMaxS));
  } else {
    plan.lock_timeout_ms = seconds * 1000;
  }
  const std::int64_t statement =
      integer_or(*settings, "timeout_seconds", plan.statement_timeout_ms / 1000);
  if (statement < 0 || statement > kTimeoutMaxS) {
    problems.push_back("/settings/timeout_seconds: must be from 0 (as long as it takes) to " +
                       std::to_string(kTimeoutMaxS));
  } else {
    plan.statement_timeout_ms = statement * 1000;
  }
  return plan;
}

/// Options of the command line, and the settings that they are.
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kNumbers = {{
    {"steps", "steps"},
    {"timeout", "timeout_seconds"},
    {"lock-timeout", "lock_timeout_seconds"},
}};
constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kTexts = {{
    {"target", "target"},
    {"transaction-mode", "transaction_mode"},
}};

/// What may stand behind a verb.
enum class Takes : std::uint8_t { nothing, target, only };
struct MigrateVerb {
  std::string_view name;
  std::string_view setting;
  std::string_view value;
  Takes takes = Takes::nothing;
};
constexpr std::array<MigrateVerb, 7> kVerbs = {{
    {"up", "", "", Takes::only},
    {"down", "direction", "down", Takes::nothing},
    {"redo", "direction", "redo", Takes::nothing},
    {"baseline", "mark", "yes", Takes::target},
    {"mark-applied", "mark", "yes", Takes::only},
    {"import-history", "mark", "as_other_tool_did", Takes::nothing},
    {"repair", "mark", "repair", Takes::only},
}};

/// Flags, and the settings that they are.
struct Switch {
  std::string_view option;
  std::string_view key;
  bool value;
};
constexpr std::array<Switch, 4> kSwitches = {{{"out-of-order", "out_of_order", true},
                                              {"keep-going", "stop_on_error", false},
                                              {"ignore-checksums", "validate_checksums", false},
                                              {"no-create", "ensure_created", false}}};

constexpr std::string_view kShow = "show";

/// The values of an option that may be given several times.
std::vector<std::string> values_of(std::string_view joined) {
  std::vector<std::string> values;
  for (std::size_t begin = 0; begin <= joined.size();) {
    const std::size_t end = std::min(joined.find('\0', begin), joined.size());
    values.emplace_back(joined.substr(begin, end - begin));
    begin = end + 1;
  }
  return values;
}

/// What every verb of `dunlin migrate` names; `show` has enough with the database.
Result<Places> places_of(const CommandLine& line) {
  const std::string verb = line.positional.empty() ? "up" : line.positional.front();
  const bool shows = verb == kShow;
  const auto database = line.options.find("db");
  const auto directory = line.options.find("dir");
  if (line.positional.size() > 2 || database == line.options.end() ||
      (!shows && directory == line.options.end())) {
    return Error(ErrorType::invalid_input,
                 "write: dunlin migrate " + printable(verb) +
                     (shows ? " VERSION --db sqlite:PATH" : " --db sqlite:PATH --dir DIR"));
  }
  Places places;
  for (const std::string& one : values_of(database->second)) {
    DUNLIN_ASSIGN(sql::DatabaseAddress address, parse_target_address(one));
    places.databases.push_back(std::move(address));
  }
  if (directory == line.options.end()) return places;
  for (const std::string& one : values_of(directory->second)) {
    DUNLIN_ASSIGN(std::string path, absolute(one));
    places.directories.push_back(std::move(path));
  }
  return places;
}

/// One under the one key, several as a list under the other.
Json one_or_list(std::string_view one, std::string_view many, std::vector<std::string> texts) {
  if (texts.size() == 1) return Json{{std::string(one), std::move(texts.front())}};
  return Json{{std::string(many), std::move(texts)}};
}

class SchemaKind final : public engine::Kind {
 public:
  explicit SchemaKind(std::string product_version) : product_version_(std::move(product_version)) {}

  [[nodiscard]] std::string_view name() const override { return "schema"; }
  [[nodiscard]] std::string_view item_noun() const override { return "migrations"; }
  [[nodiscard]] bool accepts(const CommandLine& line) const override {
    return line.verb == "migrate";
  }

  [[nodiscard]] Result<Json> plan_for(const CommandLine& line) const override {
    const std::string verb = line.positional.empty() ? "" : line.positional.front();
    const auto known = std::find_if(kVerbs.begin(), kVerbs.end(),
                                    [&](const MigrateVerb& one) { return one.name == verb; });
    if (known == kVerbs.end()) {
      return Error(ErrorType::invalid_input,
                   verb.empty()
                       ? "say what to do: dunlin migrate up --db sqlite:PATH --dir DIR"
                       : "`dunlin migrate " + printable(verb) +
                             "` is not available in this version; there are up, down, redo, "
                             "status, validate, show, repair, baseline, mark-applied and "
                             "import-history");
    }
    DUNLIN_ASSIGN(const Places places, places_of(line));
    Json settings = Json::object();
    if (!known->setting.empty()) settings[std::string(known->setting)] = known->value;
    if (known->takes != Takes::nothing && line.positional.size() > 1)
      settings[known->takes == Takes::only ? "only" : "target"] = line.positional[1];
    for (const auto& [option, key] : kNumbers) {
      const auto given = line.options.find(std::string(option));
      if (given == line.options.end()) continue;
      std::int64_t number = 0;
      const std::string& text = given->second;
      const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
      if (code != std::errc() || end != text.data() + text.size())
        return Error(ErrorType::invalid_input,
                     "--" + std::string(option) + ": '" + printable(text) + "' is no number");
      settings[std::string(key)] = number;
    }
    for (const auto& [option, key] : kTexts)
      if (const auto given = line.options.find(std::string(option)); given != line.options.end())
        settings[std::string(key)] = given->second;
    for (const auto& [option, key, value] : kSwitches)
      if (line.options.contains(std::string(option))) settings[std::string(key)] = value;
    std::vector<std::string> urls;
    for (const sql::DatabaseAddress& database : places.databases) urls.push_back(database.text());
    Json destination = one_or_list("url", "urls", std::move(urls));
    if (const auto tenants = line.options.find("tenants"); tenants != line.options.end())
      destination["tenants"] = tenants->second;
    return Json{{"kind", "schema"},
                {"source", one_or_list("directory", "directories", places.directories)},
                {"destination", std::move(destination)},
                {"settings", std::move(settings)}};
  }

  [[nodiscard]] Result<engine::Findings> look(const CommandLine& line,
                                              const CancelToken& cancel) const override {
    DUNLIN_ASSIGN(const Places places, places_of(line));
    if (places.databases.size() > 1)
      return Error(ErrorType::invalid_input,
                   "status, validate and show look at one database at a time");
    if (line.positional.front() == kShow) return show(line, places, sql::Call{cancel, {}});
    return migration_status(places.directories, places.databases.front(), sql::Call{cancel, {}});
  }

  [[nodiscard]] std::vector<std::string> check(const Json& document) const override {
    std::vector<std::string> problems;
    static_cast<void>(decode(document, problems));
    return problems;
  }

  [[nodiscard]] Result<std::vector<Claim>> claims(const Plan& plan) const override {
    DUNLIN_ASSIGN(const SchemaPlan decoded, decode_plan(plan));
    // A server's own lock keeps others out, wherever they run, and knows when its holder has died.
    std::vector<Claim> claims;
    for (const sql::DatabaseAddress& database : decoded.databases.listed)
      if (database.dialect == sql::Dialect::sqlite) claims.push_back("sqlite:" + database.path);
    return claims;
  }

  [[nodiscard]] std::string describe(const Plan& plan) const override {
    std::vector<std::string> ignored;
    const SchemaPlan decoded = decode(plan.document, ignored);
    std::string database = printable(decoded.database.text());
    if (decoded.databases.listed.size() > 1)
      database = std::to_string(decoded.databases.listed.size()) + " databases";
    if (!decoded.databases.pattern.empty())
      database += ", tenants " + printable(decoded.databases.pattern) + ",";
    if (decoded.directories.empty()) return "migrate " + database;
    const std::string directory = printable(decoded.directories.front());
    if (decoded.redo) return "take back and apply again what " + database + " has last";
    if (decoded.mark != SchemaPlan::Mark::no)
      return "call migrations of " + directory + " applied to " + database;
    if (decoded.direction == Direction::up) return "migrate " + database + " up by " + directory;
    if (decoded.target) return "migrate " + database + " down to " + decoded.target->text();
    return "migrate " + database + " down by " + std::to_string(decoded.steps);
  }

  [[nodiscard]] Json schema() const override {
    const Json path = {
        {"type", "string"}, {"minLength", 1}, {"examples", {"/srv/shop/migrations"}}};
    const Json url = {{"type", "string"},
                      {"examples", {"sqlite:/srv/shop.db"}},
                      {"pattern", "^(sqlite:.+|(postgres(ql)?|mysql|mariadb)://.*)"}};
    const auto list = [](const Json& items) {
      return Json{{"type", "array"}, {"minItems", 1}, {"items", items}};
    };
    const auto section = [](const char* one, const char* many, Json properties) {
      const Json example = properties[one]["examples"][0];
      return Json{{"type", "object"},
                  {"examples", {{{one, example}}}},
                  {"oneOf", {{{"required", {one}}}, {{"required", {many}}}}},
                  {"additionalProperties", false},
                  {"properties", std::move(properties)}};
    };
    const Json yes_or_no = {{"type", "boolean"}};
    return Json{
        {"required", {"source", "destination"}},
        {"properties",
         {{"source",
           section("directory", "directories", {{"directory", path}, {"directories", list(path)}})},
          {"destination", section("url", "urls",
                                  {{"url", url},
                                   {"urls", list(url)},
                                   {"tenants", {{"type", "string"}, {"examples", {"tenant_*"}}}}})},
          {"settings",
           {{"properties",
             {{"lock_timeout_seconds",
               {{"type", "integer"}, {"minimum", 0}, {"maximum", kLockTimeoutMaxS}}},
              {"timeout_seconds", {{"type", "integer"}, {"minimum", 0}, {"maximum", kTimeoutMaxS}}},
              {"direction", {{"type", "string"}, {"enum", {"up", "down", "redo"}}}},
              {"target", {{"type", "string"}, {"pattern", "^[0-9V]"}}},
              {"only", {{"type", "string"}, {"pattern", "^[0-9VR]"}}},
              {"mark",
               {{"type", "string"}, {"enum", {"no", "yes", "as_other_tool_did", "repair"}}}},
              {"out_of_order", yes_or_no},
              {"validate_checksums", yes_or_no},
              {"ensure_created", yes_or_no},
              {"steps", {{"type", "integer"}, {"minimum", 1}}}}}}}}}};
  }

  [[nodiscard]] Result<std::unique_ptr<engine::Run>> open(const Plan& plan) const override {
    DUNLIN_ASSIGN(SchemaPlan decoded, decode_plan(plan));
    if (decoded.databases.are_several()) return make_databases_run(std::move(decoded));
    std::future<MigrationFiles> files = expected_files(decoded);
    return make_schema_run(std::move(decoded), std::move(files));
  }

  void expect(const Plan& plan) const override {
    const Result<SchemaPlan> decoded = decode_plan(plan);
    if (!decoded.ok() || decoded->databases.are_several() || !needs_files(*decoded)) return;
    const std::scoped_lock lock(expected_mutex_);
    expected_ = Expected{decoded->directories, decoded->database.dialect, read_files_of(*decoded)};
  }

 private:
  /// What expect() has begun to read.
  struct Expected {
    std::vector<std::string> directories;
    sql::Dialect dialect;
    std::future<MigrationFiles> files;
  };

  /// Once: whoever opens again may do so because the files were corrected.
  std::future<MigrationFiles> expected_files(const SchemaPlan& plan) const {
    const std::scoped_lock lock(expected_mutex_);
    std::optional<Expected> expected = std::exchange(expected_, std::nullopt);
    if (!expected || expected->directories != plan.directories ||
        expected->dialect != plan.database.dialect)
      return {};
    return std::move(expected->files);
  }

  static Result<engine::Findings> show(const CommandLine& line, const Places& places,
                                       const sql::Call& call) {
    Showing what;
    if (line.positional.size() > 1) what.version = version_of(line.positional[1]);
    if (what.version.empty())
      return Error(ErrorType::invalid_input,
                   "say which one: dunlin migrate show VERSION --db sqlite:PATH");
    if (line.options.contains("down")) what.direction = Direction::down;
    what.difference = line.options.contains("diff");
    return show_migration(places, what, call);
  }

  [[nodiscard]] Result<SchemaPlan> decode_plan(const Plan& plan) const {
    std::vector<std::string> problems;
    SchemaPlan decoded = decode(plan.document, problems);
    if (!problems.empty()) return Error(ErrorType::plan_invalid, problems.front());
    decoded.product_version = product_version_;
    return decoded;
  }

  std::string product_version_;
  mutable std::mutex expected_mutex_;
  mutable std::optional<Expected> expected_;
};

}  // namespace

std::unique_ptr<engine::Kind> make_schema_kind(std::string product_version) {
  return std::make_unique<SchemaKind>(std::move(product_version));
}

}  // namespace dunlin::schema
