// The operators of state.db: see state_store.h.
#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"
#include "store/ledger_codec.h"
#include "store/sqlite_state_store.h"

namespace dunlin::store {
namespace {

constexpr std::size_t kLongestName = 64;

bool is_name(std::string_view name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !name.empty() && name.size() <= kLongestName && letter(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return letter(c) || c == '.' || c == '_' || c == '-'; });
}

Error refused(ErrorType type, std::string message, std::string remedy) {
  Error error(type, std::move(message));
  error.remediation = std::move(remedy);
  return error;
}

Error no_operator(std::string_view name) {
  return refused(ErrorType::not_found, fmt::format("there is no operator '{}'", escape_bytes(name)),
                 "`dunlin user list` shows them");
}

Status as_state(Status status) {
  return status.ok() ? std::move(status) : Status(as_state_error(std::move(status).error()));
}

}  // namespace

std::string_view to_string(Role role) {
  switch (role) {
    case Role::nobody:
      return "nobody";
    case Role::viewer:
      return "viewer";
    case Role::operator_:
      return "operator";
    case Role::admin:
      return "admin";
  }
  return "nobody";
}

std::optional<Role> role_from(std::string_view name) {
  for (const Role role : {Role::viewer, Role::operator_, Role::admin})
    if (to_string(role) == name) return role;
  return std::nullopt;
}

Status SqliteStateStore::has_operator(std::string_view name) const {
  DUNLIN_ASSIGN(sql::Statement row, database_.cached("SELECT 1 FROM operator WHERE name = ?1"));
  DUNLIN_ASSIGN(const bool found, row.query(name));
  return found ? success() : Status(no_operator(name));
}

Status SqliteStateStore::change_operators(const std::function<Status()>& change) {
  const auto all = [&]() -> Status {
    DUNLIN_ASSIGN(sql::Transaction transaction, sql::Transaction::begin(database_));
    DUNLIN_TRY(change());
    DUNLIN_ASSIGN(const auto left, database_.query_int64("SELECT count(*) FROM operator"));
    DUNLIN_ASSIGN(const auto admins,
                  database_.query_int64("SELECT count(*) FROM operator WHERE role = 'admin'"));
    if (left.value_or(0) > 0 && admins.value_or(0) == 0)
      return refused(ErrorType::invalid_state,
                     "where there are operators, one of them has to be an admin",
                     "dunlin user add NAME --role admin");
    return transaction.commit();
  };
  return as_state(all());
}

Status SqliteStateStore::add_operator(const OperatorRow& row) {
  if (!is_name(row.name))
    return refused(ErrorType::invalid_input,
                   fmt::format("'{}' cannot be the name of an operator", escape_bytes(row.name)),
                   "letters, digits, '.', '_' and '-', at most 64 of them: dunlin user add anna "
                   "--role operator");
  const std::lock_guard lock(mutex_);
  return change_operators([&]() -> Status {
    DUNLIN_ASSIGN(sql::Statement same,
                  database_.cached("SELECT name, role FROM operator WHERE name = ?1 OR uid = ?2"));
    DUNLIN_ASSIGN(const bool found, same.query(row.name, row.uid));
    if (found && same.column_string(0) == row.name)
      return refused(ErrorType::invalid_state,
                     fmt::format("there is an operator {} already, with the role {}", row.name,
                                 same.column_string(1)),
                     fmt::format("dunlin user role {} {}", row.name, to_string(row.role)));
    if (found)
      return refused(
          ErrorType::invalid_state,
          fmt::format("user id {} is the operator {} already", row.uid.value_or(0),
                      same.column_string(0)),
          fmt::format("dunlin user role {} {}, or `dunlin user remove {}` first",
                      same.column_string(0), to_string(row.role), same.column_string(0)));
    same.reset();
    return database_.run(
        "INSERT INTO operator(name, role, uid, created_ms) VALUES (?1, ?2, ?3, ?4)", row.name,
        to_string(row.role), row.uid, row.created_ms);
  });
}

Status SqliteStateStore::set_role(std::string_view name, Role role) {
  const std::lock_guard lock(mutex_);
  return change_operators([&]() -> Status {
    DUNLIN_TRY(has_operator(name));
    return database_.run("UPDATE operator SET role = ?2 WHERE name = ?1", name, to_string(role));
  });
}

