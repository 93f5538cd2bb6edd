#include "schema/steps.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/hash.h"
#include "base/text.h"
#include "schema/includes.h"
#include "schema/names.h"
#include "sql/script/client_command.h"
#include "sql/script/scanner.h"
#include "sql/script/splitter.h"

namespace dunlin::schema {

namespace {

using sql::Dialect;
using sql::InTransaction;
using sql::Token;
using sql::TokenKind;
using sql::TransactionWord;

constexpr std::string_view kOneTransaction =
    "a migration already runs in one transaction: remove BEGIN, COMMIT and ROLLBACK, or write the "
    "line `-- dunlin:transaction false` above them";

bool equal_but_case(std::string_view one, std::string_view other) {
  return std::equal(one.begin(), one.end(), other.begin(), other.end(), [](char a, char b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return lower(a) == lower(b);
  });
}

/// A name without what it is quoted in.
std::string_view bare(const Token& token, std::string_view code) {
  std::string_view text = token.of(code);
  if (token.kind == TokenKind::quoted && text.size() >= 2) text = text.substr(1, text.size() - 2);
  return text;
}

/// First words of statements whose effect stays in the session; making temporary tables is another.
constexpr std::array<std::string_view, 7> kOfTheSession = {"PRAGMA", "SET",  "PREPARE", "LOCK",
                                                           "USE",    "CALL", "HANDLER"};

/// Words without which no statement changes whom the server takes us for (CALL and DO may do all).
constexpr std::array<std::string_view, 5> kOfRoles = {"ROLE", "AUTHORIZATION", "SET_CONFIG", "CALL",
                                                      "DO"};

/// First words of statements that work on rows, or may (a block of code).
constexpr std::array<std::string_view, 14> kMovesRows = {
    "SELECT", "INSERT", "UPDATE",  "DELETE", "MERGE",   "COPY",    "WITH",
    "DO",     "CALL",   "EXECUTE", "VALUES", "REPLACE", "ANALYZE", "LOAD"};

/// What a statement's words say beyond its traits.
struct StatementWords {
  std::string_view first;
  bool names_our_tables = false;
  bool touches_session = false;
  bool sets_lock_timeout = false;
  bool may_change_role = false;
};

StatementWords words_of(Dialect dialect, std::string_view code) {
  StatementWords words;
  sql::Scanner scanner(dialect, code);
  bool makes = false;
  for (Token token = scanner.next(); token.kind != TokenKind::end; token = scanner.next()) {
    if (token.kind != TokenKind::word && token.kind != TokenKind::quoted) continue;
    const std::string_view text = bare(token, code);
    if (words.first.empty() && token.kind == TokenKind::word) {
      words.first = text;
      makes = sql::is_word(text, "CREATE");
      words.touches_session = std::any_of(kOfTheSession.begin(), kOfTheSession.end(),
                                          [&](auto word) { return sql::is_word(text, word); });
    }
    if (makes && (sql::is_word(text, "TEMP") || sql::is_word(text, "TEMPORARY")))
      words.touches_session = true;
    if (sql::is_word(text, "LOCK_TIMEOUT") || sql::is_word(text, "LOCK_WAIT_TIMEOUT"))
      words.sets_lock_timeout = true;
    words.may_change_role =
        words.may_change_role || std::any_of(kOfRoles.begin(), kOfRoles.end(),
                                             [&](auto word) { return sql::is_word(text, word); });
    for (const std::string_view ours : kTableNames)
      words.names_our_tables = words.names_our_tables || equal_but_case(text, ours);
  }
  return words;
}

class Reader {
 public:
  Reader(Dialect dialect, const Script& script, TransactionMode mode)
      : dialect_(dialect),
        script_(script),
        mode_(mode),
        splitter_(dialect, script.sql, script.first_line) {}

  Result<Steps> read() {
    while (true) {
      auto piece = splitter_.next();
      if (!piece.ok()) return of_the_file(std::move(piece).error());
      if (!piece.value()) break;
      DUNLIN_TRY(take(*piece.value()));
    }
    if (block_begin_) {
      return refused(steps_.steps[*block_begin_],
                     "the transaction that begins here is never committed: add COMMIT");
    }
    return std::move(steps_);
  }

