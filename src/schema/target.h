// A database as migrations need it: its connection, its place for the history, the lock that keeps
// others out, and what its server wants around a transaction.
//
// One implementation per server. The lock ends with whoever holds it, and never before the last
// statement of that one has ended at the server (anchors/schema.md, trap 12): it is the fence, too.
// One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "sql/connection.h"
#include "sql/database_address.h"

namespace dunlin::schema {

/// Who migrates: an execution, in one of its lives.
struct Owner {
  ExecutionId execution;
  std::int64_t epoch = 0;
};

class Target {
 public:
  virtual ~Target() = default;
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  [[nodiscard]] sql::Connection& connection() const { return *connection_; }
  [[nodiscard]] sql::Dialect dialect() const { return connection_->dialect(); }
  /// The connection is gone: whatever was open was rolled back, the lock is lost, and another
  /// Target has to be opened.
  [[nodiscard]] bool is_lost() const {
    return connection_->transaction() == sql::TransactionState::lost;
  }

  /// One of names.h as SQL writes it here, with where it stands.
  [[nodiscard]] virtual std::string table(std::string_view name) const = 0;
  /// An expression for the present time by the database's clock, as its history keeps it, and one
  /// for a time that was kept, as RFC 3339 text in UTC.
  [[nodiscard]] virtual std::string now() const = 0;
  [[nodiscard]] virtual std::string as_text(std::string_view time_column) const = 0;

  /// Where unqualified names lead.
  [[nodiscard]] virtual Result<bool> has_table(std::string_view name, const sql::Call& call) = 0;
  /// Those of the history; the log is made last, where they are not made at once. schema_mismatch
  /// when it is gone and the history has rows: nobody but dunlin removes it.
  [[nodiscard]] Result<bool> has_tables(const sql::Call& call);
  /// Where else in this database such a history stands, in words; empty: nowhere.
  [[nodiscard]] virtual Result<std::string> history_elsewhere(const sql::Call&) {
    return std::string();
  }
  /// Makes the tables of the history. A transaction of its own; the lock is held. Repeatable.
  [[nodiscard]] virtual Status make_tables(const sql::Call& call) = 0;

  /// One try: empty when the lock is ours now, else who holds it. What a dead process holds is
  /// taken over. stale_owner when a later life of this execution has it.
  [[nodiscard]] virtual Result<std::string> try_lock(const Owner& owner, const sql::Call& call) = 0;
  /// Gives it back, if it is ours or an earlier life's of this execution. Repeatable.
  [[nodiscard]] virtual Status unlock(const Owner& owner, const sql::Call& call) = 0;

  /// A transaction that writes, in which the lock is found to be still ours: else stale_owner.
  /// `words`: the script's own BEGIN, where the server can do with it; empty: ours. `with`: what is
  /// sent along, in the transaction; its answers.
  [[nodiscard]] virtual Result<std::vector<sql::Answer>> begin(const Owner& owner,
                                                               std::string_view words,
                                                               std::span<const sql::Request> with,
                                                               const sql::Call& call) = 0;
  /// Before a statement that no transaction can hold. invalid_state, with what to do, where the
  /// way to the server does not allow it.
  [[nodiscard]] virtual Status stand_alone(const Owner& owner, const sql::Call& call) = 0;
  /// The statement that says how long those of this session wait for a lock (0: as long as it
  /// takes), `within` a transaction for that one alone; empty: the server needs none.
  [[nodiscard]] virtual std::string lock_wait_words(std::int64_t /*limit_ms*/,
                                                    bool /*within*/) const {
    return {};
  }
  /// A script may have made us another role. Back to the one that connected, for our own records;
  /// what is handed back, returned to as_script(), restores the script's.
  [[nodiscard]] virtual Result<std::string> as_ourselves(const sql::Call&) { return std::string(); }
  [[nodiscard]] virtual Status as_script(const std::string& /*who*/, const sql::Call&) {
    return success();
  }
  /// What has to hold when a migration has done all of its work; migration_failed otherwise.
  [[nodiscard]] virtual Status check_work(const sql::Call& call) = 0;
  /// Between two migrations of one transaction: what the first has set is as the connection began,
  /// as far as a transaction lets it.
  [[nodiscard]] virtual Status refresh_within(const sql::Call&) { return success(); }
  /// Nothing of what statements have set in the session is left; the lock is.
  [[nodiscard]] virtual Status refresh(const sql::Call& call) = 0;

 protected:
  /// At the place where the history stands.
  [[nodiscard]] virtual Result<bool> has_own(std::string_view name, const sql::Call& call) {
    return has_table(name, call);
  }
  explicit Target(std::unique_ptr<sql::Connection> connection)
      : connection_(std::move(connection)) {}
  void replace_connection(std::unique_ptr<sql::Connection> connection) {
    connection_ = std::move(connection);
  }

 private:
  std::unique_ptr<sql::Connection> connection_;
};

/// As sql::parse_database_address(); invalid_input, too, for a connection through ODBC, which has
/// no target.
[[nodiscard]] Result<sql::DatabaseAddress> parse_target_address(std::string_view url);

enum class Access : std::uint8_t {
  look,    ///< nullptr when there is no such database; makes and takes nothing
  change,  ///< makes the database when it is missing
};

[[nodiscard]] Result<std::unique_ptr<Target>> open_target(const sql::DatabaseAddress& address,
                                                          Access access, const sql::Call& call);

/// Which database this is, whether it exists already or not, and whatever becomes of its contents.
/// `target`: it is open already; nullptr: it is not, or does not exist.
[[nodiscard]] Result<std::string> target_identity(const sql::DatabaseAddress& address,
                                                  const Target* target, const sql::Call& call);

/// Each tenant's address whose name the shell pattern matches, by name: the databases of a MariaDB
/// or MySQL server, the schemas of a PostgreSQL database; the servers' own aside. unsupported_item
/// for SQLite.
struct Tenant {
  std::string name;
  sql::DatabaseAddress address;
};
[[nodiscard]] Result<std::vector<Tenant>> find_tenants(const sql::DatabaseAddress& address,
                                                       const std::string& pattern,
                                                       const sql::Call& call);

/// Why it cannot be written to, found out without leaving a trace. `target`: it is open already;
/// nullptr: it is not, or does not exist. `lock`: also whether somebody keeps everybody out of it
/// just now (SQLite).
[[nodiscard]] Status probe_target(const sql::DatabaseAddress& address, const Target* target,
                                  bool lock, const sql::Call& call);

/// Of a column that holds a number; 0 where it holds none.
[[nodiscard]] std::int64_t integer_of(std::string_view text);

/// "anna@host": who is responsible, for people.
[[nodiscard]] const std::string& user_at_host();

}  // namespace dunlin::schema
