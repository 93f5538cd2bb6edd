// SQLite: one connection, its statements and transactions, with every error as a Result.
//
// Under the ledger and state stores (group commit: about 1000 rows a transaction, so no allocation
// of ours per bind or step) and under SQLite databases that are migrated. Header without sqlite3.h.
//
// Thread rule: a Database and everything made from it belong to one thread at a time (it is opened
// without SQLite's mutexes); only interrupt() may be called from others, while the Database lives.
// Statements, transactions and savepoints must end before their Database (checked).
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/cancel.h"
#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace dunlin::sql {

struct OpenOptions {
  bool read_only = false;
  /// Make the file when it is missing; otherwise that is ErrorType::not_found.
  bool create = true;
  /// Use a write-ahead log; a file system that cannot hold one gives ErrorType::state_unusable.
  bool wal = true;
  /// A commit is on disk when it returns; false (NORMAL): a power cut may take the last commits.
  bool synchronous_full = true;
  /// False: nothing is flushed. For a new file that is flushed as a whole before anybody hears of
  /// it.
  bool flushes = true;
  bool foreign_keys = true;
  /// For files of our own: no double-quoted strings, no trusted schema, SQLite's defensive mode.
  bool strict = true;
  /// How long a locked database is waited for; the cancel token ends the wait.
  int busy_timeout_ms = 5000;
  int cache_kib = 16384;
  int wal_autocheckpoint_pages = 1000;  ///< 0: never by itself
  std::int64_t mmap_bytes = 0;
  /// Name of a registered SQLite VFS (tests inject faults there); empty: the system's.
  std::string vfs = {};
};

/// Bytes to be bound as BLOB; a plain string_view is bound as TEXT.
struct Blob {
  std::string_view bytes;
};

class Database;

/// A prepared statement, owned or lent from the connection's cache; lent ones are reset and given
/// back when destroyed.
///
/// bind() remembers its first failure, which the next step() or run() returns, so that binds need
/// no check. Parameters count from 1, columns from 0. Bindings stay until bound anew.
class Statement {
 public:
  Statement() = default;
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  template <std::integral T>
  Statement& bind(int index, T value) {
    return bind_int64(index, static_cast<std::int64_t>(value));
  }
  Statement& bind(int index, double value);
  Statement& bind(int index,
                  std::string_view text);  ///< copied by SQLite (from its own
                                           ///< pool up to 1200 bytes)
  Statement& bind(int index, const char* text) { return bind(index, std::string_view(text)); }
  Statement& bind(int index, const std::string& text) {
    return bind(index, std::string_view(text));
  }
  Statement& bind(int index, Blob blob);  ///< copied too
  Statement& bind(int index, std::nullptr_t);
  template <typename T>
  Statement& bind(int index, const std::optional<T>& value) {
    return value ? bind(index, *value) : bind(index, nullptr);
  }
  /// As bind, but the bytes are not copied: they must live until reset(), clear_bindings() or a new
  /// bind.
  Statement& bind_static(int index, std::string_view text);
  Statement& bind_static(int index, Blob blob);
  template <typename T>
  Statement& bind_static(int index, const T& value) {
    return bind(index, value);
  }
  Statement& clear_bindings();

  /// True: a row is there; false: done. After an error the statement is reset already.
  [[nodiscard]] Result<bool> step();
  /// Ready to be stepped anew; bindings are kept.
  void reset();
  /// Steps to the end and resets. Rows are ignored.
  [[nodiscard]] Status run();
  /// Binds 1..n without copying, runs, and clears the bindings: the fast path of writers.
  template <typename First, typename... Rest>
  [[nodiscard]] Status run(const First& first, const Rest&... rest) {
    int index = 0;
    bind_borrowed(++index, first);
    (bind_borrowed(++index, rest), ...);
    Status status = run();
    clear_bindings();
    return status;
  }
  /// Binds 1..n (copied), then steps to the first row: true when there is one.
  template <typename... Args>
  [[nodiscard]] Result<bool> query(const Args&... args) {
    reset();
    int index = 0;
    (bind(++index, args), ...);
    return step();
  }