 private:
  Error of_the_file(Error error) const { return in_script(script_, std::move(error)); }
  Error refused(const Step& step, const std::string& why) const {
    return Error(ErrorType::invalid_input,
                 place_of(script_, step) + ": " + why + ", in: " + beginning_of(script_, step));
  }

  Status take(const sql::Piece& piece) {
    switch (piece.kind) {
      case sql::PieceKind::nothing:
        return success();
      case sql::PieceKind::client_command:
        return client_command(piece);
      case sql::PieceKind::copy_data:
        steps_.steps.back().has_data = true;
        steps_.steps.back().data_begin = piece.code_begin;
        steps_.steps.back().data_end = piece.code_end;
        return success();
      case sql::PieceKind::statement:
        break;
    }
    Step step;
    step.begin = piece.code_begin;
    step.end = piece.code_end;
    step.line = piece.line;
    step.repeat = piece.repeat;
    step.traits = sql::statement_traits(dialect_, step.sql(script_));
    return statement(step);
  }

  Status client_command(const sql::Piece& piece) {
    if (dialect_ != Dialect::postgresql) return success();  // DELIMITER: the splitter's own
    Step step;
    step.begin = piece.code_begin;
    step.end = piece.code_end;
    step.line = piece.line;
    auto command = sql::client_command(step.sql(script_));
    if (!command.ok()) return refused(step, command.error().message);
    if (command.value().action == sql::ClientAction::nothing) return success();
    return refused(step, "the file '" + printable(command.value().file) +
                             "' can only be taken in where migrations are read from a directory: "
                             "put its text here");
  }

  Status statement(Step step) {
    const StatementWords words = words_of(dialect_, step.sql(script_));
    steps_.touches_session = steps_.touches_session || words.touches_session;
    steps_.may_change_role = steps_.may_change_role || words.may_change_role;
    steps_.sets_lock_timeout = steps_.sets_lock_timeout || words.sets_lock_timeout;
    step.moves_rows = std::any_of(kMovesRows.begin(), kMovesRows.end(),
                                  [&](auto word) { return sql::is_word(words.first, word); });
    if (words.names_our_tables && !sql::is_word(words.first, "SELECT"))
      return refused(step, "a migration cannot change the tables of its own history");
    if (dialect_ == Dialect::sqlite &&
        (sql::is_word(words.first, "ATTACH") || sql::is_word(words.first, "DETACH")))
      return refused(step, "a migration cannot attach or detach databases");
    // It does nothing in a transaction, and is not needed: rows that refer to none are looked for
    // when all has been done.
    if (step.traits.what == "PRAGMA foreign_keys") step.traits = {};
    DUNLIN_TRY(transaction_words(step));
    steps_.steps.push_back(step);
    add_to_segments();
    return success();
  }

  Status transaction_words(const Step& step) {
    switch (step.traits.transaction) {
      case TransactionWord::none:
        if (block_begin_ && step.traits.in_transaction == InTransaction::refused)
          return refused(step, std::string(step.traits.what) +
                                   " cannot run in the transaction that the script begins above");
        return success();
      case TransactionWord::savepoint:
        if (mode_ == TransactionMode::none && !block_begin_)
          return refused(step, "there is no transaction here: begin one above it");
        return success();
      case TransactionWord::begin:
        if (mode_ != TransactionMode::none) return refused(step, std::string(kOneTransaction));
        if (block_begin_) return refused(step, "a transaction has begun above already");
        block_begin_ = steps_.steps.size();
        block_is_new_ = true;
        return success();
      case TransactionWord::commit:
        if (mode_ != TransactionMode::none) return refused(step, std::string(kOneTransaction));
        if (!block_begin_) return refused(step, "there is no transaction to commit here");
        block_begin_.reset();
        block_ends_ = true;
        return success();
      case TransactionWord::rollback:
        if (mode_ != TransactionMode::none) return refused(step, std::string(kOneTransaction));
        return refused(step, "a migration cannot take back a part of itself: leave that part out");
    }
    return success();
  }

