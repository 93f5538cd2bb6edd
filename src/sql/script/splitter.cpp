#include "sql/script/splitter.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/text.h"

namespace dunlin::sql {
namespace {

constexpr int kRepeatMax = 1'000'000;

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\f\v") == std::string_view::npos;
}

/// Behind the line break of the line that `at` is in.
std::size_t next_line(std::string_view text, std::size_t at) {
  const std::size_t end = text.find('\n', at);
  return end == std::string_view::npos ? text.size() : end + 1;
}

std::string_view without_line_end(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

struct Go {
  std::size_t end = 0;  ///< behind its line
  int repeat = 1;
};

/// GO, alone on its line but for a count, a semicolon, a comment (sqlcmd, SSMS). `at` stands behind
/// the word.
std::optional<Go> parse_go(std::string_view text, std::size_t at) {
  Go go;
  go.end = next_line(text, at);
  std::string_view rest = without_line_end(text.substr(at, go.end - at));
  const auto skip = [&] {
    rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
  };
  skip();
  if (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') {
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), go.repeat);
    if (error != std::errc() || go.repeat > kRepeatMax) return std::nullopt;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    skip();
  }
  if (rest.starts_with(';')) {
    rest.remove_prefix(1);
    skip();
  }
  if (!rest.empty() && !rest.starts_with("--")) return std::nullopt;
  return go;
}

std::string_view what_it_is(const Token& token, std::string_view text) {
  if (token.kind == TokenKind::comment) return "comment";
  if (token.kind == TokenKind::quoted) return "quoted name";
  return text[token.begin] == '$' ? "dollar-quoted string" : "string";
}

}  // namespace

Result<std::optional<Piece>> ScriptSplitter::next() {
  if (dialect_ == Dialect::sqlserver) return next_batch();
  if (copy_follows_) return copy_data();
  begin_statement();
  while (true) {
    const std::size_t before = scanner_.position();
    const Token token = scanner_.next();
    if (token.kind == TokenKind::space) continue;
    if (token.open) return unended(token);
    if (token.kind == TokenKind::comment) continue;
    if (token.kind == TokenKind::end) {
      if (executed_at_) return refused(*executed_at_, "the comment that begins here does not end");
      if (compound_.within())
        return refused(compound_.opened_at(),
                       "the block that begins here has no END (where that is wrong, write "
                       "DELIMITER before and behind the statement)");
      if (shape_ == Shape::copy_in) return refused(*code_begin_, "no data follow this COPY");
      if (begin_ == token.begin) return std::optional<Piece>();
      return finish(code_begin_ ? PieceKind::statement : PieceKind::nothing, token.end);
    }
    if (passes_dashes(token)) continue;
    if (is_client_word(token)) return client_word(token);
    if (is_line_for_mysql(token)) return line_for_mysql(token);
    if (is_backslash(token)) return backslash(token);
    if (ends_here(token)) {
      copy_follows_ = shape_ == Shape::copy_in;
      copy_at_ = code_begin_.value_or(begin_);
      return finish(code_begin_ ? PieceKind::statement : PieceKind::nothing, scanner_.position());
    }
    if (!code_begin_) code_begin_ = before;
    code_end_ = token.end;
    if (token.kind == TokenKind::executed_comment) executed_at_ = token.begin;
    if (token.kind == TokenKind::executed_comment_end) executed_at_.reset();
    see(token);
  }
}

void ScriptSplitter::begin_statement() {
  begin_ = scanner_.position();
  code_begin_.reset();
  code_end_ = begin_;
  words_ = parentheses_ = blocks_ = 0;
  shape_ = Shape::unknown;
  trigger_end_ = TriggerEnd::none;
  executed_at_.reset();
  if (dialect_ == Dialect::mysql) compound_.reset();
}

