// The records kind; see records_kind.h.
#include "records/records_kind.h"

#include "base/text.h"
#include "records/plan.h"
#include "records/records_run.h"
#include "sql/sqlite_address.h"

namespace dunlin::records {

namespace {

using engine::Claim;
using engine::CommandLine;
using engine::Plan;

/// The option's value, or nullptr when it was not given.
const std::string* option(const CommandLine& line, const std::string& name) {
  const auto found = line.options.find(name);
  return found == line.options.end() ? nullptr : &found->second;
}

Json entity_json(const std::string& table) {
  return Json{{"entity", table}, {"source", {{"table", table}}}, {"target", {{"table", table}}}};
}

/// `--table T`, `--tables A,B` or `--all`; exactly one of them.
Result<Json> entities_of(const CommandLine& line) {
  const std::string* table = option(line, "table");
  const std::string* tables = option(line, "tables");
  const std::string* all = option(line, "all");
  const bool every = all != nullptr && *all != "false";
  if ((table != nullptr ? 1 : 0) + (tables != nullptr ? 1 : 0) + (every ? 1 : 0) != 1) {
    return Error(ErrorType::invalid_input, "say what to load: --table T, --tables A,B or --all");
  }
  if (every) return Json("auto");
  Json list = Json::array();
  if (table != nullptr) {
    list.push_back(entity_json(*table));
    return list;
  }
  for (std::size_t begin = 0; begin <= tables->size();) {
    const std::size_t end = std::min(tables->find(',', begin), tables->size());
    if (end > begin) list.push_back(entity_json(tables->substr(begin, end - begin)));
    begin = end + 1;
  }
  if (list.empty())
    return Error(ErrorType::invalid_input, "--tables names no table: write --tables A,B");
  return list;
}

class RecordsKind final : public engine::Kind {
 public:
  [[nodiscard]] std::string_view name() const override { return "records"; }
  [[nodiscard]] std::string_view item_noun() const override { return "ranges"; }
  [[nodiscard]] bool accepts(const CommandLine& line) const override { return line.verb == "load"; }

  [[nodiscard]] Result<Json> plan_for(const CommandLine& line) const override {
    if (line.positional.size() != 2) {
      return Error(ErrorType::invalid_input,
                   "write: dunlin load sqlite:SOURCE sqlite:TARGET --all");
    }
    DUNLIN_ASSIGN(const std::string source, sql::canonical_sqlite_url(line.positional[0]));
    DUNLIN_ASSIGN(const std::string target, sql::canonical_sqlite_url(line.positional[1]));
    DUNLIN_ASSIGN(Json entities, entities_of(line));
    Json document{{"kind", "records"},
                  {"source", {{"url", source}}},
                  {"destination", {{"url", target}}},
                  {"entities", std::move(entities)},
                  {"settings", Json::object()}};
    if (const std::string* mode = option(line, "transaction-mode"))
      document["settings"]["transaction_mode"] = *mode;
    std::vector<std::string> problems;
    static_cast<void>(decode_plan(document, problems));
    if (!problems.empty()) return Error(ErrorType::invalid_input, problems.front());
    return document;
  }

  [[nodiscard]] std::vector<std::string> check(const Json& document) const override {
    std::vector<std::string> problems;
    static_cast<void>(decode_plan(document, problems));
    return problems;
  }

  [[nodiscard]] Result<std::vector<Claim>> claims(const Plan& plan) const override {
    DUNLIN_ASSIGN(const RecordsPlan decoded, decode(plan));
    const std::string database = "sqlite:" + decoded.target_path;
    std::vector<Claim> claims;
    if (decoded.entities.empty() || decoded.single)
      claims.push_back(database);  // `single` keeps the write lock
    for (const Entity& entity : decoded.entities) {
      if (!decoded.single) claims.push_back(database + "/main." + entity.target);
    }
    return claims;
  }

  [[nodiscard]] std::string describe(const Plan& plan) const override {
    const Json* entities = find_member(plan.document, "entities");
    const bool listed = entities != nullptr && entities->is_array();
    const std::string what =
        !listed ? "all tables" : std::to_string(entities->size()) + " table(s)";
    const auto url = [&](std::string_view section) {
      const Json* object = find_member(plan.document, section);
      return object == nullptr ? std::string("?") : printable(string_or(*object, "url", "?"));
    };
    return "load " + what + " from " + url("source") + " into " + url("destination");
  }

  [[nodiscard]] Json schema() const override {
    const Json address{{"type", "object"},
                       {"required", {"url"}},
                       {"additionalProperties", false},
                       {"examples", {{{"url", "sqlite:/srv/shop.db"}}}},
                       {"properties",
                        {{"url",
                          {{"type", "string"},
                           {"examples", {"sqlite:/srv/shop.db"}},
                           {"pattern", "^sqlite:.+"}}}}}};
    const Json table{
        {"type", "object"},
        {"required", {"table"}},
        {"additionalProperties", false},
        {"examples", {{{"table", "customers"}}}},
        {"properties",
         {{"table", {{"type", "string"}, {"minLength", 1}, {"examples", {"customers"}}}}}}};
    const Json entity{
        {"type", "object"},
        {"required", {"source"}},
        {"additionalProperties", false},
        {"examples", {{{"source", {{"table", "customers"}}}}}},
        {"x-not-built",
         {"key", "depends_on", "mapping", "fields", "filters", "validation", "on_duplicate",
          "on_invalid"}},
        {"properties", {{"entity", {{"type", "string"}}}, {"source", table}, {"target", table}}}};
    return Json{
        {"required", {"source", "destination", "entities"}},
        {"x-not-built", {"incremental", "transformations", "validation", "mapping"}},
        {"properties",
         {{"source", address},
          {"destination", address},
          {"entities",
           {{"examples", {"auto"}},
            {"items", entity},
            {"oneOf",
             {{{"const", "auto"}}, {{"type", "array"}, {"minItems", 1}, {"items", entity}}}}}}}}};
  }

  [[nodiscard]] Result<std::unique_ptr<engine::Run>> open(const Plan& plan) const override {
    DUNLIN_ASSIGN(RecordsPlan decoded, decode(plan));
    return make_records_run(std::move(decoded));
  }

 private:
  static Result<RecordsPlan> decode(const Plan& plan) {
    std::vector<std::string> problems;
    RecordsPlan decoded = decode_plan(plan.document, problems);
    if (!problems.empty()) return Error(ErrorType::plan_invalid, problems.front());
    const std::string& mode = plan.settings.transaction_mode;
    if (!mode.empty() && mode != "single" && mode != "per-batch") {
      return Error(ErrorType::plan_invalid,
                   "transaction mode '" + printable(mode) + "' is not supported for SQLite");
    }
    if (!mode.empty()) decoded.single = mode == "single";
    return decoded;
  }
};

}  // namespace

std::unique_ptr<engine::Kind> make_records_kind() {
  return std::make_unique<RecordsKind>();
}

}  // namespace dunlin::records
