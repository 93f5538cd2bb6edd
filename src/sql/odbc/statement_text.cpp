#include "sql/odbc/statement_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"
#include "sql/script/scanner.h"
#include "sql/script/splitter.h"

namespace dunlin::sql {
namespace {

std::string doubled(std::string_view text, std::string_view marks) {
  std::string out;
  for (const char c : text) {
    if (marks.find(c) != std::string_view::npos) out.push_back(c);
    out.push_back(c);
  }
  return out;
}

/// In a form that no setting of the session reads in another way.
std::string literal(Dialect dialect, const Parameter& value) {
  if (!value) return "NULL";
  const bool has_nul = value->find('\0') != std::string::npos;
  switch (dialect) {
    case Dialect::postgresql:
      // standard_conforming_strings may be off; E'' is read alike either way.
      if (value->find('\\') == std::string::npos) break;
      return " E'" + doubled(*value, "'\\") + "'";
    case Dialect::mysql:  // NO_BACKSLASH_ESCAPES may be on
      if (!has_nul && value->find('\\') == std::string::npos) break;
      return "_utf8mb4 X'" + hex(*value) + "'";
    case Dialect::sqlite:
      if (!has_nul) break;
      return "CAST(X'" + hex(*value) + "' AS TEXT)";
    case Dialect::sqlserver:
      return "N'" + doubled(*value, "'") + "'";
  }
  return "'" + doubled(*value, "'") + "'";
}

/// The parameter of a place, from 0; nullopt: the token is none.
std::optional<std::size_t> place_of(Dialect dialect, const Token& token, std::string_view text,
                                    std::size_t next) {
  if (dialect == Dialect::mysql || dialect == Dialect::sqlserver)
    return token.kind == TokenKind::symbol && text == "?" ? std::optional(next) : std::nullopt;
  if (text.size() < 2 || text.front() != '$') return std::nullopt;
  std::size_t number = 0;
  const auto [end, bad] = std::from_chars(text.data() + 1, text.data() + text.size(), number);
  if (bad != std::errc() || end != text.data() + text.size() || number == 0) return std::nullopt;
  return number - 1;
}

/// $1 comes from the scanner as one token or as a symbol and a number.
std::string_view with_number(Dialect dialect, std::string_view sql, Scanner& scanner,
                             const Token& token) {
  std::string_view text = token.of(sql);
  if ((dialect != Dialect::postgresql && dialect != Dialect::sqlite) || text != "$") return text;
  std::size_t end = token.end;
  while (end < sql.size() && sql[end] >= '0' && sql[end] <= '9') ++end;
  if (end == token.end) return text;
  scanner.move_to(end);
  return sql.substr(token.begin, end - token.begin);
}

bool copies_with_client(std::string_view sql) {
  Scanner scanner(Dialect::postgresql, sql);
  bool first = true;
  for (Token token = scanner.next(); token.kind != TokenKind::end; token = scanner.next()) {
    if (token.kind != TokenKind::word) continue;
    const std::string_view word = token.of(sql);
    if (first && !is_word(word, "COPY")) return false;
    first = false;
    if (is_word(word, "STDIN") || is_word(word, "STDOUT")) return true;
  }
  return false;
}

bool has_question_mark(std::string_view sql) {
  Scanner scanner(Dialect::postgresql, sql);
  for (Token token = scanner.next(); token.kind != TokenKind::end; token = scanner.next())
    if (token.kind == TokenKind::symbol && token.of(sql) == "?") return true;
  return false;
}

}  // namespace

Result<bool> holds_no_statement(Dialect dialect, std::string_view sql) {
  if (sql.find('\0') != std::string_view::npos)
    return Error(ErrorType::invalid_input, "a statement holds a NUL byte");
  if (dialect == Dialect::postgresql && copies_with_client(sql))
    return Error(ErrorType::invalid_input,
                 "a COPY from or to the client: here are no data, and nobody takes any");
  if (dialect == Dialect::postgresql && has_question_mark(sql)) {
    Error error(ErrorType::unsupported_item,
                "a `?` in a statement: its driver takes it for the place of a parameter");
    error.remediation = "write the operator as a function: jsonb_exists(a, b) for a ? b";
    return error;
  }
  ScriptSplitter splitter(dialect, sql);
  int statements = 0;
  while (true) {
    auto piece = splitter.next();
    if (!piece.ok()) {
      // What has no end is one statement for the server, too, whose words for it are the better.
      return statements > 0 ? Result<bool>(std::move(piece).error()) : Result<bool>(false);
    }
    if (!*piece) return statements == 0;
    if ((*piece)->kind == PieceKind::nothing) continue;
    if (++statements > 1 || (*piece)->repeat > 1)
      return Error(ErrorType::invalid_input, "the text holds more than one statement");
  }
}

Result<std::string> odbc_statement(Dialect dialect, std::string_view sql,
                                   std::span<const Parameter> parameters) {
  if (parameters.empty()) return std::string(sql);
  std::string out;
  std::size_t next = 0;
  std::vector<bool> used(parameters.size(), false);
  Scanner scanner(dialect, sql);
  for (Token token = scanner.next(); token.kind != TokenKind::end; token = scanner.next()) {
    const std::string_view text = with_number(dialect, sql, scanner, token);
    const std::optional<std::size_t> place = place_of(dialect, token, text, next);
    if (!place) {
      out += text;
      continue;
    }
    if (*place >= parameters.size())
      return Error(ErrorType::defect, "a statement has more places than parameters");
    used[*place] = true;
    ++next;
    out += literal(dialect, parameters[*place]);
  }
  if (!std::all_of(used.begin(), used.end(), [](bool one) { return one; }))
    return Error(ErrorType::defect, "a statement has fewer places than parameters");
  return out;
}

bool fits_a_cursor(std::string_view sql) {
  constexpr std::array<std::string_view, 5> kWriting = {"INTO", "INSERT", "UPDATE", "DELETE",
                                                        "MERGE"};
  Scanner scanner(Dialect::postgresql, sql);
  bool first = true;
  for (Token token = scanner.next(); token.kind != TokenKind::end; token = scanner.next()) {
    if (token.kind != TokenKind::word) continue;
    const std::string_view word = token.of(sql);
    if (first && !is_word(word, "SELECT") && !is_word(word, "WITH")) return false;
    first = false;
    if (std::any_of(kWriting.begin(), kWriting.end(),
                    [&](std::string_view one) { return is_word(word, one); }))
      return false;
  }
  return !first;
}

std::string with_text_columns(std::string_view sql, const std::vector<bool>& as_text) {
  std::string_view code = sql;
  ScriptSplitter splitter(Dialect::postgresql, sql);
  for (auto piece = splitter.next(); piece.ok() && *piece; piece = splitter.next())
    if ((*piece)->kind == PieceKind::statement) code = (*piece)->code(sql);
  std::string wanted;
  std::string names;
  for (std::size_t i = 0; i < as_text.size(); ++i) {
    const std::string name = fmt::format("{}c{}", i == 0 ? "" : ", ", i + 1);
    names += name;
    wanted += name + (as_text[i] ? "::text" : "");
  }
  return fmt::format("SELECT {} FROM (\n{}\n) AS dunlin_rows({})", wanted, code, names);
}

}  // namespace dunlin::sql
