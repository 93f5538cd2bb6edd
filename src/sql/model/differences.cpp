// Works on the canonical JSON: one way for every kind of object, and for old readings too.
#include "sql/model/differences.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <fmt/format.h>

#include "base/json.h"

namespace dunlin::sql::model {
namespace {

constexpr std::size_t kShown = 120;  // characters of a value in a message

struct Part {
  const char* member;
  std::string_view kind;
};
constexpr std::array kLists = {
    Part{"schemas", "schema"},   Part{"types", "type"},   Part{"sequences", "sequence"},
    Part{"tables", "table"},     Part{"views", "view"},   Part{"routines", "routine"},
    Part{"triggers", "trigger"}, Part{"others", "other"},
};
constexpr std::array kParts = {
    Part{"columns", "column"},
    Part{"unique_keys", "unique key"},
    Part{"checks", "check"},
    Part{"foreign_keys", "foreign key"},
    Part{"native_constraints", "constraint"},
    Part{"indexes", "index"},
};

struct Entry {
  Json json;
  std::string parent;  ///< name of the table or view that it is a part of
};
using EntryKey = std::pair<std::string, std::string>;
using Entries = std::map<EntryKey, Entry>;

Name name_in(const Json& json) {
  return {string_or(json, "schema", ""), string_or(json, "name", "")};
}

std::string object_name(const Json& json, std::string_view kind) {
  std::string name = name_in(json).text();
  if (kind == "routine") name += "(" + string_or(json, "arguments", "") + ")";
  if (kind == "trigger")
    if (const Json* const table = find_member(json, "table"))
      name = name_in(*table).text() + "." + name;
  return name;
}

/// Constraints of SQLite often have no name: then they are what they say.
std::string part_name(const std::string& parent, const Json& json) {
  const std::string name = string_or(json, "name", "");
  return parent + "." + (name.empty() ? dump_json(json) : Name{"", name}.text());
}

void put(Entries& entries, const std::string& kind, std::string name, Entry entry) {
  const std::string first = name;
  for (int i = 2; entries.contains({kind, name}); ++i) name = fmt::format("{} #{}", first, i);
  entries.emplace(EntryKey{kind, std::move(name)}, std::move(entry));
}

void put_object(Entries& entries, std::string_view list_kind, Json json) {
  const std::string kind =
      list_kind == "other" ? string_or(json, "kind", "other") : std::string(list_kind);
  const std::string name = object_name(json, list_kind);
  Json rest = Json::object();
  Json column_order = Json::array();
  for (auto& [key, value] : json.items()) {
    if (key == "depends_on") continue;  // it follows from the rest
    bool taken = false;
    for (const Part& part : kParts) {
      if (key != part.member || !value.is_array() || value.empty() || !value[0].is_object())
        continue;
      for (Json& one : value) {
        if (part.kind == "column") column_order.push_back(string_or(one, "name", ""));
        std::string one_name = part_name(name, one);
        put(entries, std::string(part.kind), std::move(one_name), {std::move(one), name});
      }
      taken = true;
    }
    if (key == "primary_key") {
      put(entries, "primary key", name, {std::move(value), name});
      taken = true;
    }
    if (!taken) rest[key] = std::move(value);
  }
  if (!column_order.empty()) rest["column_order"] = std::move(column_order);
  put(entries, kind, name, {std::move(rest), ""});
}

Entries entries_of(const Json& catalogue) {
  Entries entries;
  for (const Part& list : kLists)
    if (const Json* const objects = find_member(catalogue, list.member))
      for (const Json& object : *objects) put_object(entries, list.kind, object);
  Json rest = Json::object();
  for (const char* const member : {"dialect", "options"})
    if (const Json* const value = find_member(catalogue, member)) rest[member] = *value;
  put(entries, "catalogue", "", {std::move(rest), ""});
  return entries;
}

std::string shown(const Json* value) {
  if (value == nullptr) return "none";
  std::string text = value->is_string() ? value->get<std::string>() : dump_json(*value);
  if (text == "true") text = "yes";
  if (text.size() <= kShown) return text;
  std::size_t end = kShown;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end) + "…";
}

/// Only columns that both have count: one that was added is told by itself.
Json common_order(const Json& own, const Json& other) {
  std::set<std::string> there;
  for (const Json& name : other) there.insert(name.get<std::string>());
  Json out = Json::array();
  for (const Json& name : own)
    if (there.contains(name.get<std::string>())) out.push_back(name);
  return out;
}

void compare(const Json* before, const Json* after, const std::string& path, std::string& what);

void compare_objects(const Json& before, const Json& after, const std::string& path,
                     std::string& what) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : before.items()) keys.push_back(key);
  for (const auto& [key, value] : after.items())
    if (find_member(before, key) == nullptr) keys.push_back(key);
  for (const std::string& key : keys)
    compare(find_member(before, key), find_member(after, key),
            path.empty() ? key : path + "." + key, what);
}

void compare(const Json* before, const Json* after, const std::string& path, std::string& what) {
  if (before != nullptr && after != nullptr && *before == *after) return;
  const bool both = before != nullptr && after != nullptr;
  if (path == "column_order" && both) {
    if (common_order(*before, *after) == common_order(*after, *before)) return;
  } else if (both && before->is_object() && after->is_object()) {
    const std::string native = string_or(*before, "native", "");
    if (path == "type" && native != string_or(*after, "native", "")) {
      what += (what.empty() ? "" : "; ") + ("type: " + native) + " → " +
              string_or(*after, "native", "");
      return;
    }
    compare_objects(*before, *after, path, what);
    return;
  }
  what += (what.empty() ? "" : "; ") + path + ": " + shown(before) + " → " + shown(after);
}

}  // namespace

std::string_view to_string(Change change) {
  constexpr std::array<std::string_view, 3> kNames = {"added", "changed", "dropped"};
  return kNames[static_cast<std::size_t>(change)];
}

std::string Difference::line() const {
  std::string out = kind + (name.empty() ? "" : " " + name) + ": " + std::string(to_string(change));
  return what.empty() ? out : out + ": " + what;
}

std::vector<Difference> differences(const Json& before, const Json& after) {
  const Entries old_entries = entries_of(before);
  const Entries new_entries = entries_of(after);
  const auto parent_is_in = [](const Entry& entry, const Entries& entries) {
    return entry.parent.empty() || entries.contains({"table", entry.parent}) ||
           entries.contains({"view", entry.parent});
  };
  std::vector<Difference> found;
  for (const auto& [key, entry] : old_entries) {
    const auto now = new_entries.find(key);
    if (now == new_entries.end()) {
      if (parent_is_in(entry, new_entries))
        found.push_back({key.first, key.second, Change::dropped, ""});
      continue;
    }
    std::string what;
    compare_objects(entry.json, now->second.json, "", what);
    if (!what.empty()) found.push_back({key.first, key.second, Change::changed, what});
  }
  for (const auto& [key, entry] : new_entries)
    if (!old_entries.contains(key) && parent_is_in(entry, old_entries))
      found.push_back({key.first, key.second, Change::added, ""});
  std::sort(found.begin(), found.end(), [](const Difference& one, const Difference& other) {
    return std::tie(one.kind, one.name, one.change) <
           std::tie(other.kind, other.name, other.change);
  });
  return found;
}

std::vector<Difference> differences(const Catalogue& before, const Catalogue& after) {
  return differences(to_json(before), to_json(after));
}

}  // namespace dunlin::sql::model
