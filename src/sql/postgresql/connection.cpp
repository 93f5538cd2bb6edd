// libpq without blocking: every wait is on the socket, in slices after which the token and the
// deadline are looked at. What the server was told to end is waited for, so that nobody believes a
// statement ended that still runs (trap: a dead client's ALTER goes on and commits).
#include "sql/postgresql/connection.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "base/redact.h"
#include "base/text.h"
#include "sql/deadline.h"
#include "sql/postgresql/handle.h"
#include "sql/postgresql/libpq.h"
#include "sql/postgresql/sqlstate.h"

namespace dunlin::sql {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kCopyChunk = 256 << 10;

struct FreeResult {
  void operator()(PGresult* result) const { pq().PQclear(result); }
};
using ResultHandle = std::unique_ptr<PGresult, FreeResult>;
std::string field(const PGresult* result, int code) {
  const char* const text = pq().PQresultErrorField(result, code);
  return text == nullptr ? std::string() : std::string(text);
}

/// The parameters of one call as libpq takes them.
class ParameterList {
 public:
  explicit ParameterList(std::span<const Parameter> parameters) {
    for (const Parameter& one : parameters) {
      values_.push_back(one ? one->c_str() : nullptr);
      lengths_.push_back(one ? static_cast<int>(one->size()) : 0);
    }
  }
  [[nodiscard]] int count() const { return static_cast<int>(values_.size()); }
  [[nodiscard]] const char* const* values() const { return values_.data(); }
  [[nodiscard]] const int* lengths() const { return lengths_.data(); }

 private:
  std::vector<const char*> values_;
  std::vector<int> lengths_;
};

class PostgresqlConnection final : public Connection {
 public:
  explicit PostgresqlConnection(PgHandle handle) : handle_(std::move(handle)) {
    pq().PQsetNoticeReceiver(handle_.get(), &PostgresqlConnection::notice, this);
  }
  [[nodiscard]] Status introduce(const Call& call);

  [[nodiscard]] Dialect dialect() const override { return Dialect::postgresql; }
  [[nodiscard]] const ServerInfo& server() const override { return server_; }
  [[nodiscard]] const SessionId& session() const override { return session_; }
  [[nodiscard]] TransactionState transaction() const override;
  [[nodiscard]] Result<std::vector<Answer>> run_all(std::span<const Request> statements,
                                                    const Call& call) override;
  [[nodiscard]] Result<Done> run(std::string_view sql, const Call& call,
                                 std::span<const Parameter> parameters) override;
  [[nodiscard]] Result<std::unique_ptr<Rows>> query(std::string_view sql, const Call& call,
                                                    std::span<const Parameter> parameters) override;
  [[nodiscard]] Result<Done> copy_in(std::string_view sql, std::string_view data,
                                     const Call& call) override;
  [[nodiscard]] std::int64_t error_position() const override { return error_position_; }
  [[nodiscard]] Status reset(const Call& call) override;

 private:
  friend class PostgresqlRows;

  static void notice(void* self, const PGresult* result);
  [[nodiscard]] Status ready(std::string_view sql, const Call& call);
  [[nodiscard]] Status send(std::string_view sql, std::span<const Parameter> parameters,
                            const Call& call, const Deadline& deadline);
  [[nodiscard]] Status flush(const Call& call, const Deadline& deadline);
  [[nodiscard]] Result<std::vector<Answer>> send_all(std::span<const Request> statements,
                                                     const Call& call, const Deadline& deadline);
  [[nodiscard]] bool send_one(const Request& request, std::vector<bool>& answers);
  [[nodiscard]] Result<std::vector<Answer>> answers(const std::vector<bool>& wanted,
                                                    const Call& call, const Deadline& deadline);
  [[nodiscard]] Result<ResultHandle> next_result(const Call& call, const Deadline& deadline);
  void watch(const Call& call, const Deadline& deadline);
  [[nodiscard]] Result<Done> finish(const Call& call, const Deadline& deadline);
  void tell();
  void end_statement();
  void refuse_data(const PGresult* result);
  void drain();
  [[nodiscard]] Error why_it_ended(const PGresult* result);
  [[nodiscard]] Error failure(const PGresult* result);
  [[nodiscard]] Error lost(std::string why);
  [[nodiscard]] Status own_settings(const Call& call);

