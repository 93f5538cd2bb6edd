// How a connection is opened: without blocking, so that the token and the deadline count.
#include "sql/postgresql/handle.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "base/redact.h"
#include "base/text.h"
#include "sql/deadline.h"
#include "sql/postgresql/sqlstate.h"

namespace dunlin::sql {

namespace {

/// libpq gives no code of a connection that failed but in its verbose text: "FATAL:  28P01: …".
Error connect_error(PGconn* connection, const ServerAddress& address) {
  const std::string text = first_line_of(pq().PQerrorMessage(connection));
  Error error(ErrorType::endpoint_unreachable, text);
  for (std::size_t at = text.find(":  "); at != std::string::npos; at = text.find(":  ", at + 1)) {
    const std::string state = text.substr(at + 3, 5);
    const bool is_state = state.size() == 5 && text.substr(at + 8, 2) == ": " &&
                          std::all_of(state.begin(), state.end(), [](char c) {
                            return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
                          });
    if (!is_state) continue;
    error.type = error_type_of_sqlstate(state);
    error.native = {"sqlstate", state};
    error.message = text.substr(at + 10);
    break;
  }
  if (error.type == ErrorType::connection_reset) error.type = ErrorType::endpoint_unreachable;
  if (pq().PQconnectionNeedsPassword(connection) == 1) {
    error.type = ErrorType::auth_failure;
    error.message = "the server wants a password, and there is none";
    error.remediation =
        "name one: ?password=env:NAME or ?password=file:PATH in the address, or ~/.pgpass";
  }
  return std::move(error).with_context("connecting to " + address.text());
}

}  // namespace

Result<PgHandle> open_connection(const ServerAddress& address, const Call& call) {
  DUNLIN_ASSIGN(const Secret password, address.resolve_password());
  std::vector<std::pair<std::string, std::string>> words = {{"application_name", "dunlin"},
                                                            {"keepalives", "1"},
                                                            {"keepalives_idle", "30"},
                                                            {"keepalives_interval", "10"},
                                                            {"keepalives_count", "3"}};
  for (const auto& [name, value] : address.options) words.emplace_back(name, value);
  words.emplace_back("client_encoding", "UTF8");
  const auto add = [&](const char* name, std::string value) {
    if (!value.empty()) words.emplace_back(name, std::move(value));
  };
  add("host", address.host);
  add("port", address.port == 0 ? "" : std::to_string(address.port));
  add("user", address.user);
  add("dbname", address.database);
  add("password", password.reveal());
  std::vector<const char*> names;
  std::vector<const char*> values;
  for (const auto& [name, value] : words) {
    names.push_back(name.c_str());
    values.push_back(value.c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);

  PgHandle handle(pq().PQconnectStartParams(names.data(), values.data(), 0));
  if (!handle) return Error(ErrorType::out_of_memory, "no memory for a connection");
  pq().PQsetErrorVerbosity(handle.get(), PQERRORS_VERBOSE);
  const Deadline deadline(call.timeout.count() > 0 ? call.timeout : kConnectWithin);
  PostgresPollingStatusType next = PGRES_POLLING_WRITING;
  while (pq().PQstatus(handle.get()) != CONNECTION_BAD && next != PGRES_POLLING_OK) {
    DUNLIN_TRY(call.cancel.check());
    if (deadline.passed()) {
      Error error(ErrorType::endpoint_unreachable, "the server did not answer in time");
      return std::move(error).with_context("connecting to " + address.text());
    }
    wait_for_socket(handle.get(), next == PGRES_POLLING_READING ? POLLIN : POLLOUT);
    next = pq().PQconnectPoll(handle.get());
    if (next == PGRES_POLLING_FAILED) break;
  }
  if (pq().PQstatus(handle.get()) != CONNECTION_OK) return connect_error(handle.get(), address);
  pq().PQsetErrorVerbosity(handle.get(), PQERRORS_DEFAULT);
  return handle;
}

void wait_for_socket(PGconn* connection, short events) {
  pollfd socket{pq().PQsocket(connection), events, 0};
  static_cast<void>(::poll(&socket, 1, kSlice_ms));  // interrupted or not, the caller looks again
}

std::string first_line_of(const char* text) {
  std::string line(text == nullptr ? "" : text);
  line.resize(std::min(line.find('\n'), line.size()));
  return printable(redact(line));
}

}  // namespace dunlin::sql
