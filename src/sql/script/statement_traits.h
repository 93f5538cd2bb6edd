// What a runner has to know of a statement before it sends it: whether it is a transaction's own
// word, whether the server runs it in a transaction, what it commits by itself
// (schema.md S-8: a mode that a statement cannot keep is refused before anything runs).
//
// Read from the statement's leading words alone, so a string or a comment never counts. Sources:
// the reference pages of each server ("cannot be executed inside a transaction block", "Statements
// That Cause an Implicit Commit", "Transact-SQL statements allowed in transactions"). Pure; any
// thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "sql/dialect.h"

namespace dunlin::sql {

enum class TransactionWord : std::uint8_t {
  none,
  begin,     ///< BEGIN, START TRANSACTION
  commit,    ///< COMMIT, END
  rollback,  ///< ROLLBACK, ABORT
  savepoint  ///< SAVEPOINT, RELEASE, ROLLBACK TO: within a transaction, and harmless there
};

enum class InTransaction : std::uint8_t {
  allowed,
  refused,           ///< the server refuses it there, or it would do nothing there
  commits,           ///< it ends the transaction by itself (MySQL's DDL)
  usable_afterwards  ///< allowed, but what it makes can be used only after the commit
};

struct StatementTraits {
  TransactionWord transaction = TransactionWord::none;
  InTransaction in_transaction = InTransaction::allowed;
  /// Constant text for a message: "CREATE INDEX CONCURRENTLY"; empty where nothing is special.
  std::string_view what;
};

/// `code`: one statement, or one batch of SQL Server (where the first transaction word in it
/// counts, wherever it stands).
[[nodiscard]] StatementTraits statement_traits(Dialect dialect, std::string_view code);

}  // namespace dunlin::sql
