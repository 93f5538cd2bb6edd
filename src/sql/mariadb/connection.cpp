// Connector/C by its calls that do not block: every wait is on the socket, in slices after which
// the token and the deadline are looked at. A statement is ended by KILL QUERY on a connection of
// its own, and its answer is waited for. Parameters become literals here: one way to send, one to
// read.
#include "sql/mariadb/connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "base/redact.h"
#include "base/text.h"
#include "sql/deadline.h"
#include "sql/mariadb/client_library.h"
#include "sql/mariadb/error_codes.h"
#include "sql/script/scanner.h"

namespace dunlin::sql {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kMariadbTellWithin{3'000};
constexpr unsigned int kQueryInterrupted = 1317;
constexpr unsigned int kServerLost = 2013;

struct CloseMariadb {
  void operator()(MYSQL* handle) const { mariadb().mysql_close(handle); }
};
using MariadbHandle = std::unique_ptr<MYSQL, CloseMariadb>;

/// Waits for what a call that does not block has asked for, at most a slice; what is there.
int wait_slice(MYSQL* handle, int wanted) {
  short events = 0;
  if ((wanted & MYSQL_WAIT_READ) != 0) events = static_cast<short>(events | POLLIN);
  if ((wanted & MYSQL_WAIT_WRITE) != 0) events = static_cast<short>(events | POLLOUT);
  if ((wanted & MYSQL_WAIT_EXCEPT) != 0) events = static_cast<short>(events | POLLPRI);
  int slice = kSlice_ms;
  const bool timed = (wanted & MYSQL_WAIT_TIMEOUT) != 0;
  if (timed)
    slice = std::min(slice, static_cast<int>(mariadb().mysql_get_timeout_value_ms(handle)));
  pollfd socket{static_cast<int>(mariadb().mysql_get_socket(handle)), events, 0};
  const int found = ::poll(&socket, 1, slice);
  if (found <= 0) return timed && slice < kSlice_ms ? MYSQL_WAIT_TIMEOUT : 0;
  int ready = 0;
  if ((socket.revents & (POLLIN | POLLHUP | POLLERR)) != 0) ready |= MYSQL_WAIT_READ;
  if ((socket.revents & POLLOUT) != 0) ready |= MYSQL_WAIT_WRITE;
  if ((socket.revents & POLLPRI) != 0) ready |= MYSQL_WAIT_EXCEPT;
  return ready & (wanted | MYSQL_WAIT_READ);
}

class MariadbConnection final : public Connection {
 public:
  MariadbConnection(MariadbHandle handle, ServerAddress address)
      : handle_(std::move(handle)), address_(std::move(address)) {}
  ~MariadbConnection() override { cut_if_suspended(); }
  [[nodiscard]] Status introduce(const Call& call);

  [[nodiscard]] Dialect dialect() const override { return Dialect::mysql; }
  [[nodiscard]] const ServerInfo& server() const override { return server_; }
  [[nodiscard]] const SessionId& session() const override { return session_; }
  [[nodiscard]] TransactionState transaction() const override;
  [[nodiscard]] Result<Done> run(std::string_view sql, const Call& call,
                                 std::span<const Parameter> parameters) override;
  [[nodiscard]] Result<std::unique_ptr<Rows>> query(std::string_view sql, const Call& call,
                                                    std::span<const Parameter> parameters) override;
  [[nodiscard]] Result<Done> copy_in(std::string_view, std::string_view, const Call&) override {
    return Error(ErrorType::unsupported_item, "MariaDB has no COPY ... FROM STDIN");
  }
  [[nodiscard]] std::int64_t error_position() const override { return error_position_; }
  [[nodiscard]] Status reset(const Call& call) override;

 private:
  friend class MariadbRows;

  /// Goes on with a call until it has ended: `start` and `go_on` are its two halves.
  template <typename Start, typename GoOn>
  [[nodiscard]] Status drive(const Call& call, const Deadline& deadline, Start start, GoOn go_on);
  [[nodiscard]] Status send(std::string_view sql, std::span<const Parameter> parameters,
                            const Call& call, const Deadline& deadline);
  [[nodiscard]] Result<std::string> with_literals(std::string_view sql,
                                                  std::span<const Parameter> parameters);
  [[nodiscard]] Result<MYSQL_ROW> fetch(MYSQL_RES* result, const Call& call,
                                        const Deadline& deadline);
  [[nodiscard]] Status free_result(MYSQL_RES* result, const Call& call, const Deadline& deadline);
  /// False: there is none.
  [[nodiscard]] Result<bool> next_result(const Call& call, const Deadline& deadline);
  [[nodiscard]] Status drop_results(const Call& call, const Deadline& deadline);
  [[nodiscard]] Status read_warnings(Done& done, const Call& call);
  void tell();
  /// A kill that came too late would end the next statement.
  void absorb_kill();
  void cut_if_suspended();
  [[nodiscard]] Error failure(std::string_view sql);