/// A custom delimiter may begin within a token ("END$$"): the token is cut there.
bool ScriptSplitter::ends_here(const Token& token) {
  if (executed_at_) return false;
  if (delimiter_.empty()) {
    if (token.kind != TokenKind::symbol || text_[token.begin] != ';') return false;
    switch (dialect_) {
      case Dialect::postgresql:
        return parentheses_ <= 0 && blocks_ == 0;
      case Dialect::mysql:
        return !compound_.within();
      default:
        return shape_ != Shape::trigger || trigger_end_ == TriggerEnd::end;
    }
  }
  if (token.kind == TokenKind::string || token.kind == TokenKind::quoted ||
      token.kind == TokenKind::executed_comment)
    return false;
  const std::size_t at = text_.find(delimiter_[0], token.begin);
  for (std::size_t found = at; found < token.end; found = text_.find(delimiter_[0], found + 1)) {
    if (text_.substr(found, delimiter_.size()) != delimiter_) continue;
    if (found > token.begin) {
      if (!code_begin_) code_begin_ = token.begin;
      code_end_ = found;
    }
    scanner_.move_to(found + delimiter_.size());
    return true;
  }
  return false;
}

bool ScriptSplitter::is_client_word(const Token& token) const {
  if (token.kind == TokenKind::client) return true;
  return token.kind == TokenKind::word && !code_begin_ && dialect_ == Dialect::mysql &&
         is_word(token.of(text_), "DELIMITER");
}

/// psql's backslash words and mysql's DELIMITER.
Result<std::optional<Piece>> ScriptSplitter::client_word(const Token& token) {
  if (token.kind == TokenKind::client) {
    if (code_begin_)
      return refused(token.begin, fmt::format("`{}` stands in the midst of a statement; psql's own "
                                              "words have to stand between statements",
                                              printable(token.of(text_).substr(0, 40))));
    code_begin_ = token.begin;
    code_end_ = token.end;
    while (code_end_ > *code_begin_ && is_blank(text_.substr(code_end_ - 1, 1))) --code_end_;
    scanner_.move_to(next_line(text_, token.end));
    return finish(PieceKind::client_command, scanner_.position());
  }
  const std::size_t end = next_line(text_, token.end);
  std::string_view rest = without_line_end(text_.substr(token.end, end - token.end));
  rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
  rest = rest.substr(0, rest.find_first_of(" \t"));
  if (rest.empty()) return refused(token.begin, "DELIMITER is followed by the new one");
  if (rest.find_first_of("\\'\"`") != std::string_view::npos)
    return refused(token.begin, "a DELIMITER has no backslash and no quotes");
  delimiter_ = rest == ";" ? std::string_view() : rest;
  code_begin_ = token.begin;
  code_end_ = static_cast<std::size_t>(rest.data() - text_.data()) + rest.size();
  scanner_.move_to(end);
  return finish(PieceKind::client_command, end);
}

/// The client drops a line that begins with dashes where no statement has begun, also without the
/// space that the server wants (`---- Tables ----`): sent, it would be no SQL.
bool ScriptSplitter::passes_dashes(const Token& token) {
  if (dialect_ != Dialect::mysql || code_begin_ || !text_.substr(token.begin).starts_with("--"))
    return false;
  scanner_.move_to(next_line(text_, token.begin));
  return true;
}

/// Words that end with their line where no delimiter stands in it.
bool ScriptSplitter::is_line_for_mysql(const Token& token) const {
  if (dialect_ != Dialect::mysql || token.kind != TokenKind::word || code_begin_) return false;
  const std::string_view word = token.of(text_);
  if (!is_word(word, "USE") && !is_word(word, "SOURCE") && !is_word(word, "SYSTEM")) return false;
  const std::size_t line = text_.substr(0, token.begin).rfind('\n') + 1;  // npos + 1: the first
  if (!is_blank(text_.substr(line, token.begin - line))) return false;
  return text_.substr(token.begin, next_line(text_, token.begin) - token.begin)
             .find(delimiter_.empty() ? std::string_view(";") : delimiter_) ==
         std::string_view::npos;
}