  [[nodiscard]] std::int64_t column_int64(int column) const;
  [[nodiscard]] double column_double(int column) const;
  /// Valid until the next step, reset or destruction; empty for NULL.
  [[nodiscard]] std::string_view column_text(int column) const;
  [[nodiscard]] std::string_view column_blob(int column) const;
  [[nodiscard]] bool column_is_null(int column) const;
  [[nodiscard]] bool is_null(int column) const { return column_is_null(column); }
  /// SQLITE_INTEGER 1, FLOAT 2, TEXT 3, BLOB 4, NULL 5.
  [[nodiscard]] int column_type(int column) const;
  [[nodiscard]] int column_count() const;
  [[nodiscard]] std::string_view column_name(int column) const;
  [[nodiscard]] std::optional<std::int64_t> column_optional_int64(int column) const;
  [[nodiscard]] std::string column_string(int column) const {
    return std::string(column_text(column));
  }

  [[nodiscard]] bool valid() const { return handle_ != nullptr; }
  [[nodiscard]] int parameter_count() const;
  /// True when it changes nothing in the database file.
  [[nodiscard]] bool read_only() const;
  [[nodiscard]] sqlite3_stmt* handle() const { return handle_; }

 private:
  friend class Database;
  struct CacheEntry;
  Statement(sqlite3_stmt* handle, CacheEntry* entry) : handle_(handle), entry_(entry) {}
  Statement& note(int code);
  void give_back();
  void before_bind();
  Statement& bind_int64(int index, std::int64_t value);
  void bind_borrowed(int index, std::string_view text) { bind_static(index, text); }
  void bind_borrowed(int index, const std::string& text) {
    bind_static(index, std::string_view(text));
  }
  void bind_borrowed(int index, const char* text) { bind_static(index, std::string_view(text)); }
  void bind_borrowed(int index, Blob blob) { bind_static(index, blob); }
  template <typename T>
  void bind_borrowed(int index, const std::optional<T>& value) {
    if (value) {
      bind_borrowed(index, *value);
    } else {
      bind(index, nullptr);
    }
  }
  template <typename T>
  void bind_borrowed(int index, const T& value) {
    bind(index, value);
  }

  sqlite3_stmt* handle_ = nullptr;
  CacheEntry* entry_ = nullptr;  ///< null for an owned statement
  int bind_error_ = 0;
  bool on_row_ = false;
};

struct WalCheckpoint {
  int log_frames = 0;
  int checkpointed_frames = 0;
};
enum class CheckpointMode : std::uint8_t { passive, full, restart, truncate };

class Database {
 public:
  /// Opens (and by default creates) the file; ":memory:" is a private database in memory. The name
  /// is taken literally, never as a URI. Errors: not_found (missing and not to be created),
  /// permission_denied, state_corrupt (not a database), database_locked, state_unusable.
  [[nodiscard]] static Result<Database> open(const std::string& path,
                                             const OpenOptions& options = {});
  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;
  ~Database();

  /// Runs any number of statements up to the first error, which says which one (from 1).
  [[nodiscard]] Status exec(std::string_view sql);
  /// One statement of one's own. Text after it is ErrorType::defect.
  [[nodiscard]] Result<Statement> prepare(std::string_view sql);
  /// As prepare, kept by its text: the second call costs a look-up. When the cached one is in use
  /// (a nested query of the same text), a fresh one is prepared. At most 256 are kept.
  [[nodiscard]] Result<Statement> cached(std::string_view sql);
  /// cached(sql) and run(args...) in one.
  template <typename... Args>
  [[nodiscard]] Status run(std::string_view sql, const Args&... args) {
    DUNLIN_ASSIGN(Statement statement, cached(sql));
    return statement.run(args...);
  }
  /// The first column of the first row; nullopt when there is no row or it is NULL.
  template <typename... Args>
  [[nodiscard]] Result<std::optional<std::int64_t>> query_int64(std::string_view sql,
                                                                const Args&... args) {
    DUNLIN_ASSIGN(Statement statement, cached(sql));
    DUNLIN_ASSIGN(const bool row, statement.query(args...));
    if (!row || statement.column_is_null(0)) return std::optional<std::int64_t>{};
    return std::optional<std::int64_t>{statement.column_int64(0)};
  }
  template <typename... Args>
  [[nodiscard]] Result<std::optional<std::string>> query_text(std::string_view sql,
                                                              const Args&... args) {
    DUNLIN_ASSIGN(Statement statement, cached(sql));
    DUNLIN_ASSIGN(const bool row, statement.query(args...));
    if (!row || statement.column_is_null(0)) return std::optional<std::string>{};
    return std::optional<std::string>{statement.column_string(0)};
  }

