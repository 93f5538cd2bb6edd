// The catalogue of MariaDB and MySQL (information_schema): that of the database the connection is
// in; see read_catalogue.h.
//
// What information_schema does not tell exactly (partitions, views, routines, events) is taken
// from SHOW CREATE, one statement each. Who defined something is left out: it is an account of this
// server and not a part of the schema. MySQL 8 has been read by its manual alone.
#include <array>
#include <map>

#include <fmt/format.h>

#include "sql/model/quoting.h"
#include "sql/model/readers.h"
#include "sql/model/types.h"
#include "sql/script/scanner.h"

namespace dunlin::sql::model {
namespace {

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// SHOW CREATE's text from the first of these words on, with CREATE before it: DEFINER and
/// ALGORITHM are gone.
std::string create_from(std::string_view text, std::string_view keyword) {
  Scanner scanner(Dialect::mysql, text);
  for (Token token = scanner.next(); token.kind != TokenKind::end; token = scanner.next())
    if (token.kind == TokenKind::word && is_word(token.of(text), keyword))
      return "CREATE " + std::string(text.substr(token.begin));
  return std::string(text);
}

/// What stands behind the first such word outside of brackets.
std::string text_after(std::string_view text, std::string_view keyword) {
  Scanner scanner(Dialect::mysql, text);
  int depth = 0;
  for (Token token = scanner.next(); token.kind != TokenKind::end; token = scanner.next()) {
    const std::string_view word = token.of(text);
    if (word == "(") ++depth;
    if (word == ")") --depth;
    if (depth == 0 && token.kind == TokenKind::word && is_word(word, keyword)) {
      std::size_t from = token.end;
      while (from < text.size() && text[from] == ' ') ++from;
      return std::string(text.substr(from));
    }
  }
  return {};
}

/// InnoDB says RESTRICT where nothing was said, and does the same for NO ACTION.
Action mariadb_action(const std::string& rule) {
  for (const Action action : {Action::cascade, Action::set_null, Action::set_default})
    if (rule == to_string(action)) return action;
  return Action::no_action;
}

class MariadbReader {
 public:
  MariadbReader(Connection& connection, const Scope& scope, const Call& call)
      : connection_(connection),
        scope_(scope),
        call_(call),
        is_mysql_(connection.server().product == "MySQL") {
    catalogue_.dialect = Dialect::mysql;
  }

  Result<Catalogue> read() {
    DUNLIN_TRY(read_database());
    DUNLIN_TRY(read_tables());
    DUNLIN_TRY(read_columns());
    DUNLIN_TRY(read_checks());
    DUNLIN_TRY(read_indexes());
    DUNLIN_TRY(read_foreign_keys());
    DUNLIN_TRY(read_partitions());
    DUNLIN_TRY(read_views());
    DUNLIN_TRY(read_sequences());
    DUNLIN_TRY(read_triggers());
    DUNLIN_TRY(read_routines());
    DUNLIN_TRY(read_events());
    return std::move(catalogue_);
  }

 private:
  template <typename Each>
  Status each(std::string_view sql, Each one) {
    return each_row(connection_, sql, call_, {}, one);
  }
  Table* table_of(const std::string& name) {
    const auto found = tables_.find(name);
    return found == tables_.end() ? nullptr : &catalogue_.tables[found->second];
  }
  /// Column `column` of the only row of a SHOW CREATE; empty where this user may not see it.
  Result<std::string> shown(const std::string& sql, int column) {
    std::string text;
    DUNLIN_TRY(each(sql, [&](const Row& row) {
      text = row.text(column);
      return success();
    }));
    return text;
  }

  Status read_database();
  Status read_tables();
  Status read_columns();
  Column column_of(const Row& row, const Table& table);
  Status read_checks();
  Status read_indexes();
  Status read_foreign_keys();
  Status read_partitions();
  Status read_views();
  Status read_sequences();
  Status read_triggers();
  Status read_routines();
  Status read_events();

