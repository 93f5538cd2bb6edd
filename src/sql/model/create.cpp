// What the writers share: the order of what needs one another.
#include "sql/model/create.h"

#include <map>

#include "sql/model/order.h"
#include "sql/model/writers.h"

namespace dunlin::sql::model {
namespace {

const std::vector<std::string>& needs_of(const Catalogue& catalogue, const Piece& piece) {
  switch (piece.kind) {
    case Piece::Kind::type:
      return catalogue.types[piece.index].depends_on;
    case Piece::Kind::table:
      return catalogue.tables[piece.index].depends_on;
    case Piece::Kind::view:
      return catalogue.views[piece.index].depends_on;
    case Piece::Kind::routine:
      break;
  }
  return catalogue.routines[piece.index].depends_on;
}

}  // namespace

std::string Remark::line() const {
  switch (kind) {
    case RemarkKind::left_out:
      return object + ": left out: " + text;
    case RemarkKind::renamed:
      return object + ": renamed: " + text;
    case RemarkKind::changed:
      break;
  }
  return object + ": changed: " + text;
}

std::vector<Piece> order_pieces(const Catalogue& catalogue) {
  std::vector<Piece> pieces;
  std::map<std::string, std::size_t> places;
  const auto add = [&](Piece::Kind kind, std::size_t index, const std::string& key) {
    places[key] = pieces.size();
    pieces.push_back({kind, index});
  };
  for (std::size_t i = 0; i < catalogue.types.size(); ++i)
    add(Piece::Kind::type, i, object_key("type", catalogue.types[i].name));
  for (std::size_t i = 0; i < catalogue.tables.size(); ++i)
    add(Piece::Kind::table, i, object_key("table", catalogue.tables[i].name));
  for (std::size_t i = 0; i < catalogue.routines.size(); ++i)
    add(Piece::Kind::routine, i, routine_key(catalogue.routines[i]));
  for (std::size_t i = 0; i < catalogue.views.size(); ++i)
    add(Piece::Kind::view, i, object_key("view", catalogue.views[i].name));

  std::vector<std::vector<std::size_t>> needs(pieces.size());
  const auto need = [&](std::size_t piece, const std::string& key) {
    if (const auto found = places.find(key); found != places.end() && found->second != piece)
      needs[piece].push_back(found->second);
  };
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    for (const std::string& key : needs_of(catalogue, pieces[i])) need(i, key);
    if (pieces[i].kind != Piece::Kind::table) continue;
    const Table& table = catalogue.tables[pieces[i].index];
    for (const Name& parent : table.inherits) need(i, object_key("table", parent));
    if (table.partition_of) need(i, object_key("table", *table.partition_of));
  }

  std::vector<std::size_t> order;
  for (const std::vector<std::size_t>& group : order_by_needs(needs))
    order.insert(order.end(), group.begin(), group.end());
  // Backwards: whatever a needed one needs stands before it.
  for (auto at = order.rbegin(); at != order.rend(); ++at) {
    Piece& piece = pieces[*at];
    if (piece.kind == Piece::Kind::table || piece.kind == Piece::Kind::type) piece.needed = true;
    if (!piece.needed) continue;
    for (const std::size_t needed : needs[*at]) pieces[needed].needed = true;
  }
  std::vector<Piece> ordered;
  ordered.reserve(order.size());
  for (const std::size_t place : order) ordered.push_back(pieces[place]);
  return ordered;
}

Result<Script> create_statements(const Catalogue& catalogue, Dialect to) {
  if (to != catalogue.dialect) {
    DUNLIN_ASSIGN(Converted converted, convert(catalogue, to));
    DUNLIN_ASSIGN(Script script, create_statements(converted.catalogue, to));
    script.remarks.insert(script.remarks.begin(), converted.remarks.begin(),
                          converted.remarks.end());
    return script;
  }
  switch (to) {
    case Dialect::postgresql:
      return write_postgresql(catalogue);
    case Dialect::mysql:
      return write_mariadb(catalogue);
    case Dialect::sqlite:
      return write_sqlite(catalogue);
    case Dialect::sqlserver:
      break;
  }
  return Error(ErrorType::unsupported_item, "this version writes no statements for SQL Server");
}

}  // namespace dunlin::sql::model