  PgHandle handle_;
  ServerInfo server_;
  SessionId session_;
  std::vector<std::string> notices_;
  std::int64_t error_position_ = 0;
  std::unordered_map<std::string, std::string> prepared_;  ///< the server's names, by text
  std::int64_t prepared_count_ = 0;
  /// Why the running statement was told to end.
  std::optional<Error> told_;
};

class PostgresqlRows final : public Rows {
 public:
  PostgresqlRows(PostgresqlConnection& connection, Call call, Deadline deadline, ResultHandle first)
      : connection_(connection),
        call_(std::move(call)),
        deadline_(deadline),
        result_(std::move(first)) {
    done_ = pq().PQresultStatus(result_.get()) != PGRES_SINGLE_TUPLE;
    before_first_ = !done_;
    if (done_) connection_.drain();
  }
  PostgresqlRows(const PostgresqlRows&) = delete;
  PostgresqlRows& operator=(const PostgresqlRows&) = delete;
  ~PostgresqlRows() override {
    if (!done_) connection_.end_statement();
  }

  [[nodiscard]] Result<bool> next() override;
  [[nodiscard]] int columns() const override { return pq().PQnfields(result_.get()); }
  [[nodiscard]] std::string name(int column) const override {
    const char* const text = pq().PQfname(result_.get(), column);
    return text == nullptr ? std::string() : std::string(text);
  }
  [[nodiscard]] bool is_null(int column) const override {
    return pq().PQgetisnull(result_.get(), 0, column) == 1;
  }
  [[nodiscard]] std::string_view text(int column) const override {
    return {pq().PQgetvalue(result_.get(), 0, column),
            static_cast<std::size_t>(pq().PQgetlength(result_.get(), 0, column))};
  }

