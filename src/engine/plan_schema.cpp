// See plan_schema.h.
#include "engine/plan_schema.h"

#include "engine/settings_table.h"

namespace dunlin::engine {

namespace {

/// Kind::schema() gives properties by section, or a schema with `properties` and `required`.
Json sections_of(const Json& schema) {
  const Json* properties = find_member(schema, "properties");
  if (properties != nullptr && properties->is_object()) return *properties;
  return schema.is_object() ? schema : Json::object();
}

/// `settings` of a plan of this kind: those of every plan, and its own.
Json settings_of(const Kind& kind) {
  Json out = settings_schema();
  const Json own = own_settings(kind);
  for (const auto& [key, value] : own.items()) out["properties"][key] = value;
  return out;
}

}  // namespace

Json own_settings(const Kind& kind) {
  const Json sections = sections_of(kind.schema());
  const Json* settings = find_member(sections, "settings");
  const Json* properties = settings == nullptr ? nullptr : find_member(*settings, "properties");
  return properties == nullptr ? Json::object() : *properties;
}

Json sections_schema(const Kind& kind) {
  const Json schema = kind.schema();
  Json properties = sections_of(schema);
  properties.erase("settings");
  Json out = {{"type", "object"}, {"properties", std::move(properties)}};
  for (const char* key : {"required", "x-not-built"})
    if (schema.contains("properties") && schema.contains(key)) out[key] = schema[key];
  return out;
}

const Json& common_keys() {
  static const Json keys = [] {
    const Json text = {{"type", {"string", "null"}}};
    Json id = text;
    id["format"] = "uuid";
    Json out = {{"name", text},
                {"description", text},
                {"project_id", text},
                {"id", id},
                {"plan_id", id},
                {"depends_on",
                 {{"type", {"array", "string", "null"}},
                  {"items", {{"type", "string"}, {"format", "uuid"}}}}}};
    const Json settings = settings_schema();
    for (const char* key : {"mode", "execution_type"}) out[key] = settings["properties"][key];
    for (const char* key : {"dry_run", "dry-run"}) out[key] = {{"type", "boolean"}};
    return out;
  }();
  return keys;
}

Json plan_schema(const KindRegistry& kinds) {
  Json names = Json::array();
  Json cases = Json::array();
  Json properties = {{"kind", Json::object()}};
  for (const auto& [key, value] : common_keys().items()) properties[key] = value;
  for (const char* key : {"settings", "config"}) properties[key] = true;
  for (const auto& kind : kinds.all()) {
    const std::string name(kind->name());
    names.push_back(name);
    const Json sections = sections_schema(*kind);
    Json then = {{"properties", sections["properties"]}};
    if (sections.contains("required")) then["required"] = sections["required"];
    for (const auto& [key, value] : sections["properties"].items()) properties[key] = true;
    for (const char* key : {"settings", "config"}) then["properties"][key] = settings_of(*kind);
    // What another kind alone has is unknown to this one.
    cases.push_back(
        {{"if", {{"properties", {{"kind", {{"const", name}}}}}, {"required", {"kind"}}}},
         {"then", std::move(then)}});
  }
  for (std::size_t n = 0; n < cases.size(); ++n) {
    Json& own = cases[n]["then"]["properties"];
    for (const auto& [key, value] : properties.items())
      if (value == Json(true) && !own.contains(key)) own[key] = false;
  }
  properties["kind"] = {{"enum", names}};
  return Json{{"$schema", "https://json-schema.org/draft/2020-12/schema"},
              {"title", "dunlin plan"},
              {"type", "object"},
              {"required", Json::array({"kind"})},
              {"properties", std::move(properties)},
              {"additionalProperties", false},
              {"allOf", std::move(cases)}};
}

}  // namespace dunlin::engine
