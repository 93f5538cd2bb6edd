// Default values in another dialect; see expressions.h.
#include "sql/model/expressions.h"

#include <algorithm>
#include <vector>

#include "sql/model/types.h"
#include "sql/script/scanner.h"

namespace dunlin::sql::model {
namespace {

using Tokens = std::vector<Token>;

Tokens tokens_of(Dialect dialect, const std::string& text) {
  Tokens tokens;
  Scanner scanner(dialect, text);
  for (Token token = scanner.next(); token.kind != TokenKind::end; token = scanner.next())
    if (token.kind != TokenKind::space && token.kind != TokenKind::comment) tokens.push_back(token);
  return tokens;
}

/// Brackets around all of it, and casts of PostgreSQL behind it, say nothing about a literal.
void strip(const std::string& text, Tokens& tokens) {
  const auto is = [&](std::size_t at, std::string_view symbol) {
    return tokens[at].of(text) == symbol;
  };
  bool changed = true;
  while (changed && !tokens.empty()) {
    changed = false;
    int depth = 0;
    for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
      if (is(i, "(")) ++depth;
      if (is(i, ")")) --depth;
      if (depth == 0 && is(i, ":") && is(i + 1, ":")) {
        tokens.resize(i);
        changed = true;
        break;
      }
    }
    if (changed || tokens.size() < 2 || !is(0, "(") || !is(tokens.size() - 1, ")")) continue;
    depth = 0;
    std::size_t end = 0;
    for (; end < tokens.size(); ++end) {
      if (is(end, "(")) ++depth;
      if (is(end, ")") && --depth == 0) break;
    }
    if (end + 1 != tokens.size()) continue;
    tokens.pop_back();
    tokens.erase(tokens.begin());
    changed = true;
  }
}

/// What a string literal says; nullopt for those with escapes that are not plain.
std::optional<std::string> value_of(Dialect dialect, std::string_view literal) {
  bool backslashes = dialect == Dialect::mysql;
  if (literal.starts_with('E') || literal.starts_with('e')) {
    backslashes = true;
    literal.remove_prefix(1);
  }
  if (literal.size() < 2 || (literal.front() != '\'' && literal.front() != '"'))
    return std::nullopt;
  std::string out;
  for (std::size_t i = 1; i + 1 < literal.size(); ++i) {
    if (backslashes && literal[i] == '\\') {
      const char next = literal[++i];
      if (next != '\\' && next != '\'' && next != '"') return std::nullopt;
      out.push_back(next);
      continue;
    }
    out.push_back(literal[i]);
    if (literal[i] == literal.front()) ++i;
  }
  return out;
}

bool is_numeric(TypeKind kind) {
  return kind == TypeKind::integer || kind == TypeKind::decimal || kind == TypeKind::floating ||
         kind == TypeKind::year;
}

bool is_number(const std::string& text) {
  bool digits = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c >= '0' && c <= '9')
      digits = true;
    else if (c != '.' && c != 'e' && c != 'E' && !(c == '-' && (i == 0 || text[i - 1] == 'e')))
      return false;
  }
  return digits;
}

/// Kinds whose literals are a string that says the same everywhere.
bool is_plain_text(const Type& from, const Type& to) {
  switch (from.kind) {
    case TypeKind::text:
    case TypeKind::enumeration:
    case TypeKind::uuid:
    case TypeKind::json:
    case TypeKind::network:
    case TypeKind::any:
    case TypeKind::date:
      return !from.array && to.kind != TypeKind::bytes && !is_numeric(to.kind);
    case TypeKind::time:
    case TypeKind::timestamp:
      return !from.with_time_zone && !to.with_time_zone;
    default:
      return false;
  }
}

std::optional<std::string> literal_for(const std::string& value, Dialect to, const Type& from_type,
                                       const Type& to_type) {
  if (to_type.kind == TypeKind::boolean || from_type.kind == TypeKind::boolean) {
    const bool yes = value == "true" || value == "t" || value == "1";
    if (!yes && value != "false" && value != "f" && value != "0") return std::nullopt;
    if (to == Dialect::postgresql && to_type.kind == TypeKind::boolean)
      return yes ? "true" : "false";
    return yes ? "1" : "0";
  }
  if (is_numeric(from_type.kind) && is_number(value)) {
    const bool text = to == Dialect::sqlite && from_type.kind != TypeKind::floating &&
                      to_type.kind == TypeKind::text;
    return text ? string_literal(to, value) : value;
  }
  if (is_plain_text(from_type, to_type)) return string_literal(to, value);
  return std::nullopt;
}

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

std::optional<std::string> present(const std::string& word, Dialect to, const Type& to_type) {
  const auto is = [&](std::initializer_list<std::string_view> words) {
    return std::find(words.begin(), words.end(), word) != words.end();
  };
  if (is({"now", "current_timestamp", "localtimestamp", "transaction_timestamp"})) {
    if (to != Dialect::mysql) return "CURRENT_TIMESTAMP";
    if (to_type.kind != TypeKind::timestamp) return std::nullopt;
    return "CURRENT_TIMESTAMP(" + std::to_string(to_type.precision.value_or(0)) + ")";
  }
  if (is({"current_date", "curdate"})) return to == Dialect::mysql ? "curdate()" : "CURRENT_DATE";
  if (is({"gen_random_uuid", "uuid"}) && to_type.kind == TypeKind::uuid && to != Dialect::sqlite)
    return to == Dialect::mysql ? "uuid()" : "gen_random_uuid()";
  return std::nullopt;
}

}  // namespace

std::optional<std::string> translate_default(const std::string& expression, Dialect from,
                                             Dialect to, const Type& from_type,
                                             const Type& to_type) {
  Tokens tokens = tokens_of(from, expression);
  strip(expression, tokens);
  if (tokens.empty()) return std::nullopt;
  const std::string_view first = tokens.front().of(expression);
  if (tokens.size() == 1 && tokens.front().kind == TokenKind::string) {
    const auto value = value_of(from, first);
    return value ? literal_for(*value, to, from_type, to_type) : std::nullopt;
  }
  const bool sign = first == "-" || first == "+";
  if (tokens.size() == (sign ? 2U : 1U) && tokens.back().kind == TokenKind::number) {
    const std::string value = (first == "-" ? "-" : "") + std::string(tokens.back().of(expression));
    return literal_for(value, to, from_type, to_type);
  }
  if (tokens.front().kind != TokenKind::word) return std::nullopt;
  const std::string word = lower(std::string(first));
  if (tokens.size() == 1 && (word == "true" || word == "false"))
    return literal_for(word, to, from_type, to_type);
  // now(), current_timestamp(3): nothing in the brackets but a number.
  const bool call =
      tokens.size() >= 3 && tokens[1].of(expression) == "(" &&
      tokens.back().of(expression) == ")" &&
      (tokens.size() == 3 || (tokens.size() == 4 && tokens[2].kind == TokenKind::number));
  if (tokens.size() == 1 || call) return present(word, to, to_type);
  return std::nullopt;
}

}  // namespace dunlin::sql::model
