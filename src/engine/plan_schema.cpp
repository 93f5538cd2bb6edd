// See plan_schema.h.
#include "engine/plan_schema.h"

#include <algorithm>

#include "engine/settings_table.h"

namespace dunlin::engine {

namespace {

/// Kind::schema() gives properties by section.
Json sections_of(const Kind& kind) {
  Json schema = kind.schema();
  if (const Json* properties = find_member(schema, "properties");
      properties != nullptr && properties->is_object())
    return *properties;
  return schema.is_object() ? schema : Json::object();
}

}  // namespace

std::vector<std::string> kind_sections(const Kind& kind) {
  std::vector<std::string> out = {"source", "destination", "strategy"};
  const Json sections = sections_of(kind);
  for (const auto& [key, value] : sections.items())
    if (std::find(out.begin(), out.end(), key) == out.end()) out.push_back(key);
  return out;
}

Json plan_schema(const KindRegistry& kinds) {
  Json names = Json::array();
  Json cases = Json::array();
  Json keys = {{"source", true}, {"destination", true}, {"strategy", true}};
  for (const auto& kind : kinds.all()) {
    const std::string name(kind->name());
    names.push_back(name);
    Json sections = sections_of(*kind);
    for (const auto& [key, value] : sections.items()) keys[key] = true;
    sections.erase("settings");
    cases.push_back({{"if", {{"properties", {{"kind", {{"const", name}}}}}}},
                     {"then", {{"properties", std::move(sections)}}}});
  }
  const Json text = {{"type", "string"}};
  Json properties = {{"kind", {{"enum", names}}},
                     {"name", text},
                     {"description", text},
                     {"id", {{"type", "string"}, {"format", "uuid"}}},
                     {"depends_on", {{"type", "array"}, {"items", text}}},
                     {"settings", settings_schema()},
                     {"config", {{"description", "the same as settings"}}}};
  for (const std::string key : {"plan_id", "project_id", "mode", "execution_type"})
    properties[key] = text;
  properties["dry_run"] = {{"type", "boolean"}};
  for (const auto& [key, value] : keys.items())
    if (!properties.contains(key)) properties[key] = value;
  return Json{{"$schema", "https://json-schema.org/draft/2020-12/schema"},
              {"title", "dunlin plan"},
              {"type", "object"},
              {"required", Json::array({"kind"})},
              {"properties", std::move(properties)},
              {"additionalProperties", false},
              {"allOf", std::move(cases)}};
}

}  // namespace dunlin::engine
