// Connections, statements and transactions over the C interface of SQLite.
#include "sql/sqlite.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <limits>
#include <unordered_map>

#include <sqlite3.h>

#include "base/file_io.h"
#include "base/text.h"

namespace dunlin::sql {

struct Statement::CacheEntry {
  sqlite3_stmt* handle = nullptr;
  bool in_use = false;
  std::uint64_t last_use = 0;
};

namespace {

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept {
    return std::hash<std::string_view>{}(text);
  }
};

constexpr std::size_t kMaxCached = 256;
constexpr int kProgressSteps = 10'000;  // about 0.1 ms of SQLite's machine

/// The first line's worth of a statement, for error messages; parameters stand as `?`, so no data
/// values show.
std::string shortened(std::string_view sql) {
  constexpr std::size_t kShown = 80;
  if (sql.size() <= kShown) return escape_bytes(sql);
  return escape_bytes(sql.substr(0, kShown)) + "...";
}

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

struct Database::Connection {
  sqlite3* db = nullptr;
  std::string path;
  CancelToken cancel;
  int busy_timeout_ms = 0;
  std::int64_t busy_since_ms = 0;
  std::uint64_t uses = 0;
  std::unordered_map<std::string, Statement::CacheEntry, TextHash, std::equal_to<>> cache;

  Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    for (auto& [text, entry] : cache) {
      DUNLIN_CHECK(!entry.in_use, "a cached statement outlives its database");
      sqlite3_finalize(entry.handle);
    }
    DUNLIN_CHECK(sqlite3_close(db) == SQLITE_OK, "a statement outlives its database");
  }

  // Instead of sqlite3_busy_timeout, whose sleep cannot be woken. Short first: a ledger's writers
  // hold the lock for milliseconds.
  static int on_busy(void* context, int calls) {
    auto& self = *static_cast<Connection*>(context);
    const std::int64_t now = now_ms();
    if (calls == 0) self.busy_since_ms = now;
    const std::int64_t left = self.busy_timeout_ms - (now - self.busy_since_ms);
    if (left <= 0 || self.cancel.cancelled()) return 0;
    const std::int64_t pause = std::min<std::int64_t>({1LL << std::min(calls, 5), 25, left});
    return self.cancel.wait_for(std::chrono::milliseconds(pause)) ? 0 : 1;
  }

  static int on_progress(void* context) {
    return static_cast<Connection*>(context)->cancel.cancelled() ? 1 : 0;
  }
};

// ---- Statement ----

Statement::Statement(Statement&& other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)),
      entry_(std::exchange(other.entry_, nullptr)),
      bind_error_(std::exchange(other.bind_error_, 0)),
      on_row_(std::exchange(other.on_row_, false)) {}

Statement& Statement::operator=(Statement&& other) noexcept {
  if (this == &other) return *this;
  give_back();
  handle_ = std::exchange(other.handle_, nullptr);
  entry_ = std::exchange(other.entry_, nullptr);
  bind_error_ = std::exchange(other.bind_error_, 0);
  on_row_ = std::exchange(other.on_row_, false);
  return *this;
}

Statement::~Statement() {
  give_back();
}

void Statement::give_back() {
  if (entry_ != nullptr) {
    sqlite3_reset(handle_);
    sqlite3_clear_bindings(handle_);
    entry_->in_use = false;
  } else {
    sqlite3_finalize(handle_);
  }
  handle_ = nullptr;
  entry_ = nullptr;
}

Statement& Statement::note(int code) {
  if (code != SQLITE_OK && bind_error_ == 0) bind_error_ = code;
  return *this;
}

// SQLite refuses to bind while a row is there.
void Statement::before_bind() {
  if (on_row_) reset();
}

Statement& Statement::bind_int64(int index, std::int64_t value) {
  before_bind();
  return note(sqlite3_bind_int64(handle_, index, value));
}

Statement& Statement::bind(int index, double value) {
  before_bind();
  return note(sqlite3_bind_double(handle_, index, value));
}

Statement& Statement::bind(int index, std::nullptr_t) {
  before_bind();
  return note(sqlite3_bind_null(handle_, index));
}

// A view of nothing may have a null pointer, which SQLite would take for NULL.
static const char* not_null(std::string_view view) {
  return view.data() == nullptr ? "" : view.data();
}

