// One connection to a database, whatever its server: what migrations of schemas and rows stand on.
//
// Statements are sent one at a time, in the form in which a server refuses a second one in the same
// text. Nothing is tried again here, and no transaction is begun or ended but by statements: policy
// belongs to the layers above. Each implementation passes tests/sql/connection_conformance.h.
// A connection and what it made belong to one thread at a time; cancelling goes by the token.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.h"
#include "base/result.h"
#include "sql/dialect.h"

namespace dunlin::sql {

struct ServerInfo {
  std::string product;  ///< "PostgreSQL", "MariaDB", "MySQL", "SQLite"
  std::string version;  ///< as the server says it: "15.20"
  int version_number =
      0;  ///< major × 10000 + minor × 100 + patch; PostgreSQL: major × 10000 + minor
  std::string database;
  std::string user;
  bool read_only = false;  ///< a standby, or set so: it takes no writes from this session
  /// Something between us and the server hands its sessions out (PgBouncer): what a session holds
  /// may be another one's by the next transaction.
  bool pooled = false;
};

/// Tells a session from all others of its server, also from later ones that get its number.
struct SessionId {
  std::int64_t process = 0;  ///< pg_backend_pid(), CONNECTION_ID()
  std::string since;         ///< when it began, as the server writes it
  bool operator==(const SessionId&) const = default;
};

enum class TransactionState : std::uint8_t {
  none,
  open,
  failed,  ///< PostgreSQL: only ROLLBACK (TO) is taken
  lost,    ///< the connection is gone, and with it whatever was open
};

/// How long a call may take. Past `timeout` (0: as long as it takes), or once cancelled, the server
/// is told to end the statement and the call returns when the server has confirmed that it did;
/// without an answer to that within 5 s the connection is given up, and the error says
/// possibly_applied.
struct Call {
  CancelToken cancel = {};
  std::chrono::milliseconds timeout{0};
};

/// A parameter as text; nullopt is NULL. The server reads it as what its place wants.
using Parameter = std::optional<std::string>;

/// One of several that are sent together.
struct Request {
  std::string sql;
  std::vector<Parameter> parameters = {};
  bool asks = false;    ///< its answer is wanted
  bool recurs = false;  ///< the same text many times: worth preparing, where the server does that
};
/// The first column of its first row; nullopt: NULL, no row, or it was not asked for.
using Answer = std::optional<std::string>;

struct Done {
  std::int64_t affected = 0;         ///< rows, where the server says so
  std::vector<std::string> notices;  ///< warnings and notices of the server, a line each
};

/// The rows of one query as they come; nothing is gathered. Ended (to the end, or destroyed, which
/// cancels what is left) before the connection takes the next statement.
class Rows {
 public:
  virtual ~Rows() = default;
  /// True: a row is there.
  [[nodiscard]] virtual Result<bool> next() = 0;
  [[nodiscard]] virtual int columns() const = 0;
  [[nodiscard]] virtual std::string name(int column) const = 0;
  [[nodiscard]] virtual bool is_null(int column) const = 0;
  /// As text; valid until the next call. Empty for NULL.
  [[nodiscard]] virtual std::string_view text(int column) const = 0;
};

class Connection {
 public:
  virtual ~Connection() = default;

  [[nodiscard]] virtual Dialect dialect() const = 0;
  [[nodiscard]] virtual const ServerInfo& server() const = 0;
  [[nodiscard]] virtual const SessionId& session() const = 0;
  [[nodiscard]] virtual TransactionState transaction() const = 0;

  /// One statement; rows that it gives are dropped. Errors: see the table of the server's codes;
  /// connection_reset with possibly_applied when the answer was lost.
  [[nodiscard]] virtual Result<Done> run(std::string_view sql, const Call& call,
                                         std::span<const Parameter> parameters = {}) = 0;
  [[nodiscard]] virtual Result<std::unique_ptr<Rows>> query(
      std::string_view sql, const Call& call, std::span<const Parameter> parameters = {}) = 0;
  /// Statements of our own, one after the other up to the first that fails; outside of a
  /// transaction none of them can be counted on to stand then. In one message where the server
  /// takes that, so that they cost one way to it and back. An answer for each. Within an open
  /// transaction kNoSuchStatement when a statement has taken away what was prepared: begin it
  /// again.
  [[nodiscard]] virtual Result<std::vector<Answer>> run_all(std::span<const Request> statements,
                                                            const Call& call);
  /// COPY ... FROM STDIN with these data, as they stand in a script. unsupported_item where the
  /// server has none.
  [[nodiscard]] virtual Result<Done> copy_in(std::string_view sql, std::string_view data,
                                             const Call& call) = 0;

  /// Of the last statement that failed: where in it the server saw the fault, in characters from 1;
  /// 0: it did not say.
  [[nodiscard]] virtual std::int64_t error_position() const = 0;
  /// Nothing of what statements set in this session is left: settings, role, temporary tables,
  /// prepared statements, locks. Rolls an open transaction back first.
  [[nodiscard]] virtual Status reset(const Call& call) = 0;
};

/// As Connection::run(), where nothing of what it did is asked for.
[[nodiscard]] Status run_only(Connection& connection, std::string_view sql, const Call& call,
                              std::span<const Parameter> parameters = {});

[[nodiscard]] Result<Answer> query_text(Connection& connection, std::string_view sql,
                                        const Call& call,
                                        std::span<const Parameter> parameters = {});

}  // namespace dunlin::sql