  MariadbHandle handle_;
  ServerAddress address_;
  ServerInfo server_;
  SessionId session_;
  std::int64_t error_position_ = 0;
  std::string statement_;  ///< as it was sent last
  std::optional<Error> told_;
  bool suspended_ = false;  ///< in the midst of a call
  bool reading_ = false;    ///< rows of a statement are still to come
};

class MariadbRows final : public Rows {
 public:
  MariadbRows(MariadbConnection& connection, Call call, Deadline deadline, MYSQL_RES* result)
      : connection_(connection), call_(std::move(call)), deadline_(deadline), result_(result) {
    columns_ = static_cast<int>(mariadb().mysql_num_fields(result_));
    const MYSQL_FIELD* const fields = mariadb().mysql_fetch_fields(result_);
    for (int i = 0; i < columns_; ++i) names_.emplace_back(fields[i].name);
    connection_.reading_ = true;
  }
  MariadbRows(const MariadbRows&) = delete;
  MariadbRows& operator=(const MariadbRows&) = delete;
  ~MariadbRows() override { end(); }

  [[nodiscard]] Result<bool> next() override {
    if (result_ == nullptr) return false;
    auto row = connection_.fetch(result_, call_, deadline_);
    if (!row.ok()) {
      finish();
      return std::move(row).error();
    }
    row_ = *row;
    if (row_ != nullptr) {
      lengths_ = mariadb().mysql_fetch_lengths(result_);
      return true;
    }
    finish();
    return false;
  }
  [[nodiscard]] int columns() const override { return columns_; }
  [[nodiscard]] std::string name(int column) const override {
    return names_[static_cast<std::size_t>(column)];
  }
  [[nodiscard]] bool is_null(int column) const override { return row_[column] == nullptr; }
  [[nodiscard]] std::string_view text(int column) const override {
    if (row_[column] == nullptr) return {};
    return {row_[column], lengths_[column]};
  }

 private:
  /// What is left is not wanted: the server is told, and what it still sends is dropped.
  void end() {
    if (result_ == nullptr) return;
    if (!connection_.told_) {
      connection_.told_ = Error(ErrorType::interrupted, "its rows are not wanted any more");
      connection_.tell();
    }
    finish();
    connection_.absorb_kill();
  }
  void finish() {
    MYSQL_RES* const result = std::exchange(result_, nullptr);
    const Status freed = connection_.free_result(result, Call{}, deadline_);
    if (freed.ok()) connection_.drop_results(Call{}, deadline_).ignore("it was not asked for them");
    connection_.reading_ = false;
  }