Statement& Statement::bind(int index, std::string_view text) {
  before_bind();
  return note(sqlite3_bind_text64(handle_, index, not_null(text), text.size(), SQLITE_TRANSIENT,
                                  SQLITE_UTF8));
}

Statement& Statement::bind(int index, Blob blob) {
  before_bind();
  return note(sqlite3_bind_blob64(handle_, index, not_null(blob.bytes), blob.bytes.size(),
                                  SQLITE_TRANSIENT));
}

Statement& Statement::bind_static(int index, std::string_view text) {
  before_bind();
  return note(
      sqlite3_bind_text64(handle_, index, not_null(text), text.size(), SQLITE_STATIC, SQLITE_UTF8));
}

Statement& Statement::bind_static(int index, Blob blob) {
  before_bind();
  return note(
      sqlite3_bind_blob64(handle_, index, not_null(blob.bytes), blob.bytes.size(), SQLITE_STATIC));
}

Statement& Statement::clear_bindings() {
  before_bind();
  sqlite3_clear_bindings(handle_);
  return *this;
}

Result<bool> Statement::step() {
  DUNLIN_CHECK(handle_ != nullptr, "a step of no statement");
  const int bind_error = std::exchange(bind_error_, 0);
  int code = bind_error;
  if (code == 0) {
    code = sqlite3_step(handle_);
    if (code == SQLITE_ROW) {
      on_row_ = true;
      return true;
    }
    if (code == SQLITE_DONE) {
      reset();
      return false;
    }
  }
  // The message first: reset clears it.
  Error error = error_from_sqlite(
      sqlite3_db_handle(handle_), code,
      (bind_error != 0 ? "bind to '" : "run '") + shortened(sqlite3_sql(handle_)) + "'");
  reset();
  return error;
}

void Statement::reset() {
  on_row_ = false;
  sqlite3_reset(handle_);  // its code only repeats that of the last step
}

Status Statement::run() {
  for (;;) {
    auto row = step();
    if (!row.ok()) return std::move(row).error();
    if (!*row) return success();
  }
}

std::int64_t Statement::column_int64(int column) const {
  return sqlite3_column_int64(handle_, column);
}
double Statement::column_double(int column) const {
  return sqlite3_column_double(handle_, column);
}

std::string_view Statement::column_text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(handle_, column));
  if (text == nullptr) return {};
  return {text, static_cast<std::size_t>(sqlite3_column_bytes(handle_, column))};
}

std::string_view Statement::column_blob(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(handle_, column));
  if (bytes == nullptr) return {};
  return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(handle_, column))};
}

bool Statement::column_is_null(int column) const {
  return sqlite3_column_type(handle_, column) == SQLITE_NULL;
}
int Statement::column_type(int column) const {
  return sqlite3_column_type(handle_, column);
}
int Statement::column_count() const {
  return sqlite3_column_count(handle_);
}

std::string_view Statement::column_name(int column) const {
  const char* name = sqlite3_column_name(handle_, column);
  return name == nullptr ? std::string_view{} : std::string_view(name);
}

std::optional<std::int64_t> Statement::column_optional_int64(int column) const {
  if (column_is_null(column)) return std::nullopt;
  return column_int64(column);
}

int Statement::parameter_count() const {
  return sqlite3_bind_parameter_count(handle_);
}
bool Statement::read_only() const {
  return sqlite3_stmt_readonly(handle_) != 0;
}

// ---- Database ----

namespace {

/// SQLite reads meaning into some names; "./" in front takes it away.
std::string literal_name(const std::string& path) {
  if (path == ":memory:") return path;
  const bool special = path.starts_with(':') || path.starts_with("file:");
  return special ? "./" + path : path;
}

void set_flag(sqlite3* db, int option, int value) {
  sqlite3_db_config(db, option, value, nullptr);
}

}  // namespace

