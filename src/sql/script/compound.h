// Whether a statement of MySQL or MariaDB is within a compound block (BEGIN, IF, CASE, LOOP, WHILE,
// REPEAT, FOR), where a semicolon ends nothing: scripts often define routines without DELIMITER.
//
// `if(...)` and `repeat(...)` are functions as well, CASE is an expression as well, `begin` and
// `end` may be names: a word opens a block only where a statement can begin.
// Fed with the tokens of one statement in order; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "sql/script/scanner.h"

namespace dunlin::sql {

class CompoundTracker {
 public:
  void reset();
  /// Of everything but white space and comments.
  void see(const Token& token, std::string_view text);
  /// No block can come any more: seeing what is left changes nothing.
  [[nodiscard]] bool is_plain() const { return stage_ == Stage::plain; }
  [[nodiscard]] bool within() const { return !blocks_.empty(); }
  /// Where the innermost open block begins; within() only.
  [[nodiscard]] std::size_t opened_at() const { return blocks_.back().at; }

 private:
  enum class Block : std::uint8_t {
    begin,
    if_then,
    case_of,
    case_value,
    loop,
    while_do,
    repeat,
    for_do
  };
  struct Open {
    Block block;
    std::size_t at;
  };
  /// plain: no block can come; kind: CREATE was read; parameters, heading: of a routine;
  /// body: statements.
  enum class Stage : std::uint8_t { first, kind, heading, body, plain };
  enum class Routine : std::uint8_t { function, trigger, event };

  void word(std::string_view word, std::size_t at);
  void first_word(std::string_view word, std::size_t at);
  void kind_word(std::string_view word);
  void heading_word(std::string_view word, std::size_t at);
  void body_word(std::string_view word, std::size_t at);
  bool open(std::string_view word, std::size_t at);
  void close();

  Stage stage_ = Stage::first;
  Routine routine_ = Routine::function;
  std::vector<Open> blocks_;
  int parentheses_ = 0;
  bool body_may_begin_ = false;  ///< of a trigger, an event: behind FOR EACH ROW, DO
  bool at_start_ = false;        ///< of a statement in a body
  bool handler_ = false;         ///< DECLARE ... HANDLER FOR ...: a statement may stand behind it
  bool declare_ = false;
  bool after_end_ = false;
  bool after_dot_ = false;
  bool begin_first_ =
      false;                ///< the statement's first word is BEGIN: a block if NOT ATOMIC follows
  bool character_ = false;  ///< the word before was CHARACTER: SET belongs to it
  std::size_t first_at_ = 0;
};

}  // namespace dunlin::sql
