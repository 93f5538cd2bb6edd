#include "sql/script/compound.h"

#include <algorithm>
#include <array>

namespace dunlin::sql {
namespace {

template <std::size_t Size>
bool any_of(std::string_view word, const std::array<std::string_view, Size>& keywords) {
  return std::any_of(keywords.begin(), keywords.end(),
                     [&](std::string_view keyword) { return is_word(word, keyword); });
}

/// What a body of one plain statement begins with; SET apart, which CHARACTER SET has, too.
constexpr std::array<std::string_view, 20> kPlainBodies = {
    "RETURN", "SELECT", "INSERT",  "UPDATE",  "DELETE",   "CALL",     "REPLACE",
    "SIGNAL", "WITH",   "PREPARE", "EXECUTE", "DROP",     "TRUNCATE", "CREATE",
    "ALTER",  "DO",     "TABLE",   "VALUES",  "RESIGNAL", "OPTIMIZE"};
constexpr std::array<std::string_view, 5> kRoutines = {"PROCEDURE", "FUNCTION", "TRIGGER", "EVENT",
                                                       "PACKAGE"};
/// What may stand between CREATE and the kind of thing.
constexpr std::array<std::string_view, 10> kBeforeKind = {
    "OR",           "REPLACE", "AGGREGATE", "DEFINER", "CURRENT_USER",
    "CURRENT_ROLE", "SQL",     "SECURITY",  "INVOKER", "NOT"};

}  // namespace

void CompoundTracker::reset() {
  std::vector<Open> blocks = std::move(blocks_);  // keeps its room
  blocks.clear();
  *this = CompoundTracker();
  blocks_ = std::move(blocks);
}

void CompoundTracker::see(const Token& token, std::string_view text) {
  if (token.kind == TokenKind::word) {
    if (!after_dot_) {
      word(token.of(text), token.begin);
    } else {
      at_start_ = false;
    }
    character_ = stage_ == Stage::heading && is_word(token.of(text), "CHARACTER");
    after_dot_ = false;
    return;
  }
  after_dot_ = false;
  character_ = false;
  if (token.kind == TokenKind::executed_comment || token.kind == TokenKind::executed_comment_end)
    return;
  if (stage_ == Stage::first) stage_ = Stage::plain;
  if (begin_first_) stage_ = Stage::plain;
  if (token.kind != TokenKind::symbol) {
    at_start_ = false;
    after_end_ = false;
    return;
  }
  switch (text[token.begin]) {
    case '(':
      ++parentheses_;
      at_start_ = false;
      break;
    case ')':
      --parentheses_;
      if (stage_ == Stage::heading && parentheses_ == 0)
        body_may_begin_ = body_may_begin_ || routine_ == Routine::function;
      break;
    case '.':
      after_dot_ = true;
      break;
    case ';':
      at_start_ = true;
      declare_ = handler_ = false;
      parentheses_ = 0;
      break;
    case ':':  // behind a label; `:=` begins no statement, but no word that opens a block follows
               // it
      at_start_ = true;
      break;
    default:
      at_start_ = false;
      break;
  }
  after_end_ = false;
}

void CompoundTracker::word(std::string_view word, std::size_t at) {
  switch (stage_) {
    case Stage::first:
      first_word(word, at);
      break;
    case Stage::kind:
      kind_word(word);
      break;
    case Stage::heading:
      heading_word(word, at);
      break;
    case Stage::body:
      body_word(word, at);
      break;
    case Stage::plain:
      break;
  }
}

void CompoundTracker::first_word(std::string_view word, std::size_t at) {
  if (begin_first_) {  // BEGIN; and BEGIN WORK begin a transaction
    stage_ = is_word(word, "NOT") ? Stage::body : Stage::plain;
    if (stage_ == Stage::body) blocks_.push_back({Block::begin, first_at_});
    begin_first_ = false;
    return;
  }
  if (is_word(word, "CREATE") || is_word(word, "ALTER")) {
    stage_ = Stage::kind;
  } else if (is_word(word, "BEGIN")) {
    begin_first_ = true;
    first_at_ = at;
  } else {
    at_start_ = true;  // MariaDB runs the others of themselves, outside of routines
    stage_ = open(word, at) ? Stage::body : Stage::plain;
  }
}

void CompoundTracker::kind_word(std::string_view word) {
  if (any_of(word, kRoutines)) {
    stage_ = Stage::heading;
    routine_ = is_word(word, "TRIGGER") ? Routine::trigger
               : is_word(word, "EVENT") ? Routine::event
                                        : Routine::function;
  } else if (!any_of(word, kBeforeKind)) {
    // DEFINER=somebody@somewhere: names without quotes; only a kind of thing ends the search.
    constexpr std::array<std::string_view, 17> kOthers = {
        "TABLE",   "VIEW",     "INDEX",   "UNIQUE",    "DATABASE",   "SCHEMA",
        "USER",    "ROLE",     "SERVER",  "TEMPORARY", "TABLESPACE", "FULLTEXT",
        "SPATIAL", "SEQUENCE", "LOGFILE", "RESOURCE",  "INSTANCE"};
    if (any_of(word, kOthers)) stage_ = Stage::plain;
  }
}

void CompoundTracker::heading_word(std::string_view word, std::size_t at) {
  if (parentheses_ > 0) return;
  if (routine_ == Routine::trigger && is_word(word, "ROW")) {
    body_may_begin_ = true;
    return;
  }
  if (routine_ == Routine::event && !body_may_begin_) {
    body_may_begin_ = is_word(word, "DO");
    return;
  }
  if (!body_may_begin_) return;
  at_start_ = true;
  if (open(word, at)) {
    stage_ = Stage::body;
  } else if (any_of(word, kPlainBodies) || (is_word(word, "SET") && !character_)) {
    stage_ = Stage::plain;
  }
}

void CompoundTracker::body_word(std::string_view word, std::size_t at) {
  const bool started = at_start_;
  const bool ended = after_end_;
  at_start_ = after_end_ = false;
  const Block top = blocks_.empty() ? Block::begin : blocks_.back().block;
  if (is_word(word, "END")) {
    const bool anywhere = top == Block::case_value || top == Block::repeat;
    if (!blocks_.empty() && (started || anywhere)) close();
    return;
  }
  if (ended) return;  // END IF, END CASE, a label
  if (is_word(word, "THEN") || is_word(word, "ELSE")) {
    at_start_ = top != Block::case_value;
  } else if (is_word(word, "DO")) {
    at_start_ = top == Block::while_do || top == Block::for_do;
  } else if (is_word(word, "DECLARE") && started) {
    declare_ = true;
  } else if (is_word(word, "HANDLER") && declare_) {
    handler_ = true;
  } else if (is_word(word, "CASE") && !started) {
    blocks_.push_back({Block::case_value, at});
  } else if (handler_ && is_word(word, "FOR")) {
    return;
  } else if (started || handler_) {
    open(word, at);
  }
}

/// At the start of a statement.
bool CompoundTracker::open(std::string_view word, std::size_t at) {
  struct Opener {
    std::string_view word;
    Block block;
    bool statement_follows;
  };
  constexpr std::array<Opener, 7> kOpeners = {{{"BEGIN", Block::begin, true},
                                               {"IF", Block::if_then, false},
                                               {"CASE", Block::case_of, false},
                                               {"LOOP", Block::loop, true},
                                               {"WHILE", Block::while_do, false},
                                               {"REPEAT", Block::repeat, true},
                                               {"FOR", Block::for_do, false}}};
  for (const Opener& opener : kOpeners) {
    if (!is_word(word, opener.word)) continue;
    blocks_.push_back({opener.block, at});
    at_start_ = opener.statement_follows;
    declare_ = handler_ = false;
    return true;
  }
  at_start_ = false;
  return false;
}

void CompoundTracker::close() {
  // What ends a value may be followed by any word; what ends a block, by its word and its label.
  after_end_ = blocks_.back().block != Block::case_value;
  blocks_.pop_back();
  at_start_ = false;
}

}  // namespace dunlin::sql
