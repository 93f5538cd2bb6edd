// Plan documents: decoding with every problem at once, claims.
#include "engine/plan.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/redact.h"
#include "base/text.h"
#include "engine/plan_file.h"
#include "engine/plan_schema.h"
#include "engine/plan_secrets.h"
#include "engine/plan_shape.h"
#include "engine/plan_words.h"
#include "engine/settings_table.h"
#include "engine/written_plan.h"

namespace dunlin::engine {

namespace {

/// Settings that the originals put beside `settings`.
constexpr std::string_view kSettingsAbove[] = {"mode", "execution_type", "dry_run", "dry-run",
                                               "undo_retention"};
/// Of every kind, beside what the kind itself lists.
constexpr std::string_view kNotBuilt[] = {"schedule", "resume_from"};
constexpr std::string_view kUnknown = "unknown key";

/// The value of a key that was to be `kind`; nullptr: there is none.
const Json* misspelt_kind(const Json& document, std::vector<std::string>& problems) {
  for (const auto& [key, value] : document.items()) {
    if (common_keys().contains(key) || meant_word(key, {"kind"}).empty()) continue;
    problems.push_back(
        fmt::format("/{}: unknown key; did you mean kind?", json_pointer_token(key)));
    return &value;
  }
  return nullptr;
}

const Kind* find_kind(const Json& document, const KindRegistry& kinds,
                      std::vector<std::string>& problems) {
  std::vector<std::string> names;
  for (const auto& kind : kinds.all()) names.emplace_back(kind->name());
  const std::string list = fmt::format("{}", fmt::join(names, ", "));
  const Json* value = find_member(document, "kind");
  if (value == nullptr) value = misspelt_kind(document, problems);
  if (value == nullptr || value->is_null()) {
    problems.push_back(fmt::format("/kind: is {}; write kind: and one of {}",
                                   value == nullptr ? "missing" : "empty", list));
    return nullptr;
  }
  if (!value->is_string()) {
    problems.push_back(fmt::format("/kind: must be one of {}, not {}", list, shown_value(*value)));
    return nullptr;
  }
  const auto& name = value->get_ref<const std::string&>();
  if (const Kind* kind = kinds.find(name)) return kind;
  const std::string meant = meant_word(name, names);
  problems.push_back(
      fmt::format("/kind: there is no kind {}; {}", shown_value(*value),
                  meant.empty() ? "write one of " + list : "did you mean " + meant + "?"));
  return nullptr;
}

/// Keys and types, by the same schema that is published; settings are looked at by their table.
void check_sections(const Json& document, const Kind& kind, std::vector<std::string>& problems) {
  Json schema = sections_schema(kind);
  for (const auto& [key, value] : common_keys().items()) schema["properties"][key] = true;
  for (const char* key : {"kind", "settings", "config"}) schema["properties"][key] = true;
  schema["additionalProperties"] = false;
  for (const auto key : kNotBuilt) schema["x-not-built"].push_back(std::string(key));
  check_shape(document, schema, "", problems);
  const Json own = own_settings(kind);
  for (const char* section : {"settings", "config"})
    if (const Json* settings = find_member(document, section))
      for (const auto& [key, part] : own.items())
        if (const Json* value = find_member(*settings, key))
          check_shape(*value, part, fmt::format("/{}/{}", section, key), problems);
}

void read_text(const Json& document, std::string_view key, std::string& to,
               std::vector<std::string>& problems) {
  const Json* value = find_member(document, key);
  if (value == nullptr || value->is_null()) return;
  if (value->is_string()) {
    to = value->get<std::string>();
    return;
  }
  const bool scalar = value->is_number() || value->is_boolean();
  problems.push_back(fmt::format(
      "/{}: must be text, not {}{}", key, shown_value(*value),
      scalar ? fmt::format("; write {}: \"{}\"", key, dump_json(*value)) : std::string()));
}

void read_id(const Json& document, Plan& plan, std::vector<std::string>& problems) {
  for (const std::string_view key : {"id", "plan_id"}) {
    std::string text;
    read_text(document, key, text, problems);
    if (text.empty()) continue;
    if (const auto id = parse_uuid(text))
      plan.id = PlanId(*id);
    else
      problems.push_back(fmt::format(
          "/{}: must be a UUID, not \"{}\"; leave it out for a new one, and write name: {} for a "
          "name of your own",
          key, printable(text), printable(dump_json(text))));
  }
}

void read_depends_on(const Json& document, Plan& plan, std::vector<std::string>& problems) {
  const Json* value = find_member(document, "depends_on");
  if (value == nullptr || value->is_null()) return;
  const Json list = value->is_array() ? *value : Json::array({*value});
  for (std::size_t n = 0; n < list.size(); ++n) {
    const std::string at = value->is_array() ? fmt::format("/depends_on/{}", n) : "/depends_on";
    const std::string id = list[n].is_string() ? list[n].get<std::string>() : "";
    if (!parse_uuid(id))
      problems.push_back(fmt::format(
          "{}: must be the id of a plan or an execution, not {}; `dunlin plan list` and "
          "`dunlin ps --all --json` show them",
          at, shown_value(list[n])));
    else if (plan.id.valid() && id == plan.id.value)
      problems.push_back(at +
                         ": names this plan itself, which cannot wait for itself; take it out");
    else
      plan.depends_on.push_back(id);
  }
}

Json read_settings(const Json& document, const Kind* kind, std::vector<std::string>& problems) {
  std::vector<std::string> foreign;
  const Json own = kind == nullptr ? Json::object() : own_settings(*kind);
  for (const auto& [key, value] : own.items()) foreign.push_back(key);
  Json above = Json::object();
  for (const auto key : kSettingsAbove)
    if (const Json* value = find_member(document, key)) above[std::string(key)] = *value;
  const SettingsSource sources[] = {{"", &above},
                                    {"/settings", find_member(document, "settings")},
                                    {"/config", find_member(document, "config")}};
  Json canonical = canonical_settings(sources, problems, foreign);
  for (const auto& key : foreign)
    for (const char* section : {"config", "settings"})
      if (const Json* settings = find_member(document, section))
        if (const Json* value = find_member(*settings, key)) canonical[key] = *value;
  return canonical;
}

PlanProblem problem_of(const std::string& line) {
  PlanProblem out;
  const std::size_t colon = line.find(": ");
  if (line.starts_with('/') && colon != std::string::npos) out.pointer = line.substr(0, colon);
  out.message = out.pointer.empty() ? line : line.substr(colon + 2);
  out.suggestion = suggestion_in(out.message);
  return out;
}

bool is_at_or_below(const std::string& pointer, const std::string& above) {
  return !above.empty() && pointer.starts_with(above) &&
         (pointer.size() == above.size() || pointer[above.size()] == '/');
}

/// Where a key that is unknown at its place would be known: "strategy"; empty: nowhere else.
std::string right_section(const std::string& pointer, const Kind& kind) {
  const std::string key = last_key(pointer);
  const std::string section = key_text(parent_of(pointer));
  const Json schema = sections_schema(kind);
  for (const auto& [name, part] : schema["properties"].items()) {
    const Json* properties = part.is_object() ? find_member(part, "properties") : nullptr;
    if (name != section && properties != nullptr && properties->contains(key)) return name;
  }
  if (section == "settings" || section.starts_with("settings.") || section == "config") {
    const bool above = common_keys().contains(key) || schema["properties"].contains(key);
    return above ? "(top)" : "";
  }
  if (own_settings(kind).contains(key)) return "settings";
  for (const auto& info : setting_infos()) {
    if (info.path == key ||
        std::find(info.aliases.begin(), info.aliases.end(), key) != info.aliases.end())
      return "settings";
    const std::size_t dot = info.path.find('.');
    if (dot != std::string_view::npos && info.path.substr(0, dot) == key) return "settings";
    if (dot != std::string_view::npos && info.path.substr(dot + 1) == key)
      return "settings." + std::string(info.path.substr(0, dot));
  }
  return "";
}

/// A known key in the wrong place is told its place.
void tell_place(PlanProblem& problem, const Kind& kind) {
  if (!problem.message.starts_with(kUnknown)) return;
  const std::string right = right_section(problem.pointer, kind);
  if (right.empty()) return;
  const std::string here = key_text(parent_of(problem.pointer));
  const std::string key = last_key(problem.pointer);
  const std::string there = right == "(top)" ? "at the top of the plan" : "below " + right;
  problem.suggestion = right == "(top)" ? key : right + "." + key;
  problem.message = fmt::format("stands {} but belongs {}; move it there",
                                here.empty() ? "at the top of the plan" : "below " + here, there);
}

/// Each mistake once: what is said of a key covers what is said of the same one, of what is below
/// it, and of the key that it should have been.
std::vector<PlanProblem> without_echoes(std::vector<PlanProblem> all) {
  std::vector<PlanProblem> first;  // the shape's before the kind's
  for (auto& problem : all) {
    const auto same = [&](const PlanProblem& other) { return other.pointer == problem.pointer; };
    if (problem.pointer.empty() || std::none_of(first.begin(), first.end(), same))
      first.push_back(std::move(problem));
  }
  std::vector<PlanProblem> out;
  for (const auto& problem : first) {
    const auto covers = [&](const PlanProblem& other) {
      if (other.pointer == problem.pointer) return false;
      return is_at_or_below(problem.pointer, other.pointer) ||
             (!other.suggestion.empty() && other.message.starts_with(kUnknown) &&
              is_at_or_below(problem.pointer, parent_of(other.pointer) + "/" +
                                                  json_pointer_token(other.suggestion)));
    };
    if (std::none_of(first.begin(), first.end(), covers)) out.push_back(problem);
  }
  return out;
}

std::string no_table(const Json& document) {
  constexpr std::string_view kNeeds =
      "write it as KEY: VALUE, a line each, beginning with kind: files";
  if (document.is_null()) return fmt::format("the plan is empty; {}", kNeeds);
  if (document.is_string() && document.get_ref<const std::string&>().starts_with("dunlin "))
    return "this is a command line, not a plan; type it, or write a plan that begins with kind: "
           "files";
  return fmt::format("a plan is a table of keys, not {}; {}",
                     document.is_string() ? "text" : shown_value(document), kNeeds);
}

}  // namespace

std::string PlanProblem::key() const {
  return redact(key_text(pointer));  // a line that lacks its blank makes a key of an address
}

DecodedPlan decode_document(const Json& given, const KindRegistry& kinds, bool written) {
  const Json document = without_secrets(given);
  DecodedPlan out;
  Plan& plan = out.plan;
  if (!document.is_object()) {
    out.problems.push_back(problem_of(no_table(document)));
    return out;
  }
  std::vector<std::string> problems;
  const Kind* kind = find_kind(document, kinds, problems);
  if (kind != nullptr) check_sections(document, *kind, problems);
  read_id(document, plan, problems);
  for (const std::string_view key : {"description", "project_id"}) {
    std::string ignored;
    read_text(document, key, ignored, problems);
  }
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
    const auto* places = dynamic_cast<const WrittenPlans*>(kind);
    if (written && places != nullptr)
      for (auto& problem : places->check_places(plan.document))
        problems.push_back(std::move(problem));
    std::vector<std::string> ignored;
    own = canonical_settings(std::vector<SettingsSource>{{"/settings", &settings}}, ignored);
  }
  if (auto decoded = decode_settings(own, problems); decoded.ok())
    plan.settings = std::move(decoded).value();
  for (const auto& line : problems) out.problems.push_back(problem_of(line));
  if (kind != nullptr)
    for (auto& problem : out.problems) tell_place(problem, *kind);
  out.problems = without_echoes(std::move(out.problems));
  return out;
}

Result<Plan> decode_plan(const Json& document, const KindRegistry& kinds) {
  auto decoded = decode_document(document, kinds);
  if (decoded.problems.empty()) return std::move(decoded.plan);
  std::vector<std::string> lines;
  for (const auto& problem : decoded.problems) {
    const std::string key = problem.key();
    lines.push_back(key + (key.empty() ? "" : ": ") + problem.message);
  }
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
