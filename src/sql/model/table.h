// The schema of a database as data: what its catalogue says, in one form for all servers.
//
// Reading (read_catalogue.h) makes it, generating (create.h) turns it into statements,
// differences.h compares two of them, order.h says in which order tables are filled. Expressions
// and definitions are texts of the dialect they were read from. Equal means: the same schema; sizes
// are no part of it. What one server alone knows stands in `options`, under that server's own
// words, so that nothing that was read is lost on the way back. Plain values; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_fwd.h"
#include "base/result.h"
#include "sql/dialect.h"

namespace dunlin::sql::model {

using Options = std::map<std::string, std::string>;

/// A table's, a view's or a type's name. `schema` is empty in MariaDB, MySQL and SQLite, where a
/// catalogue is that of one database, unless another database is meant.
struct Name {
  std::string schema;
  std::string name;
  auto operator<=>(const Name&) const = default;
  /// For people and as a key: parts that are more than a-z, 0-9 and _ are in double quotes.
  [[nodiscard]] std::string text() const;
};

enum class TypeKind : std::uint8_t {
  boolean,
  integer,   ///< size in bits: 8, 16, 24, 32, 64
  decimal,   ///< precision and scale in digits; none: as many as the server takes
  floating,  ///< size in bits: 32, 64
  text,      ///< length in characters, or none
  bytes,     ///< length in bytes, or none
  bits,      ///< length in bits
  date,
  time,       ///< precision: digits of a second; with a zone or not
  timestamp,  ///< as time
  interval,
  year,
  uuid,
  json,
  enumeration,
  set,
  network,
  geometry,
  xml,
  user,   ///< made in the database: a domain, a composite; `name` says which
  any,    ///< SQLite: a column without a type, ANY
  other,  ///< known to its server alone
};
[[nodiscard]] std::string_view to_string(TypeKind kind);

struct Type {
  TypeKind kind = TypeKind::other;
  int size_bits = 0;
  std::optional<std::int64_t> length;
  std::optional<int> precision;
  std::optional<int> scale;
  bool is_unsigned = false;
  bool fixed = false;  ///< char(n), binary(n), bit(n): as long as it says
  bool with_time_zone = false;
  bool array = false;
  bool canonical = false;           ///< jsonb: the server keeps the value, not the text
  std::vector<std::string> labels;  ///< MariaDB's enum and set
  std::string name;                 ///< of a type made in the database, as SQL writes it
  std::string native;               ///< all of it as the server writes it
  bool operator==(const Type&) const = default;
};

struct Generated {
  std::string expression;
  bool stored = false;
  bool operator==(const Generated&) const = default;
};

/// The server numbers the rows.
struct Identity {
  bool always = false;   ///< PostgreSQL: a value of one's own needs OVERRIDING SYSTEM VALUE
  std::string sequence;  ///< PostgreSQL: its name, in the table's schema
  std::int64_t start = 1;
  std::int64_t increment = 1;
  std::optional<std::int64_t> minimum;  ///< none: the type's
  std::optional<std::int64_t> maximum;
  std::int64_t cache = 1;
  bool cycle = false;
  bool operator==(const Identity&) const = default;
};

struct Column {
  std::string name;
  Type type;
  bool nullable = true;
  std::optional<std::string> default_expression;
  std::optional<Generated> generated;
  std::optional<Identity> identity;
  std::string collation;  ///< where it is not what the type (PostgreSQL), the table (MariaDB) has
  std::string check;      ///< MariaDB: one that belongs to the column and has no name of its own
  std::string comment;
  bool inherited = false;  ///< PostgreSQL: only by INHERITS
  Options options;
  bool operator==(const Column&) const = default;
};

/// A column or an expression in a key or an index.
struct KeyPart {
  std::string column;      ///< empty: an expression
  std::string expression;  ///< as it may stand in an index
  bool descending = false;
  std::optional<bool> nulls_first;  ///< where it is not what the order brings with it
  std::int64_t prefix = 0;          ///< MariaDB: characters of the value; 0: all
  std::string collation;            ///< where it is not the column's
  std::string operator_class;       ///< where it is not the type's
  bool operator==(const KeyPart&) const = default;
};

/// PRIMARY KEY or UNIQUE.
struct Key {
  std::string name;
  std::vector<KeyPart> parts;
  std::vector<std::string> included;
  bool deferrable = false;
  bool initially_deferred = false;
  bool nulls_not_distinct = false;
  std::string comment;
  Options options;
  bool operator==(const Key&) const = default;
};

struct Check {
  std::string name;
  std::string expression;
  bool validated = true;
  bool no_inherit = false;
  std::string comment;
  bool operator==(const Check&) const = default;
};

enum class Action : std::uint8_t { no_action, restricted, cascade, set_null, set_default };
/// As SQL writes it: "NO ACTION".
[[nodiscard]] std::string_view to_string(Action action);

struct ForeignKey {
  std::string name;
  std::vector<std::string> columns;
  Name referenced;
  std::vector<std::string> referenced_columns;  ///< empty: the primary key's (SQLite)
  Action on_update = Action::no_action;
  Action on_delete = Action::no_action;
  std::vector<std::string> set_columns;  ///< PostgreSQL: SET NULL (these)
  bool match_full = false;
  bool deferrable = false;
  bool initially_deferred = false;
  bool validated = true;
  std::string comment;
  bool operator==(const ForeignKey&) const = default;
};

/// Of which the server's own words are all that is known: an exclusion constraint.
struct NativeConstraint {
  std::string name;
  std::string definition;
  std::string comment;
  bool operator==(const NativeConstraint&) const = default;
};

struct Index {
  std::string name;
  std::vector<KeyPart> parts;
  std::vector<std::string> included;
  bool unique = false;
  bool nulls_not_distinct = false;
  std::string method;     ///< "btree", "gin", "fulltext"; empty: the server's only one
  std::string predicate;  ///< of a partial one
  bool valid = true;      ///< PostgreSQL: false is what a failed CONCURRENTLY leaves
  std::string comment;
  Options options;
  bool operator==(const Index&) const = default;
};

/// What the server believes; -1: it does not say. Never a difference.
struct Size {
  std::int64_t rows = -1;
  std::int64_t bytes = -1;
  bool operator==(const Size&) const { return true; }
};

enum class TableKind : std::uint8_t {
  ordinary,
  partitioned,    ///< PostgreSQL: its rows are in its partitions, tables of their own
  virtual_table,  ///< SQLite: of a module; `definition` is all that is known
};
[[nodiscard]] std::string_view to_string(TableKind kind);

struct Table {
  Name name;
  TableKind kind = TableKind::ordinary;
  std::vector<Column> columns;  ///< in their order
  std::optional<Key> primary_key;
  std::vector<Key> unique_keys;  ///< these and all below by name
  std::vector<Check> checks;
  std::vector<ForeignKey> foreign_keys;
  std::vector<NativeConstraint> native_constraints;
  std::vector<Index> indexes;
  std::vector<Name> inherits;  ///< in their order
  std::string partition_by;    ///< as the server writes it; MariaDB: with the partitions
  std::optional<Name> partition_of;
  std::string partition_bound;  ///< "FOR VALUES ...", "DEFAULT"
  std::string definition;
  std::string comment;
  Options options;
  std::vector<std::string> depends_on;  ///< Object keys ("routine public.f(integer)") it needs
  Size size;
  bool operator==(const Table&) const = default;

