// Handles of ODBC as something owned, how a connection is opened, and what a call that failed says.
// Internal to this folder. One thread at a time.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "sql/odbc/client_library.h"
#include "sql/odbc/watch.h"
#include "sql/odbc_address.h"

namespace dunlin::sql {

/// One record of what a handle has to say.
struct Diagnostic {
  std::string state;
  int native = 0;
  std::string message;  ///< fit to be shown: without secrets, without what drivers put before it
};
[[nodiscard]] std::vector<Diagnostic> diagnostics(SQLSMALLINT kind, SQLHANDLE handle, bool wide);

/// An environment of its own with one connection: the driver manager locks by environment.
class OdbcSession {
 public:
  OdbcSession() = default;
  OdbcSession(OdbcSession&& other) noexcept { swap(other); }
  OdbcSession& operator=(OdbcSession&& other) noexcept {
    swap(other);
    return *this;
  }
  ~OdbcSession();

  /// Within `timeout`, or as the call's token says. Errors as connect_odbc().
  [[nodiscard]] static Result<OdbcSession> open(const OdbcAddress& address, const Call& call,
                                                std::chrono::milliseconds timeout,
                                                CallWatch& watch);

  [[nodiscard]] SQLHDBC connection() const { return connection_; }
  [[nodiscard]] Dialect dialect() const { return dialect_; }
  [[nodiscard]] const std::string& product() const { return product_; }
  /// As the driver says it.
  [[nodiscard]] std::string info(SQLUSMALLINT what) const;

 private:
  void swap(OdbcSession& other) noexcept {
    std::swap(environment_, other.environment_);
    std::swap(connection_, other.connection_);
    std::swap(connected_, other.connected_);
    std::swap(dialect_, other.dialect_);
    std::swap(product_, other.product_);
  }
  [[nodiscard]] Status connect(const OdbcAddress& address, std::optional<Dialect> settings,
                               std::chrono::milliseconds timeout, CallWatch& watch);
  [[nodiscard]] Status find_dialect();

  SQLHENV environment_ = nullptr;
  SQLHDBC connection_ = nullptr;
  bool connected_ = false;
  Dialect dialect_ = Dialect::sqlite;
  std::string product_;
};

struct OdbcStatement {
  explicit OdbcStatement(SQLHSTMT statement = nullptr) : handle(statement) {}
  OdbcStatement(OdbcStatement&& other) noexcept : handle(std::exchange(other.handle, nullptr)) {}
  OdbcStatement& operator=(OdbcStatement&& other) noexcept {
    std::swap(handle, other.handle);
    return *this;
  }
  ~OdbcStatement() {
    if (handle != nullptr) odbc().SQLFreeHandle(SQL_HANDLE_STMT, handle);
  }
  SQLHSTMT handle;
};

/// What the driver or the server says of a statement's end.
[[nodiscard]] Error odbc_error(Dialect dialect, const std::vector<Diagnostic>& said);

}  // namespace dunlin::sql
