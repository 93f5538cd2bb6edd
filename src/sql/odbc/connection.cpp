// Statements by SQLExecDirect, rows by SQLFetch and SQLGetData, all on the caller's thread; what
// would block for too long is looked at by the connection's watch (watch.h). Whether a transaction
// is open no call of ODBC says while statements begin and end it: the server is asked.
#include "sql/odbc/connection.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "sql/deadline.h"
#include "sql/mariadb/error_codes.h"
#include "sql/odbc/error_codes.h"
#include "sql/odbc/handle.h"
#include "sql/odbc/introduction.h"
#include "sql/odbc/statement_text.h"
#include "sql/odbc/utf16.h"
#include "sql/odbc/watch.h"

namespace dunlin::sql {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kOdbcTellWithin{3'000};
/// For questions of our own: the state of the transaction, what is left of a statement.
constexpr milliseconds kOdbcAskWithin{5'000};
constexpr std::size_t kPiece = 32 << 10;
constexpr std::size_t kOdbcNoticesMax = 1000;
/// psqlodbc's own attributes of a connection: rows come by a cursor of so many at a time.
constexpr SQLINTEGER kUseDeclareFetch = 65539;
constexpr SQLINTEGER kFetchRows = 65541;
constexpr std::uintptr_t kRowsAtATime = 1000;

SQLPOINTER attribute_value(std::uintptr_t number) {
  return reinterpret_cast<SQLPOINTER>(number);  // NOLINT(performance-no-int-to-ptr): ODBC's way
}

struct Column {
  std::string name;
  SQLSMALLINT type = 0;
};

class OdbcConnection final : public Connection {
 public:
  OdbcConnection(OdbcAddress address, std::unique_ptr<CallWatch> watch, OdbcSession session)
      : address_(std::move(address)),
        watch_(std::move(watch)),
        handle_(std::move(session)),
        wide_(handle_.dialect() != Dialect::sqlite) {}
  [[nodiscard]] Status introduce(const Call& call);

  [[nodiscard]] Dialect dialect() const override { return handle_.dialect(); }
  [[nodiscard]] const ServerInfo& server() const override { return server_; }
  [[nodiscard]] const SessionId& session() const override { return session_; }
  [[nodiscard]] TransactionState transaction() const override;
  [[nodiscard]] Result<Done> run(std::string_view sql, const Call& call,
                                 std::span<const Parameter> parameters) override;
  [[nodiscard]] Result<std::unique_ptr<Rows>> query(std::string_view sql, const Call& call,
                                                    std::span<const Parameter> parameters) override;
  [[nodiscard]] Result<Done> copy_in(std::string_view, std::string_view, const Call&) override {
    return Error(ErrorType::unsupported_item,
                 "ODBC has no COPY ... FROM STDIN; write the address as postgres://USER@HOST/DB");
  }
  [[nodiscard]] std::int64_t error_position() const override { return error_position_; }
  [[nodiscard]] Status reset(const Call& call) override;

 private:
  friend class OdbcRows;

  [[nodiscard]] Status check_text(const Call& call);
  /// The columns of its only row.
  [[nodiscard]] Result<std::vector<std::string>> ask(std::string_view sql, const Call& call);
  [[nodiscard]] TransactionState ask_state();

  /// An empty statement: there was none in the text.
  [[nodiscard]] Result<OdbcStatement> send(std::string_view sql,
                                           std::span<const Parameter> parameters, const Call& call,
                                           bool by_cursor);
  [[nodiscard]] Result<OdbcStatement> execute(const std::string& text, const Call& call,
                                              milliseconds timeout);
  /// What has to hold before anything is sent.
  [[nodiscard]] Status ready(std::string_view sql, const Call& call);
  [[nodiscard]] Result<OdbcStatement> allocate();
  [[nodiscard]] Result<std::unique_ptr<Rows>> open_rows(std::string_view sql, const Call& call,
                                                        std::span<const Parameter> parameters,
                                                        bool by_cursor);
  [[nodiscard]] Result<std::string> with_exact_times(std::string_view sql, const Call& call,
                                                     std::span<const Parameter> parameters);
  [[nodiscard]] Result<std::vector<Column>> prepared_columns(const std::string& text,
                                                             const Call& call);
  [[nodiscard]] std::vector<Column> described_columns(SQLHSTMT statement, SQLSMALLINT count) const;
  void use_cursor(bool wanted);
  void roll_back_cursor();
  /// To be called behind watch_->enter(), which leave() of this ends.
  [[nodiscard]] Result<bool> ended(SQLRETURN code, SQLHSTMT statement);
  [[nodiscard]] Result<bool> fetch(SQLHSTMT statement);
  [[nodiscard]] Result<bool> more_results(SQLHSTMT statement);
  [[nodiscard]] Error failure(SQLHSTMT statement);
  [[nodiscard]] Status read_warnings(Done& done, const Call& call);
  void tell(SQLHSTMT statement);
  void kill_query();
  void absorb_kill();

  OdbcAddress address_;
  std::unique_ptr<CallWatch> watch_;
  OdbcSession handle_;
  bool wide_;  ///< text goes as UTF-16; else as the bytes of UTF-8
  ServerInfo server_;
  SessionId session_;
  std::string statement_;  ///< as it was sent last
  std::int64_t error_position_ = 0;
  std::vector<std::string> notices_;
  std::vector<std::string> names_;  ///< of the columns of what was sent in another form
  bool by_cursor_ = false;
  bool driver_begins_ = false;  ///< a transaction round the statement that runs
  bool lost_ = false;
  bool reading_ = false;  ///< rows of a statement are still to come
  /// Asked since the last statement.
  mutable std::optional<TransactionState> state_;
};

class OdbcRows final : public Rows {
 public:
  OdbcRows(OdbcConnection& connection, OdbcStatement statement, std::vector<Column> columns)
      : connection_(connection),
        statement_(std::move(statement)),
        columns_(std::move(columns)),
        values_(columns_.size()),
        piece_(kPiece) {
    connection_.reading_ = true;
  }
  OdbcRows(const OdbcRows&) = delete;
  OdbcRows& operator=(const OdbcRows&) = delete;
  ~OdbcRows() override {
    end();
    connection_.driver_begins_ = false;
  }

  [[nodiscard]] Result<bool> next() override;
  [[nodiscard]] int columns() const override { return static_cast<int>(columns_.size()); }
  [[nodiscard]] std::string name(int column) const override {
    return columns_[static_cast<std::size_t>(column)].name;
  }
  [[nodiscard]] bool is_null(int column) const override {
    return !values_[static_cast<std::size_t>(column)];
  }
  [[nodiscard]] std::string_view text(int column) const override {
    const auto& value = values_[static_cast<std::size_t>(column)];
    return value ? std::string_view(*value) : std::string_view();
  }

 private:
  [[nodiscard]] Status read_values();
  [[nodiscard]] Result<std::optional<std::string>> read_value(std::size_t column);
  [[nodiscard]] Result<std::optional<std::string>> read_pieces(std::size_t column,
                                                               SQLSMALLINT form);
  void end();
  void finish();

  OdbcConnection& connection_;
  OdbcStatement statement_;
  std::vector<Column> columns_;
  std::vector<std::optional<std::string>> values_;
  std::vector<char> piece_;  ///< of a value
};

Error OdbcConnection::failure(SQLHSTMT statement) {
  const std::vector<Diagnostic> said = diagnostics(SQL_HANDLE_STMT, statement, wide_);
  Error error = odbc_error(dialect(), said);
  if (error.type == ErrorType::connection_reset) lost_ = true;
  if (watch_->was_cut()) {
    lost_ = true;
    Error given_up = *watch_->told();
    given_up.message += "; the server did not confirm that it ended the statement";
    given_up.possibly_applied = true;
    return given_up;
  }
  const bool cancelled = std::any_of(said.begin(), said.end(), [&](const Diagnostic& one) {
    return says_cancelled(dialect(), one.state, one.native);
  });
  if (watch_->told() && cancelled) {
    Error told = *watch_->told();
    told.native = error.native;
    return told;
  }
  if (dialect() == Dialect::mysql)
    error_position_ = position_of_mariadb_error(error.message, statement_);
  return error;
}

/// On a connection of its own. The statement's own answer, or the absence of one, is what counts.
void OdbcConnection::kill_query() {
  CallWatch watch;
  const auto other = OdbcSession::open(address_, Call{}, kOdbcTellWithin, watch);
  if (!other.ok()) return;
  SQLHSTMT raw = nullptr;
  if (!SQL_SUCCEEDED(odbc().SQLAllocHandle(SQL_HANDLE_STMT, other->connection(), &raw))) return;
  const OdbcStatement statement(raw);
  std::string sql = fmt::format("KILL QUERY {}", session_.process);
  watch.begin(Call{}, kOdbcTellWithin, {});
  if (!watch.enter().ok()) return;
  odbc().SQLExecDirect(raw, reinterpret_cast<SQLCHAR*>(sql.data()), SQL_NTS);
  watch.leave();
}

/// On the watch's thread. A driver of MariaDB reaches its server only by a connection of its own,
/// too, and never while it only fetches.
void OdbcConnection::tell(SQLHSTMT statement) {
  if (dialect() == Dialect::mysql)
    kill_query();
  else
    odbc().SQLCancel(statement);
}

/// A kill that came too late would end the next statement.
void OdbcConnection::absorb_kill() {
  if (lost_ || dialect() != Dialect::mysql) return;
  const auto done = execute("DO 0", Call{}, kOdbcAskWithin);
  static_cast<void>(done.ok());
}

/// Rows of PostgreSQL are gathered by its driver, but for those of a cursor.
void OdbcConnection::use_cursor(bool wanted) {
  if (dialect() != Dialect::postgresql || wanted == by_cursor_) return;
  odbc().SQLSetConnectAttr(handle_.connection(), kUseDeclareFetch, attribute_value(wanted ? 1 : 0),
                           SQL_IS_UINTEGER);
  odbc().SQLSetConnectAttr(handle_.connection(), kFetchRows, attribute_value(kRowsAtATime),
                           SQL_IS_UINTEGER);
  by_cursor_ = wanted;
}

/// False: there is nothing more of it.
Result<bool> OdbcConnection::ended(SQLRETURN code, SQLHSTMT statement) {
  watch_->leave();
  if (code == SQL_NO_DATA) return false;
  if (!SQL_SUCCEEDED(code)) return failure(statement);
  if (code != SQL_SUCCESS_WITH_INFO) return true;
  for (Diagnostic& one : diagnostics(SQL_HANDLE_STMT, statement, wide_))
    if (notices_.size() < kOdbcNoticesMax) notices_.push_back(std::move(one.message));
  return true;
}

Result<bool> OdbcConnection::fetch(SQLHSTMT statement) {
  DUNLIN_TRY(watch_->enter());
  return ended(odbc().SQLFetch(statement), statement);
}

Result<bool> OdbcConnection::more_results(SQLHSTMT statement) {
  DUNLIN_TRY(watch_->enter());
  return ended(odbc().SQLMoreResults(statement), statement);
}

Result<OdbcStatement> OdbcConnection::allocate() {
  SQLHSTMT raw = nullptr;
  if (!SQL_SUCCEEDED(odbc().SQLAllocHandle(SQL_HANDLE_STMT, handle_.connection(), &raw)))
    return odbc_error(dialect(), diagnostics(SQL_HANDLE_DBC, handle_.connection(), wide_));
  odbc().SQLSetStmtAttr(raw, SQL_ATTR_NOSCAN, attribute_value(SQL_NOSCAN_ON), 0);
  return OdbcStatement(raw);
}

Result<OdbcStatement> OdbcConnection::execute(const std::string& text, const Call& call,
                                              milliseconds timeout) {
  DUNLIN_ASSIGN(std::vector<SQLWCHAR> wide, utf16_of(text));
  DUNLIN_ASSIGN(OdbcStatement statement, allocate());
  SQLHSTMT const raw = statement.handle;
  watch_->begin(call, timeout, [this, raw] { tell(raw); });
  DUNLIN_TRY(watch_->enter());
  std::string narrow = text;
  const SQLRETURN code =
      wide_ ? odbc().SQLExecDirectW(raw, wide.data(), static_cast<SQLINTEGER>(wide.size()))
            : odbc().SQLExecDirect(raw, reinterpret_cast<SQLCHAR*>(narrow.data()),
                                   static_cast<SQLINTEGER>(narrow.size()));
  DUNLIN_ASSIGN(const bool found, ended(code, raw));
  static_cast<void>(found);  // SQL_NO_DATA: it changed no row
  return statement;
}

Status OdbcConnection::ready(std::string_view sql, const Call& call) {
  DUNLIN_TRY(call.cancel.check());
  if (lost_) return Error(ErrorType::connection_reset, "the connection is gone");
  if (reading_)
    return Error(ErrorType::defect, "a statement while rows of the last one are still read");
  error_position_ = 0;
  notices_.clear();
  DUNLIN_ASSIGN(const bool nothing, holds_no_statement(dialect(), sql));
  static_cast<void>(nothing);
  return success();
}

Result<OdbcStatement> OdbcConnection::send(std::string_view sql,
                                           std::span<const Parameter> parameters, const Call& call,
                                           bool by_cursor) {
  DUNLIN_TRY(ready(sql, call));
  state_.reset();
  DUNLIN_ASSIGN(const bool nothing, holds_no_statement(dialect(), sql));
  if (nothing) return OdbcStatement();
  DUNLIN_ASSIGN(statement_, odbc_statement(dialect(), sql, parameters));
  use_cursor(by_cursor);
  auto sent = execute(statement_, call, call.timeout);
  if (!sent.ok() && watch_->told()) absorb_kill();
  return sent;
}

Result<Done> OdbcConnection::run(std::string_view sql, const Call& call,
                                 std::span<const Parameter> parameters) {
  DUNLIN_ASSIGN(const OdbcStatement statement, send(sql, parameters, call, false));
  Done done;
  if (statement.handle == nullptr) return done;
  const auto go = [&]() -> Status {
    while (true) {
      SQLSMALLINT columns = 0;
      odbc().SQLNumResultCols(statement.handle, &columns);
      SQLLEN affected = 0;
      odbc().SQLRowCount(statement.handle, &affected);
      done.affected = std::max<std::int64_t>(affected, 0);
      while (columns > 0) {
        DUNLIN_ASSIGN(const bool row, fetch(statement.handle));
        if (!row) break;
      }
      DUNLIN_ASSIGN(const bool more, more_results(statement.handle));
      if (!more) return success();
    }
  };
  const Status gone = go();
  if (watch_->told()) absorb_kill();  // it may have ended before it could be told
  if (!gone.ok()) return gone.error();
  done.notices = std::exchange(notices_, {});
  if (dialect() == Dialect::mysql) DUNLIN_TRY(read_warnings(done, call));
  return done;
}

/// Its drivers pass none on.
Status OdbcConnection::read_warnings(Done& done, const Call& call) {
  DUNLIN_ASSIGN(const auto rows, query("SHOW WARNINGS", call, {}));
  while (true) {
    DUNLIN_ASSIGN(const bool more, rows->next());
    if (!more) return success();
    if (done.notices.size() < kOdbcNoticesMax)
      done.notices.push_back(printable(fmt::format("{}: {}", rows->text(0), rows->text(2))));
  }
}

Result<std::unique_ptr<Rows>> OdbcConnection::query(std::string_view sql, const Call& call,
                                                    std::span<const Parameter> parameters) {
  if (dialect() != Dialect::postgresql) return open_rows(sql, call, parameters, false);
  DUNLIN_TRY(ready(sql, call));
  const bool by_cursor = fits_a_cursor(sql);
  const bool alone = by_cursor && transaction() == TransactionState::none;
  DUNLIN_ASSIGN(const std::string rewritten, with_exact_times(sql, call, parameters));
  DUNLIN_TRY(call.cancel.check());
  driver_begins_ = alone;
  auto rows = open_rows(rewritten, call, {}, by_cursor);
  if (!rows.ok()) roll_back_cursor();
  return rows;
}

/// psqlodbc writes times anew and changes what it does not know on its way (infinity, years before
/// Christ or behind 9999, time zones): those columns are asked for as text.
Result<std::string> OdbcConnection::with_exact_times(std::string_view sql, const Call& call,
                                                     std::span<const Parameter> parameters) {
  DUNLIN_TRY(ready(sql, call));
  DUNLIN_ASSIGN(std::string text, odbc_statement(dialect(), sql, parameters));
  DUNLIN_ASSIGN(const std::vector<Column> columns, prepared_columns(text, call));
  std::vector<bool> as_text;
  as_text.reserve(columns.size());
  for (const Column& one : columns)
    as_text.push_back(one.type == SQL_TYPE_DATE || one.type == SQL_TYPE_TIMESTAMP);
  const auto time = std::find(as_text.begin(), as_text.end(), true);
  names_.clear();
  if (time == as_text.end()) return text;
  if (!fits_a_cursor(text))
    return Error(ErrorType::unsupported_item,
                 "the driver does not show the time in column '" +
                     printable(columns[static_cast<std::size_t>(time - as_text.begin())].name) +
                     "' as it is; write the column with ::text behind it");
  for (const Column& one : columns) names_.push_back(one.name);
  return with_text_columns(text, as_text);
}

Result<std::vector<Column>> OdbcConnection::prepared_columns(const std::string& text,
                                                             const Call& call) {
  DUNLIN_ASSIGN(const OdbcStatement statement, allocate());
  DUNLIN_ASSIGN(std::vector<SQLWCHAR> wide, utf16_of(text));
  std::string narrow = text;
  watch_->begin(call, call.timeout, [this, raw = statement.handle] { tell(raw); });
  DUNLIN_TRY(watch_->enter());
  SQLSMALLINT count = 0;
  SQLRETURN code =
      wide_
          ? odbc().SQLPrepareW(statement.handle, wide.data(), static_cast<SQLINTEGER>(wide.size()))
          : odbc().SQLPrepare(statement.handle, reinterpret_cast<SQLCHAR*>(narrow.data()),
                              static_cast<SQLINTEGER>(narrow.size()));
  if (SQL_SUCCEEDED(code)) code = odbc().SQLNumResultCols(statement.handle, &count);
  std::vector<Column> columns;
  if (SQL_SUCCEEDED(code)) columns = described_columns(statement.handle, count);
  DUNLIN_ASSIGN(const bool found, ended(code, statement.handle));
  static_cast<void>(found);
  return columns;
}

/// The transaction that the driver has begun round a cursor stays open behind a failure.
void OdbcConnection::roll_back_cursor() {
  if (!std::exchange(driver_begins_, false) || lost_) return;
  const auto done = execute("ROLLBACK", Call{}, kOdbcAskWithin);
  static_cast<void>(done.ok());
}

Result<std::unique_ptr<Rows>> OdbcConnection::open_rows(std::string_view sql, const Call& call,
                                                        std::span<const Parameter> parameters,
                                                        bool by_cursor) {
  DUNLIN_ASSIGN(OdbcStatement statement, send(sql, parameters, call, by_cursor));
  SQLSMALLINT count = 0;
  while (statement.handle != nullptr) {
    odbc().SQLNumResultCols(statement.handle, &count);
    if (count > 0) break;
    DUNLIN_ASSIGN(const bool more, more_results(statement.handle));
    if (!more) break;
  }
  if (count == 0) return Error(ErrorType::invalid_input, "the statement gives no rows");
  std::vector<Column> columns = described_columns(statement.handle, count);
  for (std::size_t i = 0; i < std::min(names_.size(), columns.size()); ++i)
    columns[i].name = std::move(names_[i]);
  names_.clear();
  return std::unique_ptr<Rows>(
      std::make_unique<OdbcRows>(*this, std::move(statement), std::move(columns)));
}

std::vector<Column> OdbcConnection::described_columns(SQLHSTMT statement, SQLSMALLINT count) const {
  constexpr SQLSMALLINT kNameSize = 512;
  std::vector<Column> columns;
  for (SQLSMALLINT i = 1; i <= count; ++i) {
    Column column;
    std::array<SQLWCHAR, kNameSize> wide{};
    std::array<SQLCHAR, kNameSize> narrow{};
    SQLSMALLINT length = 0;
    SQLULEN size = 0;
    SQLSMALLINT digits = 0;
    SQLSMALLINT nullable = 0;
    const auto number = static_cast<SQLUSMALLINT>(i);
    if (wide_) {
      odbc().SQLDescribeColW(statement, number, wide.data(), kNameSize, &length, &column.type,
                             &size, &digits, &nullable);
    } else {
      odbc().SQLDescribeCol(statement, number, narrow.data(), kNameSize, &length, &column.type,
                            &size, &digits, &nullable);
    }
    const auto taken = static_cast<std::size_t>(std::clamp<SQLSMALLINT>(length, 0, kNameSize - 1));
    column.name = wide_ ? utf8_of(std::span(wide).first(taken))
                        : std::string(reinterpret_cast<const char*>(narrow.data()), taken);
    columns.push_back(std::move(column));
  }
  return columns;
}

Result<bool> OdbcRows::next() {
  if (statement_.handle == nullptr) return false;
  auto row = connection_.fetch(statement_.handle);
  if (row.ok() && *row) {
    const Status read = read_values();
    if (read.ok()) return true;
    row = read.error();
  }
  // Between two calls nobody has told the server.
  if (!row.ok() && !connection_.watch_->told())
    end();
  else
    finish();
  if (!row.ok()) connection_.roll_back_cursor();
  connection_.driver_begins_ = false;
  return row;
}

Status OdbcRows::read_values() {
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    DUNLIN_ASSIGN(values_[i], read_value(i));
  }
  return success();
}

/// In which a driver hands a value over as its server has it.
SQLSMALLINT form_of(Dialect dialect, SQLSMALLINT type, bool wide) {
  constexpr std::array kBytes = {SQL_BINARY, SQL_VARBINARY, SQL_LONGVARBINARY};
  constexpr std::array kCharacters = {SQL_CHAR,  SQL_VARCHAR,  SQL_LONGVARCHAR,
                                      SQL_WCHAR, SQL_WVARCHAR, SQL_WLONGVARCHAR};
  const auto is_one_of = [&](const auto& all) {
    return std::find(all.begin(), all.end(), type) != all.end();
  };
  // SQLite's types are those of values, which its driver does not know beforehand; MariaDB's driver
  // ends text at a NUL, but for bytes.
  if (dialect == Dialect::sqlite || is_one_of(kBytes)) return SQL_C_BINARY;
  if (dialect == Dialect::mysql && is_one_of(kCharacters)) return SQL_C_BINARY;
  return wide ? SQL_C_WCHAR : SQL_C_CHAR;
}

Result<std::optional<std::string>> OdbcRows::read_value(std::size_t column) {
  const SQLSMALLINT type = columns_[column].type;
  const SQLSMALLINT form = form_of(connection_.dialect(), type, connection_.wide_);
  DUNLIN_ASSIGN(std::optional<std::string> value, read_pieces(column, form));
  if (!value || connection_.dialect() != Dialect::postgresql) return value;
  // As the server itself writes them.
  if (form == SQL_C_BINARY) return std::optional("\\x" + hex(*value));
  if (type == SQL_BIT) return std::optional<std::string>(*value == "1" ? "t" : "f");
  return value;
}

Result<std::optional<std::string>> OdbcRows::read_pieces(std::size_t column, SQLSMALLINT form) {
  std::string bytes;
  const std::size_t end = form == SQL_C_BINARY ? 0 : form == SQL_C_WCHAR ? sizeof(SQLWCHAR) : 1;
  while (true) {
    SQLLEN length = 0;
    DUNLIN_TRY(connection_.watch_->enter());
    const SQLRETURN code =
        odbc().SQLGetData(statement_.handle, static_cast<SQLUSMALLINT>(column + 1), form,
                          piece_.data(), static_cast<SQLLEN>(piece_.size()), &length);
    connection_.watch_->leave();
    if (code == SQL_NO_DATA) break;
    if (!SQL_SUCCEEDED(code)) return connection_.failure(statement_.handle);
    if (length == SQL_NULL_DATA) return std::optional<std::string>();
    // Of a value that goes on, the length is that of all that is left, or not known.
    const bool goes_on =
        code == SQL_SUCCESS_WITH_INFO &&
        (length == SQL_NO_TOTAL || length > static_cast<SQLLEN>(piece_.size() - end));
    bytes.append(piece_.data(), goes_on ? piece_.size() - end : static_cast<std::size_t>(length));
    if (!goes_on) break;
  }
  if (form != SQL_C_WCHAR) return std::optional(std::move(bytes));
  std::vector<SQLWCHAR> wide(bytes.size() / sizeof(SQLWCHAR));
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(wide.data()));
  return std::optional(utf8_of(wide));
}

/// What is left of it is not wanted.
void OdbcRows::end() {
  if (statement_.handle == nullptr) return;
  // A result that its driver does not gather has to be read to its end, unless the server ends it.
  const bool streams = connection_.dialect() == Dialect::mysql && !connection_.lost_;
  if (streams) connection_.kill_query();
  finish();
  if (streams) connection_.absorb_kill();
}

void OdbcRows::finish() {
  const bool told = connection_.watch_->told().has_value();
  if (!connection_.lost_) {
    connection_.watch_->begin(Call{}, kOdbcAskWithin, {});
    if (connection_.watch_->enter().ok()) {
      statement_ = OdbcStatement();
      connection_.watch_->leave();
      connection_.lost_ = connection_.watch_->was_cut();
    }
  }
  statement_ = OdbcStatement();
  connection_.reading_ = false;
  if (told) connection_.absorb_kill();
}

TransactionState OdbcConnection::transaction() const {
  if (lost_) return TransactionState::lost;
  if (reading_) return TransactionState::open;
  if (!state_) state_ = const_cast<OdbcConnection*>(this)->ask_state();
  return lost_ ? TransactionState::lost : *state_;
}

TransactionState OdbcConnection::ask_state() {
  using enum TransactionState;
  const Call call{{}, kOdbcAskWithin};
  const std::int64_t position = error_position_;
  Result<std::vector<std::string>> answer = std::vector<std::string>();
  const std::string_view sql = transaction_query(dialect(), server_);
  if (!sql.empty()) {
    answer = ask(sql, call);
  } else {
    // SQLite: a BEGIN takes no lock by itself, and within a transaction it is refused.
    const Status begun = run_only(*this, "BEGIN", call);
    const Status ended = begun.ok() ? run_only(*this, "ROLLBACK", call) : begun;
    if (ended.ok())
      answer = std::vector<std::string>{"0"};
    else if (!begun.ok() && begun.error().type == ErrorType::invalid_data)
      answer = std::vector<std::string>{"1"};
    else
      answer = ended.error();
  }
  error_position_ = position;
  if (!answer.ok() && answer.error().native.code == "25P02") return failed;
  if (!answer.ok() || answer->empty()) {
    lost_ = true;  // who does not answer this answers nothing
    return lost;
  }
  return answer->front() == "0" ? none : answer->front() == "2" ? failed : open;
}

Result<std::vector<std::string>> OdbcConnection::ask(std::string_view sql, const Call& call) {
  DUNLIN_ASSIGN(const auto rows, open_rows(sql, call, {}, false));
  DUNLIN_ASSIGN(bool row, rows->next());
  if (!row) return Error(ErrorType::permission_denied, "the server does not say who it is");
  std::vector<std::string> values;
  values.reserve(static_cast<std::size_t>(rows->columns()));
  for (int i = 0; i < rows->columns(); ++i) values.emplace_back(rows->text(i));
  while (row) {
    DUNLIN_ASSIGN(row, rows->next());
  }
  return values;
}

/// A driver that has no wide calls gets text narrowed to Latin letters by the driver manager; some
/// take bytes as they are. What comes back as it was sent is right.
Status OdbcConnection::check_text(const Call& call) {
  constexpr std::string_view kText = "vi\xC3\xA8r \xF0\x9F\x90\xA6";
  const std::string sql =
      fmt::format("SELECT {}'{}'", dialect() == Dialect::sqlserver ? "N" : "", kText);
  for (int i = 0; i < 2; ++i) {
    const auto found = ask(sql, call);
    if (found.ok() && found->front() == kText) return success();
    if (lost_ || (!found.ok() && (found.error().type == ErrorType::network_timeout ||
                                  found.error().type == ErrorType::interrupted)))
      return found.ok() ? success() : Status(found.error());
    wide_ = !wide_;
  }
  return Error(ErrorType::unsupported_item,
               "the driver changes text on its way: name its Unicode variant (psqlodbcw.so, "
               "libmaodbc.so)");
}

Status OdbcConnection::introduce(const Call& call) {
  DUNLIN_TRY(check_text(call));
  DUNLIN_ASSIGN(Introduction said,
                introduce_server(dialect(), handle_.info(SQL_DATABASE_NAME),
                                 [&](std::string_view sql) { return ask(sql, call); }));
  server_ = std::move(said.server);
  session_ = std::move(said.session);
  constexpr int kChecksClients = 140000;
  if (dialect() != Dialect::postgresql || server_.version_number < kChecksClients) return success();
  // As postgresql/: it helps the server to notice sooner that we are gone.
  const Status set = run_only(*this, "SET client_connection_check_interval = '2s'", call);
  return lost_ ? set : success();
}

/// A new session: what a driver has set in the old one is not known here, and DISCARD ALL would
/// take that away, too.
Status OdbcConnection::reset(const Call& call) {
  DUNLIN_TRY(call.cancel.check());
  if (dialect() == Dialect::postgresql && !lost_) {
    // A server notices late that a session has gone; its locks are given back before.
    for (const char* const sql : {"ROLLBACK", "DISCARD ALL"})
      DUNLIN_TRY(run_only(*this, sql, call));
  }
  DUNLIN_ASSIGN(
      OdbcSession fresh,
      OdbcSession::open(address_, call, call.timeout.count() > 0 ? call.timeout : kConnectWithin,
                        *watch_));
  handle_ = std::move(fresh);
  lost_ = false;
  by_cursor_ = false;
  state_.reset();
  return introduce(call);
}

}  // namespace

Result<std::unique_ptr<Connection>> connect_odbc(const OdbcAddress& address, const Call& call) {
  DUNLIN_TRY(load_odbc());
  auto watch = std::make_unique<CallWatch>();
  DUNLIN_ASSIGN(
      OdbcSession session,
      OdbcSession::open(address, call, call.timeout.count() > 0 ? call.timeout : kConnectWithin,
                        *watch));
  auto connection = std::make_unique<OdbcConnection>(address, std::move(watch), std::move(session));
  if (Status status = connection->introduce(call); !status.ok()) {
    Error error = status.error();
    return std::move(error).with_context("connecting to " + address.text());
  }
  return std::unique_ptr<Connection>(std::move(connection));
}

}  // namespace dunlin::sql