  [[nodiscard]] const Column* find_column(std::string_view column) const;
};

struct View {
  Name name;
  bool materialized = false;
  std::vector<std::string> columns;
  std::string definition;  ///< its query
  std::vector<Index> indexes;
  std::string comment;
  Options options;
  std::vector<std::string> depends_on;
  bool operator==(const View&) const = default;
};

struct Sequence {
  Name name;
  std::string type;  ///< PostgreSQL: "bigint"
  std::int64_t start = 1;
  std::int64_t increment = 1;
  std::int64_t minimum = 1;
  std::int64_t maximum = 0;
  std::int64_t cache = 1;
  bool cycle = false;
  std::optional<Name> owner;  ///< the table; with it the sequence goes
  std::string owner_column;
  std::string comment;
  bool operator==(const Sequence&) const = default;
};

struct Trigger {
  std::string name;
  Name table;
  std::string definition;  ///< the statement that makes it
  Options options;
  bool operator==(const Trigger&) const = default;
};

struct Routine {
  Name name;
  std::string kind;        ///< "function", "procedure"
  std::string arguments;   ///< their types, which tell it from others of its name (PostgreSQL)
  std::string definition;  ///< the statement that makes it; empty: this user may not see it
  std::string comment;
  Options options;
  std::vector<std::string> depends_on;
  bool operator==(const Routine&) const = default;
};

struct UserType {
  Name name;
  std::string kind;                 ///< "enum", "domain", "composite", "range"
  std::vector<std::string> labels;  ///< of an enum, in their order
  std::string definition;           ///< of the others: what follows the name
  std::string comment;
  std::vector<std::string> depends_on;
  bool operator==(const UserType&) const = default;
};

/// Whatever else there is; compared, and made again where there is a definition.
struct OtherObject {
  std::string kind;  ///< "extension", "policy", "rule", "event", "aggregate", "foreign table"
  Name name;
  std::optional<Name> table;
  std::string definition;
  Options options;
  bool operator==(const OtherObject&) const = default;
};

struct Schema {
  std::string name;
  std::string comment;
  bool operator==(const Schema&) const = default;
};

/// All lists by name (Unicode code points), so that two readings of one schema are equal.
struct Catalogue {
  Dialect dialect = Dialect::sqlite;
  std::vector<Schema> schemas;  ///< PostgreSQL alone
  std::vector<UserType> types;
  std::vector<Sequence> sequences;
  std::vector<Table> tables;
  std::vector<View> views;
  std::vector<Routine> routines;
  std::vector<Trigger> triggers;
  std::vector<OtherObject> others;
  Options options;
  bool operator==(const Catalogue&) const = default;

  /// Puts the lists into their order, which reading has done already.
  void sort();
  [[nodiscard]] const Table* find_table(const Name& name) const;
};

/// Keys of `depends_on` and of differences: "table public.t".
[[nodiscard]] std::string object_key(std::string_view kind, const Name& name);
[[nodiscard]] std::string routine_key(const Routine& routine);

/// The canonical form: what is empty or as usual is left out, keys and lists are in a fixed order.
/// Without sizes. Kept in histories, so that an old one compares with a new reading
/// (differences.h): names of keys do not change.
[[nodiscard]] Json to_json(const Catalogue& catalogue);
[[nodiscard]] Json to_json(const Table& table);

/// "sha256:<64 hex digits>" of the canonical form: equal for equal catalogues alone.
[[nodiscard]] Result<std::string> fingerprint(const Catalogue& catalogue);

}  // namespace dunlin::sql::model
