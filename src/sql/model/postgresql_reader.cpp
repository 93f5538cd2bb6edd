// The catalogue of PostgreSQL (pg_catalog), version 15 and up; see read_catalogue.h.
//
// Read with an empty search_path and fixed formats, so that the server writes every name in full
// and every constant alike, whoever asks; in a transaction of the caller's they are put back.
#include <array>
#include <map>
#include <set>

#include "base/json.h"
#include "sql/model/postgresql_queries.h"
#include "sql/model/readers.h"
#include "sql/model/types.h"

namespace dunlin::sql::model {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kFormats = {
    {{"search_path", ""},
     {"DateStyle", "ISO, YMD"},
     {"IntervalStyle", "postgres"},
     {"TimeZone", "UTC"},
     {"extra_float_digits", "1"},
     {"quote_all_identifiers", "off"}}};

std::string array_literal(const std::vector<std::string>& values) {
  std::string out = "{";
  for (const std::string& value : values) {
    if (out.size() > 1) out += ',';
    out += '"';
    for (const char c : value) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  return out + "}";
}

Result<std::vector<std::string>> names_from_json(const std::string& text) {
  std::vector<std::string> names;
  if (text.empty()) return names;
  DUNLIN_ASSIGN(const Json array, parse_json(text, "names of the catalogue"));
  for (const Json& one : array)
    if (const auto* const name = one.get_ptr<const std::string*>()) names.push_back(*name);
  return names;
}

Action action_of(const std::string& code) {
  if (code == "r") return Action::restricted;
  if (code == "c") return Action::cascade;
  if (code == "n") return Action::set_null;
  return code == "d" ? Action::set_default : Action::no_action;
}

class PostgresqlReader {
 public:
  PostgresqlReader(Connection& connection, const Scope& scope, const Call& call)
      : connection_(connection), scope_(scope), call_(call) {
    catalogue_.dialect = Dialect::postgresql;
  }

  Result<Catalogue> read() {
    DUNLIN_TRY(read_schemas());
    DUNLIN_TRY(read_types());
    DUNLIN_TRY(read_relations());
    DUNLIN_TRY(read_columns());
    DUNLIN_TRY(read_inheritance());
    DUNLIN_TRY(read_indexes());
    DUNLIN_TRY(read_constraints());
    DUNLIN_TRY(read_sequences());
    DUNLIN_TRY(read_routines());
    DUNLIN_TRY(read_triggers());
    DUNLIN_TRY(read_others());
    DUNLIN_TRY(read_dependencies());
    return std::move(catalogue_);
  }

 private:
  template <typename Each>
  Status each(std::string_view sql, Each one) {
    const std::array parameters = {Parameter(schema_oids_)};
    return each_row(connection_, sql, call_, parameters, one);
  }
  Table* table_of(const std::string& oid) {
    const auto found = tables_.find(oid);
    return found == tables_.end() ? nullptr : &catalogue_.tables[found->second];
  }
  View* view_of(const std::string& oid) {
    const auto found = views_.find(oid);
    return found == views_.end() ? nullptr : &catalogue_.views[found->second];
  }

  Status read_schemas();
  Status read_types();
  Status read_relations();
  void add_table(const Row& row, Name name);
  Status read_columns();
  Status read_inheritance();
  Status read_indexes();
  Status read_constraints();
  Status read_constraint(const Row& row, Table& table);
  Status read_sequences();
  Status read_routines();
  Status read_triggers();
  Status read_others();
  Status read_dependencies();

  Connection& connection_;
  const Scope& scope_;
  const Call& call_;
  Catalogue catalogue_;
  std::string schema_oids_;
  std::map<std::string, std::size_t> tables_;  ///< by oid
  std::map<std::string, std::size_t> views_;
  std::set<std::string> left_out_;
  std::map<std::string, Index> constraint_indexes_;
  std::map<std::string, std::string> keys_;  ///< "c16384" → "table public.t"
};

Status PostgresqlReader::read_schemas() {
  std::vector<std::string> oids;
  const std::array parameters = {Parameter(array_literal(scope_.schemas))};
  DUNLIN_TRY(each_row(connection_, ask::kSchemas, call_, parameters, [&](const Row& row) {
    oids.push_back(row.text(0));
    catalogue_.schemas.push_back({row.text(1), row.text(2)});
    return success();
  }));
  for (const std::string& wanted : scope_.schemas) {
    const bool there = std::any_of(catalogue_.schemas.begin(), catalogue_.schemas.end(),
                                   [&](const Schema& one) { return one.name == wanted; });
    if (!there) return Error(ErrorType::not_found, "there is no schema " + Name{"", wanted}.text());
  }
  schema_oids_ = array_literal(oids);
  return success();
}

Status PostgresqlReader::read_types() {
  return each(ask::kTypes, [&](const Row& row) -> Status {
    static const std::map<std::string, std::string> kinds = {
        {"e", "enum"}, {"d", "domain"}, {"c", "composite"}, {"r", "range"}};
    UserType type;
    type.name = {row.text(1), row.text(2)};
    type.kind = kinds.at(row.text(3));
    DUNLIN_ASSIGN(type.labels, names_from_json(row.text(4)));
    type.definition = row.text(5);
    type.comment = row.text(6);
    keys_["t" + row.text(0)] = object_key("type", type.name);
    catalogue_.types.push_back(std::move(type));
    return success();
  });
}

void PostgresqlReader::add_table(const Row& row, Name name) {
  const std::string oid = row.text(0);
  Table table;
  table.name = std::move(name);
  if (row.text(3) == "p") {
    table.kind = TableKind::partitioned;
    table.partition_by = row.text(7);
  }
  if (row.text(4) == "u") table.options["unlogged"] = "yes";
  if (!row.text(5).empty()) table.options["with"] = row.text(5);
  table.partition_bound = row.text(8);
  table.comment = row.text(9);
  table.size = {row.number(10), row.number(11)};
  if (row.flag(12)) table.options["row_security"] = "yes";
  if (row.flag(13)) table.options["force_row_security"] = "yes";
  if (row.text(14) == "f") table.options["replica_identity"] = "FULL";
  if (row.text(14) == "n") table.options["replica_identity"] = "NOTHING";
  if (const std::string method = row.text(15); !method.empty() && method != "heap")
    table.options["using"] = method;
  keys_["c" + oid] = object_key("table", table.name);
  tables_[oid] = catalogue_.tables.size();
  catalogue_.tables.push_back(std::move(table));
}

Status PostgresqlReader::read_relations() {
  return each(ask::kRelations, [&](const Row& row) -> Status {
    Name name{row.text(1), row.text(2)};
    if (holds(scope_.left_out_tables, name.name)) {
      left_out_.insert(row.text(0));
      return success();
    }
    const std::string kind = row.text(3);
    if (kind == "f") {
      catalogue_.others.push_back({"foreign table", std::move(name), std::nullopt, "", {}});
    } else if (kind == "v" || kind == "m") {
      if (row.is_null(16)) return success();  // dropped meanwhile
      View view;
      view.name = std::move(name);
      view.materialized = kind == "m";
      view.definition = row.text(16);
      while (!view.definition.empty() &&
             (view.definition.back() == ';' || view.definition.back() == '\n'))
        view.definition.pop_back();
      if (!row.text(5).empty()) view.options["with"] = row.text(5);
      view.comment = row.text(9);
      keys_["c" + row.text(0)] = object_key("view", view.name);
      views_[row.text(0)] = catalogue_.views.size();
      catalogue_.views.push_back(std::move(view));
    } else {
      add_table(row, std::move(name));
    }
    return success();
  });
}

/// What a sequence has unless told otherwise: CREATE SEQUENCE.
std::pair<std::int64_t, std::int64_t> usual_bounds(const std::string& type,
                                                   std::int64_t increment) {
  std::int64_t top = INT64_MAX;
  if (type == "integer") top = INT32_MAX;
  if (type == "smallint") top = INT16_MAX;
  return increment > 0 ? std::pair{std::int64_t{1}, top} : std::pair{-top - 1, std::int64_t{-1}};
}

Identity identity_of(const Row& row) {
  Identity identity;
  identity.always = row.text(7) == "a";
  identity.sequence = row.text(13);
  identity.start = row.number(14);
  identity.increment = row.number(15);
  const auto [minimum, maximum] = usual_bounds(row.text(20), identity.increment);
  if (row.number(16) != minimum) identity.minimum = row.number(16);
  if (row.number(17) != maximum) identity.maximum = row.number(17);
  identity.cache = row.number(18);
  identity.cycle = row.flag(19);
  return identity;
}

Column column_of(const Row& row) {
  Column column;
  column.name = row.text(1);
  column.type = type_from_text(Dialect::postgresql, row.text(2));
  if (!column.type.name.empty() && row.text(3) == "e") column.type.kind = TypeKind::enumeration;
  if (!column.type.name.empty() && (row.text(3) == "d" || row.text(3) == "c"))
    column.type.kind = TypeKind::user;
  column.nullable = !row.flag(4);
  if (row.text(6).empty()) {
    if (!row.is_null(5)) column.default_expression = row.text(5);
  } else {
    column.generated = Generated{row.text(5), row.text(6) == "s"};
  }
  if (!row.text(7).empty()) column.identity = identity_of(row);
  column.collation = row.text(8);
  column.comment = row.text(9);
  column.inherited = !row.flag(10);
  if (!row.text(11).empty()) column.options["storage"] = row.text(11);
  if (!row.text(12).empty()) column.options["compression"] = row.text(12);
  return column;
}

Status PostgresqlReader::read_columns() {
  return each(ask::kColumns, [&](const Row& row) -> Status {
    if (Table* const table = table_of(row.text(0)))
      table->columns.push_back(column_of(row));
    else if (View* const view = view_of(row.text(0)))
      view->columns.push_back(row.text(1));
    return success();
  });
}

Status PostgresqlReader::read_inheritance() {
  const Status read =
      each_row(connection_, ask::kInheritance, call_, {}, [&](const Row& row) -> Status {
        Table* const table = table_of(row.text(0));
        if (table == nullptr) return success();
        Name parent{row.text(1), row.text(2)};
        if (table->partition_bound.empty())
          table->inherits.push_back(std::move(parent));
        else
          table->partition_of = std::move(parent);
        return success();
      });
  // A partition has all of its columns itself once it is attached, as pg_dump does it too.
  for (Table& table : catalogue_.tables)
    if (table.partition_of)
      for (Column& column : table.columns) column.inherited = false;
  return read;
}

Result<KeyPart> part_of(const Json& json) {
  KeyPart part;
  part.column = string_or(json, "column", "");
  part.expression = string_or(json, "expression", "");
  part.operator_class = string_or(json, "class", "");
  part.collation = string_or(json, "collation", "");
  if (!boolean_or(json, "ordered", false)) return part;
  part.descending = boolean_or(json, "descending", false);
  const bool nulls_first = boolean_or(json, "nulls_first", false);
  if (nulls_first != part.descending) part.nulls_first = nulls_first;
  return part;
}

Status PostgresqlReader::read_indexes() {
  return each(ask::kIndexes, [&](const Row& row) -> Status {
    Table* const table = table_of(row.text(0));
    View* const view = view_of(row.text(0));
    if (row.flag(12) || (table == nullptr && view == nullptr)) return success();
    Index index;
    index.name = row.text(2);
    index.method = row.text(3);
    index.unique = row.flag(4);
    index.valid = row.flag(5);
    index.nulls_not_distinct = row.flag(6);
    index.predicate = row.text(7);
    DUNLIN_ASSIGN(const Json parts, parse_json(row.text(8), "index " + index.name));
    for (const Json& json : parts) {
      DUNLIN_ASSIGN(KeyPart part, part_of(json));
      index.parts.push_back(std::move(part));
    }
    DUNLIN_ASSIGN(index.included, names_from_json(row.text(9)));
    if (!row.text(10).empty()) index.options["with"] = row.text(10);
    index.comment = row.text(11);
    if (row.flag(13) && table != nullptr)
      table->options["replica_identity"] = "USING INDEX " + Name{"", index.name}.text();
    if (row.flag(14)) index.options["clustered"] = "yes";
    if (row.flag(15))
      constraint_indexes_[row.text(1)] = std::move(index);
    else
      (table != nullptr ? table->indexes : view->indexes).push_back(std::move(index));
    return success();
  });
}

Status PostgresqlReader::read_constraint(const Row& row, Table& table) {
  const std::string kind = row.text(2);
  const bool local = row.flag(15) || table.partition_of.has_value();
  if (kind == "p" || kind == "u") {
    const auto found = constraint_indexes_.find(row.text(19));
    if (found == constraint_indexes_.end()) return success();  // of a partition, by its parent
    const Index& index = found->second;
    Key key;
    key.name = row.text(1);
    key.parts = index.parts;
    key.included = index.included;
    key.deferrable = row.flag(11);
    key.initially_deferred = row.flag(12);
    key.nulls_not_distinct = index.nulls_not_distinct;
    key.comment = row.text(18);
    key.options = index.options;
    if (kind == "p")
      table.primary_key = std::move(key);
    else
      table.unique_keys.push_back(std::move(key));
  } else if (kind == "c" && local) {
    table.checks.push_back({row.text(1), row.text(16), row.flag(13), row.flag(14), row.text(18)});
  } else if (kind == "x") {
    table.native_constraints.push_back({row.text(1), row.text(17), row.text(18)});
  } else if (kind == "f") {
    ForeignKey key;
    key.name = row.text(1);
    DUNLIN_ASSIGN(key.columns, names_from_json(row.text(3)));
    key.referenced = {row.text(4), row.text(5)};
    DUNLIN_ASSIGN(key.referenced_columns, names_from_json(row.text(6)));
    key.on_update = action_of(row.text(7));
    key.on_delete = action_of(row.text(8));
    key.match_full = row.text(9) == "f";
    DUNLIN_ASSIGN(key.set_columns, names_from_json(row.text(10)));
    key.deferrable = row.flag(11);
    key.initially_deferred = row.flag(12);
    key.validated = row.flag(13);
    key.comment = row.text(18);
    table.foreign_keys.push_back(std::move(key));
  }
  return success();
}

Status PostgresqlReader::read_constraints() {
  return each(ask::kConstraints, [&](const Row& row) -> Status {
    Table* const table = table_of(row.text(0));
    return table == nullptr ? success() : read_constraint(row, *table);
  });
}

Status PostgresqlReader::read_sequences() {
  return each(ask::kSequences, [&](const Row& row) -> Status {
    Sequence sequence;
    sequence.name = {row.text(0), row.text(1)};
    sequence.type = row.text(2);
    sequence.start = row.number(3);
    sequence.increment = row.number(4);
    sequence.minimum = row.number(5);
    sequence.maximum = row.number(6);
    sequence.cache = row.number(7);
    sequence.cycle = row.flag(8);
    if (!row.is_null(10)) {
      sequence.owner = Name{row.text(9), row.text(10)};
      sequence.owner_column = row.text(11);
      if (holds(scope_.left_out_tables, sequence.owner->name)) return success();
    }
    sequence.comment = row.text(12);
    catalogue_.sequences.push_back(std::move(sequence));
    return success();
  });
}

Status PostgresqlReader::read_routines() {
  return each(ask::kRoutines, [&](const Row& row) -> Status {
    Routine routine;
    routine.name = {row.text(1), row.text(2)};
    routine.arguments = row.text(4);
    if (row.text(3) == "a") {
      routine.name.name += "(" + routine.arguments + ")";
      catalogue_.others.push_back({"aggregate", routine.name, std::nullopt, "", {}});
      return success();
    }
    if (row.is_null(5)) return success();  // dropped meanwhile
    routine.kind = row.text(3) == "p" ? "procedure" : "function";
    routine.definition = row.text(5);
    while (routine.definition.ends_with('\n')) routine.definition.pop_back();
    routine.comment = row.text(6);
    keys_["p" + row.text(0)] = routine_key(routine);
    catalogue_.routines.push_back(std::move(routine));
    return success();
  });
}

Status PostgresqlReader::read_triggers() {
  return each(ask::kTriggers, [&](const Row& row) -> Status {
    const Table* const table = table_of(row.text(0));
    const View* const view = view_of(row.text(0));
    if ((table == nullptr && view == nullptr) || row.is_null(2)) return success();
    Trigger trigger;
    trigger.name = row.text(1);
    trigger.table = table != nullptr ? table->name : view->name;
    trigger.definition = row.text(2);
    if (row.text(3) == "D") trigger.options["enabled"] = "DISABLE";
    if (row.text(3) == "R") trigger.options["enabled"] = "ENABLE REPLICA";
    if (row.text(3) == "A") trigger.options["enabled"] = "ENABLE ALWAYS";
    if (!row.text(4).empty()) trigger.options["comment"] = row.text(4);
    catalogue_.triggers.push_back(std::move(trigger));
    return success();
  });
}

Status PostgresqlReader::read_others() {
  return each(ask::kOthers, [&](const Row& row) -> Status {
    if (left_out_.contains(row.text(1))) return success();
    OtherObject other;
    other.kind = row.text(0);
    other.name = {row.text(2), row.text(3)};
    if (const Table* const table = table_of(row.text(1))) other.table = table->name;
    if (const View* const view = view_of(row.text(1))) other.table = view->name;
    other.definition = row.text(4);
    catalogue_.others.push_back(std::move(other));
    return success();
  });
}

Status PostgresqlReader::read_dependencies() {
  std::map<std::string, std::vector<std::string>> needs;  // by key of what needs
  DUNLIN_TRY(each_row(connection_, ask::kDependencies, call_, {}, [&](const Row& row) -> Status {
    const auto object = keys_.find(row.text(0) + row.text(1));
    const auto needed = keys_.find(row.text(2) + row.text(3));
    if (object != keys_.end() && needed != keys_.end() && object != needed)
      needs[object->second].push_back(needed->second);
    return success();
  }));
  const auto take = [&](std::vector<std::string>& into, const std::string& key) {
    const auto found = needs.find(key);
    if (found == needs.end()) return;
    into = found->second;
    std::sort(into.begin(), into.end());
    into.erase(std::unique(into.begin(), into.end()), into.end());
  };
  for (UserType& type : catalogue_.types) take(type.depends_on, object_key("type", type.name));
  for (Table& table : catalogue_.tables) take(table.depends_on, object_key("table", table.name));
  for (View& view : catalogue_.views) take(view.depends_on, object_key("view", view.name));
  for (Routine& routine : catalogue_.routines) take(routine.depends_on, routine_key(routine));
  return success();
}

}  // namespace

Result<Catalogue> read_postgresql(Connection& connection, const Scope& scope, const Call& call) {
  std::vector<std::string> before;
  for (const auto& [name, value] : kFormats) {
    const std::array parameters = {Parameter(std::string(name)), Parameter(std::string(value))};
    DUNLIN_TRY(each_row(connection, "SELECT current_setting($1), set_config($1, $2, true)", call,
                        parameters, [&](const Row& row) {
                          before.push_back(row.text(0));
                          return success();
                        }));
  }
  DUNLIN_ASSIGN(Catalogue catalogue, PostgresqlReader(connection, scope, call).read());
  for (std::size_t i = 0; i < kFormats.size(); ++i) {
    const std::array parameters = {Parameter(std::string(kFormats[i].first)), Parameter(before[i])};
    DUNLIN_TRY(run_only(connection, "SELECT set_config($1, $2, true)", call, parameters));
  }
  return catalogue;
}

}  // namespace dunlin::sql::model
