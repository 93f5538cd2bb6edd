#include "sql/script/scanner.h"

#include <array>

namespace dunlin::sql {
namespace {

enum class Class : std::uint8_t { symbol, space, letter, digit };

constexpr std::array<Class, 256> make_classes() {
  std::array<Class, 256> classes{};
  for (const unsigned char c : {' ', '\t', '\n', '\v', '\f', '\r'}) classes[c] = Class::space;
  for (unsigned c = 'a'; c <= 'z'; ++c) classes[c] = classes[c - 32U] = Class::letter;
  for (unsigned c = '0'; c <= '9'; ++c) classes[c] = Class::digit;
  for (unsigned c = 0x80; c <= 0xFF; ++c) classes[c] = Class::letter;
  classes['_'] = Class::letter;
  return classes;
}
constexpr std::array<Class, 256> kClasses = make_classes();

Class class_of(char c) {
  return kClasses[static_cast<unsigned char>(c)];
}
bool is_digit(char c) {
  return class_of(c) == Class::digit;
}
bool goes_on(char c) {
  return class_of(c) == Class::letter || class_of(c) == Class::digit;
}

std::size_t line_end(std::string_view text, std::size_t at) {
  // PostgreSQL alone takes a lone CR for a line's end; one that is none ends no comment elsewhere.
  const std::size_t end = text.find('\n', at);
  return end == std::string_view::npos ? text.size() : end;
}

}  // namespace

bool is_word(std::string_view text, std::string_view upper_case_keyword) {
  if (text.size() != upper_case_keyword.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c) != upper_case_keyword[i])
      return false;
  }
  return true;
}

Token Scanner::finish(TokenKind kind, std::size_t end, bool open) {
  const Token token{kind, at_, end, open};
  at_ = end;
  return token;
}

Token Scanner::next() {
  if (at_ >= text_.size()) return finish(TokenKind::end, at_);
  const char c = text_[at_];
  switch (class_of(c)) {
    case Class::space: {
      std::size_t end = at_ + 1;
      while (end < text_.size() && class_of(text_[end]) == Class::space) ++end;
      return finish(TokenKind::space, end);
    }
    case Class::letter:
      return word();
    case Class::digit:
      return number();
    case Class::symbol:
      break;
  }
  switch (c) {
    case '\'':
      return dialect_ == Dialect::postgresql
                 ? postgresql_string(0, false)
                 : quote(0, '\'', TokenKind::string, dialect_ == Dialect::mysql);
    case '"':
      return dialect_ == Dialect::mysql ? quote(0, '"', TokenKind::string, true)
                                        : quote(0, '"', TokenKind::quoted, false);
    case '`':
      if (dialect_ == Dialect::mysql || dialect_ == Dialect::sqlite)
        return quote(0, '`', TokenKind::quoted, false);
      break;
    case '[':
      if (dialect_ == Dialect::sqlserver) return quote(0, ']', TokenKind::quoted, false);
      if (dialect_ == Dialect::sqlite) {  // knows no way to write a ] in it
        const std::size_t end = text_.find(']', at_);
        return end == std::string_view::npos ? finish(TokenKind::quoted, text_.size(), true)
                                             : finish(TokenKind::quoted, end + 1);
      }
      break;
    case '-':
      // MySQL: "the -- comment style requires the second dash to be followed by at least one white
      // space or control character".
      if (ahead(1) == '-' && (dialect_ != Dialect::mysql || at_ + 2 >= text_.size() ||
                              static_cast<unsigned char>(ahead(2)) <= ' '))
        return line_comment(2);
      break;
    case '#':
      if (dialect_ == Dialect::mysql) return line_comment(1);
      break;
    case '/':
      if (ahead(1) == '*') return slash();
      break;
    case '*':
      if (in_executed_ && ahead(1) == '/') {
        in_executed_ = false;
        return finish(TokenKind::executed_comment_end, at_ + 2);
      }
      break;
    case '$':
      if (dialect_ == Dialect::postgresql) return dollar();
      if (dialect_ == Dialect::mysql) return word();
      break;
    case '@':
      // A variable or parameter is one word, whatever it is called: @end, :end.
      if (dialect_ != Dialect::postgresql && class_of(ahead(1)) == Class::letter) return word();
      break;
    case ':':
      if (dialect_ == Dialect::sqlite && class_of(ahead(1)) == Class::letter) return word();
      break;
    case '\\':
      if (dialect_ == Dialect::postgresql) {
        std::size_t end = line_end(text_, at_);
        if (end > at_ && text_[end - 1] == '\r') --end;
        return finish(TokenKind::client, end);
      }
      break;
    case '.':
      if (is_digit(ahead(1)) && dialect_ != Dialect::mysql) return number();
      break;
    default:
      break;
  }
  return finish(TokenKind::symbol, at_ + 1);
}

Token Scanner::line_comment(std::size_t introducer) {
  std::size_t end = line_end(text_, at_ + introducer);
  if (dialect_ == Dialect::postgresql) {
    const std::size_t carriage = text_.substr(at_, end - at_).find('\r');
    if (carriage != std::string_view::npos) end = at_ + carriage;
  }
  return finish(TokenKind::comment, end);
}