Result<std::optional<Piece>> ScriptSplitter::line_for_mysql(const Token& token) {
  if (!is_word(token.of(text_), "USE"))
    return refused(token.begin, fmt::format("mysql's own word {} is not supported in a script",
                                            printable(token.of(text_))));
  const std::size_t end = next_line(text_, token.begin);
  code_begin_ = token.begin;
  code_end_ = token.begin + without_line_end(text_.substr(token.begin, end - token.begin)).size();
  while (is_blank(text_.substr(code_end_ - 1, 1))) --code_end_;
  scanner_.move_to(end);
  return finish(PieceKind::statement, end);
}

/// No SQL outside of strings, but for the old \N, which is NULL.
bool ScriptSplitter::is_backslash(const Token& token) const {
  return dialect_ == Dialect::mysql && token.kind == TokenKind::symbol &&
         text_[token.begin] == '\\' && !text_.substr(token.end).starts_with('N');
}

Result<std::optional<Piece>> ScriptSplitter::backslash(const Token& token) {
  const std::string_view behind = text_.substr(token.end, 1);
  const bool within = executed_at_ || (delimiter_.empty() && compound_.within());
  if (within || (behind != "g" && behind != "G"))
    return refused(
        token.begin,
        "a backslash outside of strings is a word for the mysql client, or dropped by it "
        "at the end of a line; the server knows none: remove it");
  scanner_.move_to(token.end + 1);
  return finish(code_begin_ ? PieceKind::statement : PieceKind::nothing, token.end + 1);
}

void ScriptSplitter::see(const Token& token) {
  switch (dialect_) {
    case Dialect::postgresql:
      see_postgresql(token);
      break;
    case Dialect::mysql:
      if (!compound_.is_plain()) compound_.see(token, text_);
      break;
    case Dialect::sqlite:
      if (shape_ != Shape::other) see_sqlite(token);
      break;
    case Dialect::sqlserver:
      break;
  }
}

/// As psql counts: no statement ends in parentheses (CREATE RULE ... DO (a; b)) nor in the body of
/// a routine (BEGIN ATOMIC a; b; END), where CASE has an END, too.
void ScriptSplitter::see_postgresql(const Token& token) {
  if (token.kind == TokenKind::symbol) {
    const char c = text_[token.begin];
    if (c == '(') ++parentheses_;
    if (c == ')' && parentheses_ > 0) --parentheses_;
    return;
  }
  if (token.kind != TokenKind::word) return;
  ++words_;
  if (shape_ == Shape::other) return;
  const std::string_view word = token.of(text_);
  switch (shape_) {
    case Shape::unknown:
      shape_ = is_word(word, "CREATE") ? Shape::create
               : is_word(word, "COPY") ? Shape::copy
                                       : Shape::other;
      break;
    case Shape::create:
    case Shape::create_or:
      if (is_word(word, "FUNCTION") || is_word(word, "PROCEDURE")) {
        shape_ = Shape::routine;
      } else if ((words_ == 2 && is_word(word, "OR")) ||
                 (words_ == 3 && is_word(word, "REPLACE"))) {
        shape_ = Shape::create_or;
      } else {
        shape_ = Shape::other;
      }
      break;
    case Shape::routine:
      if (parentheses_ > 0) break;
      if (is_word(word, "BEGIN") || (blocks_ > 0 && is_word(word, "CASE"))) ++blocks_;
      if (blocks_ > 0 && is_word(word, "END")) --blocks_;
      break;
    case Shape::copy:
      if (parentheses_ == 0 && is_word(word, "FROM")) shape_ = Shape::copy_from;
      break;
    case Shape::copy_from:
      shape_ = is_word(word, "STDIN") ? Shape::copy_in : Shape::other;
      break;
    default:
      break;
  }
}

