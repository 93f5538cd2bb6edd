// The schema kind; see schema_kind.h.
#include "schema/schema_kind.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/text.h"
#include "schema/schema_run.h"
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

/// A text of a section; a problem when it is missing.
std::string text_of(const Json& document, std::string_view section, std::string_view key,
                    std::vector<std::string>& problems) {
  const std::string pointer = "/" + std::string(section) + "/" + std::string(key);
  const Json* object = find_member(document, section);
  std::string value = object == nullptr ? "" : string_or(*object, key, "");
  if (value.empty())
    problems.push_back(pointer + ": is empty; write " +
                       (key == "url" ? "sqlite:PATH or postgres://USER@HOST/DATABASE"
                                     : "the path of a directory of migrations"));
  if (object == nullptr || !object->is_object()) return value;
  for (const auto& [other, ignored] : object->items()) {
    if (other != key) {
      problems.push_back("/" + std::string(section) + "/" + json_pointer_token(other) +
                         ": unknown key; did you mean " + std::string(key) + "?");
    }
  }
  return value;
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
  if (plan.mark != SchemaPlan::Mark::no && plan.direction == Direction::down)
    problems.push_back("/settings/mark: is for direction up");
  if (const std::string only = string_or(settings, "only", ""); !only.empty()) {
    plan.only = version_of(only);
    if (plan.only->digits.empty())
      problems.push_back("/settings/only: must begin with the number of a migration, not '" +
                         printable(only) + "'");
  }
  if (plan.mark == SchemaPlan::Mark::yes && !plan.only && string_or(settings, "target", "").empty())
    problems.push_back(
        "/settings/target: is missing; up to which one is all to be called applied?");
}

void read_direction(const Json& settings, SchemaPlan& plan, std::vector<std::string>& problems) {
  const std::string direction = string_or(settings, "direction", "up");
  if (direction == "down") {
    plan.direction = Direction::down;
  } else if (direction != "up") {
    problems.push_back("/settings/direction: must be up or down, not '" + printable(direction) +
                       "'");
  }
  plan.out_of_order = boolean_or(settings, "out_of_order", false);
  read_mark(settings, plan, problems);
  if (const std::string target = string_or(settings, "target", ""); !target.empty()) {
    plan.target = version_of(target);
    if (plan.target->digits.empty())
      problems.push_back("/settings/target: must begin with the number of a migration, not '" +
                         printable(target) + "'");
  }
  plan.steps = integer_or(settings, "steps", 0);
  if (find_member(settings, "steps") != nullptr) {
    if (plan.direction == Direction::up)
      problems.push_back(
          "/settings/steps: is for direction down; up goes to a target, or to the end");
    if (plan.steps < 1) problems.push_back("/settings/steps: must be 1 or more");
    if (plan.target) problems.push_back("/settings/steps: cannot stand beside a target");
  } else if (plan.direction == Direction::down && !plan.target) {
    plan.steps = 1;
  }
}

