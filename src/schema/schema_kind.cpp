// The schema kind; see schema_kind.h.
#include "schema/schema_kind.h"

#include <filesystem>
#include <system_error>

#include "base/text.h"
#include "schema/schema_run.h"
#include "sql/sqlite_address.h"

namespace dunlin::schema {

namespace {

using engine::Claim;
using engine::CommandLine;
using engine::Plan;

constexpr std::int64_t kLockTimeoutMaxS = 24 * 3600;

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
                       (key == "url" ? "sqlite: and the path of a database"
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
    Result<std::string> path = sql::sqlite_path(url);
    if (path.ok()) {
      plan.database_path = std::move(path).value();
    } else {
      problems.push_back("/destination/url: " + path.error().message);
    }
  }
  const Json* settings = find_member(document, "settings");
  if (settings == nullptr) return plan;
  const std::string mode = string_or(*settings, "transaction_mode", "");
  if (!mode.empty() && mode != "per_migration") {
    problems.push_back("/settings/transaction_mode: must be per_migration for SQLite, not '" +
                       printable(mode) + "'; write that, or take the key out");
  }
  const std::int64_t seconds =
      integer_or(*settings, "lock_timeout_seconds", plan.lock_timeout_ms / 1000);
  if (seconds < 0 || seconds > kLockTimeoutMaxS) {
    problems.push_back("/settings/lock_timeout_seconds: must be from 0 to " +
                       std::to_string(kLockTimeoutMaxS));
  } else {
    plan.lock_timeout_ms = seconds * 1000;
  }
  return plan;
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
    if (verb != "up") {
      return Error(ErrorType::invalid_input,
                   verb.empty() ? "say what to do: dunlin migrate up --db sqlite:PATH --dir DIR"
                                : "`dunlin migrate " + printable(verb) +
                                      "` is not available in this version; `up` is");
    }
    const auto database = line.options.find("db");
    const auto directory = line.options.find("dir");
    if (line.positional.size() > 1 || database == line.options.end() ||
        directory == line.options.end()) {
      return Error(ErrorType::invalid_input, "write: dunlin migrate up --db sqlite:PATH --dir DIR");
    }
    DUNLIN_ASSIGN(const std::string url, sql::canonical_sqlite_url(database->second));
    DUNLIN_ASSIGN(const std::string path, absolute(directory->second));
    return Json{{"kind", "schema"},
                {"source", {{"directory", path}}},
                {"destination", {{"url", url}}},
                {"settings", Json::object()}};
  }

  [[nodiscard]] std::vector<std::string> check(const Json& document) const override {
    std::vector<std::string> problems;
    static_cast<void>(decode(document, problems));
    return problems;
  }

  [[nodiscard]] Result<std::vector<Claim>> claims(const Plan& plan) const override {
    DUNLIN_ASSIGN(const SchemaPlan decoded, decode_plan(plan));
    return std::vector<Claim>{"sqlite:" + decoded.database_path};
  }

  [[nodiscard]] std::string describe(const Plan& plan) const override {
    std::vector<std::string> ignored;
    const SchemaPlan decoded = decode(plan.document, ignored);
    return "migrate sqlite:" + printable(decoded.database_path) + " up by " +
           printable(decoded.directory);
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
    return Json{{"required", {"source", "destination"}},
                {"properties",
                 {{"source", section("directory", "/srv/shop/migrations",
                                     {{"type", "string"}, {"minLength", 1}})},
                  {"destination", section("url", "sqlite:/srv/shop.db",
                                          {{"type", "string"}, {"pattern", "^sqlite:.+"}})},
                  {"settings",
                   {{"properties",
                     {{"lock_timeout_seconds",
                       {{"type", "integer"}, {"minimum", 0}, {"maximum", kLockTimeoutMaxS}}}}}}}}}};
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
