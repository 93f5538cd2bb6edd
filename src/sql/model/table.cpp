// Names, order and look-ups of the model; its JSON is in table_json.cpp.
#include "sql/model/table.h"

#include <algorithm>
#include <array>

namespace dunlin::sql::model {
namespace {

std::string name_part(const std::string& part) {
  const bool plain = !part.empty() && !(part.front() >= '0' && part.front() <= '9') &&
                     std::all_of(part.begin(), part.end(), [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
                     });
  if (plain) return part;
  std::string out = "\"";
  for (const char c : part) {
    out.push_back(c);
    if (c == '"') out.push_back(c);
  }
  return out + "\"";
}

template <typename List>
void sort_by_name(List& list) {
  std::stable_sort(list.begin(), list.end(),
                   [](const auto& one, const auto& other) { return one.name < other.name; });
}

}  // namespace

std::string Name::text() const {
  return schema.empty() ? name_part(name) : name_part(schema) + "." + name_part(name);
}

std::string_view to_string(TypeKind kind) {
  constexpr std::array<std::string_view, 22> kNames = {
      "boolean", "integer",   "decimal",  "floating", "text", "bytes", "bits",        "date",
      "time",    "timestamp", "interval", "year",     "uuid", "json",  "enumeration", "set",
      "network", "geometry",  "xml",      "user",     "any",  "other"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::string_view to_string(Action action) {
  constexpr std::array<std::string_view, 5> kNames = {"NO ACTION", "RESTRICT", "CASCADE",
                                                      "SET NULL", "SET DEFAULT"};
  return kNames[static_cast<std::size_t>(action)];
}

std::string_view to_string(TableKind kind) {
  constexpr std::array<std::string_view, 3> kNames = {"ordinary", "partitioned", "virtual"};
  return kNames[static_cast<std::size_t>(kind)];
}

const Column* Table::find_column(std::string_view column) const {
  const auto found = std::find_if(columns.begin(), columns.end(),
                                  [&](const Column& one) { return one.name == column; });
  return found == columns.end() ? nullptr : &*found;
}

void Catalogue::sort() {
  sort_by_name(schemas);
  sort_by_name(types);
  sort_by_name(sequences);
  sort_by_name(tables);
  sort_by_name(views);
  std::stable_sort(routines.begin(), routines.end(), [](const Routine& one, const Routine& other) {
    return std::tie(one.name, one.kind, one.arguments) <
           std::tie(other.name, other.kind, other.arguments);
  });
  std::stable_sort(triggers.begin(), triggers.end(), [](const Trigger& one, const Trigger& other) {
    return std::tie(one.table, one.name) < std::tie(other.table, other.name);
  });
  std::stable_sort(others.begin(), others.end(),
                   [](const OtherObject& one, const OtherObject& other) {
                     return std::tie(one.kind, one.name, one.table) <
                            std::tie(other.kind, other.name, other.table);
                   });
  for (View& view : views) sort_by_name(view.indexes);
  for (Table& table : tables) {
    sort_by_name(table.unique_keys);
    sort_by_name(table.checks);
    sort_by_name(table.foreign_keys);
    sort_by_name(table.native_constraints);
    sort_by_name(table.indexes);
  }
}

const Table* Catalogue::find_table(const Name& name) const {
  const auto found =
      std::lower_bound(tables.begin(), tables.end(), name,
                       [](const Table& table, const Name& wanted) { return table.name < wanted; });
  return found == tables.end() || found->name != name ? nullptr : &*found;
}

std::string object_key(std::string_view kind, const Name& name) {
  return std::string(kind) + " " + name.text();
}

std::string routine_key(const Routine& routine) {
  return object_key("routine", routine.name) + "(" + routine.arguments + ")";
}

}  // namespace dunlin::sql::model
