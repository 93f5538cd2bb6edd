// A catalogue in another dialect; see create.h. Whatever is not carried is said.
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "sql/catalogue.h"
#include "sql/model/create.h"
#include "sql/model/expressions.h"
#include "sql/model/order.h"
#include "sql/model/quoting.h"
#include "sql/model/short_names.h"
#include "sql/model/types.h"
#include "sql/model/writers.h"

namespace dunlin::sql::model {
namespace {

/// Exact comparison, as PostgreSQL and SQLite do it; of MariaDB (MySQL: utf8mb4_0900_bin).
constexpr std::string_view kExactCollation = "utf8mb4_nopad_bin";
/// Characters of a text without a limit in an index of MariaDB.
constexpr std::int64_t kIndexPrefix = 191;
constexpr std::string_view kPublic = "public";

class Converter {
 public:
  Converter(const Catalogue& from, Dialect to) : from_(from), to_(to) {
    out_.catalogue.dialect = to;
    for (const Sequence& sequence : from.sequences)
      if (sequence.owner) owned_[{*sequence.owner, sequence.owner_column}] = sequence.name;
    for (const UserType& type : from.types)
      // As format_type() writes it: quotes only where needed.
      if (type.kind == "enum") labels_[type.name.text()] = type.labels;
    for (const Table& table : from.tables)
      for (const ForeignKey& key : table.foreign_keys)
        referenced_[key.referenced].insert(key.referenced_columns.begin(),
                                           key.referenced_columns.end());
  }

  Converted convert_all() {
    name_tables();
    for (const Table& table : from_.tables) convert_table(table);
    match_references();
    convert_sequences();
    leave_out_rest();
    if (to_ == Dialect::postgresql) out_.catalogue.schemas = {{std::string(kPublic), ""}};
    out_.catalogue.sort();
    return std::move(out_);
  }

 private:
  void remark(RemarkKind kind, std::string object, std::string text) {
    out_.remarks.push_back({kind, std::move(object), std::move(text)});
  }
  [[nodiscard]] static std::string part_of(std::string_view kind, const Table& table,
                                           const std::string& name) {
    return std::string(kind) + " " + table.name.text() + "." + Name{"", name}.text();
  }
  [[nodiscard]] bool is_left_out(const Table& table) const {
    return table.kind == TableKind::virtual_table ||
           (table.partition_of && from_.find_table(*table.partition_of) != nullptr);
  }
  /// In PostgreSQL indexes and tables share the names of a schema; in MariaDB an index's is its
  /// table's own.
  [[nodiscard]] std::string index_name(const std::string& name, NameSpace& of_table) {
    return to_ == Dialect::mysql ? of_table.take(name) : relations_.take(name);
  }
  [[nodiscard]] const std::vector<std::string>& labels_of(const Type& type) const {
    static const std::vector<std::string> none;
    const auto found = labels_.find(type.name);
    return found == labels_.end() ? none : found->second;
  }

  void name_tables();
  void convert_table(const Table& table);
  void remark_on_table(const Table& table);
  void name_columns(const Table& table);
  Column convert_column(const Table& table, const Column& column, Table& made);
  void convert_default(const Table& table, const Column& column, Column& made);
  bool is_numbered(const Table& table, const Column& column) const;
  void convert_identity(const Table& table, const Column& column, const Table& made_table,
                        Column& made);
  void convert_keys(const Table& table, Table& made);
  bool convert_parts(const Table& table, const std::string& object,
                     const std::vector<KeyPart>& parts, bool unique, const Table& made,
                     std::vector<KeyPart>& out);
  void convert_indexes(const Table& table, Table& made);
  void convert_foreign_keys(const Table& table, Table& made);
  void index_for(const ForeignKey& key, Table& made);
  void match_references();
  void convert_sequences();
  void leave_out_rest();