 private:
  PostgresqlConnection& connection_;
  Call call_;
  Deadline deadline_;
  ResultHandle result_;
  bool before_first_ = false;
  bool done_ = false;
};

void PostgresqlConnection::notice(void* self, const PGresult* result) {
  constexpr std::size_t kNoticesMax = 1000;
  auto& notices = static_cast<PostgresqlConnection*>(self)->notices_;
  if (notices.size() >= kNoticesMax) return;
  notices.push_back(printable(redact(fmt::format("{}: {}", field(result, PG_DIAG_SEVERITY),
                                                 field(result, PG_DIAG_MESSAGE_PRIMARY)))));
}

TransactionState PostgresqlConnection::transaction() const {
  switch (pq().PQtransactionStatus(handle_.get())) {
    case PQTRANS_IDLE:
      return TransactionState::none;
    case PQTRANS_ACTIVE:
    case PQTRANS_INTRANS:
      return TransactionState::open;
    case PQTRANS_INERROR:
      return TransactionState::failed;
    case PQTRANS_UNKNOWN:
      break;
  }
  return TransactionState::lost;
}

Error PostgresqlConnection::lost(std::string why) {
  Error error(ErrorType::connection_reset, std::move(why));
  error.possibly_applied = true;
  return error;
}

Error PostgresqlConnection::failure(const PGresult* result) {
  const std::string state = field(result, PG_DIAG_SQLSTATE);
  if (state.empty()) {
    const std::string text = first_line_of(pq().PQerrorMessage(handle_.get()));
    return lost(text.empty() ? "the connection was cut" : text);
  }
  Error error(error_type_of_sqlstate(state),
              printable(redact(field(result, PG_DIAG_MESSAGE_PRIMARY))));
  if (const std::string detail = field(result, PG_DIAG_MESSAGE_DETAIL); !detail.empty())
    error.message += " (" + printable(redact(detail)) + ")";
  error.remediation = printable(redact(field(result, PG_DIAG_MESSAGE_HINT)));
  error.native = {"sqlstate", state};
  error.possibly_applied =
      error.type == ErrorType::connection_reset || error.type == ErrorType::in_doubt;
  const std::string position = field(result, PG_DIAG_STATEMENT_POSITION);
  std::from_chars(position.data(), position.data() + position.size(), error_position_);
  return error;
}

/// Where it was told to end: why it was told to, not that it was.
Error PostgresqlConnection::why_it_ended(const PGresult* result) {
  Error error = failure(result);
  if (!told_ || error.native.code != "57014") return error;
  Error told = *told_;
  told.native = error.native;
  return told;
}

/// Looks at deadline and token; past either, the server is told, once.
void PostgresqlConnection::watch(const Call& call, const Deadline& deadline) {
  if (told_) return;
  const Status cancelled = call.cancel.check();
  if (cancelled.ok() && !deadline.passed()) return;
  told_ = cancelled.ok() ? Error(ErrorType::network_timeout,
                                 fmt::format("not done within {} ms", call.timeout.count()))
                         : cancelled.error();
  tell();
}

Status PostgresqlConnection::flush(const Call& call, const Deadline& deadline) {
  Deadline confirm(milliseconds(0));
  bool confirming = false;
  while (true) {
    const int left = pq().PQflush(handle_.get());
    if (left == 0) return success();
    if (left < 0) return lost(first_line_of(pq().PQerrorMessage(handle_.get())));
    watch(call, deadline);
    if (told_ && !confirming) {
      confirming = true;
      confirm = Deadline(kConfirmWithin);
    }
    if (confirming && confirm.passed()) {
      handle_.reset();  // half a message is sent: nothing else can follow it
      return lost("the server takes nothing any more");
    }
    wait_for_socket(handle_.get(), POLLIN | POLLOUT);
    if (pq().PQconsumeInput(handle_.get()) == 0)
      return lost(first_line_of(pq().PQerrorMessage(handle_.get())));
  }
}

/// What has to hold before anything is sent.
Status PostgresqlConnection::ready(std::string_view sql, const Call& call) {
  DUNLIN_TRY(call.cancel.check());
  if (pq().PQstatus(handle_.get()) != CONNECTION_OK)
    return Error(ErrorType::connection_reset, "the connection is gone");
  if (pq().PQtransactionStatus(handle_.get()) == PQTRANS_ACTIVE)
    return Error(ErrorType::defect, "a statement while rows of the last one are still read");
  if (sql.find('\0') != std::string_view::npos)
    return Error(ErrorType::invalid_input, "a statement holds a NUL byte");
  notices_.clear();
  error_position_ = 0;
  told_.reset();
  return success();
}

Status PostgresqlConnection::send(std::string_view sql, std::span<const Parameter> parameters,
                                  const Call& call, const Deadline& deadline) {
  DUNLIN_TRY(ready(sql, call));
  const ParameterList list(parameters);
  // With parameters or without: in this form the server refuses a second statement.
  if (pq().PQsendQueryParams(handle_.get(), std::string(sql).c_str(), list.count(), nullptr,
                             list.values(), list.lengths(), nullptr, 0) != 1)
    return lost(first_line_of(pq().PQerrorMessage(handle_.get())));
  return flush(call, deadline);
}

/// What was prepared may have gone: any statement may take all of it away (DEALLOCATE ALL). Where
/// no transaction is lost by it, all is sent once more.
Result<std::vector<Answer>> PostgresqlConnection::run_all(std::span<const Request> statements,
                                                          const Call& call) {
  if (statements.empty()) return std::vector<Answer>();
  const Deadline deadline(call.timeout);
  const bool was_open = transaction() != TransactionState::none;
  auto found = send_all(statements, call, deadline);
  if (found.ok() || found.error().native.code != kNoSuchStatement) return found;
  if (was_open) return found;
  if (transaction() != TransactionState::none) {
    DUNLIN_ASSIGN(const Done rolled_back, run("ROLLBACK", call, {}));
    static_cast<void>(rolled_back);
  }
  return send_all(statements, call, deadline);
}

/// A pipeline, of which the server leaves out what stands behind a failure. Without parameters the
/// form in which a message holds several statements costs it less; it runs them in one transaction,
/// too, if none is open.
Result<std::vector<Answer>> PostgresqlConnection::send_all(std::span<const Request> statements,
                                                           const Call& call,
                                                           const Deadline& deadline) {
  std::string all;
  bool piped = false;
  for (const Request& one : statements) {
    all.append(one.sql).append("\n;");  // its last line may be a comment
    piped = piped || !one.parameters.empty() || one.recurs;
  }
  DUNLIN_TRY(ready(all, call));
  std::vector<bool> wanted;  // of each result: whether it is an answer
  bool sent = true;
  if (piped) {
    sent = pq().PQenterPipelineMode(handle_.get()) == 1;
    for (const Request& one : statements) sent = sent && send_one(one, wanted);
    sent = sent && pq().PQpipelineSync(handle_.get()) == 1;
  } else {
    wanted.assign(statements.size(), true);
    sent = pq().PQsendQuery(handle_.get(), all.c_str()) == 1;
  }
  if (!sent) return lost(first_line_of(pq().PQerrorMessage(handle_.get())));
  DUNLIN_TRY(flush(call, deadline));
  auto found = answers(wanted, call, deadline);
  if (piped && handle_ && transaction() != TransactionState::lost &&
      pq().PQexitPipelineMode(handle_.get()) != 1) {
    handle_.reset();
    return lost("the answers of several statements did not come as they were sent");
  }
  return found;
}

/// Under a new name each time: one whose preparing was left out must not be taken for prepared.
bool PostgresqlConnection::send_one(const Request& request, std::vector<bool>& answers) {
  const ParameterList list(request.parameters);
  if (!request.recurs || server_.pooled) {
    answers.push_back(true);
    return pq().PQsendQueryParams(handle_.get(), request.sql.c_str(), list.count(), nullptr,
                                  list.values(), list.lengths(), nullptr, 0) == 1;
  }
  auto known = prepared_.find(request.sql);
  if (known == prepared_.end()) {
    known = prepared_.emplace(request.sql, fmt::format("dunlin {}", ++prepared_count_)).first;
    answers.push_back(false);
    if (pq().PQsendPrepare(handle_.get(), known->second.c_str(), request.sql.c_str(), 0, nullptr) !=
        1)
      return false;
  }
  answers.push_back(true);
  return pq().PQsendQueryPrepared(handle_.get(), known->second.c_str(), list.count(), list.values(),
                                  list.lengths(), nullptr, 0) == 1;
}

/// In a pipeline each statement's results end by themselves, and all of them by a mark. Its first
/// one may still come by single rows: libpq does not take that back from the query before.
Result<std::vector<Answer>> PostgresqlConnection::answers(const std::vector<bool>& wanted,
                                                          const Call& call,
                                                          const Deadline& deadline) {
  const bool piped = pq().PQpipelineStatus(handle_.get()) != PQ_PIPELINE_OFF;
  std::vector<Answer> found;
  std::optional<Error> error;
  std::size_t ended = 0;
  std::optional<Answer> first;  // of the statement whose results come just now
  while (true) {
    DUNLIN_ASSIGN(const ResultHandle result, next_result(call, deadline));
    if (!result && piped) continue;
    if (!result) break;
    const ExecStatusType status = pq().PQresultStatus(result.get());
    if (status == PGRES_PIPELINE_SYNC) break;
    const bool is_row = status == PGRES_SINGLE_TUPLE;
    if (!is_row && status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
      if (!error && status != PGRES_PIPELINE_ABORTED) error = why_it_ended(result.get());
      continue;
    }
    if (!first && pq().PQntuples(result.get()) > 0 && pq().PQnfields(result.get()) > 0)
      first = pq().PQgetisnull(result.get(), 0, 0) == 1
                  ? Answer()
                  : Answer(pq().PQgetvalue(result.get(), 0, 0));
    if (is_row) continue;
    if (ended < wanted.size() && wanted[ended]) found.push_back(first.value_or(Answer()));
    ++ended;
    first.reset();
  }
  const auto asked = static_cast<std::size_t>(std::count(wanted.begin(), wanted.end(), true));
  if (!error && found.size() != asked)
    error = Error(ErrorType::defect, "not every statement was answered");
  if (!error) return found;
  // What was to be prepared behind the failure is not.
  if (piped) prepared_.clear();
  return *std::move(error);
}

/// nullptr: the statement has ended.
Result<ResultHandle> PostgresqlConnection::next_result(const Call& call, const Deadline& deadline) {
  Deadline confirm(milliseconds(0));
  bool confirming = false;
  while (pq().PQisBusy(handle_.get()) == 1) {
    watch(call, deadline);
    if (told_ && !confirming) {
      confirming = true;
      confirm = Deadline(kConfirmWithin);
    }
    if (confirming && confirm.passed()) {
      Error error = *told_;
      error.message += "; the server did not confirm that it ended the statement";
      error.possibly_applied = true;
      // Nothing is known of the session: whoever goes on asks the server on another connection.
      handle_.reset();
      return error;
    }
    wait_for_socket(handle_.get(), POLLIN);
    if (pq().PQconsumeInput(handle_.get()) == 0)
      return lost(first_line_of(pq().PQerrorMessage(handle_.get())));
  }
  return ResultHandle(pq().PQgetResult(handle_.get()));
}

/// The results that are left, and data that nobody takes.
void PostgresqlConnection::drain() {
  while (const ResultHandle left{pq().PQgetResult(handle_.get())}) refuse_data(left.get());
}

/// A COPY gets none, and what one gives is dropped.
void PostgresqlConnection::refuse_data(const PGresult* result) {
  const ExecStatusType status = pq().PQresultStatus(result);
  if (status == PGRES_COPY_IN) pq().PQputCopyEnd(handle_.get(), "there are no data");
  if (status != PGRES_COPY_OUT && status != PGRES_COPY_BOTH) return;
  tell();
  char* row = nullptr;
  while (pq().PQgetCopyData(handle_.get(), &row, 0) > 0) pq().PQfreemem(row);
}

/// The server is told to end what runs. Its answer, or the absence of one, is what counts.
void PostgresqlConnection::tell() {
  std::array<char, 256> why{};
  const std::unique_ptr<PGcancel, void (*)(PGcancel*)> handle(pq().PQgetCancel(handle_.get()),
                                                              pq().PQfreeCancel);
  static_cast<void>(handle &&
                    pq().PQcancel(handle.get(), why.data(), static_cast<int>(why.size())) == 1);
}

/// What is left of it is not wanted: the server is told, and what it still sends is dropped.
void PostgresqlConnection::end_statement() {
  CancelSource now;
  now.request(CancelReason::cancel);
  const Call call{now.token(), {}};
  const Deadline none{milliseconds(0)};
  told_.reset();
  while (true) {
    const auto result = next_result(call, none);
    if (!result.ok() || !*result) return;
  }
}

/// All results of the statement; its error, or how many rows it changed.
Result<Done> PostgresqlConnection::finish(const Call& call, const Deadline& deadline) {
  Done done;
  std::optional<Error> error;
  while (true) {
    DUNLIN_ASSIGN(const ResultHandle result, next_result(call, deadline));
    if (!result) break;
    switch (pq().PQresultStatus(result.get())) {
      case PGRES_COMMAND_OK:
      case PGRES_TUPLES_OK: {
        const std::string_view count(pq().PQcmdTuples(result.get()));
        std::from_chars(count.data(), count.data() + count.size(), done.affected);
        break;
      }
      case PGRES_SINGLE_TUPLE:
      case PGRES_EMPTY_QUERY:
        break;
      case PGRES_COPY_IN:
      case PGRES_COPY_OUT:
      case PGRES_COPY_BOTH:
        error = Error(ErrorType::invalid_input,
                      "a COPY from or to the client: here are no data, and nobody takes any");
        refuse_data(result.get());
        break;
      default:
        if (!error) error = why_it_ended(result.get());
        break;
    }
  }
  if (error) return *std::move(error);
  done.notices = std::move(notices_);
  notices_.clear();
  return done;
}

Result<Done> PostgresqlConnection::run(std::string_view sql, const Call& call,
                                       std::span<const Parameter> parameters) {
  const Deadline deadline(call.timeout);
  DUNLIN_TRY(send(sql, parameters, call, deadline));
  return finish(call, deadline);
}

Result<std::unique_ptr<Rows>> PostgresqlConnection::query(std::string_view sql, const Call& call,
                                                          std::span<const Parameter> parameters) {
  const Deadline deadline(call.timeout);
  DUNLIN_TRY(send(sql, parameters, call, deadline));
  pq().PQsetSingleRowMode(handle_.get());
  DUNLIN_ASSIGN(ResultHandle first, next_result(call, deadline));
  const ExecStatusType status = pq().PQresultStatus(first.get());
  if (status != PGRES_SINGLE_TUPLE && status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
    Error error = status == PGRES_FATAL_ERROR
                      ? why_it_ended(first.get())
                      : Error(ErrorType::invalid_input, "the statement gives no rows");
    refuse_data(first.get());
    first.reset();
    drain();
    return error;
  }
  return std::unique_ptr<Rows>(
      std::make_unique<PostgresqlRows>(*this, call, deadline, std::move(first)));
}

Result<bool> PostgresqlRows::next() {
  if (std::exchange(before_first_, false)) return true;
  if (done_) return false;
  auto result = connection_.next_result(call_, deadline_);
  if (!result.ok()) {
    done_ = true;
    return std::move(result).error();
  }
  if (pq().PQresultStatus(result->get()) == PGRES_SINGLE_TUPLE) {
    result_ = std::move(*result);
    return true;
  }
  done_ = true;
  if (*result && pq().PQresultStatus(result->get()) == PGRES_TUPLES_OK) {
    connection_.drain();
    return false;
  }
  Error error = connection_.why_it_ended(result->get());
  connection_.drain();
  return error;
}

Result<Done> PostgresqlConnection::copy_in(std::string_view sql, std::string_view data,
                                           const Call& call) {
  const Deadline deadline(call.timeout);
  DUNLIN_TRY(send(sql, {}, call, deadline));
  DUNLIN_ASSIGN(ResultHandle first, next_result(call, deadline));
  if (pq().PQresultStatus(first.get()) != PGRES_COPY_IN) {
    Error error = pq().PQresultStatus(first.get()) == PGRES_FATAL_ERROR
                      ? why_it_ended(first.get())
                      : Error(ErrorType::invalid_input, "the statement takes no data");
    refuse_data(first.get());
    first.reset();
    drain();
    return error;
  }
  for (std::size_t at = 0; at < data.size() && !told_;) {
    const std::string_view chunk = data.substr(at, kCopyChunk);
    const int taken =
        pq().PQputCopyData(handle_.get(), chunk.data(), static_cast<int>(chunk.size()));
    if (taken < 0) return lost(first_line_of(pq().PQerrorMessage(handle_.get())));
    if (taken == 1) at += chunk.size();
    DUNLIN_TRY(flush(call, deadline));
    watch(call, deadline);
  }
  pq().PQputCopyEnd(handle_.get(), told_ ? "cancelled" : nullptr);
  DUNLIN_TRY(flush(call, deadline));
  return finish(call, deadline);
}

/// Of ours, which DISCARD ALL takes away, too. A server that does not know one of them goes
/// without: they only help it to notice sooner that we are gone.
Status PostgresqlConnection::own_settings(const Call& call) {
  constexpr int kChecksClients = 140000;
  if (server_.version_number < kChecksClients || server_.pooled) return success();
  const auto set = run("SET client_connection_check_interval = '2s'", call, {});
  if (!set.ok() && transaction() == TransactionState::lost) return set.error();
  return success();
}

Status PostgresqlConnection::introduce(const Call& call) {
  server_.product = "PostgreSQL";
  const char* const version = pq().PQparameterStatus(handle_.get(), "server_version");
  server_.version = version == nullptr ? "" : version;
  server_.version_number = pq().PQserverVersion(handle_.get());
  server_.database = pq().PQdb(handle_.get());
  server_.user = pq().PQuser(handle_.get());
  pq().PQsetnonblocking(handle_.get(), 1);
  DUNLIN_ASSIGN(const auto rows,
                query("SELECT pid, extract(epoch FROM backend_start)::text, pg_is_in_recovery() OR "
                      "current_setting('default_transaction_read_only')::bool FROM "
                      "pg_catalog.pg_stat_activity WHERE pid = pg_backend_pid()",
                      call, {}));
  DUNLIN_ASSIGN(const bool found, rows->next());
  if (!found)
    return Error(ErrorType::permission_denied, "the server does not show its own session");
  const std::string_view pid = rows->text(0);
  std::from_chars(pid.data(), pid.data() + pid.size(), session_.process);
  // A proxy gives its clients numbers of its own to cancel by.
  server_.pooled = pq().PQbackendPID(handle_.get()) != session_.process;
  session_.since = rows->text(1);
  server_.read_only = rows->text(2) == "t";
  DUNLIN_ASSIGN(const bool more, rows->next());
  static_cast<void>(more);
  return own_settings(call);
}

Status PostgresqlConnection::reset(const Call& call) {
  const TransactionState state = transaction();
  if (state == TransactionState::open || state == TransactionState::failed) {
    DUNLIN_ASSIGN(const Done rolled_back, run("ROLLBACK", call, {}));
    static_cast<void>(rolled_back);
  }
  prepared_.clear();
  DUNLIN_ASSIGN(const Done discarded, run("DISCARD ALL", call, {}));
  static_cast<void>(discarded);
  return own_settings(call);
}

}  // namespace

Result<std::unique_ptr<Connection>> connect_postgresql(const ServerAddress& address,
                                                       const Call& call) {
  DUNLIN_TRY(load_libpq());
  DUNLIN_ASSIGN(PgHandle handle, open_connection(address, call));
  auto connection = std::make_unique<PostgresqlConnection>(std::move(handle));
  if (Status status = connection->introduce(call); !status.ok()) {
    Error error = status.error();
    return std::move(error).with_context("connecting to " + address.text());
  }
  return std::unique_ptr<Connection>(std::move(connection));
}

}  // namespace dunlin::sql
