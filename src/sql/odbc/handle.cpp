#include "sql/odbc/handle.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "base/redact.h"
#include "base/text.h"
#include "sql/odbc/error_codes.h"
#include "sql/odbc/utf16.h"

namespace dunlin::sql {
namespace {

constexpr SQLSMALLINT kMessageSize = 4096;
constexpr SQLSMALLINT kRecordsMax = 100;

SQLPOINTER number_as_pointer(std::uintptr_t number) {
  return reinterpret_cast<SQLPOINTER>(number);  // NOLINT(performance-no-int-to-ptr): ODBC's way
}

std::string lower_text(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

bool holds(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// "[vendor][driver]ERROR: what;\nError while executing the query" → "what".
std::string plain_message(std::string_view text) {
  while (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
    while (text.starts_with(' ')) text.remove_prefix(1);
  }
  for (const std::string_view tail :
       {"\nNo query has been executed with that handle", "\nError while executing the query",
        "\nThe connection has been lost"})
    if (text.ends_with(tail)) text.remove_suffix(tail.size());
  while (text.ends_with('\n') || text.ends_with(';') || text.ends_with(' ')) text.remove_suffix(1);
  for (const std::string_view head : {"ERROR: ", "FATAL: ", "PANIC: "})
    if (text.starts_with(head)) text.remove_prefix(head.size());
  std::string out;
  for (const char c : text) {
    if (c == '\n' || c == '\t')
      out += out.ends_with(' ') ? "" : " ";
    else
      out.push_back(c);
  }
  return printable(redact(out));
}

/// Of a driver, by the words with which it is named; nullopt: whoever is behind it is asked first.
std::optional<Dialect> guessed_dialect(const OdbcAddress& address) {
  const OdbcAddress::Option* const driver = address.find("Driver");
  const std::string name = driver == nullptr ? "" : lower_text(driver->value);
  if (holds(name, "psqlodbc") || holds(name, "postgres")) return Dialect::postgresql;
  if (holds(name, "maodbc") || holds(name, "mariadb") || holds(name, "myodbc") ||
      holds(name, "mysql"))
    return Dialect::mysql;
  if (holds(name, "sqlite")) return Dialect::sqlite;
  if (holds(name, "tdsodbc") || holds(name, "freetds") || holds(name, "msodbcsql") ||
      holds(name, "sql server"))
    return Dialect::sqlserver;
  return std::nullopt;
}

/// Without which a driver does what nobody sees: those named in the address stand.
std::span<const OdbcAddress::Option> settings_of(Dialect dialect) {
  // psqlodbc: no savepoints of its own round each statement; true and false told from 1 and 0.
  static const std::array postgresql = {OdbcAddress::Option{"Protocol", "7.4-0", {}},
                                        OdbcAddress::Option{"BoolsAsChar", "0", {}}};
  // Rows found, not rows changed; results that are not gathered, where the driver can (3.2).
  static const std::array mysql = {OdbcAddress::Option{"OPTION", "1048578", {}},
                                   OdbcAddress::Option{"CHARSET", "utf8mb4", {}}};
  // Rows as they come; else all of them are gathered.
  static const std::array sqlite = {OdbcAddress::Option{"StepAPI", "1", {}}};
  if (dialect == Dialect::postgresql) return postgresql;
  if (dialect == Dialect::mysql) return mysql;
  if (dialect == Dialect::sqlite) return sqlite;
  return {};
}

/// Drivers of PostgreSQL say no more than that nobody could be reached; libpq's words say why.
ErrorType type_of_refusal(std::string_view message, ErrorType type) {
  if (type != ErrorType::endpoint_unreachable) return type;
  if (holds(message, "authentication failed") || holds(message, "no password supplied") ||
      holds(message, "role \"") || holds(message, "no pg_hba.conf entry"))
    return ErrorType::auth_failure;
  if (holds(message, "database \"") && holds(message, "does not exist"))
    return ErrorType::not_found;
  if (holds(message, "too many clients") || holds(message, "too many connections"))
    return ErrorType::throttled;
  return type;
}

Error connect_failure(SQLHDBC connection, const OdbcAddress& address, Dialect dialect) {
  const std::vector<Diagnostic> said = diagnostics(SQL_HANDLE_DBC, connection, true);
  Error error = odbc_error(dialect, said);
  error.possibly_applied = false;
  if (error.type == ErrorType::connection_reset || error.type == ErrorType::invalid_data)
    error.type = ErrorType::endpoint_unreachable;
  error.type = type_of_refusal(error.message, error.type);
  // The driver manager says this one in a warning (01000).
  if (holds(error.message, "Can't open lib") || error.native.code == "IM002") {
    error.type = ErrorType::invalid_input;
    error.remediation = "name a driver that is installed; see them all: odbcinst -q -d";
  }
  const bool has_secret = std::any_of(address.options.begin(), address.options.end(),
                                      [](const auto& one) { return one.secret.has_value(); });
  if (error.type == ErrorType::auth_failure && !has_secret)
    error.remediation = "name a password: PWD=env:NAME or PWD=file:PATH in the address";
  return error;
}

}  // namespace

std::vector<Diagnostic> diagnostics(SQLSMALLINT kind, SQLHANDLE handle, bool wide) {
  std::vector<Diagnostic> all;
  for (SQLSMALLINT number = 1; number <= kRecordsMax; ++number) {
    SQLINTEGER native = 0;
    SQLSMALLINT length = 0;
    Diagnostic one;
    if (wide) {
      std::array<SQLWCHAR, 6> state{};
      std::array<SQLWCHAR, kMessageSize> text{};
      if (!SQL_SUCCEEDED(odbc().SQLGetDiagRecW(kind, handle, number, state.data(), &native,
                                               text.data(), kMessageSize, &length)))
        break;
      one.state = utf8_of(std::span(state).first(5));
      const auto size = std::clamp<SQLSMALLINT>(length, 0, kMessageSize - 1);
      one.message = plain_message(utf8_of(std::span(text).first(static_cast<std::size_t>(size))));
    } else {
      std::array<SQLCHAR, 6> state{};
      std::array<SQLCHAR, kMessageSize> text{};
      if (!SQL_SUCCEEDED(odbc().SQLGetDiagRec(kind, handle, number, state.data(), &native,
                                              text.data(), kMessageSize, &length)))
        break;
      one.state = reinterpret_cast<const char*>(state.data());
      one.message = plain_message(reinterpret_cast<const char*>(text.data()));
    }
    one.native = native;
    all.push_back(std::move(one));
  }
  return all;
}

Error odbc_error(Dialect dialect, const std::vector<Diagnostic>& said) {
  // Warnings may stand before the error.
  auto first = std::find_if(said.begin(), said.end(),
                            [](const Diagnostic& one) { return !one.state.starts_with("01"); });
  if (first == said.end()) first = said.begin();
  if (first == said.end()) {  // a handle that is none any more: the driver gave the connection up
    Error error(ErrorType::connection_reset, "the driver has given the connection up");
    error.possibly_applied = true;
    return error;
  }
  Error error(error_type_of_odbc(dialect, first->state, first->native),
              first->message.empty() ? "unknown error" : first->message);
  const std::string native = std::to_string(first->native);
  if (dialect == Dialect::mysql && first->native > 0)
    error.native = {"mariadb", native};
  else if (dialect == Dialect::sqlserver && first->native != 0)
    error.native = {"sqlserver", native};
  else if (dialect == Dialect::sqlite && first->native > 0)
    error.native = {"sqlite", native};
  else
    error.native = {"sqlstate", first->state};
  error.possibly_applied =
      error.type == ErrorType::connection_reset || error.type == ErrorType::in_doubt;
  return error;
}

OdbcSession::~OdbcSession() {
  if (connected_) odbc().SQLDisconnect(connection_);
  if (connection_ != nullptr) odbc().SQLFreeHandle(SQL_HANDLE_DBC, connection_);
  if (environment_ != nullptr) odbc().SQLFreeHandle(SQL_HANDLE_ENV, environment_);
}

std::string OdbcSession::info(SQLUSMALLINT what) const {
  std::array<char, 1024> text{};
  SQLSMALLINT length = 0;
  if (!SQL_SUCCEEDED(odbc().SQLGetInfo(connection_, what, text.data(),
                                       static_cast<SQLSMALLINT>(text.size() - 1), &length)))
    return {};
  return text.data();
}

Status OdbcSession::find_dialect() {
  product_ = info(SQL_DBMS_NAME);
  const std::string name = lower_text(product_);
  if (name == "postgresql")
    dialect_ = Dialect::postgresql;
  else if (name == "mariadb" || name == "mysql")
    dialect_ = Dialect::mysql;
  else if (name == "sqlite")
    dialect_ = Dialect::sqlite;
  else if (name == "microsoft sql server")
    dialect_ = Dialect::sqlserver;
  else
    return Error(ErrorType::unsupported_item,
                 "behind this driver is '" + printable(product_) +
                     "', whose SQL is not known here: write the address of a PostgreSQL, MariaDB, "
                     "MySQL, SQLite or Microsoft SQL Server");
  return success();
}

Status OdbcSession::connect(const OdbcAddress& address, std::optional<Dialect> settings,
                            std::chrono::milliseconds timeout, CallWatch& watch) {
  const OdbcLibrary& library = odbc();
  if (!SQL_SUCCEEDED(library.SQLAllocHandle(SQL_HANDLE_ENV, nullptr, &environment_)))
    return Error(ErrorType::out_of_memory, "no memory for a connection");
  library.SQLSetEnvAttr(environment_, SQL_ATTR_ODBC_VERSION, number_as_pointer(SQL_OV_ODBC3), 0);
  if (!SQL_SUCCEEDED(library.SQLAllocHandle(SQL_HANDLE_DBC, environment_, &connection_)))
    return Error(ErrorType::out_of_memory, "no memory for a connection");
  const auto login_s =
      static_cast<std::uintptr_t>(std::max<std::int64_t>(timeout.count() / 1000, 1));
  library.SQLSetConnectAttr(connection_, SQL_ATTR_LOGIN_TIMEOUT, number_as_pointer(login_s), 0);
  DUNLIN_ASSIGN(const Secret text,
                address.connection_string(settings ? settings_of(*settings)
                                                   : std::span<const OdbcAddress::Option>()));
  DUNLIN_ASSIGN(std::vector<SQLWCHAR> wide, utf16_of(text.reveal()));
  DUNLIN_TRY(watch.enter());
  SQLRETURN code = SQL_ERROR;
  // The driver manager narrows wide text for drivers that have no wide calls, byte by byte.
  if (settings == Dialect::sqlite) {
    std::string narrow = text.reveal();
    code = library.SQLDriverConnect(connection_, nullptr, reinterpret_cast<SQLCHAR*>(narrow.data()),
                                    SQL_NTS, nullptr, 0, nullptr, SQL_DRIVER_NOPROMPT);
  } else {
    code = library.SQLDriverConnectW(connection_, nullptr, wide.data(),
                                     static_cast<SQLSMALLINT>(wide.size()), nullptr, 0, nullptr,
                                     SQL_DRIVER_NOPROMPT);
  }
  watch.leave();
  connected_ = SQL_SUCCEEDED(code);
  if (connected_) return find_dialect();
  if (!watch.told()) return connect_failure(connection_, address, settings.value_or(dialect_));
  if (watch.told()->type != ErrorType::network_timeout) return *watch.told();
  return Error(ErrorType::endpoint_unreachable, "the server did not answer in time");
}

Result<OdbcSession> OdbcSession::open(const OdbcAddress& address, const Call& call,
                                      std::chrono::milliseconds timeout, CallWatch& watch) {
  const std::optional<Dialect> guess = guessed_dialect(address);
  watch.begin(call, timeout, {});
  std::optional<Dialect> settings = guess;
  while (true) {
    OdbcSession session;
    if (Status connected = session.connect(address, settings, timeout, watch); !connected.ok()) {
      Error error = connected.error();
      return std::move(error).with_context("connecting to " + address.text());
    }
    if (settings == session.dialect_) return session;
    settings = session.dialect_;
  }
}

}  // namespace dunlin::sql
