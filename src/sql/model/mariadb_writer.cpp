// Statements of MariaDB and MySQL; see create.h.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "sql/model/quoting.h"
#include "sql/model/types.h"
#include "sql/model/writers.h"

namespace dunlin::sql::model {
namespace {

std::string my(const std::string& name) {
  return quoted(Dialect::mysql, name);
}
std::string my(const Name& name) {
  return quoted(Dialect::mysql, name);
}
std::string my_text(const std::string& text) {
  return string_literal(Dialect::mysql, text);
}

std::string my_parts(const std::vector<KeyPart>& parts) {
  std::string out;
  for (const KeyPart& part : parts) {
    out += (out.empty() ? "" : ", ") +
           (part.column.empty() ? "(" + part.expression + ")" : my(part.column));
    if (part.prefix > 0) out += fmt::format("({})", part.prefix);
    if (part.descending) out += " DESC";
  }
  return out;
}

bool takes_collation(const Column& column) {
  return !column.collation.empty();
}

std::string my_column(const Column& column) {
  std::string out = my(column.name) + " " + column.type.native;
  // A collation names its character set: utf8mb4_bin, latin1_swedish_ci, binary.
  if (takes_collation(column)) {
    if (const std::size_t end = column.collation.find('_'); end != std::string::npos)
      out += " CHARACTER SET " + column.collation.substr(0, end);
    out += " COLLATE " + column.collation;
  }
  if (column.generated) {
    const std::string& expression = column.generated->expression;
    if (expression == "ROW START" || expression == "ROW END")
      out += " GENERATED ALWAYS AS " + expression;
    else
      out += " GENERATED ALWAYS AS (" + expression + ") " +
             (column.generated->stored ? "STORED" : "VIRTUAL");
  } else {
    // A TIMESTAMP without a word about NULL may be NOT NULL by the server's settings.
    out += column.nullable ? " NULL" : " NOT NULL";
    if (column.default_expression) out += " DEFAULT " + *column.default_expression;
    if (const auto found = column.options.find("on_update"); found != column.options.end())
      out += " ON UPDATE " + found->second;
    if (column.identity) out += " AUTO_INCREMENT";
  }
  if (column.options.contains("invisible")) out += " INVISIBLE";
  if (column.options.contains("versioned")) out += " WITHOUT SYSTEM VERSIONING";
  if (!column.comment.empty()) out += " COMMENT " + my_text(column.comment);
  if (!column.check.empty()) out += " CHECK (" + column.check + ")";
  return out;
}

std::string my_index(const Index& index) {
  std::string out;
  const bool special = index.method == "FULLTEXT" || index.method == "SPATIAL";
  if (special) out = index.method + " ";
  if (index.unique) out += "UNIQUE ";
  out += "INDEX " + my(index.name);
  if (!special && !index.method.empty() && index.method != "BTREE") out += " USING " + index.method;
  out += " (" + my_parts(index.parts) + ")";
  if (!index.comment.empty()) out += " COMMENT " + my_text(index.comment);
  if (index.options.contains("ignored")) out += " IGNORED";
  return out;
}

class MariadbWriter {
 public:
  explicit MariadbWriter(const Catalogue& catalogue) : catalogue_(catalogue) {}

  Script write() {
    for (const Sequence& sequence : catalogue_.sequences) write_sequence(sequence);
    for (const Piece& piece : order_pieces(catalogue_))
      if (piece.kind == Piece::Kind::table) write_table(catalogue_.tables[piece.index]);
    for (const Table& table : catalogue_.tables) write_indexes(table);
    for (const Table& table : catalogue_.tables) write_foreign_keys(table);
    script_.after_data.emplace_back("SET @dunlin_sql_mode = @@SESSION.sql_mode");
    const std::size_t nothing = script_.after_data.size();
    for (const Routine& routine : catalogue_.routines)
      write_native(routine_key(routine), routine.definition, routine.options);
    for (const Piece& piece : order_pieces(catalogue_))
      if (piece.kind == Piece::Kind::view) write_view(catalogue_.views[piece.index]);
    write_triggers();
    for (const OtherObject& other : catalogue_.others)
      write_native(object_key(other.kind, other.name), other.definition, other.options);
    if (script_.after_data.size() == nothing)
      script_.after_data.pop_back();
    else
      script_.after_data.emplace_back("SET SESSION sql_mode = @dunlin_sql_mode");
    return std::move(script_);
  }

