// Tarjan's strongly connected components, without recursion: a chain of references may be long.
#include "sql/model/order.h"

#include <algorithm>
#include <map>
#include <utility>

#include "sql/catalogue.h"

namespace dunlin::sql::model {
namespace {

constexpr std::size_t kUnseen = static_cast<std::size_t>(-1);

struct Visit {
  std::size_t node;
  std::size_t next = 0;
};

class Components {
 public:
  explicit Components(const std::vector<std::vector<std::size_t>>& needs)
      : needs_(needs), number_(needs.size(), kUnseen), low_(needs.size()), open_(needs.size()) {}

  std::vector<std::vector<std::size_t>> find() {
    for (std::size_t node = 0; node < needs_.size(); ++node)
      if (number_[node] == kUnseen) walk_from(node);
    return std::move(found_);
  }

 private:
  void enter(std::size_t node) {
    number_[node] = low_[node] = count_++;
    stack_.push_back(node);
    open_[node] = true;
    visits_.push_back({node});
  }

  void walk_from(std::size_t root) {
    enter(root);
    while (!visits_.empty()) {
      Visit& visit = visits_.back();
      const std::size_t node = visit.node;
      if (visit.next < needs_[node].size()) {
        const std::size_t needed = needs_[node][visit.next++];
        if (number_[needed] == kUnseen)
          enter(needed);
        else if (open_[needed])
          low_[node] = std::min(low_[node], number_[needed]);
        continue;
      }
      if (low_[node] == number_[node]) close(node);
      visits_.pop_back();
      if (!visits_.empty())
        low_[visits_.back().node] = std::min(low_[visits_.back().node], low_[node]);
    }
  }

  void close(std::size_t node) {
    std::vector<std::size_t> group;
    std::size_t member = kUnseen;
    while (member != node) {
      member = stack_.back();
      stack_.pop_back();
      open_[member] = false;
      group.push_back(member);
    }
    std::sort(group.begin(), group.end());
    found_.push_back(std::move(group));
  }

  const std::vector<std::vector<std::size_t>>& needs_;
  std::vector<std::size_t> number_;
  std::vector<std::size_t> low_;
  std::vector<bool> open_;
  std::vector<std::size_t> stack_;
  std::vector<Visit> visits_;
  std::size_t count_ = 0;
  std::vector<std::vector<std::size_t>> found_;
};

bool never_null(const Table& table, const std::string& column) {
  const Column* const found = table.find_column(column);
  return found != nullptr && !found->nullable;
}

bool tells_rows_apart(const Table& table, const std::vector<KeyPart>& parts) {
  return std::all_of(parts.begin(), parts.end(), [&](const KeyPart& part) {
    return part.prefix == 0 && !part.column.empty() && never_null(table, part.column);
  });
}

/// SQLite alone takes NULL into a primary key, unless it is the rowid or there is none.
bool primary_tells_apart(const Table& table, Dialect dialect) {
  const std::vector<KeyPart>& parts = table.primary_key->parts;
  if (dialect != Dialect::sqlite || table.options.contains("without_rowid")) return true;
  if (parts.size() == 1 && !table.primary_key->options.contains("at_column")) {
    const Column* const column = table.find_column(parts.front().column);
    if (column != nullptr && same_identifier(column->type.native, "INTEGER")) return true;
  }
  return tells_rows_apart(table, parts);
}

}  // namespace

std::vector<std::vector<std::size_t>> order_by_needs(
    const std::vector<std::vector<std::size_t>>& needs) {
  return Components(needs).find();
}

TableOrder order_tables(const Catalogue& catalogue) {
  const std::vector<Table>& tables = catalogue.tables;
  std::map<Name, std::size_t> places;
  for (std::size_t i = 0; i < tables.size(); ++i) places[tables[i].name] = i;
  TableOrder order;
  std::vector<std::vector<std::size_t>> needs(tables.size());
  const auto add = [&](std::size_t from, const Name& to) {
    const auto found = places.find(to);
    if (found == places.end()) return;
    if (found->second != from)
      needs[from].push_back(found->second);
    else if (order.self_referencing.empty() || order.self_referencing.back() != to)
      order.self_referencing.push_back(to);
  };
  for (std::size_t i = 0; i < tables.size(); ++i) {
    for (const ForeignKey& key : tables[i].foreign_keys) add(i, key.referenced);
    for (const Name& parent : tables[i].inherits) add(i, parent);
    if (tables[i].partition_of) add(i, *tables[i].partition_of);
  }
  for (const std::vector<std::size_t>& group : order_by_needs(needs)) {
    std::vector<Name> names;
    for (const std::size_t place : group) names.push_back(tables[place].name);
    order.tables.insert(order.tables.end(), names.begin(), names.end());
    if (names.size() > 1) order.cycles.push_back(std::move(names));
  }
  return order;
}

std::optional<RowKey> row_key(const Table& table, Dialect dialect) {
  if (table.primary_key && !table.primary_key->deferrable && primary_tells_apart(table, dialect))
    return RowKey{table.primary_key->name, true, table.primary_key->parts};
  std::vector<RowKey> found;
  for (const Key& key : table.unique_keys)
    if (!key.deferrable && tells_rows_apart(table, key.parts))
      found.push_back({key.name, false, key.parts});
  for (const Index& index : table.indexes)
    if (index.unique && index.valid && index.predicate.empty() &&
        tells_rows_apart(table, index.parts))
      found.push_back({index.name, false, index.parts});
  if (found.empty()) return std::nullopt;
  return *std::min_element(found.begin(), found.end(), [](const RowKey& one, const RowKey& other) {
    return std::pair(one.parts.size(), one.name) < std::pair(other.parts.size(), other.name);
  });
}

}  // namespace dunlin::sql::model