SchemaPlan decode(const Json& document, std::vector<std::string>& problems) {
  SchemaPlan plan;
  plan.directory = text_of(document, "source", "directory", problems);
  if (!plan.directory.empty() && !plan.directory.starts_with('/'))
    problems.push_back("/source/directory: must be an absolute path, not '" +
                       escape_bytes(plan.directory) +
                       "', since a plan may be run from any folder; write what `realpath " +
                       escape_bytes(plan.directory) + "` prints");
  if (!plan.directory.empty()) {
    if (auto path = absolute(plan.directory); path.ok()) plan.directory = std::move(path).value();
  }
  if (const std::string url = text_of(document, "destination", "url", problems); !url.empty()) {
    Result<sql::DatabaseAddress> database = sql::parse_database_address(url);
    if (database.ok()) {
      plan.database = std::move(database).value();
    } else {
      problems.push_back("/destination/url: " + database.error().message);
    }
  }
  const Json* settings = find_member(document, "settings");
  if (settings == nullptr) return plan;
  const std::string mode = string_or(*settings, "transaction_mode", "");
  if (mode == "none") {
    plan.mode = TransactionMode::none;
  } else if (!mode.empty() && mode != "per_migration") {
    problems.push_back("/settings/transaction_mode: must be per_migration or none, not '" +
                       printable(mode) + "'; write one of these, or take the key out");
  }
  const std::int64_t seconds =
      integer_or(*settings, "lock_timeout_seconds", plan.lock_timeout_ms / 1000);
  if (seconds < 0 || seconds > kLockTimeoutMaxS) {
    problems.push_back("/settings/lock_timeout_seconds: must be from 0 to " +
                       std::to_string(kLockTimeoutMaxS));
  } else {
    plan.lock_timeout_ms = seconds * 1000;
  }
  read_direction(*settings, plan, problems);
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
constexpr std::array<MigrateVerb, 6> kVerbs = {{
    {"up", "", "", Takes::only},
    {"down", "direction", "down", Takes::nothing},
    {"baseline", "mark", "yes", Takes::target},
    {"mark-applied", "mark", "yes", Takes::only},
    {"import-history", "mark", "as_other_tool_did", Takes::nothing},
    {"repair", "mark", "repair", Takes::only},
}};

/// What every verb of `dunlin migrate` names.
struct Places {
  std::string directory;
  sql::DatabaseAddress database;
};
Result<Places> places_of(const CommandLine& line) {
  const std::string verb = line.positional.empty() ? "up" : line.positional.front();
  const auto database = line.options.find("db");
  const auto directory = line.options.find("dir");
  if (line.positional.size() > 2 || database == line.options.end() ||
      directory == line.options.end()) {
    return Error(ErrorType::invalid_input,
                 "write: dunlin migrate " + printable(verb) + " --db sqlite:PATH --dir DIR");
  }
  Places places;
  DUNLIN_ASSIGN(places.database, sql::parse_database_address(database->second));
  DUNLIN_ASSIGN(places.directory, absolute(directory->second));
  return places;
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
                             "` is not available in this version; there are up, down, status, "
                             "validate, repair, baseline, mark-applied and import-history");
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
    if (line.options.contains("out-of-order")) settings["out_of_order"] = true;
    return Json{{"kind", "schema"},
                {"source", {{"directory", places.directory}}},
                {"destination", {{"url", places.database.text()}}},
                {"settings", std::move(settings)}};
  }

  [[nodiscard]] Result<engine::Findings> look(const CommandLine& line,
                                              const CancelToken& cancel) const override {
    DUNLIN_ASSIGN(const Places places, places_of(line));
    return migration_status(places.directory, places.database, sql::Call{cancel, {}});
  }

  [[nodiscard]] std::vector<std::string> check(const Json& document) const override {
    std::vector<std::string> problems;
    static_cast<void>(decode(document, problems));
    return problems;
  }

  [[nodiscard]] Result<std::vector<Claim>> claims(const Plan& plan) const override {
    DUNLIN_ASSIGN(const SchemaPlan decoded, decode_plan(plan));
    // A server's own lock keeps others out, wherever they run, and knows when its holder has died.
    if (decoded.database.dialect != sql::Dialect::sqlite) return std::vector<Claim>{};
    return std::vector<Claim>{"sqlite:" + decoded.database.path};
  }

  [[nodiscard]] std::string describe(const Plan& plan) const override {
    std::vector<std::string> ignored;
    const SchemaPlan decoded = decode(plan.document, ignored);
    const std::string database = printable(decoded.database.text());
    if (decoded.mark != SchemaPlan::Mark::no)
      return "call migrations of " + printable(decoded.directory) + " applied to " + database;
    if (decoded.direction == Direction::up)
      return "migrate " + database + " up by " + printable(decoded.directory);
    if (decoded.target) return "migrate " + database + " down to " + decoded.target->digits;
    return "migrate " + database + " down by " + std::to_string(decoded.steps);
  }

  [[nodiscard]] Json schema() const override {
    const auto section = [](const char* key, const char* example, Json value) {
      value["examples"] = {example};
      return Json{{"type", "object"},
                  {"examples", {{{key, example}}}},
                  {"required", {key}},
                  {"additionalProperties", false},
                  {"properties", {{key, std::move(value)}}}};
    };
    return Json{
        {"required", {"source", "destination"}},
        {"properties",
         {{"source",
           section("directory", "/srv/shop/migrations", {{"type", "string"}, {"minLength", 1}})},
          {"destination",
           section("url", "sqlite:/srv/shop.db",
                   {{"type", "string"},
                    {"pattern", "^(sqlite:.+|(postgres(ql)?|mysql|mariadb)://.*)"}})},
          {"settings",
           {{"properties",
             {{"lock_timeout_seconds",
               {{"type", "integer"}, {"minimum", 0}, {"maximum", kLockTimeoutMaxS}}},
              {"timeout_seconds", {{"type", "integer"}, {"minimum", 0}, {"maximum", kTimeoutMaxS}}},
              {"direction", {{"type", "string"}, {"enum", {"up", "down"}}}},
              {"target", {{"type", "string"}, {"pattern", "^[0-9V]"}}},
              {"only", {{"type", "string"}, {"pattern", "^[0-9V]"}}},
              {"mark",
               {{"type", "string"}, {"enum", {"no", "yes", "as_other_tool_did", "repair"}}}},
              {"out_of_order", {{"type", "boolean"}}},
              {"steps", {{"type", "integer"}, {"minimum", 1}}}}}}}}}};
  }

  [[nodiscard]] Result<std::unique_ptr<engine::Run>> open(const Plan& plan) const override {
    DUNLIN_ASSIGN(SchemaPlan decoded, decode_plan(plan));
    return make_schema_run(std::move(decoded));
  }

 private:
  [[nodiscard]] Result<SchemaPlan> decode_plan(const Plan& plan) const {
    std::vector<std::string> problems;
    SchemaPlan decoded = decode(plan.document, problems);
    if (!problems.empty()) return Error(ErrorType::plan_invalid, problems.front());
    decoded.product_version = product_version_;
    return decoded;
  }

  std::string product_version_;
};

}  // namespace

std::unique_ptr<engine::Kind> make_schema_kind(std::string product_version) {
  return std::make_unique<SchemaKind>(std::move(product_version));
}

}  // namespace dunlin::schema
