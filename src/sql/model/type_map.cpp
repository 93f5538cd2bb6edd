// The words of one server for the types of another: the map of records.md R-14, as far as a
// schema can say it. What depends on the values (does a tinyint(1) hold more than 0 and 1?) is
// decided for the wider type.
#include <fmt/format.h>

#include "sql/model/types.h"

namespace dunlin::sql::model {
namespace {

/// Longer ones are TEXT in MariaDB: a row has 65,535 bytes, a character up to 4.
constexpr std::int64_t kLongestVarchar = 2'000;
/// A key of InnoDB has 3,072 bytes; with 255 characters three such columns fit.
constexpr int kKeyCharacters = 255;
constexpr int kMysqlDigits = 65;
constexpr int kMysqlScale = 30;

std::string sized(std::string_view word, std::int64_t size) {
  return fmt::format("{}({})", word, size);
}

std::string quoted_labels(Dialect dialect, const std::vector<std::string>& labels) {
  std::string out;
  for (const std::string& label : labels)
    out += (out.empty() ? "" : ", ") + string_literal(dialect, label);
  return out;
}

std::string loss_to(const Type& type, const std::string& text, std::string_view why) {
  return fmt::format("{} → {}: {}", type.native, text, why);
}

MappedType lossy(const Type& type, std::string text, std::string_view why) {
  MappedType mapped;
  mapped.loss = loss_to(type, text, why);
  mapped.text = std::move(text);
  return mapped;
}

/// Digits of a second that the source keeps.
int second_digits(const Type& type, Dialect from) {
  return type.precision.value_or(from == Dialect::sqlite ? 3 : 6);
}

MappedType integer_to(const Type& type, Dialect to, const std::string& column) {
  MappedType mapped;
  if (to == Dialect::sqlite) {
    if (type.is_unsigned && type.size_bits == 64)
      return lossy(type, "TEXT", "a number above 2^63 would become a REAL");
    mapped.text = "INTEGER";
    return mapped;
  }
  const int bits = type.size_bits;
  if (to == Dialect::mysql) {
    mapped.text = bits <= 16 ? "smallint" : bits <= 32 ? "int" : "bigint";
    return mapped;
  }
  if (type.is_unsigned && bits == 64)
    mapped = lossy(type, "numeric(20)", "PostgreSQL has no unsigned type");
  else if (type.is_unsigned)
    mapped.text = bits <= 8 ? "smallint" : bits <= 24 ? "integer" : "bigint";
  else
    mapped.text = bits <= 16 ? "smallint" : bits <= 32 ? "integer" : "bigint";
  if (type.is_unsigned) mapped.check = column + " >= 0";
  return mapped;
}

MappedType decimal_to(const Type& type, Dialect to) {
  MappedType mapped;
  if (to == Dialect::sqlite) return lossy(type, "TEXT", "NUMERIC would round to 15 digits");
  const int digits = type.precision.value_or(0);
  const int scale = type.scale.value_or(0);
  if (to == Dialect::postgresql) {
    mapped.text = type.precision ? fmt::format("numeric({},{})", digits, scale) : "numeric";
    return mapped;
  }
  if (!type.precision || digits > kMysqlDigits || scale > kMysqlScale || scale < 0)
    return lossy(type, fmt::format("decimal({},{})", kMysqlDigits, kMysqlScale),
                 "not more than 65 digits, 30 of them behind the point");
  mapped.text = fmt::format("decimal({},{})", digits, scale);
  return mapped;
}

MappedType text_to(const Type& type, Dialect from, Dialect to, const std::string& column,
                   bool in_key) {
  MappedType mapped;
  // A length in SQLite is a remark that nobody checks; those of *text in MariaDB are bytes.
  const bool checked = from == Dialect::postgresql ||
                       (from == Dialect::mysql && type.native.find("text") == std::string::npos);
  const std::int64_t length = checked ? type.length.value_or(0) : 0;
  if (to == Dialect::sqlite) {
    mapped.text = "TEXT";
    if (length > 0) mapped.check = fmt::format("length({}) <= {}", column, length);
    return mapped;
  }
  if (to == Dialect::postgresql) {
    if (length == 0)
      mapped.text = "text";
    else
      mapped.text = sized(type.fixed ? "character" : "character varying", length);
    return mapped;
  }
  if (type.fixed && length > 0 && length <= 255) {
    mapped.text = sized("char", length);
  } else if (length > 0 && length <= (in_key ? 768 : kLongestVarchar)) {
    mapped.text = sized("varchar", length);
  } else if (in_key) {
    return lossy(type, sized("varchar", kKeyCharacters), "a key takes no longer text");
  } else {
    mapped.text = "longtext";
    if (length > 0) mapped.check = fmt::format("char_length({}) <= {}", column, length);
  }
  return mapped;
}

MappedType bytes_to(const Type& type, Dialect from, Dialect to, const std::string& column,
                    bool in_key) {
  MappedType mapped;
  const bool checked = from == Dialect::mysql && type.native.find("blob") == std::string::npos;
  const std::int64_t length = checked ? type.length.value_or(0) : 0;
  if (to == Dialect::mysql) {
    if (in_key)
      return lossy(type, sized("varbinary", kKeyCharacters), "a key takes no longer value");
    mapped.text = "longblob";
    return mapped;
  }
  mapped.text = to == Dialect::sqlite ? "BLOB" : "bytea";
  if (length > 0)
    mapped.check = fmt::format("{}({}) <= {}", to == Dialect::sqlite ? "length" : "octet_length",
                               column, length);
  return mapped;
}

MappedType time_to(const Type& type, Dialect from, Dialect to) {
  MappedType mapped;
  const int digits = std::min(second_digits(type, from), 6);
  const bool stamp = type.kind == TypeKind::timestamp;
  if (to == Dialect::sqlite) return lossy(type, "TEXT", "kept as ISO 8601 text");
  if (to == Dialect::postgresql) {
    const std::string zone = type.with_time_zone ? " with time zone" : " without time zone";
    mapped.text = sized(stamp ? "timestamp" : "time", digits) + zone;
    if (!stamp && from == Dialect::mysql)
      mapped.loss = loss_to(type, mapped.text, "times below 0 and from 24 h on do not fit");
    return mapped;
  }
  mapped.text = sized(stamp ? "datetime" : "time", digits);
  if (type.with_time_zone)
    mapped.loss =
        loss_to(type, mapped.text, stamp ? "kept in UTC, without its zone" : "without its zone");
  else if (from == Dialect::postgresql && stamp)
    mapped.loss = loss_to(type, mapped.text, "infinity and years outside of 1 to 9999 do not fit");
  return mapped;
}

MappedType enumeration_to(const Type& type, Dialect to, const std::string& column,
                          const std::vector<std::string>& labels) {
  MappedType mapped;
  const std::vector<std::string>& all = labels.empty() ? type.labels : labels;
  if (to == Dialect::mysql && !all.empty()) {
    mapped.text = "enum(" + quoted_labels(to, all) + ")";
    return mapped;
  }
  mapped = lossy(type, to == Dialect::sqlite ? "TEXT" : "text",
                 "sorted as text, not in the order of its values");
  if (!all.empty()) mapped.check = column + " IN (" + quoted_labels(to, all) + ")";
  return mapped;
}

/// By place: PostgreSQL, MariaDB, SQLite.
std::string one_of(Dialect to, std::string postgresql, std::string mariadb, std::string sqlite) {
  if (to == Dialect::postgresql) return postgresql;
  return to == Dialect::mysql ? mariadb : sqlite;
}

MappedType as_text(const Type& type, Dialect to, std::string_view why) {
  return lossy(type, one_of(to, "text", "longtext", "TEXT"), why);
}

MappedType plain(std::string text) {
  MappedType mapped;
  mapped.text = std::move(text);
  return mapped;
}

MappedType json_to(const Type& type, Dialect to, const std::string& column) {
  MappedType mapped = plain(one_of(to, "json", "json", "TEXT"));
  if (type.canonical)
    mapped.loss = loss_to(type, mapped.text, "kept as text: order and repeated keys count");
  if (to == Dialect::sqlite) mapped.check = "json_valid(" + column + ")";
  return mapped;
}

MappedType boolean_to(const Type& type, Dialect from, Dialect to, const std::string& column) {
  if (to == Dialect::postgresql)
    return from == Dialect::mysql ? lossy(type, "smallint", "it may hold more than 0 and 1")
                                  : lossy(type, "boolean", "values other than 0 and 1 do not fit");
  MappedType mapped = plain(one_of(to, "", "tinyint(1)", "INTEGER"));
  if (from == Dialect::postgresql) mapped.check = column + " IN (0, 1)";
  return mapped;
}

MappedType floating_to(const Type& type, Dialect from, Dialect to) {
  if (to == Dialect::sqlite) return plain("REAL");
  const bool small = type.size_bits == 32;
  if (to == Dialect::postgresql) return plain(small ? "real" : "double precision");
  const std::string text = small ? "float" : "double";
  if (from == Dialect::postgresql) return lossy(type, text, "NaN and infinity do not fit");
  return plain(text);
}

}  // namespace

MappedType map_type(const Type& type, Dialect from, Dialect to, const std::string& column,
                    const std::vector<std::string>& labels, bool in_key) {
  if (type.array) {
    if (to == Dialect::postgresql) return plain(type.native);
    MappedType mapped = lossy(type, one_of(to, "", "json", "TEXT"), "kept as JSON");
    if (to == Dialect::sqlite) mapped.check = "json_valid(" + column + ")";
    return mapped;
  }
  switch (type.kind) {
    case TypeKind::boolean:
      return boolean_to(type, from, to, column);
    case TypeKind::integer:
      return integer_to(type, to, column);
    case TypeKind::decimal:
      return decimal_to(type, to);
    case TypeKind::floating:
      return floating_to(type, from, to);
    case TypeKind::text:
      return text_to(type, from, to, column, in_key);
    case TypeKind::bytes:
      return bytes_to(type, from, to, column, in_key);
    case TypeKind::bits: {
      const std::int64_t length = type.length.value_or(1);
      if (to == Dialect::postgresql) return plain(sized("bit", length));
      if (to == Dialect::mysql && type.fixed && length <= 64) return plain(sized("bit", length));
      return as_text(type, to, "kept as text of 0 and 1");
    }
    case TypeKind::date:
      if (to == Dialect::postgresql) return plain("date");
      if (to == Dialect::sqlite) return lossy(type, "TEXT", "kept as ISO 8601 text");
      if (from == Dialect::postgresql)
        return lossy(type, "date", "infinity and years outside of 1 to 9999 do not fit");
      return plain("date");
    case TypeKind::time:
    case TypeKind::timestamp:
      return time_to(type, from, to);
    case TypeKind::interval:
      return as_text(type, to, "kept as ISO 8601 text");
    case TypeKind::year:
      return lossy(type, one_of(to, "smallint", "year", "INTEGER"), "any number fits");
    case TypeKind::uuid: {
      if (to != Dialect::sqlite) return plain("uuid");
      return as_text(type, to, "kept as text");
    }
    case TypeKind::json:
      return json_to(type, to, column);
    case TypeKind::enumeration:
      return enumeration_to(type, to, column, labels);
    case TypeKind::set:
      return as_text(type, to, "its members are not checked");
    case TypeKind::network:
      if (to == Dialect::postgresql) return plain("inet");
      return lossy(type, one_of(to, "", "varchar(64)", "TEXT"), "kept as text");
    case TypeKind::geometry:
      return lossy(type, one_of(to, "bytea", "longblob", "BLOB"), "kept as bytes");
    case TypeKind::xml:
      return as_text(type, to, "kept as text, not checked");
    case TypeKind::user:
    case TypeKind::any:
    case TypeKind::other:
      break;
  }
  return as_text(type, to, "kept as text");
}

}  // namespace dunlin::sql::model
