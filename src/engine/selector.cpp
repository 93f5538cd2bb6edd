#include "engine/selector.h"

#include <algorithm>
#include <iterator>

#include "base/text.h"

namespace dunlin::engine {
namespace {

struct Key {
  const char* name;
  std::string Selector::* member;
};
constexpr Key kKeys[] = {
    {"path", &Selector::path_glob}, {"entity", &Selector::entity}, {"type", &Selector::type}};

}  // namespace

Json selector_json(const Selector& selector) {
  Json out = Json::object();
  for (const Key& key : kKeys) {
    if (!(selector.*key.member).empty()) out[key.name] = selector.*key.member;
  }
  return out;
}

Result<Selector> selector_from(const Json& json) {
  Selector out;
  if (!json.is_object())
    return Error(ErrorType::invalid_input, R"(a part is named as in {"path": "photos/*"})");
  for (const auto& [name, value] : json.items()) {
    const auto* const key = std::find_if(std::begin(kKeys), std::end(kKeys),
                                         [&](const Key& one) { return name == one.name; });
    if (key == std::end(kKeys) || !value.is_string())
      return Error(ErrorType::invalid_input,
                   "a part is named by path, entity and type, each a text; not by '" +
                       escape_bytes(name) + "'");
    out.*key->member = value.get<std::string>();
  }
  if (out.empty())
    return Error(ErrorType::invalid_input, "a part has to have a path, an entity or a type");
  return out;
}

Result<UndoSelector> undo_selector_from(const Json& json) {
  if (!json.is_object() || json.empty())
    return Error(ErrorType::invalid_input, R"(a part is named as in {"path": "photos/*"})");
  UndoSelector out;
  Json rest = json;
  const auto take = [&](const char* key, auto& id) -> Status {
    const Json* const value = find_member(json, key);
    if (value == nullptr) return success();
    if (!value->is_number_integer() || value->get<std::int64_t>() < 1)
      return Error(ErrorType::invalid_input, std::string(key) + " is a whole number from 1");
    id.value = value->get<std::int64_t>();
    rest.erase(key);
    return success();
  };
  DUNLIN_TRY(take("batch", out.batch));
  DUNLIN_TRY(take("task", out.task));
  DUNLIN_TRY(take("item", out.item));
  if (rest.empty()) return out;
  DUNLIN_ASSIGN(out.of, selector_from(rest));
  return out;
}

bool names_part(const Json& arguments) {
  if (!arguments.is_object()) return false;
  for (const char* key : {"path", "entity", "type", "batch", "task", "held"}) {
    if (arguments.contains(key)) return true;
  }
  return false;
}

std::string selector_flags(const Selector& selector) {
  std::string out;
  for (const Key& key : kKeys) {
    const std::string& value = selector.*key.member;
    if (value.empty()) continue;
    out += (out.empty() ? "--" : " --") + std::string(key.name) + " " + shell_quote(value);
  }
  return out;
}

std::string selector_flags(const UndoSelector& selector) {
  std::string out = selector_flags(selector.of);
  const auto add = [&](const char* flag, const auto& id) {
    if (id.valid())
      out += (out.empty() ? "" : " ") + std::string(flag) + " " + std::to_string(id.value);
  };
  add("--batch", selector.batch);
  add("--task", selector.task);
  add("--item", selector.item);
  return out;
}

}  // namespace dunlin::engine
