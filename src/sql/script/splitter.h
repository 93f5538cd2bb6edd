// Where the statements of a script end, as the dialect's own client would have it
// (schema.md S-5): psql, mysql and mariadb, the sqlite3 shell, sqlcmd.
//
// The pieces lie one behind the other and cover the text, so joining [begin, end) gives it back
// byte for byte. Nothing is copied and nothing is kept, so a script of any size takes no memory;
// what is not SQL (data of COPY, words for the client) is told apart and never sent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "sql/dialect.h"
#include "sql/script/compound.h"
#include "sql/script/scanner.h"

namespace dunlin::sql {

enum class PieceKind : std::uint8_t {
  statement,       ///< to be sent; a whole batch for SQL Server
  copy_data,       ///< the lines behind COPY ... FROM STDIN, without the `\.`
  client_command,  ///< psql's `\...`, mysql's DELIMITER (its USE is a statement)
  nothing,         ///< white space, comments, an empty statement
};

struct Piece {
  PieceKind kind = PieceKind::nothing;
  std::size_t begin = 0;       ///< behind the piece before
  std::size_t code_begin = 0;  ///< of the first word; white space and comments stand before it
  std::size_t code_end = 0;    ///< behind the last one; the terminator stands behind it
  std::size_t end = 0;
  std::int64_t line = 1;  ///< of code_begin
  int repeat = 1;         ///< `GO 5`: to be run that often
  [[nodiscard]] std::string_view code(std::string_view text) const {
    return text.substr(code_begin, code_end - code_begin);
  }
};

/// One thread. `text` (UTF-8, see script_text.h) must outlive it; `first_line` is its place in the
/// file, for messages and pieces.
class ScriptSplitter {
 public:
  ScriptSplitter(Dialect dialect, std::string_view text, std::int64_t first_line = 1)
      : dialect_(dialect),
        text_(text),
        scanner_(dialect, text),
        first_line_(first_line),
        counted_lines_(first_line) {}

  /// nullopt behind the last one. invalid_input, naming the line, for what has no end (strings,
  /// comments, blocks, data) and for a client's word in the midst of a statement; it stays so.
  [[nodiscard]] Result<std::optional<Piece>> next();

  /// The line of a position in the text. Fast for one behind the last asked for.
  [[nodiscard]] std::int64_t line_of(std::size_t position);

 private:
  [[nodiscard]] Result<std::optional<Piece>> next_batch();
  [[nodiscard]] Result<std::optional<Piece>> copy_data();
  [[nodiscard]] bool is_client_word(const Token& token) const;
  [[nodiscard]] bool is_line_for_mysql(const Token& token) const;
  [[nodiscard]] bool passes_dashes(const Token& token);
  [[nodiscard]] bool is_backslash(const Token& token) const;
  [[nodiscard]] Result<std::optional<Piece>> backslash(const Token& token);
  [[nodiscard]] Result<std::optional<Piece>> line_for_mysql(const Token& token);
  [[nodiscard]] Result<std::optional<Piece>> client_word(const Token& token);
  [[nodiscard]] bool ends_here(const Token& token);
  [[nodiscard]] std::optional<Piece> finish(PieceKind kind, std::size_t end);
  [[nodiscard]] Error unended(const Token& token);
  [[nodiscard]] Error refused(std::size_t position, const std::string& why);
  void begin_statement();
  void see(const Token& token);
  void see_postgresql(const Token& token);
  void see_sqlite(const Token& token);

  Dialect dialect_;
  std::string_view text_;
  Scanner scanner_;
  std::string delimiter_;  ///< empty: ";"
  bool copy_follows_ = false;
  std::size_t copy_at_ = 0;  ///< of the COPY

  // Of the statement that is read.
  std::size_t begin_ = 0;
  std::optional<std::size_t> code_begin_;
  std::size_t code_end_ = 0;
  int words_ = 0;
  int parentheses_ = 0;  ///< PostgreSQL: no statement ends within
  int blocks_ = 0;       ///< PostgreSQL: BEGIN ATOMIC and CASE that are open
  /// How far the beginning of the statement is CREATE FUNCTION, CREATE TRIGGER, COPY ... FROM
  /// STDIN.
  enum class Shape : std::uint8_t {
    unknown,
    create,
    create_or,
    routine,
    copy,
    copy_from,
    copy_in,
    trigger,
    other
  };
  Shape shape_ = Shape::unknown;
  enum class TriggerEnd : std::uint8_t { none, semicolon, end };
  TriggerEnd trigger_end_ = TriggerEnd::none;
  std::optional<std::size_t> executed_at_;  ///< MySQL: of the `/*!` that is open
  CompoundTracker compound_;                ///< MySQL and MariaDB

  std::int64_t first_line_;
  std::size_t counted_to_ = 0;
  std::int64_t counted_lines_;
};

}  // namespace dunlin::sql