Token Scanner::slash() {
  if (dialect_ == Dialect::mysql && !in_executed_) {
    std::size_t code = at_ + 2;
    if (ahead(2) == 'M' && ahead(3) == '!') ++code;
    if (code < text_.size() && text_[code] == '!') {
      ++code;
      while (code < text_.size() && is_digit(text_[code])) ++code;
      in_executed_ = true;
      return finish(TokenKind::executed_comment, code);
    }
  }
  const bool nests = dialect_ == Dialect::postgresql || dialect_ == Dialect::sqlserver;
  std::size_t depth = 1;
  std::size_t at = at_ + 2;
  while (true) {
    at = text_.find_first_of(nests ? "*/" : "*", at);
    if (at == std::string_view::npos || at + 1 >= text_.size()) {
      // SQLite: the end of the text ends it.
      return finish(TokenKind::comment, text_.size(), dialect_ != Dialect::sqlite);
    }
    if (text_[at] == '*' && text_[at + 1] == '/') {
      at += 2;
      if (--depth == 0) return finish(TokenKind::comment, at);
    } else if (text_[at] == '/' && text_[at + 1] == '*') {
      at += 2;
      ++depth;
    } else {
      ++at;
    }
  }
}

Token Scanner::quote(std::size_t prefix, char mark, TokenKind kind, bool backslashes) {
  std::size_t at = at_ + prefix + 1;
  std::size_t end = text_.find(mark, at);
  while (end != std::string_view::npos) {
    // Only what lies before the next mark is looked at: once for each byte.
    const std::size_t backslash =
        backslashes ? text_.substr(at, end - at).find('\\') : std::string_view::npos;
    if (backslash != std::string_view::npos) {
      at += backslash + 2;
      if (at > end) end = text_.find(mark, at);  // it was the mark that was escaped
      continue;
    }
    if (end + 1 >= text_.size() || text_[end + 1] != mark) return finish(kind, end + 1);
    at = end + 2;  // doubled: one of it
    end = text_.find(mark, at);
  }
  return finish(kind, text_.size(), true);
}

/// One string may be written in parts on several lines; what the first part is, the others are, too
/// (backslashes in E'' strings).
Token Scanner::postgresql_string(std::size_t prefix, bool backslashes) {
  const std::size_t begin = at_;
  Token token = quote(prefix, '\'', TokenKind::string, backslashes);
  while (backslashes && !token.open) {
    std::size_t at = token.end;
    bool new_line = false;
    while (at < text_.size()) {
      const char c = text_[at];
      if (class_of(c) == Class::space) {
        new_line = new_line || c == '\n' || c == '\r';
        ++at;
      } else if (c == '-' && at + 1 < text_.size() && text_[at + 1] == '-') {
        at = line_end(text_, at);
      } else {
        break;
      }
    }
    if (!new_line || at >= text_.size() || text_[at] != '\'') break;
    at_ = at;
    token = quote(0, '\'', TokenKind::string, true);
  }
  token.begin = begin;
  at_ = token.end;
  return token;
}

Token Scanner::dollar() {
  std::size_t tag = at_ + 1;
  if (tag < text_.size() && is_digit(text_[tag])) {  // $1
    while (tag < text_.size() && is_digit(text_[tag])) ++tag;
    return finish(TokenKind::symbol, tag);
  }
  while (tag < text_.size() && goes_on(text_[tag])) ++tag;
  if (tag >= text_.size() || text_[tag] != '$') return finish(TokenKind::symbol, at_ + 1);
  const std::string_view quote = text_.substr(at_, tag + 1 - at_);
  const std::size_t end = text_.find(quote, tag + 1);
  if (end == std::string_view::npos) return finish(TokenKind::string, text_.size(), true);
  return finish(TokenKind::string, end + quote.size());
}

Token Scanner::word() {
  std::size_t end = at_ + 1;
  while (end < text_.size()) {
    const char c = text_[end];
    if (!goes_on(c) && !(c == '$' && dialect_ != Dialect::sqlserver) &&
        !((c == '#' || c == '@' || c == '$') && dialect_ == Dialect::sqlserver))
      break;
    ++end;
  }
  // A letter before the quote says what kind of string it is: E'', B'', X'', N'', U&''.
  if (dialect_ == Dialect::postgresql && end < text_.size()) {
    const char first = text_[at_];
    const std::size_t size = end - at_;
    if (text_[end] == '\'' && size == 1) {
      if (first == 'E' || first == 'e') return postgresql_string(1, true);
      if (first == 'B' || first == 'b' || first == 'X' || first == 'x' || first == 'N' ||
          first == 'n')
        return postgresql_string(1, false);
    }
    if (text_[end] == '&' && size == 1 && (first == 'U' || first == 'u') &&
        end + 1 < text_.size()) {
      if (text_[end + 1] == '\'') return quote(2, '\'', TokenKind::string, false);
      if (text_[end + 1] == '"') return quote(2, '"', TokenKind::quoted, false);
    }
  }
  return finish(TokenKind::word, end);
}

/// As far as it matters: what follows a digit without a space belongs to it.
Token Scanner::number() {
  std::size_t end = at_ + 1;
  // MySQL: a name may begin with a digit, and 1.e2 may be a name behind a dot.
  if (dialect_ == Dialect::mysql) {
    while (end < text_.size() && (goes_on(text_[end]) || text_[end] == '$')) ++end;
    return finish(TokenKind::number, end);
  }
  while (end < text_.size() && (goes_on(text_[end]) || text_[end] == '.')) {
    const char c = text_[end];
    ++end;
    if ((c == 'e' || c == 'E') && end + 1 < text_.size() &&
        (text_[end] == '-' || text_[end] == '+') && is_digit(text_[end + 1]))
      ++end;
  }
  return finish(TokenKind::number, end);
}

}  // namespace dunlin::sql