  Connection& connection_;
  const Scope& scope_;
  const Call& call_;
  bool is_mysql_;
  Catalogue catalogue_;
  std::string database_;
  std::map<std::string, std::size_t> tables_;
  std::map<std::string, std::size_t> views_;
  std::vector<std::string> sequences_;
  std::vector<std::string> partitioned_;
  std::map<std::string, std::string> collations_;  ///< of the tables
};

Status MariadbReader::read_database() {
  DUNLIN_TRY(
      each("SELECT DATABASE(), default_character_set_name, default_collation_name FROM "
           "information_schema.schemata WHERE schema_name = DATABASE()",
           [&](const Row& row) {
             database_ = row.text(0);
             return success();
           }));
  if (database_.empty())
    return Error(ErrorType::not_found, "the connection is in no database: name one in the address");
  for (const std::string& schema : scope_.schemas)
    if (schema != database_)
      return Error(ErrorType::invalid_input,
                   "the catalogue is read by the database the connection "
                   "is in, and " +
                       Name{"", schema}.text() + " is not");
  return success();
}

Status MariadbReader::read_tables() {
  return each(
      "SELECT table_name, table_type, engine, table_collation, create_options, table_comment, "
      "table_rows, data_length + index_length FROM information_schema.tables "
      "WHERE table_schema = DATABASE()",
      [&](const Row& row) {
        const std::string name = row.text(0);
        const std::string type = row.text(1);
        if (holds(scope_.left_out_tables, name)) return success();
        if (type == "SEQUENCE") {
          sequences_.push_back(name);
        } else if (contains(type, "VIEW")) {
          View view;
          view.name = {"", name};
          views_[name] = catalogue_.views.size();
          catalogue_.views.push_back(std::move(view));
        } else {
          Table table;
          table.name = {"", name};
          table.options["engine"] = row.text(2);
          table.options["collation"] = row.text(3);
          std::string options = row.text(4);
          if (const std::size_t at = options.find("partitioned"); at != std::string::npos) {
            options.erase(at, std::string_view("partitioned").size());
            partitioned_.push_back(name);
          }
          while (options.ends_with(' ')) options.pop_back();
          while (options.starts_with(' ')) options.erase(0, 1);
          if (!options.empty()) table.options["create_options"] = options;
          if (contains(type, "VERSIONED")) table.options["system_versioning"] = "yes";
          table.comment = row.text(5);
          table.size = {row.is_null(6) ? -1 : row.number(6), row.is_null(7) ? -1 : row.number(7)};
          collations_[name] = row.text(3);
          tables_[name] = catalogue_.tables.size();
          catalogue_.tables.push_back(std::move(table));
        }
        return success();
      });
}

/// MySQL gives a literal without its quotes; MariaDB the expression.
std::string mysql_default(const std::string& text, const Type& type, std::string_view extra) {
  if (contains(extra, "DEFAULT_GENERATED"))
    return text.starts_with("CURRENT_TIMESTAMP") ? text : "(" + text + ")";
  const bool bare = type.kind == TypeKind::bits || text.starts_with("CURRENT_TIMESTAMP");
  return bare ? text : string_literal(Dialect::mysql, text);
}

Column MariadbReader::column_of(const Row& row, const Table& table) {
  Column column;
  column.name = row.text(1);
  column.type = type_from_text(Dialect::mysql, row.text(4));
  column.nullable = row.flag(3);
  const std::string extra = row.text(6);
  if (!row.is_null(2) && row.text(2) != "NULL")
    column.default_expression =
        is_mysql_ ? mysql_default(row.text(2), column.type, extra) : row.text(2);
  if (contains(extra, "GENERATED") && !contains(extra, "DEFAULT_GENERATED"))
    column.generated = Generated{row.text(7), contains(extra, "STORED")};
  if (contains(extra, "auto_increment")) column.identity = Identity{};
  constexpr std::string_view kOnUpdate = "on update ";
  if (const std::size_t at = extra.find(kOnUpdate); at != std::string::npos) {
    std::string when = extra.substr(at + kOnUpdate.size());
    column.options["on_update"] = when.substr(0, when.find(','));
  }
  if (contains(extra, "INVISIBLE")) column.options["invisible"] = "yes";
  if (contains(extra, "WITHOUT SYSTEM VERSIONING")) column.options["versioned"] = "no";
  const auto collation = collations_.find(table.name.name);
  if (collation == collations_.end() || collation->second != row.text(5))
    column.collation = row.text(5);
  column.comment = row.text(8);
  return column;
}

Status MariadbReader::read_columns() {
  return each(
      "SELECT table_name, column_name, column_default, is_nullable, column_type, collation_name, "
      "extra, generation_expression, column_comment FROM information_schema.columns "
      "WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position",
      [&](const Row& row) {
        if (Table* const table = table_of(row.text(0)))
          table->columns.push_back(column_of(row, *table));
        else if (const auto view = views_.find(row.text(0)); view != views_.end())
          catalogue_.views[view->second].columns.push_back(row.text(1));
        return success();
      });
}

Status MariadbReader::read_checks() {
  const std::string_view query =
      is_mysql_
          ? "SELECT t.table_name, c.constraint_name, 'Table', c.check_clause FROM "
            "information_schema.check_constraints c JOIN information_schema.table_constraints "
            "t ON t.constraint_schema = c.constraint_schema AND t.constraint_name = "
            "c.constraint_name WHERE c.constraint_schema = DATABASE()"
          : "SELECT table_name, constraint_name, level, check_clause FROM "
            "information_schema.check_constraints WHERE constraint_schema = DATABASE()";
  return each(query, [&](const Row& row) {
    Table* const table = table_of(row.text(0));
    if (table == nullptr) return success();
    if (row.text(2) != "Column") {
      table->checks.push_back({row.text(1), row.text(3), true, false, ""});
      return success();
    }
    for (Column& column : table->columns) {
      if (column.name != row.text(1)) continue;
      column.check = row.text(3);
      // MariaDB has no type of JSON: LONGTEXT that is looked at.
      const bool json = column.type.native == "longtext" &&
                        column.check == "json_valid(" + quoted(Dialect::mysql, column.name) + ")";
      if (json) column.type.kind = TypeKind::json;
    }
    return success();
  });
}

Status MariadbReader::read_indexes() {
  const std::string_view query =
      is_mysql_ ? "SELECT table_name, index_name, non_unique, column_name, collation, sub_part, "
                  "index_type, index_comment, CASE is_visible WHEN 'NO' THEN 'YES' END, expression "
                  "FROM information_schema.statistics WHERE table_schema = DATABASE() "
                  "ORDER BY table_name, index_name, seq_in_index"
                : "SELECT table_name, index_name, non_unique, column_name, collation, sub_part, "
                  "index_type, index_comment, ignored, NULL "
                  "FROM information_schema.statistics WHERE table_schema = DATABASE() "
                  "ORDER BY table_name, index_name, seq_in_index";
  return each(query, [&](const Row& row) {
    Table* const table = table_of(row.text(0));
    if (table == nullptr) return success();
    const std::string name = row.text(1);
    const bool primary = name == "PRIMARY";
    KeyPart part;
    part.column = row.text(3);
    part.expression = row.text(9);
    part.descending = row.text(4) == "D";
    const std::string method = row.text(6);
    part.prefix = method == "SPATIAL" ? 0 : row.number(5);
    if (primary) {
      if (!table->primary_key) {
        table->primary_key = Key{};
        table->primary_key->comment = row.text(7);
      }
      table->primary_key->parts.push_back(std::move(part));
      return success();
    }
    if (table->indexes.empty() || table->indexes.back().name != name) {
      Index index;
      index.name = name;
      index.unique = !row.flag(2);
      index.method = method;
      index.comment = row.text(7);
      if (row.flag(8)) index.options["ignored"] = "yes";
      table->indexes.push_back(std::move(index));
    }
    table->indexes.back().parts.push_back(std::move(part));
    return success();
  });
}

Status MariadbReader::read_foreign_keys() {
  std::map<std::pair<std::string, std::string>, std::pair<Action, Action>> rules;
  DUNLIN_TRY(
      each("SELECT table_name, constraint_name, update_rule, delete_rule FROM "
           "information_schema.referential_constraints WHERE constraint_schema = DATABASE()",
           [&](const Row& row) {
             rules[{row.text(0), row.text(1)}] = {mariadb_action(row.text(2)),
                                                  mariadb_action(row.text(3))};
             return success();
           }));
  return each(
      "SELECT table_name, constraint_name, column_name, referenced_table_schema, "
      "referenced_table_name, referenced_column_name FROM information_schema.key_column_usage "
      "WHERE table_schema = DATABASE() AND referenced_table_name IS NOT NULL "
      "ORDER BY table_name, constraint_name, ordinal_position",
      [&](const Row& row) {
        Table* const table = table_of(row.text(0));
        if (table == nullptr) return success();
        const std::string name = row.text(1);
        if (table->foreign_keys.empty() || table->foreign_keys.back().name != name) {
          ForeignKey key;
          key.name = name;
          key.referenced = {row.text(3) == database_ ? "" : row.text(3), row.text(4)};
          if (const auto rule = rules.find({row.text(0), name}); rule != rules.end())
            std::tie(key.on_update, key.on_delete) = rule->second;
          table->foreign_keys.push_back(std::move(key));
        }
        table->foreign_keys.back().columns.push_back(row.text(2));
        table->foreign_keys.back().referenced_columns.push_back(row.text(5));
        return success();
      });
}

Status MariadbReader::read_partitions() {
  for (const std::string& name : partitioned_) {
    DUNLIN_ASSIGN(const std::string text,
                  shown("SHOW CREATE TABLE " + quoted(Dialect::mysql, name), 1));
    std::string by = text_after(text, "PARTITION");
    if (by.ends_with("*/")) by.resize(by.size() - 2);
    table_of(name)->partition_by = by;
  }
  return success();
}

Status MariadbReader::read_views() {
  DUNLIN_TRY(
      each("SELECT table_name, check_option, security_type FROM information_schema.views "
           "WHERE table_schema = DATABASE()",
           [&](const Row& row) {
             const auto found = views_.find(row.text(0));
             if (found == views_.end()) return success();
             View& view = catalogue_.views[found->second];
             if (row.text(1) != "NONE") view.options["check_option"] = row.text(1);
             if (row.text(2) != "DEFINER") view.options["security"] = row.text(2);
             return success();
           }));
  for (View& view : catalogue_.views) {
    DUNLIN_ASSIGN(const std::string text,
                  shown("SHOW CREATE VIEW " + quoted(Dialect::mysql, view.name.name), 1));
    const std::string algorithm = text_after(text, "ALGORITHM");
    if (algorithm.starts_with("=MERGE")) view.options["algorithm"] = "MERGE";
    if (algorithm.starts_with("=TEMPTABLE")) view.options["algorithm"] = "TEMPTABLE";
    view.definition = text_after(text, "AS");
    // It is told by check_option.
    for (const std::string_view tail : {" WITH CASCADED CHECK OPTION", " WITH LOCAL CHECK OPTION"})
      if (view.options.contains("check_option") && view.definition.ends_with(tail))
        view.definition.resize(view.definition.size() - tail.size());
  }
  // The server says nowhere which view needs which: any whose name stands in it is made before.
  for (View& view : catalogue_.views)
    for (const View& other : catalogue_.views)
      if (&view != &other && contains(view.definition, quoted(Dialect::mysql, other.name.name)))
        view.depends_on.push_back(object_key("view", other.name));
  return success();
}

Status MariadbReader::read_sequences() {
  for (const std::string& name : sequences_) {
    DUNLIN_TRY(
        each("SELECT start_value, increment, minimum_value, maximum_value, cache_size, "
             "cycle_option FROM " +
                 quoted(Dialect::mysql, name),
             [&](const Row& row) {
               Sequence sequence;
               sequence.name = {"", name};
               sequence.start = row.number(0);
               sequence.increment = row.number(1);
               sequence.minimum = row.number(2);
               sequence.maximum = row.number(3);
               sequence.cache = row.number(4);
               sequence.cycle = row.flag(5);
               catalogue_.sequences.push_back(std::move(sequence));
               return success();
             }));
  }
  return success();
}

Status MariadbReader::read_triggers() {
  return each(
      "SELECT trigger_name, action_timing, event_manipulation, event_object_table, "
      "action_statement, sql_mode FROM information_schema.triggers "
      "WHERE trigger_schema = DATABASE() "
      "ORDER BY event_object_table, action_timing, event_manipulation, action_order",
      [&](const Row& row) {
        if (table_of(row.text(3)) == nullptr) return success();
        Trigger trigger;
        trigger.name = row.text(0);
        trigger.table = {"", row.text(3)};
        // Several for one event run in their order, which is part of what they do.
        std::string follows;
        if (!catalogue_.triggers.empty()) {
          const Trigger& last = catalogue_.triggers.back();
          const auto event = last.options.find("event");
          if (last.table == trigger.table && event != last.options.end() &&
              event->second == row.text(1) + " " + row.text(2))
            follows = " FOLLOWS " + quoted(Dialect::mysql, last.name);
        }
        trigger.definition = fmt::format(
            "CREATE TRIGGER {} {} {} ON {} FOR EACH ROW{} {}", quoted(Dialect::mysql, trigger.name),
            row.text(1), row.text(2), quoted(Dialect::mysql, row.text(3)), follows, row.text(4));
        trigger.options["event"] = row.text(1) + " " + row.text(2);
        if (!follows.empty()) trigger.options["follows"] = catalogue_.triggers.back().name;
        trigger.options["sql_mode"] = row.text(5);
        catalogue_.triggers.push_back(std::move(trigger));
        return success();
      });
}

Status MariadbReader::read_routines() {
  DUNLIN_TRY(
      each("SELECT routine_name, routine_type, sql_mode FROM information_schema.routines "
           "WHERE routine_schema = DATABASE()",
           [&](const Row& row) {
             const std::string kind = row.text(1);
             if (kind != "PROCEDURE" && kind != "FUNCTION") {
               catalogue_.others.push_back({kind, {"", row.text(0)}, std::nullopt, "", {}});
               return success();
             }
             Routine routine;
             routine.name = {"", row.text(0)};
             routine.kind = kind == "PROCEDURE" ? "procedure" : "function";
             routine.options["sql_mode"] = row.text(2);
             catalogue_.routines.push_back(std::move(routine));
             return success();
           }));
  for (Routine& routine : catalogue_.routines) {
    const std::string keyword = routine.kind == "procedure" ? "PROCEDURE" : "FUNCTION";
    DUNLIN_ASSIGN(
        const std::string text,
        shown("SHOW CREATE " + keyword + " " + quoted(Dialect::mysql, routine.name.name), 2));
    if (text.empty()) continue;
    const bool aggregate = contains(text.substr(0, text.find('`')), "AGGREGATE");
    routine.definition = create_from(text, aggregate ? "AGGREGATE" : keyword);
  }
  return success();
}

Status MariadbReader::read_events() {
  std::vector<std::pair<std::string, std::string>> events;
  DUNLIN_TRY(each(
      "SELECT event_name, sql_mode FROM information_schema.events WHERE event_schema = DATABASE()",
      [&](const Row& row) {
        events.emplace_back(row.text(0), row.text(1));
        return success();
      }));
  for (const auto& [name, mode] : events) {
    DUNLIN_ASSIGN(const std::string text,
                  shown("SHOW CREATE EVENT " + quoted(Dialect::mysql, name), 3));
    OtherObject event{"event", {"", name}, std::nullopt, "", {{"sql_mode", mode}}};
    if (!text.empty()) event.definition = create_from(text, "EVENT");
    catalogue_.others.push_back(std::move(event));
  }
  return success();
}

}  // namespace

Result<Catalogue> read_mariadb(Connection& connection, const Scope& scope, const Call& call) {
  return MariadbReader(connection, scope, call).read();
}

}  // namespace dunlin::sql::model