  /// Rows changed by the last INSERT, UPDATE or DELETE (the anchor of compare-and-set).
  [[nodiscard]] std::int64_t changes() const;
  [[nodiscard]] std::int64_t last_insert_rowid() const;
  [[nodiscard]] bool in_transaction() const;

  [[nodiscard]] Result<std::int64_t> user_version();
  [[nodiscard]] Status set_user_version(std::int64_t version);
  [[nodiscard]] Result<std::int64_t> application_id();
  [[nodiscard]] Status set_application_id(std::int64_t id);

  /// Makes the running statement fail with ErrorType::interrupted. From any thread.
  void interrupt();
  /// From now on cancellation wakes waits for locks and interrupts long statements within some
  /// 10,000 steps of SQLite's machine. A default token switches it off.
  void set_cancel(CancelToken token);

  /// Moves the log into the database file. database_locked when readers or a writer are in the way
  /// (full and above).
  [[nodiscard]] Result<WalCheckpoint> checkpoint_wal(
      CheckpointMode mode = CheckpointMode::truncate);
  /// ErrorType::state_corrupt with the first finding. quick_check leaves out the comparison of
  /// indices.
  [[nodiscard]] Status quick_check();
  [[nodiscard]] Status integrity_check();
  /// A compact copy into a new file, consistent even while others write. `path` must not exist.
  [[nodiscard]] Status vacuum_into(const std::string& path);

  [[nodiscard]] const std::string& path() const;
  [[nodiscard]] sqlite3* handle() const;

 private:
  struct Connection;
  explicit Database(std::unique_ptr<Connection> connection);
  [[nodiscard]] Result<Statement> prepare_raw(std::string_view sql, bool persistent);
  [[nodiscard]] Status configure(const OpenOptions& options);
  [[nodiscard]] Status switch_to_wal();
  [[nodiscard]] Status check_with(std::string_view pragma);
  std::unique_ptr<Connection> connection_;
};

/// BEGIN IMMEDIATE ... COMMIT; rolls back when destroyed before commit() succeeded.
///
/// SQLite itself rolls back on some errors (disk full, I/O): whoever gets an error inside must
/// leave the transaction and not go on writing, since that would commit row by row; active() tells.
class Transaction {
 public:
  [[nodiscard]] static Result<Transaction> begin(Database& database);
  /// A read transaction (BEGIN DEFERRED): one snapshot for several queries.
  [[nodiscard]] static Result<Transaction> begin_read(Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  /// On success everything is durable (by `synchronous`). After database_locked the transaction is
  /// still open and commit() may be repeated. After any other error it is rolled back for this
  /// process; when the disk failed, `possibly_applied` is set: a recovery after a crash may still
  /// find the commit in the log (shown by tests/sql/sqlite_fault_test.cpp).
  [[nodiscard]] Status commit();
  /// Also done by the destructor, which cannot report.
  [[nodiscard]] Status rollback();
  [[nodiscard]] bool active() const;

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

/// A part of a transaction that can be taken back by itself; rolled back when destroyed before
/// release(). Nested ones end in reverse order.
class Savepoint {
 public:
  [[nodiscard]] static Result<Savepoint> begin(Database& database);
  Savepoint(Savepoint&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Savepoint& operator=(Savepoint&&) = delete;
  ~Savepoint();

  [[nodiscard]] Status release();
  [[nodiscard]] Status rollback();

 private:
  explicit Savepoint(Database& database) : database_(&database) {}
  Database* database_;
};

/// `"name"` with quotes doubled: an identifier in SQL text.
[[nodiscard]] std::string quote_identifier(std::string_view name);

/// One row of the table of SQLite's result codes (engine.md X-14).
struct SqliteCodeInfo {
  int code;
  std::string_view name;
  ErrorType type;
};
[[nodiscard]] const std::vector<SqliteCodeInfo>& all_sqlite_codes();
/// By the extended code; an unknown extended code counts as its primary code, an unknown primary
/// code as a defect.
[[nodiscard]] ErrorType error_type_from_sqlite(int code);
[[nodiscard]] std::string sqlite_code_name(int code);
/// The Error of a failed call: message of the connection, symbolic native code. For I/O and open
/// failures the errno behind them decides where it says more (EDQUOT, EMFILE, EACCES). `what`:
/// "insert item 7". A plain SQLITE_ERROR (syntax, unknown table) is a defect, since our SQL is
/// ours: who runs a person's SQL re-types it.
[[nodiscard]] Error error_from_sqlite(sqlite3* database, int code, std::string_view what);

}  // namespace dunlin::sql
