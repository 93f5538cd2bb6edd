#include "sql/sqlite_connection.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include <fmt/format.h>
#include <sqlite3.h>

#include "base/clock.h"
#include "sql/script/scanner.h"
#include "sql/sqlite.h"
#include "sql/sqlite_address.h"

namespace dunlin::sql {
namespace {

constexpr int kSteps = 10'000;  // of SQLite's machine between two looks: about 0.1 ms

struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using StatementHandle = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

/// Ends what runs past the call's time or token, for as long as it lives.
class Watch {
 public:
  Watch(Database& database, Call call)
      : database_(database),
        call_(std::move(call)),
        end_ns_(call_.timeout.count() == 0 ? 0 : steady_ns() + call_.timeout.count() * 1'000'000) {
    database_.set_cancel(call_.cancel);  // waits for locks
    sqlite3_progress_handler(database_.handle(), kSteps, &Watch::look, this);
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch() {
    sqlite3_progress_handler(database_.handle(), 0, nullptr, nullptr);
    database_.set_cancel({});
  }

  [[nodiscard]] bool timed_out() const { return end_ns_ != 0 && steady_ns() >= end_ns_; }
  [[nodiscard]] const Call& call() const { return call_; }

 private:
  static int look(void* self) {
    const auto* const watch = static_cast<const Watch*>(self);
    return watch->timed_out() || watch->call_.cancel.cancelled() ? 1 : 0;
  }
  Database& database_;
  Call call_;
  std::int64_t end_ns_;
};

bool holds_nothing(std::string_view sql) {
  Scanner scanner(Dialect::sqlite, sql);
  for (Token token = scanner.next(); token.kind != TokenKind::end; token = scanner.next()) {
    if (token.kind == TokenKind::space || token.kind == TokenKind::comment) continue;
    if (token.of(sql) != ";") return false;
  }
  return true;
}

/// Code points before that byte, and one.
std::int64_t character_of(std::string_view sql, int offset) {
  const std::string_view before = sql.substr(0, static_cast<std::size_t>(offset));
  return 1 + std::count_if(before.begin(), before.end(),
                           [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; });
}

class SqliteConnection final : public Connection {
 public:
  SqliteConnection(Database database, std::string path)
      : database_(std::move(database)), path_(std::move(path)) {
    static std::atomic<std::int64_t> sessions{0};
    session_.process = ++sessions;
    session_.since = fmt::format("process {}", ::getpid());
    server_.product = "SQLite";
    server_.version = sqlite3_libversion();
    // SQLite writes 3.40.1 as 3040001.
    const int number = sqlite3_libversion_number();
    server_.version_number =
        number / 1'000'000 * 10'000 + number / 1'000 % 1'000 * 100 + number % 1'000;
    server_.database = path_;
    server_.read_only = sqlite3_db_readonly(database_.handle(), "main") == 1;
  }

  [[nodiscard]] Dialect dialect() const override { return Dialect::sqlite; }
  [[nodiscard]] const ServerInfo& server() const override { return server_; }
  [[nodiscard]] const SessionId& session() const override { return session_; }
  [[nodiscard]] TransactionState transaction() const override {
    return database_.in_transaction() ? TransactionState::open : TransactionState::none;
  }
  [[nodiscard]] Result<Done> run(std::string_view sql, const Call& call,
                                 std::span<const Parameter> parameters) override;
  [[nodiscard]] Result<std::unique_ptr<Rows>> query(std::string_view sql, const Call& call,
                                                    std::span<const Parameter> parameters) override;
  [[nodiscard]] Result<Done> copy_in(std::string_view, std::string_view, const Call&) override {
    return Error(ErrorType::unsupported_item, "SQLite has no COPY ... FROM STDIN");
  }
  [[nodiscard]] std::int64_t error_position() const override { return error_position_; }
  [[nodiscard]] Status reset(const Call& call) override;

  [[nodiscard]] Error failure(int code, const Watch& watch, std::string_view sql);

 private:
  [[nodiscard]] Result<StatementHandle> prepare(std::string_view sql, const Watch& watch,
                                                std::span<const Parameter> parameters);

  Database database_;
  std::string path_;
  ServerInfo server_;
  SessionId session_;
  std::int64_t error_position_ = 0;
};

class SqliteRows final : public Rows {
 public:
  SqliteRows(SqliteConnection& connection, std::unique_ptr<Watch> watch, StatementHandle statement)
      : connection_(connection), watch_(std::move(watch)), statement_(std::move(statement)) {}

