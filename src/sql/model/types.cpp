// What the words of each server for a type mean; see types.h.
#include "sql/model/types.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include "sql/catalogue.h"
#include "sql/script/scanner.h"

namespace dunlin::sql::model {
namespace {

struct TypeWords {
  std::string base;                      ///< in lower case, one space between words
  std::vector<std::string> in_brackets;  ///< numbers, or labels without their quotes
};

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

/// A literal without its quotes.
std::string unquoted(std::string_view text) {
  std::string out;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    if (text[i] == '\\' && i + 2 < text.size()) {
      out.push_back(text[++i]);
      continue;
    }
    out.push_back(text[i]);
    if (text[i] == text.front()) ++i;
  }
  return out;
}

/// "character varying(10)", "timestamp(3) with time zone", "enum('a','b')".
TypeWords words_of(Dialect dialect, std::string_view native) {
  TypeWords words;
  Scanner scanner(dialect, native);
  int depth = 0;
  for (Token token = scanner.next(); token.kind != TokenKind::end; token = scanner.next()) {
    const std::string_view text = token.of(native);
    if (token.kind == TokenKind::space || token.kind == TokenKind::comment) continue;
    if (text == "(") {
      ++depth;
    } else if (text == ")") {
      --depth;
    } else if (depth > 0) {
      if (token.kind == TokenKind::string) {
        words.in_brackets.push_back(unquoted(text));
      } else if (token.kind == TokenKind::number || token.kind == TokenKind::word) {
        const bool minus = !words.in_brackets.empty() && words.in_brackets.back() == "-";
        if (minus) words.in_brackets.pop_back();
        words.in_brackets.push_back((minus ? "-" : "") + std::string(text));
      } else if (text == "-") {
        words.in_brackets.emplace_back("-");
      }
    } else if (token.kind == TokenKind::word || token.kind == TokenKind::quoted) {
      if (!words.base.empty() && words.base.back() != '.') words.base += ' ';
      words.base += token.kind == TokenKind::word ? lower_case(text) : std::string(text);
    } else {
      words.base += text;
    }
  }
  return words;
}

std::optional<std::int64_t> number_in(const TypeWords& words, std::size_t at) {
  if (at >= words.in_brackets.size()) return std::nullopt;
  const std::string& text = words.in_brackets[at];
  std::int64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<int> small_number_in(const TypeWords& words, std::size_t at) {
  const auto value = number_in(words, at);
  if (!value) return std::nullopt;
  return static_cast<int>(*value);
}

struct NamedType {
  std::string_view name;
  TypeKind kind;
  int size_bits = 0;
  bool fixed = false;
};

const NamedType* find_named(std::span<const NamedType> all, std::string_view name) {
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const NamedType& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

constexpr std::array kPostgresqlTypes = {
    NamedType{"boolean", TypeKind::boolean},
    NamedType{"smallint", TypeKind::integer, 16},
    NamedType{"integer", TypeKind::integer, 32},
    NamedType{"bigint", TypeKind::integer, 64},
    NamedType{"numeric", TypeKind::decimal},
    NamedType{"real", TypeKind::floating, 32},
    NamedType{"double precision", TypeKind::floating, 64},
    NamedType{"text", TypeKind::text},
    NamedType{"character varying", TypeKind::text},
    NamedType{"character", TypeKind::text, 0, true},
    NamedType{"name", TypeKind::text},
    NamedType{"\"char\"", TypeKind::text},
    NamedType{"bytea", TypeKind::bytes},
    NamedType{"bit", TypeKind::bits, 0, true},
    NamedType{"bit varying", TypeKind::bits},
    NamedType{"date", TypeKind::date},
    NamedType{"time without time zone", TypeKind::time},
    NamedType{"time with time zone", TypeKind::time},
    NamedType{"timestamp without time zone", TypeKind::timestamp},
    NamedType{"timestamp with time zone", TypeKind::timestamp},
    NamedType{"uuid", TypeKind::uuid},
    NamedType{"json", TypeKind::json},
    NamedType{"jsonb", TypeKind::json},
    NamedType{"inet", TypeKind::network},
    NamedType{"cidr", TypeKind::network},
    NamedType{"macaddr", TypeKind::network},
    NamedType{"macaddr8", TypeKind::network},
    NamedType{"xml", TypeKind::xml},
    NamedType{"point", TypeKind::geometry},
    NamedType{"line", TypeKind::geometry},
    NamedType{"lseg", TypeKind::geometry},
    NamedType{"box", TypeKind::geometry},
    NamedType{"path", TypeKind::geometry},
    NamedType{"polygon", TypeKind::geometry},
    NamedType{"circle", TypeKind::geometry},
};

constexpr std::array kMysqlTypes = {
    NamedType{"tinyint", TypeKind::integer, 8},
    NamedType{"smallint", TypeKind::integer, 16},
    NamedType{"mediumint", TypeKind::integer, 24},
    NamedType{"int", TypeKind::integer, 32},
    NamedType{"bigint", TypeKind::integer, 64},
    NamedType{"decimal", TypeKind::decimal},
    NamedType{"float", TypeKind::floating, 32},
    NamedType{"double", TypeKind::floating, 64},
    NamedType{"char", TypeKind::text, 0, true},
    NamedType{"varchar", TypeKind::text},
    NamedType{"tinytext", TypeKind::text},
    NamedType{"text", TypeKind::text},
    NamedType{"mediumtext", TypeKind::text},
    NamedType{"longtext", TypeKind::text},
    NamedType{"binary", TypeKind::bytes, 0, true},
    NamedType{"varbinary", TypeKind::bytes},
    NamedType{"tinyblob", TypeKind::bytes},
    NamedType{"blob", TypeKind::bytes},
    NamedType{"mediumblob", TypeKind::bytes},
    NamedType{"longblob", TypeKind::bytes},
    NamedType{"bit", TypeKind::bits, 0, true},
    NamedType{"date", TypeKind::date},
    NamedType{"time", TypeKind::time},
    NamedType{"datetime", TypeKind::timestamp},
    NamedType{"timestamp", TypeKind::timestamp},
    NamedType{"year", TypeKind::year},
    NamedType{"uuid", TypeKind::uuid},
    NamedType{"json", TypeKind::json},
    NamedType{"enum", TypeKind::enumeration},
    NamedType{"set", TypeKind::set},
    NamedType{"inet4", TypeKind::network},
    NamedType{"inet6", TypeKind::network},
    NamedType{"geometry", TypeKind::geometry},
    NamedType{"point", TypeKind::geometry},
    NamedType{"linestring", TypeKind::geometry},
    NamedType{"polygon", TypeKind::geometry},
    NamedType{"multipoint", TypeKind::geometry},
    NamedType{"multilinestring", TypeKind::geometry},
    NamedType{"multipolygon", TypeKind::geometry},
    NamedType{"geometrycollection", TypeKind::geometry},
};

/// The longest text or blob in bytes: MariaDB "Data Type Storage Requirements".
std::optional<std::int64_t> mysql_limit(std::string_view base) {
  if (base.starts_with("tiny")) return 255;
  if (base.starts_with("medium")) return (1 << 24) - 1;
  if (base.starts_with("long")) return (std::int64_t{1} << 32) - 1;
  if (base == "text" || base == "blob") return 65'535;
  return std::nullopt;
}

void take_sizes(Type& type, const TypeWords& words) {
  switch (type.kind) {
    case TypeKind::text:
    case TypeKind::bytes:
    case TypeKind::bits:
      type.length = number_in(words, 0);
      break;
    case TypeKind::decimal:
      type.precision = small_number_in(words, 0);
      type.scale = small_number_in(words, 1);
      if (type.precision && !type.scale) type.scale = 0;
      break;
    case TypeKind::time:
    case TypeKind::timestamp:
    case TypeKind::interval:
      type.precision = small_number_in(words, 0);
      break;
    default:
      break;
  }
}

Type postgresql_type(std::string_view native) {
  Type type;
  type.native = native;
  std::string_view rest = native;
  while (rest.ends_with("[]")) {
    rest.remove_suffix(2);
    type.array = true;
  }
  const TypeWords words = words_of(Dialect::postgresql, rest);
  if (words.base.starts_with("interval")) {
    type.kind = TypeKind::interval;
    take_sizes(type, words);
    return type;
  }
  const NamedType* const named = find_named(kPostgresqlTypes, words.base);
  if (named == nullptr) {
    type.name = rest;
    return type;
  }
  type.kind = named->kind;
  type.size_bits = named->size_bits;
  type.fixed = named->fixed;
  type.with_time_zone = words.base.ends_with("with time zone");
  type.canonical = words.base == "jsonb";
  take_sizes(type, words);
  if (type.fixed && !type.length) type.length = 1;
  return type;
}

Type mysql_type(std::string_view native) {
  Type type;
  type.native = native;
  TypeWords words = words_of(Dialect::mysql, native);
  const std::size_t space = words.base.find(' ');
  const std::string attributes =
      space == std::string::npos ? std::string() : words.base.substr(space);
  words.base = words.base.substr(0, space);
  const NamedType* const named = find_named(kMysqlTypes, words.base);
  if (named == nullptr) {
    type.name = native;
    return type;
  }
  type.kind = named->kind;
  type.size_bits = named->size_bits;
  type.fixed = named->fixed;
  type.is_unsigned = attributes.find(" unsigned") != std::string::npos;
  take_sizes(type, words);
  if (const auto limit = mysql_limit(words.base); limit && !type.length) type.length = *limit;
  if (type.kind == TypeKind::enumeration || type.kind == TypeKind::set)
    type.labels = words.in_brackets;
  if (type.kind == TypeKind::time || type.kind == TypeKind::timestamp)
    type.precision = type.precision.value_or(0);
  // A TIMESTAMP is kept in UTC and shown in the session's zone; a DATETIME has no zone.
  type.with_time_zone = words.base == "timestamp";
  if (words.base == "tinyint" && number_in(words, 0) == 1 && !type.is_unsigned)
    type.kind = TypeKind::boolean;
  return type;
}

/// A declaration says little: sqlite.org/datatype3.html. What is common among people is read as
/// they mean it; the affinity decides about the rest.
Type sqlite_type(std::string_view native) {
  Type type;
  type.native = native;
  const TypeWords words = words_of(Dialect::sqlite, native);
  const std::string& base = words.base;
  const auto is = [&](std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), base) != names.end();
  };
  if (base.empty() || base == "any") {
    type.kind = TypeKind::any;
  } else if (is({"bool", "boolean"})) {
    type.kind = TypeKind::boolean;
  } else if (is({"date"})) {
    type.kind = TypeKind::date;
  } else if (is({"time"})) {
    type.kind = TypeKind::time;
  } else if (is({"datetime", "timestamp"})) {
    type.kind = TypeKind::timestamp;
  } else if (is({"json", "jsonb"})) {
    type.kind = TypeKind::json;
  } else if (is({"uuid", "guid"})) {
    type.kind = TypeKind::uuid;
  } else {
    switch (affinity_of(native, false)) {
      case Affinity::integer:
        type.kind = TypeKind::integer;
        type.size_bits = 64;
        break;
      case Affinity::text:
        type.kind = TypeKind::text;
        break;
      case Affinity::blob:
        type.kind = TypeKind::bytes;
        break;
      case Affinity::real:
        type.kind = TypeKind::floating;
        type.size_bits = 64;
        break;
      case Affinity::numeric:
        type.kind = TypeKind::decimal;
        break;
    }
  }
  take_sizes(type, words);
  return type;
}

}  // namespace

Type type_from_text(Dialect dialect, std::string_view native) {
  switch (dialect) {
    case Dialect::postgresql:
      return postgresql_type(native);
    case Dialect::mysql:
      return mysql_type(native);
    default:
      return sqlite_type(native);
  }
}

std::string string_literal(Dialect dialect, std::string_view text) {
  std::string out = "'";
  bool backslash = false;
  for (const char c : text) {
    out.push_back(c);
    if (c == '\'' || (c == '\\' && dialect != Dialect::sqlite)) out.push_back(c);
    backslash = backslash || c == '\\';
  }
  out += "'";
  return backslash && dialect == Dialect::postgresql ? "E" + out : out;
}

}  // namespace dunlin::sql::model