Database::Database(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
Database::Database(Database&&) noexcept = default;
Database& Database::operator=(Database&&) noexcept = default;
Database::~Database() = default;

Result<Database> Database::open(const std::string& path, const OpenOptions& options) {
  const std::string what = "open database '" + escape_bytes(path) + "'";
  if (path.empty() || path.find('\0') != std::string::npos) {
    return Error(ErrorType::invalid_input, what + ": no usable name");
  }
  auto connection = std::make_unique<Connection>();
  connection->path = path;
  connection->busy_timeout_ms = options.busy_timeout_ms;
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  flags |= options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  if (options.create && !options.read_only) flags |= SQLITE_OPEN_CREATE;
  const char* vfs = options.vfs.empty() ? nullptr : options.vfs.c_str();
  const int code = sqlite3_open_v2(literal_name(path).c_str(), &connection->db, flags, vfs);
  if (code != SQLITE_OK) return error_from_sqlite(connection->db, code, what);
  sqlite3_busy_handler(connection->db, &Connection::on_busy, connection.get());
  Database database(std::move(connection));
  if (Status status = database.configure(options); !status.ok()) {
    return std::move(status).error().with_context(what);
  }
  return database;
}

Status Database::configure(const OpenOptions& options) {
  sqlite3* const db = handle();
  if (options.strict) {
    set_flag(db, SQLITE_DBCONFIG_DEFENSIVE, 1);
    set_flag(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0);
    set_flag(db, SQLITE_DBCONFIG_DQS_DDL, 0);
    set_flag(db, SQLITE_DBCONFIG_DQS_DML, 0);
    DUNLIN_TRY(exec("PRAGMA cell_size_check = ON"));
  }
  if (options.wal && !options.read_only && path() != ":memory:") DUNLIN_TRY(switch_to_wal());
  // FULL does not flush the removal of a rollback journal: a power cut could bring the journal back
  // and with it roll back a commit that was acknowledged. With a write-ahead log both are the same.
  DUNLIN_TRY(exec(!options.flushes           ? "PRAGMA synchronous = OFF"
                  : options.synchronous_full ? "PRAGMA synchronous = EXTRA"
                                             : "PRAGMA synchronous = NORMAL"));
  DUNLIN_TRY(exec(options.foreign_keys ? "PRAGMA foreign_keys = ON" : "PRAGMA foreign_keys = OFF"));
  DUNLIN_TRY(exec("PRAGMA cache_size = -" + std::to_string(std::max(options.cache_kib, 64))));
  DUNLIN_TRY(
      exec("PRAGMA mmap_size = " + std::to_string(std::max<std::int64_t>(options.mmap_bytes, 0))));
  sqlite3_wal_autocheckpoint(db, options.wal_autocheckpoint_pages);
  // SQLite reads the file only now: a file that is no database shows here and not at the first
  // query.
  DUNLIN_ASSIGN(Statement probe, prepare("SELECT count(*) FROM sqlite_schema"));
  return probe.run();
}

// The change needs the file alone for a moment, and SQLite does not always ask the busy handler for
// it, so two processes that create one file together would meet SQLITE_BUSY.
Status Database::switch_to_wal() {
  const std::int64_t give_up_ms = now_ms() + connection_->busy_timeout_ms;
  for (;;) {
    Status status = [this]() -> Status {
      DUNLIN_ASSIGN(Statement pragma, prepare("PRAGMA journal_mode = WAL"));
      DUNLIN_ASSIGN(const bool row, pragma.step());
      if (row && pragma.column_text(0) == "wal") return success();
      return Error(ErrorType::state_unusable,
                   "the file system under '" + escape_bytes(path()) +
                       "' cannot hold a write-ahead log (it needs shared memory)");
    }();
    if (status.ok() || status.error().type != ErrorType::database_locked || now_ms() >= give_up_ms)
      return status;
    if (connection_->cancel.wait_for(std::chrono::milliseconds(5)))
      return connection_->cancel.check();
  }
}

Status Database::exec(std::string_view sql) {
  int number = 0;
  while (!sql.empty()) {
    sqlite3_stmt* handle = nullptr;
    const char* tail = nullptr;
    const int size =
        static_cast<int>(std::min<std::size_t>(sql.size(), std::numeric_limits<int>::max()));
    const int code = sqlite3_prepare_v3(connection_->db, sql.data(), size, 0, &handle, &tail);
    ++number;
    if (code != SQLITE_OK) {
      return error_from_sqlite(connection_->db, code,
                               "statement " + std::to_string(number) + " '" + shortened(sql) + "'");
    }
    sql.remove_prefix(static_cast<std::size_t>(tail - sql.data()));
    if (handle == nullptr) continue;  // blanks or a comment
    Statement statement(handle, nullptr);
    if (Status status = statement.run(); !status.ok()) {
      return std::move(status).with_context("running statement " + std::to_string(number));
    }
  }
  return success();
}

Result<Statement> Database::prepare_raw(std::string_view sql, bool persistent) {
  sqlite3_stmt* handle = nullptr;
  const char* tail = nullptr;
  const int size =
      static_cast<int>(std::min<std::size_t>(sql.size(), std::numeric_limits<int>::max()));
  int code = sqlite3_prepare_v3(connection_->db, sql.data(), size,
                                persistent ? SQLITE_PREPARE_PERSISTENT : 0U, &handle, &tail);
  if (code != SQLITE_OK)
    return error_from_sqlite(connection_->db, code, "prepare '" + shortened(sql) + "'");
  Statement statement(handle, nullptr);
  const std::string_view rest = sql.substr(static_cast<std::size_t>(tail - sql.data()));
  sqlite3_stmt* second = nullptr;
  if (!rest.empty()) {
    code = sqlite3_prepare_v3(connection_->db, rest.data(), static_cast<int>(rest.size()), 0,
                              &second, nullptr);
    sqlite3_finalize(second);
  }
  if (handle == nullptr || second != nullptr || code != SQLITE_OK) {
    return Error(ErrorType::defect,
                 "prepare '" + shortened(sql) + "': expected exactly one statement");
  }
  return statement;
}

Result<Statement> Database::prepare(std::string_view sql) {
  return prepare_raw(sql, false);
}

Result<Statement> Database::cached(std::string_view sql) {
  auto& cache = connection_->cache;
  if (const auto found = cache.find(sql); found != cache.end()) {
    if (found->second.in_use) return prepare_raw(sql, false);
    found->second.in_use = true;
    found->second.last_use = ++connection_->uses;
    return Statement(found->second.handle, &found->second);
  }
  if (cache.size() >= kMaxCached) {
    auto oldest = cache.end();
    for (auto it = cache.begin(); it != cache.end(); ++it) {
      if (!it->second.in_use &&
          (oldest == cache.end() || it->second.last_use < oldest->second.last_use))
        oldest = it;
    }
    if (oldest == cache.end()) return prepare_raw(sql, false);
    sqlite3_finalize(oldest->second.handle);
    cache.erase(oldest);
  }
  DUNLIN_ASSIGN(Statement owned, prepare_raw(sql, true));
  auto& entry = cache[std::string(sql)];
  entry.handle = std::exchange(owned.handle_, nullptr);
  entry.in_use = true;
  entry.last_use = ++connection_->uses;
  return Statement(entry.handle, &entry);
}

std::int64_t Database::changes() const {
  return sqlite3_changes64(connection_->db);
}
std::int64_t Database::last_insert_rowid() const {
  return sqlite3_last_insert_rowid(connection_->db);
}
bool Database::in_transaction() const {
  return sqlite3_get_autocommit(connection_->db) == 0;
}

Result<std::int64_t> Database::user_version() {
  DUNLIN_ASSIGN(const auto version, query_int64("PRAGMA user_version"));
  return version.value_or(0);
}

Status Database::set_user_version(std::int64_t version) {
  return exec("PRAGMA user_version = " + std::to_string(version));
}

Result<std::int64_t> Database::application_id() {
  DUNLIN_ASSIGN(const auto id, query_int64("PRAGMA application_id"));
  return id.value_or(0);
}

Status Database::set_application_id(std::int64_t id) {
  return exec("PRAGMA application_id = " + std::to_string(id));
}

void Database::interrupt() {
  sqlite3_interrupt(connection_->db);
}

void Database::set_cancel(CancelToken token) {
  connection_->cancel = std::move(token);
  sqlite3_progress_handler(connection_->db, kProgressSteps, &Connection::on_progress,
                           connection_.get());
}

Result<WalCheckpoint> Database::checkpoint_wal(CheckpointMode mode) {
  constexpr int kModes[] = {SQLITE_CHECKPOINT_PASSIVE, SQLITE_CHECKPOINT_FULL,
                            SQLITE_CHECKPOINT_RESTART, SQLITE_CHECKPOINT_TRUNCATE};
  WalCheckpoint done;
  const int code =
      sqlite3_wal_checkpoint_v2(connection_->db, nullptr, kModes[static_cast<std::size_t>(mode)],
                                &done.log_frames, &done.checkpointed_frames);
  if (code != SQLITE_OK)
    return error_from_sqlite(connection_->db, code, "checkpoint '" + escape_bytes(path()) + "'");
  return done;
}

Status Database::check_with(std::string_view pragma) {
  auto finding = query_text(pragma);
  if (!finding.ok())
    return std::move(finding).error().with_context("checking '" + escape_bytes(path()) + "'");
  if (*finding == "ok") return success();
  return Error(ErrorType::state_corrupt,
               "'" + escape_bytes(path()) +
                   "' is damaged: " + printable(finding->value_or("no answer of the check")));
}

Status Database::quick_check() {
  return check_with("PRAGMA quick_check(1)");
}
Status Database::integrity_check() {
  return check_with("PRAGMA integrity_check(1)");
}

Status Database::vacuum_into(const std::string& target) {
  const std::string what = "copy '" + escape_bytes(path()) + "' to '" + escape_bytes(target) + "'";
  if (auto existing = open_file(target, O_PATH | O_NOFOLLOW); existing.ok()) {
    return Error(ErrorType::destination_exists, what + ": the file exists");
  }
  DUNLIN_ASSIGN(Statement statement, prepare("VACUUM INTO ?1"));
  DUNLIN_TRY(statement.bind(1, literal_name(target)).run().with_context(what));
  // SQLite does not flush this file.
  DUNLIN_ASSIGN(const UniqueFd copy, open_file(target, O_RDONLY));
  DUNLIN_TRY(fsync_file(copy.get(), "'" + escape_bytes(target) + "'"));
  const std::size_t slash = target.rfind('/');
  return fsync_directory(
      slash == std::string::npos ? "." : target.substr(0, std::max<std::size_t>(slash, 1)));
}

const std::string& Database::path() const {
  return connection_->path;
}
sqlite3* Database::handle() const {
  return connection_->db;
}

// ---- Transactions ----

Result<Transaction> Transaction::begin(Database& database) {
  DUNLIN_TRY(database.run("BEGIN IMMEDIATE"));
  return Transaction(database);
}

Result<Transaction> Transaction::begin_read(Database& database) {
  DUNLIN_TRY(database.run("BEGIN DEFERRED"));
  return Transaction(database);
}

Transaction::~Transaction() {
  if (database_ != nullptr)
    rollback().ignore("a destructor cannot report; an open transaction is gone with its file");
}

bool Transaction::active() const {
  return database_ != nullptr && database_->in_transaction();
}

Status Transaction::commit() {
  DUNLIN_CHECK(database_ != nullptr, "a commit of no transaction");
  Status status = database_->run("COMMIT");
  if (status.ok()) {
    database_ = nullptr;
    return status;
  }
  Error error = std::move(status).error().with_context("committing");
  if (error.type == ErrorType::database_locked && active()) return error;
  // After a failed write or flush of the log the frames may still reach the disk and be found by a
  // recovery.
  const std::string& code = error.native.code;
  error.possibly_applied =
      code.starts_with("SQLITE_IOERR") || code == "SQLITE_FULL" || code == "SQLITE_NOMEM";
  rollback().ignore("the commit's error is the one to report");
  return error;
}

Status Transaction::rollback() {
  Database* const database = std::exchange(database_, nullptr);
  if (database == nullptr || !database->in_transaction()) return success();
  return database->run("ROLLBACK");
}

Result<Savepoint> Savepoint::begin(Database& database) {
  // One name does: SQLite finds the innermost of equal names, and they end in reverse order.
  DUNLIN_TRY(database.run("SAVEPOINT dunlin"));
  return Savepoint(database);
}

Savepoint::~Savepoint() {
  if (database_ != nullptr)
    rollback().ignore("a destructor cannot report; the transaction fails at its commit");
}

Status Savepoint::release() {
  DUNLIN_CHECK(database_ != nullptr, "a release of no savepoint");
  DUNLIN_TRY(database_->run("RELEASE dunlin"));
  database_ = nullptr;
  return success();
}

Status Savepoint::rollback() {
  Database* const database = std::exchange(database_, nullptr);
  if (database == nullptr || !database->in_transaction()) return success();
  DUNLIN_TRY(database->run("ROLLBACK TO dunlin"));
  return database->run("RELEASE dunlin");
}

std::string quote_identifier(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

}  // namespace dunlin::sql