  [[nodiscard]] Result<bool> next() override {
    if (done_) return false;
    const int code = sqlite3_step(statement_.get());
    if (code == SQLITE_ROW) return true;
    done_ = true;
    if (code == SQLITE_DONE) return false;
    return connection_.failure(code, *watch_, "");
  }
  [[nodiscard]] int columns() const override { return sqlite3_column_count(statement_.get()); }
  [[nodiscard]] std::string name(int column) const override {
    const char* const text = sqlite3_column_name(statement_.get(), column);
    return text == nullptr ? std::string() : std::string(text);
  }
  [[nodiscard]] bool is_null(int column) const override {
    return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
  }
  [[nodiscard]] std::string_view text(int column) const override {
    const auto* const bytes =
        reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
    if (bytes == nullptr) return {};
    return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
  }

 private:
  SqliteConnection& connection_;
  std::unique_ptr<Watch> watch_;
  StatementHandle statement_;
  bool done_ = false;
};

Error SqliteConnection::failure(int code, const Watch& watch, std::string_view sql) {
  const int offset = sqlite3_error_offset(database_.handle());
  if (offset >= 0) error_position_ = character_of(sql, offset);
  Error error = foreign_error(error_from_sqlite(database_.handle(), code, "run a statement"));
  if (error.type == ErrorType::interrupted && !watch.call().cancel.cancelled() &&
      watch.timed_out()) {
    error.type = ErrorType::network_timeout;
    error.message = fmt::format("not done within {} ms", watch.call().timeout.count());
  }
  if (error.type == ErrorType::defect) error.type = ErrorType::invalid_data;  // a person's SQL
  return error;
}

Result<StatementHandle> SqliteConnection::prepare(std::string_view sql, const Watch& watch,
                                                  std::span<const Parameter> parameters) {
  error_position_ = 0;
  DUNLIN_TRY(watch.call().cancel.check());
  if (sql.find('\0') != std::string_view::npos)
    return Error(ErrorType::invalid_input, "a statement holds a NUL byte");
  sqlite3_stmt* raw = nullptr;
  const char* tail = nullptr;
  const int code =
      sqlite3_prepare_v2(database_.handle(), sql.data(), static_cast<int>(sql.size()), &raw, &tail);
  StatementHandle statement(raw);
  if (code != SQLITE_OK) return failure(code, watch, sql);
  if (!holds_nothing(sql.substr(static_cast<std::size_t>(tail - sql.data()))))
    return Error(ErrorType::invalid_input, "the text holds more than one statement");
  for (std::size_t i = 0; statement && i < parameters.size(); ++i) {
    const auto index = static_cast<int>(i + 1);
    const Parameter& one = parameters[i];
    const int bound = one ? sqlite3_bind_text64(statement.get(), index, one->data(), one->size(),
                                                SQLITE_TRANSIENT, SQLITE_UTF8)
                          : sqlite3_bind_null(statement.get(), index);
    if (bound != SQLITE_OK) return failure(bound, watch, sql);
  }
  return statement;
}

Result<Done> SqliteConnection::run(std::string_view sql, const Call& call,
                                   std::span<const Parameter> parameters) {
  const Watch watch(database_, call);
  DUNLIN_ASSIGN(const StatementHandle statement, prepare(sql, watch, parameters));
  Done done;
  if (!statement) return done;  // an empty one
  const std::int64_t before = sqlite3_total_changes64(database_.handle());
  int code = sqlite3_step(statement.get());
  while (code == SQLITE_ROW) code = sqlite3_step(statement.get());
  if (code != SQLITE_DONE) return failure(code, watch, sql);
  if (sqlite3_total_changes64(database_.handle()) != before) done.affected = database_.changes();
  return done;
}

Result<std::unique_ptr<Rows>> SqliteConnection::query(std::string_view sql, const Call& call,
                                                      std::span<const Parameter> parameters) {
  auto watch = std::make_unique<Watch>(database_, call);
  DUNLIN_ASSIGN(StatementHandle statement, prepare(sql, *watch, parameters));
  if (!statement) return Error(ErrorType::invalid_input, "an empty statement has no rows");
  return std::unique_ptr<Rows>(
      std::make_unique<SqliteRows>(*this, std::move(watch), std::move(statement)));
}

/// Settings, temporary tables and attached databases are of the connection: another one has none.
Status SqliteConnection::reset(const Call& call) {
  DUNLIN_TRY(call.cancel.check());
  DUNLIN_ASSIGN(Database fresh, open_foreign(path_, server_.read_only));
  database_ = std::move(fresh);
  return success();
}

}  // namespace

Result<std::unique_ptr<Connection>> connect_sqlite(const std::string& path, bool create) {
  if (!create && ::access(path.c_str(), F_OK) != 0)
    return Error(ErrorType::not_found, "there is no database " + path);
  DUNLIN_ASSIGN(Database database, open_foreign(path, false));
  return std::unique_ptr<Connection>(std::make_unique<SqliteConnection>(std::move(database), path));
}

}  // namespace dunlin::sql
