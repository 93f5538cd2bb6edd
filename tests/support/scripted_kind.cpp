// Script and ScriptedKind; see scripted_kind.h. The Run is scripted_run.cpp.
#include "support/scripted_kind.h"

#include "base/file_io.h"
#include "support/scripted_run.h"

namespace dunlin::testing {

using engine::CommitScope;

namespace {

constexpr const char* kScopes[] = {"item", "batch", "execution"};
constexpr const char* kKinds[] = {"succeed", "fail", "lie", "lose_reply", "system", "fatal"};

template <typename Enum, std::size_t N>
Result<Enum> named(const char* const (&names)[N], const std::string& name) {
  for (std::size_t i = 0; i < N; ++i) {
    if (name == names[i]) return static_cast<Enum>(i);
  }
  return Error(ErrorType::invalid_input, "the script says '" + name + "'");
}

class ScriptedKind final : public engine::Kind {
 public:
  explicit ScriptedKind(std::shared_ptr<ScriptedDestination> memory) : memory_(std::move(memory)) {}

  [[nodiscard]] std::string_view name() const override { return "scripted"; }
  [[nodiscard]] std::string_view item_noun() const override { return "items"; }
  [[nodiscard]] bool accepts(const engine::CommandLine&) const override { return false; }
  [[nodiscard]] Result<Json> plan_for(const engine::CommandLine&) const override {
    return Error(ErrorType::invalid_input, "the scripted kind has no one-line form");
  }
  [[nodiscard]] std::vector<std::string> check(const Json& document) const override {
    if (member(document, "source", "script").empty()) return {"/source/script: is missing"};
    if (member(document, "destination", "path").empty() && !memory_) {
      return {"/destination/path: is missing"};
    }
    return {};
  }
  [[nodiscard]] Result<std::vector<engine::Claim>> claims(const engine::Plan& plan) const override {
    return std::vector<engine::Claim>{"scripted:" + member(plan.document, "destination", "path")};
  }
  [[nodiscard]] std::string describe(const engine::Plan& plan) const override {
    return "play " + member(plan.document, "source", "script");
  }
  [[nodiscard]] Json schema() const override {
    const Json any{{"type", "object"}};
    return Json{{"properties", {{"source", any}, {"destination", any}, {"strategy", any}}}};
  }
  [[nodiscard]] Result<std::unique_ptr<engine::Run>> open(const engine::Plan& plan) const override {
    const std::string path = member(plan.document, "source", "script");
    DUNLIN_ASSIGN(const std::string text, read_file(path));
    DUNLIN_ASSIGN(const Json json, parse_json(text, "script"));
    DUNLIN_ASSIGN(Script script, Script::decode(json));
    const std::string folder = member(plan.document, "destination", "path");
    auto destination = folder.empty() ? memory_ : make_folder_destination(folder);
    return std::unique_ptr<engine::Run>(
        std::make_unique<ScriptedRun>(std::move(script), path, std::move(destination)));
  }

 private:
  static std::string member(const Json& document, std::string_view section, std::string_view key) {
    const Json* object = find_member(document, section);
    return object == nullptr ? std::string() : string_or(*object, key, "");
  }
  const std::shared_ptr<ScriptedDestination> memory_;
};

}  // namespace

Script Script::of(std::int64_t count) {
  Script script;
  for (std::int64_t n = 1; n <= count; ++n) {
    ScriptedItem item;
    item.name = "item " + std::to_string(n);
    item.content = "content of " + std::to_string(n * n);
    script.items.push_back(std::move(item));
  }
  return script;
}

Json Script::encode() const {
  Json json = Json::object();
  json["scope"] = kScopes[static_cast<int>(scope)];
  json["batch_items"] = batch_items;
  json["batches_per_chunk"] = batches_per_chunk;
  json["batch_failures"] = batch_failures;
  json["stages"] = Json::array();
  for (const auto& stage : stages) {
    Json one = Json::object();
    one["task_type"] = stage.task_type;
    one["items"] = stage.items;
    one["barrier"] = stage.barrier;
    one["chained"] = stage.chained;
    json["stages"].push_back(std::move(one));
  }
  json["items"] = Json::array();
  for (const auto& item : items) {
    Json one = Json::object();
    put_path(one, "name", item.name);
    put_path(one, "content", item.content);
    one["kind"] = kKinds[static_cast<int>(item.kind)];
    one["failures"] = item.failures;
    one["stall_ms"] = item.stall_ms;
    json["items"].push_back(std::move(one));
  }
  json["batch_errors"] = Json::array();
  for (const auto& [batch, type] : batch_errors) {
    json["batch_errors"].push_back(Json::array({batch, std::string(to_string(type))}));
  }
  return json;
}

Result<Script> Script::decode(const Json& json) {
  Script script;
  DUNLIN_ASSIGN(script.scope, named<CommitScope>(kScopes, string_or(json, "scope", "item")));
  script.batch_items = integer_or(json, "batch_items", script.batch_items);
  script.batches_per_chunk = integer_or(json, "batches_per_chunk", script.batches_per_chunk);
  script.batch_failures =
      static_cast<std::int32_t>(integer_or(json, "batch_failures", script.batch_failures));
  if (const Json* stages = find_member(json, "stages")) {
    for (const Json& one : *stages) {
      ScriptedStage stage;
      stage.task_type = string_or(one, "task_type", stage.task_type);
      stage.items = integer_or(one, "items", 0);
      stage.barrier = boolean_or(one, "barrier", false);
      stage.chained = boolean_or(one, "chained", false);
      script.stages.push_back(std::move(stage));
    }
  }
  if (const Json* items = find_member(json, "items")) {
    for (const Json& one : *items) {
      ScriptedItem item;
      DUNLIN_ASSIGN(item.name, get_path(one, "name"));
      DUNLIN_ASSIGN(item.content, get_path(one, "content"));
      DUNLIN_ASSIGN(item.kind,
                    named<ScriptedItem::Kind>(kKinds, string_or(one, "kind", "succeed")));
      item.failures = static_cast<std::int32_t>(integer_or(one, "failures", 0));
      item.stall_ms = integer_or(one, "stall_ms", 0);
      script.items.push_back(std::move(item));
    }
  }
  if (const Json* errors = find_member(json, "batch_errors")) {
    for (const Json& one : *errors) {
      const auto type = error_type_from_name(one.at(1).get<std::string>());
      if (!type) return Error(ErrorType::invalid_input, "the script names an unknown error");
      script.batch_errors.emplace(one.at(0).get<std::int64_t>(), *type);
    }
  }
  if (script.stages.empty()) {
    ScriptedStage all;
    all.items = static_cast<std::int64_t>(script.items.size());
    script.stages.push_back(std::move(all));
  }
  return script;
}

Status Script::save(const std::string& path) const {
  return write_file_durably(path, dump_json(encode()));
}

std::unique_ptr<engine::Kind> make_scripted_kind(std::shared_ptr<ScriptedDestination> memory) {
  return std::make_unique<ScriptedKind>(std::move(memory));
}

}  // namespace dunlin::testing
