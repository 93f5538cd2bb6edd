// The tokens of a text in one dialect of SQL: enough to know where strings, names and comments end,
// and no more. What no dialect knows is a symbol of one byte; nothing is refused here.
//
// The tokens lie one behind the other and cover the text, so joining them gives it back. Sources:
// PostgreSQL 15 "Lexical Structure" and psql's scanner, MariaDB and MySQL "Language Structure",
// SQLite's tokenizer rules, Transact-SQL "Constants" and "Database identifiers".
// A Scanner belongs to one thread; it holds no copy of the text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "sql/dialect.h"

namespace dunlin::sql {

enum class TokenKind : std::uint8_t {
  end,      ///< of the text; empty
  space,    ///< white space, line ends
  comment,  ///< also hints (`/*+ ... */`), which servers read
  /// `/*!50100 ` or `/*M!100100 `: what follows is run by MySQL or MariaDB. The code inside comes
  /// as tokens of its own.
  executed_comment,
  executed_comment_end,
  word,  ///< a name without quotes, a keyword
  number,
  quoted,  ///< a name in "", `` or []
  string,  ///< '', E'', $$ $$, and "" in MySQL
  client,  ///< `\...` to the end of the line: psql's own words
  symbol,  ///< one byte of anything else
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::size_t begin = 0;
  std::size_t end = 0;
  bool open = false;  ///< the text ended before what closes it
  [[nodiscard]] std::string_view of(std::string_view text) const {
    return text.substr(begin, end - begin);
  }
};

class Scanner {
 public:
  Scanner(Dialect dialect, std::string_view text, std::size_t at = 0)
      : dialect_(dialect), text_(text), at_(at) {}

  [[nodiscard]] Token next();
  [[nodiscard]] std::size_t position() const { return at_; }
  /// Goes on there, outside of whatever was open.
  void move_to(std::size_t position) {
    at_ = position;
    in_executed_ = false;
  }

 private:
  [[nodiscard]] Token finish(TokenKind kind, std::size_t end, bool open = false);
  [[nodiscard]] char ahead(std::size_t distance) const {
    return at_ + distance < text_.size() ? text_[at_ + distance] : '\0';
  }
  [[nodiscard]] Token slash();
  [[nodiscard]] Token line_comment(std::size_t introducer);
  [[nodiscard]] Token quote(std::size_t prefix, char mark, TokenKind kind, bool backslashes);
  [[nodiscard]] Token postgresql_string(std::size_t prefix, bool backslashes);
  [[nodiscard]] Token dollar();
  [[nodiscard]] Token word();
  [[nodiscard]] Token number();

  Dialect dialect_;
  std::string_view text_;
  std::size_t at_;
  bool in_executed_ = false;
};

/// ASCII only, as keywords are.
[[nodiscard]] bool is_word(std::string_view text, std::string_view upper_case_keyword);

}  // namespace dunlin::sql
