// Plan documents: decoding with every problem at once, plan files with line and key, claims.
#include "engine/plan.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/file_io.h"
#include "base/text.h"
#include "base/yaml.h"
#include "engine/plan_schema.h"
#include "engine/settings_table.h"

namespace dunlin::engine {

namespace {

constexpr std::string_view kEveryPlan[] = {
    "kind",   "name", "description",    "id",      "plan_id", "project_id", "settings",
    "config", "mode", "execution_type", "dry_run", "dry-run", "depends_on"};
/// Settings that the originals put beside `settings`.
constexpr std::string_view kSettingsAbove[] = {"mode", "execution_type", "dry_run", "dry-run"};

template <typename Container>
bool holds(const Container& words, std::string_view word) {
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

const Kind* find_kind(const Json& document, const KindRegistry& kinds,
                      std::vector<std::string>& problems) {
  std::vector<std::string> names;
  for (const auto& kind : kinds.all()) names.emplace_back(kind->name());
  const std::string list = fmt::format("{}", fmt::join(names, ", "));
  const Json* value = find_member(document, "kind");
  if (value == nullptr) {
    problems.push_back("/kind: is missing; one of " + list);
    return nullptr;
  }
  if (!value->is_string()) {
    problems.push_back("/kind: must be one of " + list);
    return nullptr;
  }
  const auto& name = value->get_ref<const std::string&>();
  if (const Kind* kind = kinds.find(name)) return kind;
  const auto near = nearest_word(name, names);
  problems.push_back(fmt::format("/kind: there is no kind \"{}\"; {}", printable(name),
                                 near ? "did you mean " + *near + "?" : "one of " + list));
  return nullptr;
}

void check_keys(const Json& document, const Kind* kind, std::vector<std::string>& problems) {
  std::vector<std::string> known(std::begin(kEveryPlan), std::end(kEveryPlan));
  if (kind == nullptr) return;  // which keys there are depends on it
  for (auto& section : kind_sections(*kind)) known.push_back(std::move(section));
  for (const auto& [key, value] : document.items()) {
    if (holds(known, key)) continue;
    const auto near = nearest_word(key, known);
    problems.push_back(fmt::format("/{}: unknown key{}", json_pointer_token(key),
                                   near ? "; did you mean " + *near + "?" : ""));
  }
}

void read_text(const Json& document, std::string_view key, std::string& to,
               std::vector<std::string>& problems) {
  const Json* value = find_member(document, key);
  if (value == nullptr || value->is_null()) return;
  if (value->is_string())
    to = value->get<std::string>();
  else
    problems.push_back(fmt::format("/{}: must be text", key));
}

void read_id(const Json& document, Plan& plan, std::vector<std::string>& problems) {
  for (const std::string_view key : {"id", "plan_id"}) {
    std::string text;
    read_text(document, key, text, problems);
    if (text.empty()) continue;
    if (const auto id = parse_uuid(text))
      plan.id = PlanId(*id);
    else
      problems.push_back(fmt::format("/{}: must be a UUID; leave it out for a new one", key));
  }
}

void read_depends_on(const Json& document, Plan& plan, std::vector<std::string>& problems) {
  const Json* value = find_member(document, "depends_on");
  if (value == nullptr || value->is_null()) return;
  const Json list = value->is_array() ? *value : Json::array({*value});
  for (const auto& entry : list) {
    if (entry.is_string())
      plan.depends_on.push_back(entry.get<std::string>());
    else
      problems.push_back("/depends_on: must be a list of ids of executions or plans");
  }
}

Json read_settings(const Json& document, const Kind* kind, std::vector<std::string>& problems) {
  std::vector<std::string> foreign;
  if (kind != nullptr) {
    const Json schema = kind->schema();
    if (const Json* section = find_member(schema, "settings"))
      if (const Json* properties = find_member(*section, "properties"))
        for (const auto& [key, value] : properties->items()) foreign.push_back(key);
  }
  Json above = Json::object();
  for (const auto key : kSettingsAbove)
    if (const Json* value = find_member(document, key)) above[std::string(key)] = *value;
  const SettingsSource sources[] = {{"", &above},
                                    {"/settings", find_member(document, "settings")},
                                    {"/config", find_member(document, "config")}};
  Json canonical = canonical_settings(sources, problems, foreign);
  for (const auto& key : foreign)
    if (const Json* settings = find_member(document, "settings"))
      if (const Json* value = find_member(*settings, key)) canonical[key] = *value;
  return canonical;
}

struct Decoded {
  Plan plan;
  std::vector<std::string> problems;
};

Decoded decode(const Json& document, const KindRegistry& kinds) {
  Decoded out;
  Plan& plan = out.plan;
  auto& problems = out.problems;
  if (!document.is_object()) {
    problems.push_back(": a plan is a table with the keys kind, source, destination, settings");
    return out;
  }
  const Kind* kind = find_kind(document, kinds, problems);
  check_keys(document, kind, problems);
  read_id(document, plan, problems);
  read_text(document, "name", plan.name, problems);
  read_depends_on(document, plan, problems);
  const Json settings = read_settings(document, kind, problems);
  plan.document = document;
  for (const auto key : kSettingsAbove) plan.document.erase(std::string(key));
  plan.document.erase("config");
  plan.document["settings"] = settings;
  Json own = settings;  // what the kind reads itself is not decode_settings' business
  if (kind != nullptr) {
    plan.kind = std::string(kind->name());
    for (auto& problem : kind->check(plan.document)) problems.push_back(std::move(problem));
    std::vector<std::string> ignored;
    own = canonical_settings(std::vector<SettingsSource>{{"/settings", &settings}}, ignored);
  }
  if (auto decoded = decode_settings(own, problems); decoded.ok())
    plan.settings = std::move(decoded).value();
  return out;
}

/// The JSON pointer that a problem's line begins with.
std::string pointer_of(const std::string& problem) {
  if (!problem.starts_with('/')) return "";
  return problem.substr(0, problem.find(": "));
}

}  // namespace

Result<Plan> decode_plan(const Json& document, const KindRegistry& kinds) {
  auto decoded = decode(document, kinds);
  if (decoded.problems.empty()) return std::move(decoded.plan);
  return Error(ErrorType::plan_invalid, fmt::format("{}", fmt::join(decoded.problems, "\n")));
}

Result<Plan> load_plan_file(const std::string& path, const KindRegistry& kinds) {
  auto text = read_file(path, 16 << 20);
  if (!text.ok()) return std::move(text).error();
  auto document = parse_yaml(*text, path);
  if (!document.ok()) return std::move(document).error();
  auto decoded = decode(document->root(), kinds);
  if (decoded.problems.empty()) return std::move(decoded.plan);
  std::vector<std::string> lines;
  for (const auto& problem : decoded.problems)
    lines.push_back(fmt::format("{}: {}", document->where(pointer_of(problem)), problem));
  return Error(ErrorType::plan_invalid, fmt::format("{}", fmt::join(lines, "\n")));
}

bool claims_overlap(std::string_view one, std::string_view other) {
  const auto trimmed = [](std::string_view claim) {
    while (claim.ends_with('/')) claim.remove_suffix(1);
    return claim;
  };
  one = trimmed(one);
  other = trimmed(other);
  if (one.size() > other.size()) std::swap(one, other);
  if (one.empty() || !other.starts_with(one)) return false;
  return one.size() == other.size() || other[one.size()] == '/';
}

}  // namespace dunlin::engine
