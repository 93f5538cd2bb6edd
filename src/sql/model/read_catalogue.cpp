// The transaction in which a catalogue is read; the readers are in files of their own.
#include "sql/model/read_catalogue.h"

#include "sql/model/readers.h"

namespace dunlin::sql::model {
namespace {

Result<Catalogue> read_within(Connection& connection, const Scope& scope, const Call& call) {
  switch (connection.dialect()) {
    case Dialect::postgresql:
      return read_postgresql(connection, scope, call);
    case Dialect::mysql:
      return read_mariadb(connection, scope, call);
    case Dialect::sqlite:
      return read_sqlite(connection, scope, call);
    case Dialect::sqlserver:
      break;
  }
  return Error(ErrorType::unsupported_item, "this version does not read catalogues of SQL Server");
}

std::string_view begin_of(Dialect dialect) {
  if (dialect == Dialect::postgresql) return "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";
  return dialect == Dialect::sqlite ? "BEGIN" : "";
}

}  // namespace

Result<Catalogue> read_catalogue(Connection& connection, const Scope& scope, const Call& call) {
  const std::string_view begin = begin_of(connection.dialect());
  const bool own = connection.transaction() == TransactionState::none && !begin.empty();
  if (own) DUNLIN_TRY(run_only(connection, begin, call));
  Result<Catalogue> read = read_within(connection, scope, call);
  if (own) {
    // Nothing was written; a token that has been cancelled must not keep the transaction open.
    const Status ended = run_only(connection, "ROLLBACK", Call{});
    if (read.ok() && !ended.ok()) return ended.error();
  }
  if (!read.ok())
    return std::move(read).with_context("reading the catalogue of " + connection.server().database);
  read->sort();
  return read;
}

}  // namespace dunlin::sql::model