  MariadbConnection& connection_;
  Call call_;
  Deadline deadline_;
  MYSQL_RES* result_;
  MYSQL_ROW row_ = nullptr;
  unsigned long* lengths_ = nullptr;
  int columns_ = 0;
  std::vector<std::string> names_;
};

TransactionState MariadbConnection::transaction() const {
  if (!handle_ || suspended_) return TransactionState::lost;
  const unsigned int code = mariadb().mysql_errno(handle_.get());
  if (code != 0 && error_type_of_mariadb(code, mariadb().mysql_sqlstate(handle_.get())) ==
                       ErrorType::connection_reset)
    return TransactionState::lost;
  unsigned int status = 0;
  mariadb().mariadb_get_infov(handle_.get(), MARIADB_CONNECTION_SERVER_STATUS, &status);
  return (status & SERVER_STATUS_IN_TRANS) != 0 ? TransactionState::open : TransactionState::none;
}

Error MariadbConnection::failure(std::string_view sql) {
  const unsigned int code = mariadb().mysql_errno(handle_.get());
  const std::string message = printable(redact(mariadb().mysql_error(handle_.get())));
  const std::string state = mariadb().mysql_sqlstate(handle_.get());
  if (told_ && code == kQueryInterrupted) {
    Error told = *told_;
    told.native = {"mariadb", std::to_string(code)};
    return told;
  }
  Error error(error_type_of_mariadb(code, state), message.empty() ? "unknown error" : message);
  error.native = {"mariadb", std::to_string(code)};
  error.possibly_applied = error.type == ErrorType::connection_reset;
  error_position_ = position_of_mariadb_error(message, sql);
  return error;
}

template <typename Start, typename GoOn>
Status MariadbConnection::drive(const Call& call, const Deadline& deadline, Start start,
                                GoOn go_on) {
  int wanted = start();
  Deadline confirm(milliseconds(0));
  bool confirming = false;
  suspended_ = wanted != 0;
  while (wanted != 0) {
    if (!told_) {
      const Status cancelled = call.cancel.check();
      if (!cancelled.ok() || deadline.passed()) {
        told_ = cancelled.ok() ? Error(ErrorType::network_timeout,
                                       fmt::format("not done within {} ms", call.timeout.count()))
                               : cancelled.error();
        tell();
      }
    }
    if (told_ && !confirming) {
      confirming = true;
      confirm = Deadline(kConfirmWithin);
    }
    if (confirming && confirm.passed()) {
      Error error = *told_;
      error.message += "; the server did not confirm that it ended the statement";
      error.possibly_applied = true;
      return error;  // it stays suspended, which is called lost
    }
    const int ready = wait_slice(handle_.get(), wanted);
    if (ready != 0) wanted = go_on(ready);
  }
  suspended_ = false;
  return success();
}

/// A call that was left in its midst ends when its socket does.
void MariadbConnection::cut_if_suspended() {
  if (!handle_ || !suspended_) return;
  // Its stack is the library's: closing the socket is all that may be done, and the memory of the
  // call is given up with the handle.
  ::shutdown(static_cast<int>(mariadb().mysql_get_socket(handle_.get())), SHUT_RDWR);
}

Result<std::string> MariadbConnection::with_literals(std::string_view sql,
                                                     std::span<const Parameter> parameters) {
  if (parameters.empty()) return std::string(sql);
  std::string out;
  std::size_t next = 0;
  Scanner scanner(Dialect::mysql, sql);
  for (Token token = scanner.next(); token.kind != TokenKind::end; token = scanner.next()) {
    if (token.kind != TokenKind::symbol || token.of(sql) != "?") {
      out += token.of(sql);
      continue;
    }
    if (next == parameters.size())
      return Error(ErrorType::defect, "a statement has more places than parameters");
    const Parameter& one = parameters[next++];
    if (!one) {
      out += "NULL";
      continue;
    }
    std::string escaped(one->size() * 2 + 1, '\0');
    const unsigned long size = mariadb().mysql_real_escape_string(
        handle_.get(), escaped.data(), one->data(), static_cast<unsigned long>(one->size()));
    escaped.resize(size);
    out += "'" + escaped + "'";
  }
  if (next != parameters.size())
    return Error(ErrorType::defect, "a statement has fewer places than parameters");
  return out;
}

Status MariadbConnection::send(std::string_view sql, std::span<const Parameter> parameters,
                               const Call& call, const Deadline& deadline) {
  DUNLIN_TRY(call.cancel.check());
  if (transaction() == TransactionState::lost)
    return Error(ErrorType::connection_reset, "the connection is gone");
  if (reading_)
    return Error(ErrorType::defect, "a statement while rows of the last one are still read");
  if (sql.find('\0') != std::string_view::npos)
    return Error(ErrorType::invalid_input, "a statement holds a NUL byte");
  error_position_ = 0;
  told_.reset();
  DUNLIN_ASSIGN(statement_, with_literals(sql, parameters));
  int failed = 0;
  DUNLIN_TRY(drive(
      call, deadline,
      [&] {
        return mariadb().mysql_real_query_start(&failed, handle_.get(), statement_.data(),
                                                static_cast<unsigned long>(statement_.size()));
      },
      [&](int ready) { return mariadb().mysql_real_query_cont(&failed, handle_.get(), ready); }));
  if (failed == 0) return success();
  Error error = failure(statement_);
  if (told_) absorb_kill();
  return error;
}

Result<MYSQL_ROW> MariadbConnection::fetch(MYSQL_RES* result, const Call& call,
                                           const Deadline& deadline) {
  MYSQL_ROW row = nullptr;
  DUNLIN_TRY(drive(
      call, deadline, [&] { return mariadb().mysql_fetch_row_start(&row, result); },
      [&](int ready) { return mariadb().mysql_fetch_row_cont(&row, result, ready); }));
  if (row == nullptr && mariadb().mysql_errno(handle_.get()) != 0) return failure(statement_);
  return row;
}

Status MariadbConnection::free_result(MYSQL_RES* result, const Call& call,
                                      const Deadline& deadline) {
  return drive(
      call, deadline, [&] { return mariadb().mysql_free_result_start(result); },
      [&](int ready) { return mariadb().mysql_free_result_cont(result, ready); });
}

Result<bool> MariadbConnection::next_result(const Call& call, const Deadline& deadline) {
  int answer = 0;
  DUNLIN_TRY(drive(
      call, deadline, [&] { return mariadb().mysql_next_result_start(&answer, handle_.get()); },
      [&](int ready) { return mariadb().mysql_next_result_cont(&answer, handle_.get(), ready); }));
  if (answer > 0) return failure(statement_);
  return answer == 0;
}

/// Of a procedure, which may give several.
Status MariadbConnection::drop_results(const Call& call, const Deadline& deadline) {
  while (true) {
    DUNLIN_ASSIGN(const bool more, next_result(call, deadline));
    if (!more) return success();
    MYSQL_RES* const result = mariadb().mysql_use_result(handle_.get());
    if (result == nullptr) continue;
    DUNLIN_TRY(free_result(result, call, deadline));
  }
}

Result<Done> MariadbConnection::run(std::string_view sql, const Call& call,
                                    std::span<const Parameter> parameters) {
  const Deadline deadline(call.timeout);
  DUNLIN_TRY(send(sql, parameters, call, deadline));
  Done done;
  while (true) {
    if (mariadb().mysql_field_count(handle_.get()) > 0) {
      MYSQL_RES* const result = mariadb().mysql_use_result(handle_.get());
      if (result == nullptr) return failure(statement_);
      Result<MYSQL_ROW> row = fetch(result, call, deadline);
      while (row.ok() && *row != nullptr) row = fetch(result, call, deadline);
      if (suspended_) return std::move(row).error();
      DUNLIN_TRY(free_result(result, call, deadline));
      if (!row.ok()) {
        if (told_) absorb_kill();
        return std::move(row).error();
      }
    } else {
      const auto affected = static_cast<std::int64_t>(mariadb().mysql_affected_rows(handle_.get()));
      done.affected = std::max<std::int64_t>(affected, 0);
    }
    DUNLIN_ASSIGN(const bool more, next_result(call, deadline));
    if (!more) break;
  }
  if (told_) absorb_kill();  // it ended before it could be told
  DUNLIN_TRY(read_warnings(done, call));
  return done;
}

Status MariadbConnection::read_warnings(Done& done, const Call& call) {
  constexpr unsigned int kWarningsMax = 1000;
  const unsigned int count = mariadb().mysql_warning_count(handle_.get());
  if (count == 0) return success();
  DUNLIN_ASSIGN(const auto rows, query("SHOW WARNINGS", call, {}));
  for (unsigned int i = 0; i < kWarningsMax; ++i) {
    DUNLIN_ASSIGN(const bool more, rows->next());
    if (!more) break;
    done.notices.push_back(printable(redact(fmt::format("{}: {}", rows->text(0), rows->text(2)))));
  }
  return success();
}

Result<std::unique_ptr<Rows>> MariadbConnection::query(std::string_view sql, const Call& call,
                                                       std::span<const Parameter> parameters) {
  const Deadline deadline(call.timeout);
  DUNLIN_TRY(send(sql, parameters, call, deadline));
  MYSQL_RES* const result = mariadb().mysql_use_result(handle_.get());
  if (result == nullptr) {
    if (mariadb().mysql_errno(handle_.get()) != 0) return failure(statement_);
    DUNLIN_TRY(drop_results(call, deadline));
    return Error(ErrorType::invalid_input, "the statement gives no rows");
  }
  return std::unique_ptr<Rows>(std::make_unique<MariadbRows>(*this, call, deadline, result));
}

void MariadbConnection::absorb_kill() {
  if (!handle_ || suspended_) return;
  const auto told = std::exchange(told_, std::nullopt);
  constexpr std::string_view kNothing = "DO 0";
  int failed = 0;
  const Status driven = drive(
      Call{}, Deadline(kConfirmWithin),
      [&] {
        return mariadb().mysql_real_query_start(&failed, handle_.get(), kNothing.data(),
                                                static_cast<unsigned long>(kNothing.size()));
      },
      [&](int ready) { return mariadb().mysql_real_query_cont(&failed, handle_.get(), ready); });
  static_cast<void>(driven.ok());
  told_ = told;
}

/// Options as Connector/C takes them; those of TLS by MariaDB's names for ssl_mode.
Status set_options(MYSQL* handle, const ServerAddress& address) {
  const MariadbLibrary& library = mariadb();
  const auto option = [&](const char* name) -> const std::string* {
    const auto found = address.options.find(name);
    return found == address.options.end() ? nullptr : &found->second;
  };
  library.mysql_optionsv(handle, MYSQL_OPT_NONBLOCK, nullptr);
  library.mysql_optionsv(handle, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  const unsigned int no = 0;
  library.mysql_optionsv(handle, MYSQL_OPT_LOCAL_INFILE, &no);
  unsigned int connect_s = static_cast<unsigned int>(kConnectWithin.count() / 1000);
  if (const std::string* const text = option("connect_timeout"))
    std::from_chars(text->data(), text->data() + text->size(), connect_s);
  library.mysql_optionsv(handle, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
  if (const std::string* const charset = option("charset"); charset && *charset != "utf8mb4")
    return Error(ErrorType::invalid_input,
                 "charset=" + printable(*charset) + ": only utf8mb4 holds every text");
  if (const std::string* const value = option("ssl_ca"))
    library.mysql_optionsv(handle, MYSQL_OPT_SSL_CA, value->c_str());
  if (const std::string* const value = option("ssl_cert"))
    library.mysql_optionsv(handle, MYSQL_OPT_SSL_CERT, value->c_str());
  if (const std::string* const value = option("ssl_key"))
    library.mysql_optionsv(handle, MYSQL_OPT_SSL_KEY, value->c_str());
  if (const std::string* const value = option("tls_version"))
    library.mysql_optionsv(handle, MARIADB_OPT_TLS_VERSION, value->c_str());
  const std::string mode = option("ssl_mode") ? *option("ssl_mode") : "preferred";
  const my_bool yes = 1;
  if (mode == "required" || mode == "verify_ca" || mode == "verify_identity")
    library.mysql_optionsv(handle, MYSQL_OPT_SSL_ENFORCE, &yes);
  if (mode == "verify_ca" || mode == "verify_identity")
    library.mysql_optionsv(handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &yes);
  if (mode != "disabled" && mode != "preferred" && mode != "required" && mode != "verify_ca" &&
      mode != "verify_identity")
    return Error(ErrorType::invalid_input,
                 "ssl_mode=" + printable(mode) +
                     ": write disabled, preferred, required, verify_ca or verify_identity");
  return success();
}

Error mariadb_connect_error(MYSQL* handle, const ServerAddress& address) {
  const unsigned int code = mariadb().mysql_errno(handle);
  Error error(error_type_of_mariadb(code, mariadb().mysql_sqlstate(handle)),
              printable(redact(mariadb().mysql_error(handle))));
  error.native = {"mariadb", std::to_string(code)};
  if (error.type == ErrorType::connection_reset) error.type = ErrorType::endpoint_unreachable;
  if (error.type == ErrorType::auth_failure && address.password.empty() && !address.password_ref)
    error.remediation = "name a password: ?password=env:NAME or ?password=file:PATH in the address";
  return std::move(error).with_context("connecting to " + address.text());
}

Result<MariadbHandle> open_mariadb(const ServerAddress& address, const Call& call) {
  DUNLIN_ASSIGN(const Secret password, address.resolve_password());
  MariadbHandle handle(mariadb().mysql_init(nullptr));
  if (!handle) return Error(ErrorType::out_of_memory, "no memory for a connection");
  DUNLIN_TRY(set_options(handle.get(), address));
  std::string socket;
  if (const auto found = address.options.find("socket"); found != address.options.end())
    socket = found->second;
  if (address.host.starts_with('/')) socket = address.host;
  const bool local = !socket.empty();
  const auto text = [](const std::string& value) {
    return value.empty() ? nullptr : value.c_str();
  };
  const Deadline deadline(call.timeout.count() > 0 ? call.timeout : kConnectWithin);
  MYSQL* connected = nullptr;
  int wanted = mariadb().mysql_real_connect_start(
      &connected, handle.get(), local ? "localhost" : text(address.host), text(address.user),
      text(password.reveal()), text(address.database), address.port, text(socket),
      CLIENT_FOUND_ROWS);
  while (wanted != 0) {
    const Status cancelled = call.cancel.check();
    if (!cancelled.ok() || deadline.passed()) {
      // In the midst of a call: its stack is the library's, so that the handle is given up with it.
      ::shutdown(static_cast<int>(mariadb().mysql_get_socket(handle.get())), SHUT_RDWR);
      if (!cancelled.ok()) return cancelled.error();
      Error error(ErrorType::endpoint_unreachable, "the server did not answer in time");
      return std::move(error).with_context("connecting to " + address.text());
    }
    const int ready = wait_slice(handle.get(), wanted);
    if (ready != 0) wanted = mariadb().mysql_real_connect_cont(&connected, handle.get(), ready);
  }
  if (connected == nullptr) return mariadb_connect_error(handle.get(), address);
  return handle;
}

/// On a connection of its own. The statement's own answer, or the absence of one, is what counts.
void MariadbConnection::tell() {
  const auto other = open_mariadb(address_, Call{{}, kMariadbTellWithin});
  if (!other.ok()) return;
  const std::string sql = fmt::format("KILL QUERY {}", session_.process);
  int failed = 0;
  int wanted = mariadb().mysql_real_query_start(&failed, other->get(), sql.data(),
                                                static_cast<unsigned long>(sql.size()));
  const Deadline deadline(kMariadbTellWithin);
  while (wanted != 0 && !deadline.passed()) {
    const int ready = wait_slice(other->get(), wanted);
    if (ready != 0) wanted = mariadb().mysql_real_query_cont(&failed, other->get(), ready);
  }
}

Status MariadbConnection::introduce(const Call& call) {
  session_.process = static_cast<std::int64_t>(mariadb().mysql_thread_id(handle_.get()));
  DUNLIN_ASSIGN(const auto rows,
                query("SELECT VERSION(), coalesce(DATABASE(), ''), CURRENT_USER(), "
                      "@@global.read_only, CONNECTION_ID(), @@hostname",
                      call, {}));
  DUNLIN_ASSIGN(const bool found, rows->next());
  if (!found) return Error(ErrorType::invalid_data, "the server does not say who it is");
  server_.version = rows->text(0);
  server_.product = server_.version.find("MariaDB") != std::string::npos ? "MariaDB" : "MySQL";
  server_.database = rows->text(1);
  server_.user = rows->text(2);
  server_.read_only = rows->text(3) != "0" && rows->text(3) != "OFF";
  const std::string_view id = rows->text(4);
  std::int64_t process = 0;
  std::from_chars(id.data(), id.data() + id.size(), process);
  // A proxy gives its clients numbers of its own.
  server_.pooled = process != session_.process;
  session_.process = process;
  session_.since = rows->text(5);
  int part[3] = {0, 0, 0};
  const char* at = server_.version.data();
  const char* const end = at + server_.version.size();
  for (int& number : part) {
    at = std::from_chars(at, end, number).ptr;
    if (at == end || *at != '.') break;
    ++at;
  }
  server_.version_number = part[0] * 10000 + part[1] * 100 + part[2];
  DUNLIN_ASSIGN(const bool more, rows->next());
  static_cast<void>(more);
  return success();
}

/// A new session: COM_RESET_CONNECTION leaves the character set to the server.
Status MariadbConnection::reset(const Call& call) {
  DUNLIN_TRY(call.cancel.check());
  DUNLIN_ASSIGN(MariadbHandle fresh, open_mariadb(address_, call));
  cut_if_suspended();
  suspended_ = false;
  handle_ = std::move(fresh);
  return introduce(call);
}

}  // namespace

Result<std::unique_ptr<Connection>> connect_mariadb(const ServerAddress& address,
                                                    const Call& call) {
  DUNLIN_TRY(load_mariadb());
  DUNLIN_ASSIGN(MariadbHandle handle, open_mariadb(address, call));
  auto connection = std::make_unique<MariadbConnection>(std::move(handle), address);
  if (Status status = connection->introduce(call); !status.ok()) {
    Error error = status.error();
    return std::move(error).with_context("connecting to " + address.text());
  }
  return std::unique_ptr<Connection>(std::move(connection));
}

}  // namespace dunlin::sql