/// As sqlite3_complete(): a trigger ends with `; END ;`.
void ScriptSplitter::see_sqlite(const Token& token) {
  if (shape_ == Shape::trigger) {
    if (token.kind == TokenKind::symbol && text_[token.begin] == ';') {
      trigger_end_ = TriggerEnd::semicolon;
    } else if (trigger_end_ == TriggerEnd::semicolon && token.kind == TokenKind::word &&
               is_word(token.of(text_), "END")) {
      trigger_end_ = TriggerEnd::end;
    } else {
      trigger_end_ = TriggerEnd::none;
    }
    return;
  }
  const std::string_view word =
      token.kind == TokenKind::word ? token.of(text_) : std::string_view();
  if (shape_ == Shape::unknown) {
    if (is_word(word, "CREATE")) {
      shape_ = Shape::create;
    } else if (!is_word(word, "EXPLAIN") && !is_word(word, "QUERY") && !is_word(word, "PLAN")) {
      shape_ = Shape::other;
    }
  } else if (is_word(word, "TRIGGER")) {
    shape_ = Shape::trigger;
  } else if (!is_word(word, "TEMP") && !is_word(word, "TEMPORARY")) {
    shape_ = Shape::other;
  }
}

/// Of SQL Server: all up to a GO on a line of its own.
Result<std::optional<Piece>> ScriptSplitter::next_batch() {
  begin_statement();
  bool line_start = true;
  while (true) {
    const Token token = scanner_.next();
    if (token.open) return unended(token);
    if (token.kind == TokenKind::end) {
      if (begin_ == token.begin) return std::optional<Piece>();
      return finish(code_begin_ ? PieceKind::statement : PieceKind::nothing, token.end);
    }
    if (token.kind == TokenKind::space) {
      line_start = line_start || token.of(text_).find('\n') != std::string_view::npos;
      continue;
    }
    if (line_start && token.kind == TokenKind::word && is_word(token.of(text_), "GO")) {
      if (const auto go = parse_go(text_, token.end)) {
        scanner_.move_to(go->end);
        auto piece = finish(code_begin_ ? PieceKind::statement : PieceKind::nothing, go->end);
        piece->repeat = go->repeat;
        return piece;
      }
    }
    line_start = false;
    if (token.kind == TokenKind::comment) continue;
    if (!code_begin_) code_begin_ = token.begin;
    code_end_ = token.end;
  }
}

/// The lines behind the one in which COPY ends, up to `\.`.
Result<std::optional<Piece>> ScriptSplitter::copy_data() {
  copy_follows_ = false;
  begin_ = scanner_.position();
  std::size_t line = next_line(text_, begin_);
  if (!is_blank(without_line_end(text_.substr(begin_, line - begin_)))) {
    copy_follows_ = true;
    return refused(begin_,
                   "the data of a COPY begin on the next line; nothing may stand behind it");
  }
  code_begin_ = line;
  while (line < text_.size()) {
    const std::size_t end = next_line(text_, line);
    if (text_[line] == '\\' && without_line_end(text_.substr(line, end - line)) == "\\.") {
      code_end_ = line;
      scanner_.move_to(end);
      return finish(PieceKind::copy_data, end);
    }
    line = end;
  }
  copy_follows_ = true;
  return refused(copy_at_, "the data of this COPY have no end: a line with `\\.` alone");
}

std::optional<Piece> ScriptSplitter::finish(PieceKind kind, std::size_t end) {
  Piece piece;
  piece.kind = kind;
  piece.begin = begin_;
  piece.code_begin = code_begin_.value_or(begin_);
  piece.code_end = code_begin_ ? code_end_ : begin_;
  piece.end = end;
  piece.line = line_of(piece.code_begin);
  return piece;
}

std::int64_t ScriptSplitter::line_of(std::size_t position) {
  if (position < counted_to_) {
    counted_to_ = 0;
    counted_lines_ = first_line_;
  }
  counted_lines_ += std::count(text_.begin() + static_cast<std::ptrdiff_t>(counted_to_),
                               text_.begin() + static_cast<std::ptrdiff_t>(position), '\n');
  counted_to_ = position;
  return counted_lines_;
}

Error ScriptSplitter::unended(const Token& token) {
  return refused(token.begin,
                 fmt::format("the {} that begins here does not end", what_it_is(token, text_)));
}

Error ScriptSplitter::refused(std::size_t position, const std::string& why) {
  scanner_ = Scanner(dialect_, text_, begin_);  // asked again, it answers the same
  return Error(ErrorType::invalid_input, fmt::format("line {}: {}", line_of(position), why));
}

}  // namespace dunlin::sql