  const Catalogue& from_;
  Dialect to_;
  Converted out_;
  NameSpace relations_{to_};
  NameSpace foreign_keys_{to_};
  std::map<Name, Name> tables_;  ///< their names at the target
  std::map<std::string, std::map<std::string, std::string>> columns_;  ///< by table's text()
  std::map<std::pair<Name, std::string>, Name> owned_;      ///< sequences, by table and column
  std::map<std::string, std::vector<std::string>> labels_;  ///< of enums, by name
  std::map<Name, std::set<std::string>> referenced_;        ///< columns that foreign keys mean
  std::set<Name> numbering_;           ///< sequences that an identity takes the place of
  std::set<std::string> key_columns_;  ///< of the present table: no text of any length
};

void Converter::name_tables() {
  std::set<std::string> schemas;
  for (const Table& table : from_.tables) schemas.insert(table.name.schema);
  for (const Table& table : from_.tables) {
    if (is_left_out(table)) continue;
    const bool prefixed = schemas.size() > 1 && table.name.schema != kPublic;
    const std::string wanted =
        prefixed ? table.name.schema + "_" + table.name.name : table.name.name;
    const Name name{to_ == Dialect::postgresql ? std::string(kPublic) : "",
                    relations_.take(wanted)};
    if (name.name != table.name.name)
      remark(RemarkKind::renamed, object_key("table", table.name), Name{"", name.name}.text());
    tables_[table.name] = name;
  }
  for (const Table& table : from_.tables) name_columns(table);
}

void Converter::name_columns(const Table& table) {
  NameSpace names(to_);
  auto& named = columns_[table.name.text()];
  for (const Column& column : table.columns) {
    const std::string name = names.take(column.name);
    if (name != column.name)
      remark(RemarkKind::renamed, part_of("column", table, column.name), Name{"", name}.text());
    named[column.name] = name;
  }
}

void Converter::remark_on_table(const Table& table) {
  const std::string object = object_key("table", table.name);
  const auto changed = [&](std::string text) {
    remark(RemarkKind::changed, object, std::move(text));
  };
  if (table.kind == TableKind::partitioned || !table.partition_by.empty())
    changed("its partitions: their rows are in the table itself");
  if (!table.inherits.empty())
    changed("it inherits no more: a query of its parent does not show its rows");
  if (to_ == Dialect::sqlite && !table.comment.empty()) changed("its comment is not carried");
  const auto collation = table.options.find("collation");
  if (collation != table.options.end() && collation->second.find("_ci") != std::string::npos)
    changed(fmt::format("texts were compared by {}, here exactly", collation->second));
  for (const auto& [key, value] : table.options)
    if (key != "collation" && key != "engine" && key != "without_rowid" && key != "strict")
      changed(fmt::format("{} ({}) is not carried", key, value));
  for (const Check& check : table.checks)
    remark(RemarkKind::left_out, part_of("check", table, check.name), check.expression);
  for (const NativeConstraint& constraint : table.native_constraints)
    remark(RemarkKind::left_out, part_of("constraint", table, constraint.name),
           constraint.definition);
}

void Converter::convert_table(const Table& table) {
  const std::string object = object_key("table", table.name);
  if (is_left_out(table)) {
    remark(RemarkKind::left_out, object,
           table.partition_of ? "a partition: its rows are in the table it is a part of"
                              : "a virtual table");
    return;
  }
  remark_on_table(table);
  key_columns_.clear();
  const auto note = [&](const std::vector<KeyPart>& parts) {
    for (const KeyPart& part : parts) key_columns_.insert(part.column);
  };
  if (table.primary_key) note(table.primary_key->parts);
  for (const Key& key : table.unique_keys) note(key.parts);
  for (const Index& index : table.indexes)
    if (index.unique) note(index.parts);
  for (const ForeignKey& key : table.foreign_keys)
    key_columns_.insert(key.columns.begin(), key.columns.end());
  if (const auto found = referenced_.find(table.name); found != referenced_.end())
    key_columns_.insert(found->second.begin(), found->second.end());

  Table made;
  made.name = tables_.at(table.name);
  if (to_ != Dialect::sqlite) made.comment = table.comment;
  if (to_ == Dialect::mysql) {
    made.options["engine"] = "InnoDB";
    made.options["collation"] = kExactCollation;
  }
  for (const Column& column : table.columns)
    made.columns.push_back(convert_column(table, column, made));
  convert_keys(table, made);
  convert_indexes(table, made);
  for (const Column& column : table.columns) {
    const std::string& name = columns_.at(table.name.text()).at(column.name);
    for (Column& one : made.columns)
      if (one.name == name) convert_identity(table, column, made, one);
  }
  // In MariaDB the number must begin a key.
  for (Column& column : made.columns) {
    if (to_ != Dialect::mysql || !column.identity) continue;
    const auto begins = [&](const auto& key) {
      return !key.parts.empty() && key.parts.front().column == column.name;
    };
    if ((made.primary_key && begins(*made.primary_key)) ||
        std::any_of(made.indexes.begin(), made.indexes.end(), begins))
      continue;
    column.identity.reset();
    remark(RemarkKind::changed, part_of("column", table, column.name),
           "it is not numbered by the server: no key begins with it");
  }
  convert_foreign_keys(table, made);
  out_.catalogue.tables.push_back(std::move(made));
}

Column Converter::convert_column(const Table& table, const Column& column, Table& made) {
  const std::string object = part_of("column", table, column.name);
  Column out;
  out.name = columns_.at(table.name.text()).at(column.name);
  const MappedType mapped = map_type(column.type, from_.dialect, to_, quoted(to_, out.name),
                                     labels_of(column.type), key_columns_.contains(column.name));
  if (!mapped.loss.empty()) remark(RemarkKind::changed, object, mapped.loss);
  out.type = type_from_text(to_, mapped.text);
  out.nullable = column.nullable;
  if (!mapped.check.empty()) {
    const std::string name = to_ == Dialect::mysql
                                 ? foreign_keys_.take(made.name.name + "_" + out.name + "_check")
                                 : out.name + "_check";
    const auto fitting = short_name(name, to_);
    made.checks.push_back({fitting.ok() ? *fitting : name, mapped.check, true, false, ""});
  }
  if (to_ == Dialect::sqlite && !column.comment.empty())
    remark(RemarkKind::changed, object, "its comment is not carried");
  else
    out.comment = column.comment;
  if (!column.collation.empty())
    remark(RemarkKind::changed, object, "its collation " + column.collation + " is not carried");
  if (!column.check.empty() && column.type.kind != TypeKind::json)
    remark(RemarkKind::left_out, "check of " + object, column.check);
  for (const auto& [key, value] : column.options)
    remark(RemarkKind::changed, object, fmt::format("{} ({}) is not carried", key, value));
  if (column.generated)
    remark(RemarkKind::changed, object,
           "it is a plain column: its expression is " + column.generated->expression);
  else
    convert_default(table, column, out);
  return out;
}

void Converter::convert_default(const Table& table, const Column& column, Column& made) {
  if (!column.default_expression || is_numbered(table, column)) return;
  made.default_expression =
      translate_default(*column.default_expression, from_.dialect, to_, column.type, made.type);
  const bool nothing = same_identifier(*column.default_expression, "NULL") ||
                       column.default_expression->starts_with("NULL::");
  if (!made.default_expression && !nothing)
    remark(RemarkKind::changed, part_of("column", table, column.name),
           "its default is not carried: " + *column.default_expression);
}

/// By an identity, a sequence of its own (serial), or as SQLite's rowid.
bool Converter::is_numbered(const Table& table, const Column& column) const {
  if (column.identity) return true;
  if (owned_.contains({table.name, column.name}) && column.default_expression &&
      column.default_expression->starts_with("nextval("))
    return true;
  return from_.dialect == Dialect::sqlite && table.primary_key &&
         table.primary_key->parts.size() == 1 && !table.options.contains("without_rowid") &&
         !table.primary_key->options.contains("at_column") &&
         same_identifier(table.primary_key->parts.front().column, column.name) &&
         same_identifier(column.type.native, "INTEGER");
}

void Converter::convert_identity(const Table& table, const Column& column, const Table& made_table,
                                 Column& made) {
  if (!is_numbered(table, column)) return;
  const std::string object = part_of("column", table, column.name);
  if (const auto owned = owned_.find({table.name, column.name}); owned != owned_.end())
    numbering_.insert(owned->second);
  const bool only_key = made_table.primary_key && made_table.primary_key->parts.size() == 1 &&
                        made_table.primary_key->parts.front().column == made.name;
  if (to_ == Dialect::sqlite) {
    if (!only_key || made.type.native != "INTEGER") {
      remark(RemarkKind::changed, object,
             "it is not numbered: SQLite does that for the only column "
             "of a primary key");
      return;
    }
    made.identity = Identity{};
    return;
  }
  if (to_ == Dialect::postgresql && made.type.kind != TypeKind::integer) {
    remark(RemarkKind::changed, object,
           "bigint: no other type is numbered, numbers above 2^63-1 do "
           "not fit");
    made.type = type_from_text(to_, "bigint");
  }
  made.identity = Identity{};
  made.nullable = false;
  if (column.identity && (column.identity->increment != 1 || column.identity->minimum ||
                          column.identity->cycle || column.identity->always))
    remark(RemarkKind::changed, object, "it is numbered as usual, from 1 by 1");
}

bool Converter::convert_parts(const Table& table, const std::string& object,
                              const std::vector<KeyPart>& parts, bool unique, const Table& made,
                              std::vector<KeyPart>& out) {
  const auto& names = columns_.at(table.name.text());
  for (const KeyPart& part : parts) {
    const auto named = names.find(part.column);
    if (named == names.end()) {
      remark(RemarkKind::left_out, object, "an expression: " + part.expression);
      return false;
    }
    KeyPart copy;
    copy.column = named->second;
    copy.descending = part.descending && !(unique && to_ == Dialect::postgresql);
    if (part.prefix > 0) {
      if (unique) {
        remark(RemarkKind::left_out, object, "it is of the first characters alone");
        return false;
      }
      remark(RemarkKind::changed, object, "it is of whole values");
    }
    const Column* const column = made.find_column(copy.column);
    const bool unbounded = column != nullptr && (column->type.native.starts_with("long") ||
                                                 column->type.kind == TypeKind::json);
    if (to_ == Dialect::mysql && unbounded) {
      copy.prefix = kIndexPrefix;
      remark(RemarkKind::changed, object, fmt::format("of the first {} characters", kIndexPrefix));
    }
    if (!part.collation.empty() || !part.operator_class.empty())
      remark(RemarkKind::changed, object,
             "how it compares is not carried: " + part.collation + part.operator_class);
    out.push_back(std::move(copy));
  }
  return true;
}

void Converter::convert_keys(const Table& table, Table& made) {
  if (table.primary_key) {
    Key key;
    const std::string object = "primary key of " + object_key("table", table.name);
    if (convert_parts(table, object, table.primary_key->parts, true, made, key.parts)) {
      if (to_ == Dialect::postgresql)
        key.name = relations_.take(table.primary_key->name.empty() ? made.name.name + "_pkey"
                                                                   : table.primary_key->name);
      if (table.primary_key->deferrable)
        remark(RemarkKind::changed, object, "it is checked at once");
      made.primary_key = std::move(key);
      // SQLite alone lets NULL into one.
      for (const KeyPart& part : made.primary_key->parts)
        for (Column& column : made.columns)
          if (column.name == part.column) column.nullable = false;
    }
  }
  NameSpace of_table(to_);
  for (const Key& key : table.unique_keys) {
    const std::string object = part_of("unique key", table, key.name);
    std::vector<KeyPart> parts;
    if (key.nulls_not_distinct) {
      remark(RemarkKind::left_out, object, "NULLS NOT DISTINCT");
      continue;
    }
    if (!convert_parts(table, object, key.parts, true, made, parts)) continue;
    std::string name = key.name;
    if (name.empty()) {
      name = made.name.name;
      for (const KeyPart& part : parts) name += "_" + part.column;
      name += "_key";
    }
    if (key.deferrable) remark(RemarkKind::changed, object, "it is checked at once");
    Index index;
    index.name = index_name(name, of_table);
    index.unique = true;
    index.parts = std::move(parts);
    made.indexes.push_back(std::move(index));
  }
}

bool plain_method(const std::string& method) {
  return method.empty() || method == "btree" || method == "BTREE" || method == "hash" ||
         method == "HASH";
}

void Converter::convert_indexes(const Table& table, Table& made) {
  NameSpace of_table(to_);
  for (const Index& index : made.indexes) static_cast<void>(of_table.take(index.name));
  for (const Index& index : table.indexes) {
    const std::string object = part_of("index", table, index.name);
    Index copy;
    std::string why;
    if (!index.valid) why = "it is invalid there";
    if (!plain_method(index.method)) why = "its method " + index.method;
    if (!index.predicate.empty()) why = "it is partial: " + index.predicate;
    if (index.nulls_not_distinct) why = "NULLS NOT DISTINCT";
    if (!why.empty()) {
      remark(RemarkKind::left_out, object, why);
      continue;
    }
    if (!convert_parts(table, object, index.parts, index.unique, made, copy.parts)) continue;
    if (!index.included.empty())
      remark(RemarkKind::changed, object, "without its included columns");
    copy.name = index_name(index.name, of_table);
    if (copy.name != index.name) remark(RemarkKind::renamed, object, Name{"", copy.name}.text());
    copy.unique = index.unique;
    if (to_ != Dialect::sqlite) copy.comment = index.comment;
    made.indexes.push_back(std::move(copy));
  }
}

void Converter::convert_foreign_keys(const Table& table, Table& made) {
  const auto& own = columns_.at(table.name.text());
  for (const ForeignKey& key : table.foreign_keys) {
    const std::string object = part_of("foreign key", table, key.name);
    const Table* const other = from_.find_table(key.referenced);
    if (other == nullptr || !tables_.contains(key.referenced)) {
      remark(RemarkKind::left_out, object,
             "it refers to " + key.referenced.text() + ", which is not made");
      continue;
    }
    ForeignKey copy = key;
    copy.referenced = tables_.at(key.referenced);
    copy.comment = to_ == Dialect::postgresql ? key.comment : "";
    for (std::string& column : copy.columns) column = own.at(column);
    if (copy.referenced_columns.empty() && other->primary_key)
      for (const KeyPart& part : other->primary_key->parts)
        copy.referenced_columns.push_back(part.column);
    const auto& theirs = columns_.at(key.referenced.text());
    for (std::string& column : copy.referenced_columns)
      if (const auto found = theirs.find(column); found != theirs.end()) column = found->second;
    if (copy.name.empty() || to_ == Dialect::mysql) {
      std::string name = key.name;
      if (name.empty()) {
        name = made.name.name;
        for (const std::string& column : copy.columns) name += "_" + column;
        name += "_fkey";
      }
      copy.name = foreign_keys_.take(name);
    }
    if (!key.set_columns.empty()) {
      copy.set_columns.clear();
      remark(RemarkKind::changed, object, "all of its columns are set, not some");
    }
    if (to_ != Dialect::postgresql && key.match_full) {
      copy.match_full = false;
      remark(RemarkKind::changed, object, "MATCH FULL is not carried");
    }
    copy.validated = true;
    if (to_ == Dialect::mysql) {
      if (key.deferrable) remark(RemarkKind::changed, object, "it is checked at once");
      copy.deferrable = copy.initially_deferred = false;
      for (Action* const action : {&copy.on_update, &copy.on_delete}) {
        if (*action != Action::set_default) continue;
        *action = Action::no_action;
        remark(RemarkKind::changed, object, "SET DEFAULT: such a change is refused");
      }
    }
    if (to_ == Dialect::mysql) index_for(copy, made);
    made.foreign_keys.push_back(std::move(copy));
  }
}

/// InnoDB makes an index for the columns of a foreign key where none begins with them; so that it
/// comes with the others, and is no surprise, it is one of the table's.
void Converter::index_for(const ForeignKey& key, Table& made) {
  const auto begins = [&](const std::vector<KeyPart>& parts) {
    if (parts.size() < key.columns.size()) return false;
    for (std::size_t i = 0; i < key.columns.size(); ++i)
      if (parts[i].column != key.columns[i] || parts[i].prefix > 0) return false;
    return true;
  };
  if (made.primary_key && begins(made.primary_key->parts)) return;
  NameSpace names(to_);
  for (const Index& index : made.indexes) {
    if (begins(index.parts)) return;
    static_cast<void>(names.take(index.name));
  }
  Index index;
  index.name = names.take(key.name);
  for (const std::string& column : key.columns) {
    index.parts.emplace_back();
    index.parts.back().column = column;
  }
  made.indexes.push_back(std::move(index));
}

/// A column that refers to another one has its type, however the map came to it: MariaDB refuses
/// int to bigint, PostgreSQL numeric to bigint.
void Converter::match_references() {
  std::vector<Table>& tables = out_.catalogue.tables;
  std::map<Name, std::size_t> places;
  for (std::size_t i = 0; i < tables.size(); ++i) places[tables[i].name] = i;
  for (const Name& name : order_tables(out_.catalogue).tables) {
    Table& table = tables[places.at(name)];
    for (const ForeignKey& key : table.foreign_keys) {
      const Table& other = tables[places.at(key.referenced)];
      for (std::size_t i = 0; i < key.columns.size() && i < key.referenced_columns.size(); ++i) {
        const Column* const target = other.find_column(key.referenced_columns[i]);
        for (Column& column : table.columns) {
          if (column.name != key.columns[i] || target == nullptr) continue;
          const bool same = to_ == Dialect::mysql ? column.type.native == target->type.native
                                                  : column.type.kind == target->type.kind;
          if (same || to_ == Dialect::sqlite) continue;
          remark(RemarkKind::changed,
                 "column " + table.name.text() + "." + Name{"", column.name}.text(),
                 fmt::format("{} → {}: as the column that it refers to", column.type.native,
                             target->type.native));
          column.type = target->type;
        }
      }
    }
  }
}

void Converter::convert_sequences() {
  for (const Sequence& sequence : from_.sequences) {
    if (numbering_.contains(sequence.name)) continue;
    const std::string object = object_key("sequence", sequence.name);
    if (to_ == Dialect::sqlite) {
      remark(RemarkKind::left_out, object, "SQLite has none");
      continue;
    }
    Sequence copy = sequence;
    copy.name = {to_ == Dialect::postgresql ? std::string(kPublic) : "",
                 relations_.take(sequence.name.name)};
    copy.owner.reset();
    copy.owner_column.clear();
    copy.type = to_ == Dialect::postgresql ? "bigint" : "";
    copy.comment = to_ == Dialect::postgresql ? sequence.comment : "";
    if (to_ == Dialect::mysql) {  // the outermost numbers are MariaDB's own
      copy.maximum = std::min(copy.maximum, INT64_MAX - 1);
      copy.minimum = std::max(copy.minimum, INT64_MIN + 1);
    }
    if (copy.name.name != sequence.name.name)
      remark(RemarkKind::renamed, object, Name{"", copy.name.name}.text());
    out_.catalogue.sequences.push_back(std::move(copy));
  }
}

void Converter::leave_out_rest() {
  const std::string why = "its language is that of " + std::string(sql::to_string(from_.dialect));
  for (const View& view : from_.views)
    remark(RemarkKind::left_out, object_key("view", view.name), why);
  for (const Routine& routine : from_.routines)
    remark(RemarkKind::left_out, routine_key(routine), why);
  for (const Trigger& trigger : from_.triggers)
    remark(RemarkKind::left_out,
           "trigger " + trigger.table.text() + "." + Name{"", trigger.name}.text(), why);
  for (const OtherObject& other : from_.others)
    remark(RemarkKind::left_out, object_key(other.kind, other.name), why);
  for (const UserType& type : from_.types)
    if (type.kind != "enum")
      remark(RemarkKind::left_out, object_key("type", type.name),
             "its columns have the type that they are mapped to");
}

}  // namespace

Result<Converted> convert(const Catalogue& catalogue, Dialect to) {
  if (to == Dialect::sqlserver)
    return Error(ErrorType::unsupported_item, "this version writes no statements for SQL Server");
  if (to == catalogue.dialect) return Converted{catalogue, {}};
  return Converter(catalogue, to).convert_all();
}

}  // namespace dunlin::sql::model