  /// Of the step that was added last.
  void add_to_segments() {
    const std::size_t index = steps_.steps.size() - 1;
    const InTransaction how = steps_.steps.back().traits.in_transaction;
    const bool alone = how == InTransaction::refused || how == InTransaction::commits;
    const bool joins = !steps_.segments.empty() && !closed_ && !alone && !block_is_new_;
    if (joins) {
      steps_.segments.back().end = index + 1;
    } else {
      steps_.segments.push_back({index, index + 1, !alone});
    }
    // A block that the script commits is a segment; without one each statement is.
    const bool in_block = block_begin_.has_value();
    closed_ = alone || how == InTransaction::usable_afterwards || block_ends_ ||
              (mode_ == TransactionMode::none && !in_block);
    block_is_new_ = false;
    block_ends_ = false;
  }

  Dialect dialect_;
  const Script& script_;
  TransactionMode mode_;
  sql::ScriptSplitter splitter_;
  Steps steps_;
  std::optional<std::size_t> block_begin_;  ///< the script's own BEGIN, while it is open
  bool block_is_new_ = false;
  bool block_ends_ = false;
  bool closed_ = false;  ///< the last segment takes no more
};

}  // namespace

Result<Steps> read_steps(Dialect dialect, const Script& script, TransactionMode mode) {
  DUNLIN_ASSIGN(const ScriptOptions options, script_options(script));
  if (options.transaction)
    mode = *options.transaction ? TransactionMode::per_migration : TransactionMode::none;
  DUNLIN_ASSIGN(Steps steps, Reader(dialect, script, mode).read());
  if (options.transaction.value_or(false) && !steps.is_atomic()) {
    const auto alone = std::find_if(steps.segments.begin(), steps.segments.end(),
                                    [](const Segment& one) { return !one.in_transaction; });
    const Step& step =
        steps.steps[alone == steps.segments.end() ? steps.segments.back().begin : alone->begin];
    return Error(ErrorType::invalid_input,
                 place_of(script, step) +
                     ": the migration says `transaction true`, which this statement cannot keep: " +
                     beginning_of(script, step));
  }
  steps.irreversible = options.irreversible;
  steps.statement_timeout_ms = options.statement_timeout_ms;
  steps.lock_timeout_ms = options.lock_timeout_ms;
  return steps;
}

namespace {

void add_step(Hasher& hasher, const Script& script, const Step& step) {
  for (const std::string_view part : {step.sql(script), step.data(script)}) {
    hasher.update(std::to_string(part.size()));
    hasher.update(":");
    hasher.update(part);
  }
}

}  // namespace

Result<std::string> statement_hash(const Script& script, const Step& step) {
  DUNLIN_ASSIGN(Hasher hasher, Hasher::create(HashKind::sha256));
  add_step(hasher, script, step);
  return hex(hasher.finish());
}

Result<std::string> prefix_hash(const Script& script, const Steps& steps, std::size_t count) {
  DUNLIN_ASSIGN(Hasher hasher, Hasher::create(HashKind::sha256));
  for (std::size_t i = 0; i < count; ++i) add_step(hasher, script, steps.steps[i]);
  return hex(hasher.finish());
}

std::string place_of(const Script& script, const Step& step, std::size_t offset) {
  const std::string_view before = step.sql(script).substr(0, offset);
  return place_of_line(script, step.line + std::count(before.begin(), before.end(), '\n'));
}

std::string beginning_of(const Script& script, const Step& step) {
  constexpr std::size_t kShown = 120;
  const std::string_view statement = step.sql(script);
  std::size_t length = std::min(kShown, statement.find_first_of("\r\n"));
  length = std::min(length, statement.size());
  while (length > 0 && length < statement.size() &&
         (static_cast<unsigned char>(statement[length]) & 0xC0U) == 0x80U)
    --length;  // never through a character
  std::string text(statement.substr(0, length));
  if (length < statement.size()) text.append(" ...");
  return printable(text);
}

}  // namespace dunlin::schema