Status SqliteStateStore::remove_operator(std::string_view name) {
  const std::lock_guard lock(mutex_);
  return change_operators([&]() -> Status {
    DUNLIN_TRY(has_operator(name));
    DUNLIN_TRY(database_.run("DELETE FROM token WHERE operator = ?1", name));
    return database_.run("DELETE FROM operator WHERE name = ?1", name);
  });
}

Result<std::vector<OperatorRow>> SqliteStateStore::operators() const {
  const std::lock_guard lock(mutex_);
  std::vector<OperatorRow> operators;
  DUNLIN_ASSIGN(sql::Statement row,
                database_.cached("SELECT name, role, uid, created_ms FROM operator ORDER BY name"));
  while (true) {
    DUNLIN_ASSIGN(const bool more, row.step());
    if (!more) return operators;
    OperatorRow one;
    one.name = row.column_string(0);
    one.role = role_from(row.column_text(1)).value_or(Role::nobody);
    if (!row.column_is_null(2)) one.uid = row.column_int64(2);
    one.created_ms = row.column_int64(3);
    operators.push_back(std::move(one));
  }
}

Status SqliteStateStore::add_token(const TokenRow& row) {
  const std::lock_guard lock(mutex_);
  const auto add = [&]() -> Status {
    DUNLIN_ASSIGN(sql::Transaction transaction, sql::Transaction::begin(database_));
    DUNLIN_TRY(has_operator(row.operator_name));
    DUNLIN_ASSIGN(const auto taken,
                  database_.query_int64("SELECT 1 FROM token WHERE id = ?1", row.id));
    if (taken) return Error(ErrorType::destination_exists, "there is a token " + row.id);
    DUNLIN_TRY(
        database_.run("INSERT INTO token(id, operator, hash, created_ms, used_ms, "
                      "revoked_ms) VALUES (?1, ?2, ?3, ?4, 0, 0)",
                      row.id, row.operator_name, sql::Blob{row.hash}, row.created_ms));
    return transaction.commit();
  };
  return as_state(add());
}

Status SqliteStateStore::revoke_token(std::string_view name, std::string_view id,
                                      std::int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  const auto revoke = [&]() -> Status {
    DUNLIN_ASSIGN(sql::Transaction transaction, sql::Transaction::begin(database_));
    DUNLIN_TRY(has_operator(name));
    DUNLIN_TRY(database_.run(
        "UPDATE token SET revoked_ms = iif(revoked_ms > 0, revoked_ms, ?3) WHERE id = ?1 AND "
        "operator = ?2",
        id, name, now_ms));
    if (database_.changes() == 0)
      return refused(ErrorType::not_found,
                     fmt::format("{} has no token '{}'", name, escape_bytes(id)),
                     fmt::format("dunlin user token {} --list", name));
    return transaction.commit();
  };
  return as_state(revoke());
}

Result<std::vector<TokenRow>> SqliteStateStore::select_tokens(std::string_view where,
                                                              const Bind& bind) const {
  const std::lock_guard lock(mutex_);
  std::vector<TokenRow> tokens;
  DUNLIN_ASSIGN(
      sql::Statement row,
      database_.cached(fmt::format(
          "SELECT id, operator, hash, created_ms, used_ms, revoked_ms FROM token {}", where)));
  if (bind) bind(row);
  while (true) {
    DUNLIN_ASSIGN(const bool more, row.step());
    if (!more) return tokens;
    TokenRow one;
    one.id = row.column_string(0);
    one.operator_name = row.column_string(1);
    one.hash = std::string(row.column_blob(2));
    one.created_ms = row.column_int64(3);
    one.used_ms = row.column_int64(4);
    one.revoked_ms = row.column_int64(5);
    tokens.push_back(std::move(one));
  }
}

Result<std::vector<TokenRow>> SqliteStateStore::tokens() const {
  return select_tokens("ORDER BY operator, created_ms, id", nullptr);
}

Result<std::optional<TokenRow>> SqliteStateStore::token(std::string_view id) const {
  DUNLIN_ASSIGN(std::vector<TokenRow> found,
                select_tokens("WHERE id = ?1", [&](sql::Statement& row) { row.bind(1, id); }));
  if (found.empty()) return std::optional<TokenRow>();
  return std::optional(std::move(found.front()));
}

Status SqliteStateStore::note_token_use(std::string_view id, std::int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  return as_state(database_.run("UPDATE token SET used_ms = ?2 WHERE id = ?1", id, now_ms));
}

}  // namespace dunlin::store
