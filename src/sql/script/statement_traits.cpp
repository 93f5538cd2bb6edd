#include "sql/script/statement_traits.h"

#include <initializer_list>
#include <span>
#include <vector>

#include "sql/script/scanner.h"

namespace dunlin::sql {
namespace {

/// "CREATE [UNIQUE] INDEX CONCURRENTLY": the leading words of a statement; those in brackets may be
/// missing, `...` passes over any words and other tokens, `.` at the end says that nothing follows.
struct Row {
  std::string_view pattern;
  StatementTraits traits;
};

constexpr StatementTraits word_of(TransactionWord word, std::string_view what) {
  return {word, InTransaction::allowed, what};
}
constexpr StatementTraits run(InTransaction how, std::string_view what) {
  return {TransactionWord::none, how, what};
}
constexpr StatementTraits refused(std::string_view what) {
  return run(InTransaction::refused, what);
}
constexpr StatementTraits commits(std::string_view what) {
  return run(InTransaction::commits, what);
}
constexpr StatementTraits kNothing{};

// In order: the first that fits is taken.
constexpr Row kPostgresql[] = {
    {"BEGIN", word_of(TransactionWord::begin, "BEGIN")},
    {"START TRANSACTION", word_of(TransactionWord::begin, "START TRANSACTION")},
    {"COMMIT", word_of(TransactionWord::commit, "COMMIT")},
    {"END", word_of(TransactionWord::commit, "END")},
    {"PREPARE TRANSACTION", word_of(TransactionWord::commit, "PREPARE TRANSACTION")},
    {"ROLLBACK [WORK] [TRANSACTION] TO", word_of(TransactionWord::savepoint, "ROLLBACK TO")},
    {"ROLLBACK", word_of(TransactionWord::rollback, "ROLLBACK")},
    {"ABORT", word_of(TransactionWord::rollback, "ABORT")},
    {"SAVEPOINT", word_of(TransactionWord::savepoint, "SAVEPOINT")},
    {"RELEASE", word_of(TransactionWord::savepoint, "RELEASE")},
    {"CREATE [UNIQUE] INDEX CONCURRENTLY", refused("CREATE INDEX CONCURRENTLY")},
    {"DROP INDEX CONCURRENTLY", refused("DROP INDEX CONCURRENTLY")},
    {"REINDEX ... CONCURRENTLY", refused("REINDEX CONCURRENTLY")},
    {"REINDEX ... DATABASE", refused("REINDEX DATABASE")},
    {"REINDEX ... SYSTEM", refused("REINDEX SYSTEM")},
    {"REINDEX ... SCHEMA", refused("REINDEX SCHEMA")},
    {"VACUUM", refused("VACUUM")},
    {"CREATE DATABASE", refused("CREATE DATABASE")},
    {"DROP DATABASE", refused("DROP DATABASE")},
    {"ALTER DATABASE ... SET TABLESPACE", refused("ALTER DATABASE ... SET TABLESPACE")},
    {"CREATE TABLESPACE", refused("CREATE TABLESPACE")},
    {"DROP TABLESPACE", refused("DROP TABLESPACE")},
    {"CREATE SUBSCRIPTION", refused("CREATE SUBSCRIPTION")},
    {"DROP SUBSCRIPTION", refused("DROP SUBSCRIPTION")},
    {"ALTER SYSTEM", refused("ALTER SYSTEM")},
    {"ALTER TABLE ... DETACH PARTITION ... CONCURRENTLY", refused("DETACH PARTITION CONCURRENTLY")},
    {"CLUSTER .", refused("CLUSTER of all tables")},
    {"CLUSTER VERBOSE .", refused("CLUSTER of all tables")},
    {"ALTER TYPE ... ADD VALUE", run(InTransaction::usable_afterwards, "ALTER TYPE ... ADD VALUE")},
};

constexpr Row kMysql[] = {
    {"BEGIN NOT", kNothing},
    {"BEGIN", word_of(TransactionWord::begin, "BEGIN")},
    {"START TRANSACTION", word_of(TransactionWord::begin, "START TRANSACTION")},
    {"XA", word_of(TransactionWord::begin, "XA")},
    {"COMMIT", word_of(TransactionWord::commit, "COMMIT")},
    {"ROLLBACK [WORK] TO", word_of(TransactionWord::savepoint, "ROLLBACK TO")},
    {"ROLLBACK", word_of(TransactionWord::rollback, "ROLLBACK")},
    {"SAVEPOINT", word_of(TransactionWord::savepoint, "SAVEPOINT")},
    {"RELEASE SAVEPOINT", word_of(TransactionWord::savepoint, "RELEASE SAVEPOINT")},
    {"SET AUTOCOMMIT", commits("SET autocommit")},
    {"SET PASSWORD", commits("SET PASSWORD")},
    {"LOCK TABLE", commits("LOCK TABLES")},
    {"LOCK TABLES", commits("LOCK TABLES")},
    {"UNLOCK TABLES", commits("UNLOCK TABLES")},
    {"CREATE TEMPORARY TABLE", kNothing},
    {"CREATE OR REPLACE TEMPORARY TABLE", kNothing},
    {"DROP TEMPORARY TABLE", kNothing},
    {"CREATE", commits("CREATE")},
    {"ALTER", commits("ALTER")},
    {"DROP PREPARE", kNothing},
    {"DROP", commits("DROP")},
    {"RENAME", commits("RENAME")},
    {"TRUNCATE", commits("TRUNCATE")},
    {"GRANT", commits("GRANT")},
    {"REVOKE", commits("REVOKE")},
    {"ANALYZE [NO_WRITE_TO_BINLOG] [LOCAL] TABLE", commits("ANALYZE TABLE")},
    {"OPTIMIZE", commits("OPTIMIZE TABLE")},
    {"REPAIR", commits("REPAIR TABLE")},
    {"CHECK TABLE", commits("CHECK TABLE")},
    {"CACHE INDEX", commits("CACHE INDEX")},
    {"LOAD INDEX", commits("LOAD INDEX")},
    {"FLUSH", commits("FLUSH")},
    {"RESET", commits("RESET")},
    {"INSTALL", commits("INSTALL")},
    {"UNINSTALL", commits("UNINSTALL")},
};

constexpr Row kSqlite[] = {
    {"BEGIN", word_of(TransactionWord::begin, "BEGIN")},
    {"COMMIT", word_of(TransactionWord::commit, "COMMIT")},
    {"END", word_of(TransactionWord::commit, "END")},
    {"ROLLBACK [TRANSACTION] TO", word_of(TransactionWord::savepoint, "ROLLBACK TO")},
    {"ROLLBACK", word_of(TransactionWord::rollback, "ROLLBACK")},
    {"SAVEPOINT", word_of(TransactionWord::savepoint, "SAVEPOINT")},
    {"RELEASE", word_of(TransactionWord::savepoint, "RELEASE")},
    {"VACUUM", refused("VACUUM")},
    {"ATTACH", refused("ATTACH")},
    {"DETACH", refused("DETACH")},
    {"PRAGMA JOURNAL_MODE", refused("PRAGMA journal_mode")},
    {"PRAGMA SYNCHRONOUS", refused("PRAGMA synchronous")},
    {"PRAGMA FOREIGN_KEYS", refused("PRAGMA foreign_keys")},
};

constexpr Row kSqlserver[] = {
    {"ALTER DATABASE SCOPED", kNothing},
    {"ALTER DATABASE", refused("ALTER DATABASE")},
    {"CREATE DATABASE SCOPED", kNothing},
    {"CREATE DATABASE", refused("CREATE DATABASE")},
    {"DROP DATABASE SCOPED", kNothing},
    {"DROP DATABASE", refused("DROP DATABASE")},
    {"CREATE FULLTEXT", refused("CREATE FULLTEXT")},
    {"ALTER FULLTEXT", refused("ALTER FULLTEXT")},
    {"DROP FULLTEXT", refused("DROP FULLTEXT")},
    {"BACKUP", refused("BACKUP")},
    {"RESTORE", refused("RESTORE")},
    {"RECONFIGURE", refused("RECONFIGURE")},
};

/// The tokens that count, as words; what is none stands as "".
class Words {
 public:
  Words(Dialect dialect, std::string_view code) : scanner_(dialect, code), code_(code) {}
  /// nullptr behind the last.
  [[nodiscard]] const std::string_view* at(std::size_t index) {
    while (words_.size() <= index) {
      const Token token = scanner_.next();
      switch (token.kind) {
        case TokenKind::end:
          return nullptr;
        case TokenKind::space:
        case TokenKind::comment:
        case TokenKind::executed_comment:
        case TokenKind::executed_comment_end:
          break;
        case TokenKind::word:
          words_.push_back(token.of(code_));
          break;
        default:
          words_.emplace_back();
          break;
      }
    }
    return &words_[index];
  }