 private:
  void after(std::string sql) { script_.after_data.push_back(std::move(sql)); }
  void write_sequence(const Sequence& sequence);
  void write_table(const Table& table);
  void write_indexes(const Table& table);
  void write_foreign_keys(const Table& table);
  void write_view(const View& view);
  void write_triggers();
  void write_native(const std::string& object, const std::string& definition,
                    const Options& options);

  const Catalogue& catalogue_;
  std::string sql_mode_ = "?";
  Script script_;
};

void MariadbWriter::write_sequence(const Sequence& sequence) {
  script_.before_data.push_back(fmt::format(
      "CREATE SEQUENCE {} START WITH {} MINVALUE {} MAXVALUE {} INCREMENT BY {} CACHE {}{}",
      my(sequence.name), sequence.start, sequence.minimum, sequence.maximum, sequence.increment,
      sequence.cache, sequence.cycle ? " CYCLE" : ""));
}

/// An AUTO_INCREMENT column must be the first of a key from the beginning; nullptr: the primary
/// key's, or there is none.
const Index* auto_increment_index(const Table& table) {
  for (const Column& column : table.columns) {
    if (!column.identity) continue;
    if (table.primary_key && table.primary_key->parts.front().column == column.name) return nullptr;
    const auto found =
        std::find_if(table.indexes.begin(), table.indexes.end(), [&](const Index& index) {
          return index.parts.front().column == column.name && index.method != "FULLTEXT";
        });
    if (found != table.indexes.end()) return &*found;
  }
  return nullptr;
}

void MariadbWriter::write_table(const Table& table) {
  std::string terms;
  const auto add = [&](const std::string& term) {
    terms += (terms.empty() ? "\n  " : ",\n  ") + term;
  };
  std::string row_start;
  std::string row_end;
  for (const Column& column : table.columns) {
    add(my_column(column));
    if (column.generated && column.generated->expression == "ROW START") row_start = column.name;
    if (column.generated && column.generated->expression == "ROW END") row_end = column.name;
  }
  // InnoDB keeps the rows by it: made later it would write them all again.
  if (table.primary_key) add("PRIMARY KEY (" + my_parts(table.primary_key->parts) + ")");
  if (const Index* const index = auto_increment_index(table)) add(my_index(*index));
  for (const Check& check : table.checks)
    add((check.name.empty() ? "" : "CONSTRAINT " + my(check.name) + " ") + "CHECK (" +
        check.expression + ")");
  if (!row_start.empty() && !row_end.empty())
    add("PERIOD FOR SYSTEM_TIME (" + my(row_start) + ", " + my(row_end) + ")");
  std::string sql = "CREATE TABLE " + my(table.name) + " (" + terms + "\n)";
  const auto option = [&](const std::string& key) -> const std::string* {
    const auto found = table.options.find(key);
    return found == table.options.end() || found->second.empty() ? nullptr : &found->second;
  };
  if (const std::string* const engine = option("engine")) sql += " ENGINE=" + *engine;
  if (const std::string* const collation = option("collation"))
    sql +=
        " DEFAULT CHARSET=" + collation->substr(0, collation->find('_')) + " COLLATE=" + *collation;
  if (const std::string* const more = option("create_options")) sql += " " + *more;
  if (!table.comment.empty()) sql += " COMMENT=" + my_text(table.comment);
  if (option("system_versioning") != nullptr) sql += " WITH SYSTEM VERSIONING";
  if (!table.partition_by.empty()) sql += " PARTITION " + table.partition_by;
  script_.before_data.push_back(std::move(sql));
}

void MariadbWriter::write_indexes(const Table& table) {
  std::string terms;
  const Index* const made = auto_increment_index(table);
  for (const Key& key : table.unique_keys)
    terms += (terms.empty() ? " " : ", ") + ("ADD UNIQUE INDEX " + my(key.name)) + " (" +
             my_parts(key.parts) + ")";
  std::vector<std::string> full_text;
  for (const Index& index : table.indexes) {
    if (&index == made) continue;
    if (index.method == "FULLTEXT")  // InnoDB makes one of them per statement
      full_text.push_back(my_index(index));
    else
      terms += (terms.empty() ? " ADD " : ", ADD ") + my_index(index);
  }
  // One statement: the rows are read once.
  if (!terms.empty()) after("ALTER TABLE " + my(table.name) + terms);
  for (const std::string& index : full_text)
    after("ALTER TABLE " + my(table.name) + " ADD " + index);
}

void MariadbWriter::write_foreign_keys(const Table& table) {
  for (const ForeignKey& key : table.foreign_keys) {
    std::string sql = "ALTER TABLE " + my(table.name) + " ADD ";
    if (!key.name.empty()) sql += "CONSTRAINT " + my(key.name) + " ";
    sql += "FOREIGN KEY (" + quoted_list(Dialect::mysql, key.columns) + ") REFERENCES " +
           my(key.referenced) + " (" + quoted_list(Dialect::mysql, key.referenced_columns) + ")";
    if (key.on_update != Action::no_action)
      sql += " ON UPDATE " + std::string(to_string(key.on_update));
    if (key.on_delete != Action::no_action)
      sql += " ON DELETE " + std::string(to_string(key.on_delete));
    after(std::move(sql));
  }
}

void MariadbWriter::write_view(const View& view) {
  const auto option = [&](const std::string& key, const std::string& before) {
    const auto found = view.options.find(key);
    return found == view.options.end() ? std::string() : before + found->second;
  };
  std::string sql = "CREATE" + option("algorithm", " ALGORITHM=") +
                    option("security", " SQL SECURITY ") + " VIEW " + my(view.name);
  if (!view.columns.empty()) sql += " (" + quoted_list(Dialect::mysql, view.columns) + ")";
  sql += " AS " + view.definition;
  if (const std::string check = option("check_option", " WITH "); !check.empty())
    sql += check + " CHECK OPTION";
  after(std::move(sql));
}

void MariadbWriter::write_native(const std::string& object, const std::string& definition,
                                 const Options& options) {
  if (definition.empty()) {
    script_.remarks.push_back(left_out(object, "its text may not be seen"));
    return;
  }
  // It means what it meant to the session that made it: quotes, ||, backslashes.
  if (const auto mode = options.find("sql_mode");
      mode != options.end() && mode->second != sql_mode_) {
    sql_mode_ = mode->second;
    after("SET SESSION sql_mode = " + my_text(sql_mode_));
  }
  after(definition);
}

/// Those that follow another one of their table come behind it.
void MariadbWriter::write_triggers() {
  std::vector<const Trigger*> left;
  for (const Trigger& trigger : catalogue_.triggers) left.push_back(&trigger);
  std::set<std::string> made;
  while (!left.empty()) {
    const std::size_t before = left.size();
    std::vector<const Trigger*> later;
    for (const Trigger* const trigger : left) {
      const auto follows = trigger->options.find("follows");
      if (follows != trigger->options.end() && !made.contains(follows->second)) {
        later.push_back(trigger);
        continue;
      }
      made.insert(trigger->name);
      write_native(object_key("trigger", {"", trigger->name}), trigger->definition,
                   trigger->options);
    }
    left = std::move(later);
    if (left.size() == before) {  // follows one that is not there
      for (const Trigger* const trigger : left)
        script_.remarks.push_back(
            left_out(object_key("trigger", {"", trigger->name}), "it follows one that is missing"));
      return;
    }
  }
}

}  // namespace

Script write_mariadb(const Catalogue& catalogue) {
  return MariadbWriter(catalogue).write();
}

}  // namespace dunlin::sql::model