 private:
  Scanner scanner_;
  std::string_view code_;
  std::vector<std::string_view> words_;
};

bool matches(Words& words, std::size_t at, std::string_view pattern) {
  while (!pattern.empty()) {
    const std::size_t space = pattern.find(' ');
    std::string_view part = pattern.substr(0, space);
    pattern.remove_prefix(part.size() + (space == std::string_view::npos ? 0 : 1));
    if (part == ".") return words.at(at) == nullptr;
    if (part == "...") {
      for (; words.at(at) != nullptr; ++at)
        if (matches(words, at, pattern)) return true;
      return false;
    }
    const bool optional = part.starts_with('[');
    if (optional) part = part.substr(1, part.size() - 2);
    const std::string_view* const word = words.at(at);
    const bool same = word != nullptr && is_word(*word, part);
    if (!same && !optional) return false;
    if (same) ++at;
  }
  return true;
}

StatementTraits first_match(Words& words, std::span<const Row> rows) {
  for (const Row& row : rows)
    if (matches(words, 0, row.pattern)) return row.traits;
  return {};
}

/// Transactions may begin and end anywhere in a batch; BEGIN alone is a block.
StatementTraits of_batch(Words& words) {
  StatementTraits traits = first_match(words, kSqlserver);
  for (std::size_t i = 0; const std::string_view* word = words.at(i); ++i) {
    const std::string_view* const next = words.at(i + 1);
    word = words.at(i);  // the vector may have grown
    const bool tran = next != nullptr && (is_word(*next, "TRAN") || is_word(*next, "TRANSACTION") ||
                                          is_word(*next, "DISTRIBUTED"));
    if (is_word(*word, "BEGIN") && tran)
      return word_of(TransactionWord::begin, "BEGIN TRANSACTION");
    if (is_word(*word, "COMMIT")) return word_of(TransactionWord::commit, "COMMIT");
    if (is_word(*word, "ROLLBACK")) return word_of(TransactionWord::rollback, "ROLLBACK");
  }
  return traits;
}

}  // namespace

StatementTraits statement_traits(Dialect dialect, std::string_view code) {
  Words words(dialect, code);
  switch (dialect) {
    case Dialect::postgresql:
      return first_match(words, kPostgresql);
    case Dialect::mysql:
      return first_match(words, kMysql);
    case Dialect::sqlite:
      return first_match(words, kSqlite);
    case Dialect::sqlserver:
      return of_batch(words);
  }
  return {};
}

}  // namespace dunlin::sql
