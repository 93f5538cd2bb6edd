// See lineage.h.
#include "store/lineage.h"

#include <algorithm>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "store/ledger_codec.h"
#include "store/ledger_reader.h"
#include "store/ledger_schema.h"

namespace dunlin::store {
namespace {

constexpr std::int64_t kPiece = 200'000;  // items: some 20 MiB, a tenth of a second
constexpr std::size_t kMostDepth = 4096;  // parts of a path
constexpr std::size_t kMostNames = 1000;  // parts of an address that may be a name

/// `placed`: at the destination under another name than the item's own.
enum class Side : std::uint8_t { source, destination, placed };

/// What one row of `place` says: an entry of the root (or, with the empty name, all others).
struct Place {
  std::string name;
  std::string source;
  std::string destination;
  bool has_source = false;
  bool has_destination = false;

  [[nodiscard]] bool has(Side side) const {
    return side == Side::source ? has_source : has_destination;
  }
  [[nodiscard]] const std::string& root(Side side) const {
    return side == Side::source ? source : destination;
  }
};

/// The rest of `path` below `root` ("" is '/'), without a slash at its begin; nullopt when it is
/// not in there.
std::optional<std::string> below(std::string_view path, std::string_view root) {
  if (path == root) return "";
  if (!path.starts_with(root) || path.size() <= root.size() || path[root.size()] != '/')
    return std::nullopt;
  return std::string(path.substr(root.size() + 1));
}

std::string joined(std::string_view root, std::string_view rest) {
  if (rest.empty()) return root.empty() ? "/" : std::string(root);
  return std::string(root) + "/" + std::string(rest);
}

std::string_view first_part(std::string_view path) {
  return path.substr(0, path.find('/'));
}

std::string in_folder(const std::string& folder, const std::string& name) {
  return name.empty() ? folder : folder.empty() ? name : folder + "/" + name;
}

/// A path below the root of the ledger, and as what it is asked for.
using Wanted = std::pair<std::string, Side>;

/// (directory, name) of a row of `item`.
using Key = std::pair<std::int64_t, std::string>;

std::string trimmed(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path == "/" ? "" : path;
}

}  // namespace

struct LineageReader::Parts {
  sql::Database database;
  std::optional<LedgerReader> reader;
  std::vector<Place> places;
  std::int64_t last_item = 0;

  explicit Parts(sql::Database opened) : database(std::move(opened)) { reader.emplace(database); }

  Status load_places() {
    DUNLIN_ASSIGN(sql::Statement row,
                  database.prepare("SELECT name, source, destination FROM place ORDER BY name"));
    while (true) {
      DUNLIN_ASSIGN(const bool more, row.step());
      if (!more) return success();
      places.push_back({std::string(row.column_blob(0)), row.column_string(1), row.column_string(2),
                        !row.column_is_null(1), !row.column_is_null(2)});
    }
  }

  [[nodiscard]] const Place* place_named(std::string_view name) const {
    const auto found = std::lower_bound(
        places.begin(), places.end(), name,
        [](const Place& place, std::string_view wanted) { return place.name < wanted; });
    return found != places.end() && found->name == name ? &*found : nullptr;
  }

  /// Where a path below the root lies, as the view file_operations says it.
  [[nodiscard]] std::string whole(const std::string& path, Side side) const {
    const Place* own =
        path.empty() || side == Side::placed ? nullptr : place_named(first_part(path));
    if (own != nullptr && own->has(side)) {
      const std::size_t slash = path.find('/');
      return joined(own->root(side), slash == std::string::npos ? "" : path.substr(slash + 1));
    }
    const Place* all = place_named("");
    return all != nullptr && all->has(side) ? joined(all->root(side), path) : path;
  }

  /// Every path below the root that `path` can mean, and as what; whole() decides.
  void add_wanted(const std::string& path, std::set<Wanted>& wanted) const {
    for (const Place& place : places) {
      for (const Side side : {Side::source, Side::destination, Side::placed}) {
        if (!place.has(side)) continue;
        const auto rest = below(trimmed(path), place.root(side));
        if (!rest) continue;
        const std::string inside =
            place.name.empty() ? *rest : place.name + (rest->empty() ? "" : "/") + *rest;
        if (trimmed(whole(inside, side)) == trimmed(path)) wanted.insert({inside, side});
      }
    }
    // As `dunlin items` shows it: below the root of either side.
    if (path.starts_with('/')) return;
    for (const Side side : {Side::source, Side::destination, Side::placed})
      wanted.insert({path, side});
  }

  Result<std::optional<std::int64_t>> directory_of(std::string_view path) {
    DUNLIN_ASSIGN(
        std::optional<std::int64_t> id,
        database.query_int64("SELECT id FROM directory WHERE parent = 0 OR parent IS NULL "
                             "ORDER BY id LIMIT 1"));
    for (std::size_t depth = 0; id && !path.empty() && depth < kMostDepth; ++depth) {
      const std::string_view part = first_part(path);
      DUNLIN_ASSIGN(
          id, database.query_int64("SELECT id FROM directory WHERE parent = ?1 AND name = ?2", *id,
                                   sql::Blob{part}));
      path.remove_prefix(std::min(path.size(), part.size() + 1));
    }
    return id;
  }

  /// An item is a name in a directory, or (an empty name) the directory itself.
  Status add_keys(const std::string& path, std::set<Key>& keys) {
    const std::size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash);
    DUNLIN_ASSIGN(const auto above, directory_of(folder));
    if (above && !path.empty())
      keys.emplace(*above, slash == std::string::npos ? path : path.substr(slash + 1));
    DUNLIN_ASSIGN(const auto itself, directory_of(path));
    if (itself) keys.emplace(*itself, "");
    return success();
  }

  /// Ids of the rows that `condition` (with ?3 and on bound by `bind`) holds for.
  template <typename Bind>
  Status scan(const std::string& condition, Bind bind, const Progress& progress, std::size_t limit,
              std::set<std::int64_t>& ids) {
    DUNLIN_ASSIGN(
        sql::Statement row,
        database.prepare("SELECT id FROM item WHERE id BETWEEN ?1 AND ?2 AND " + condition));
    for (std::int64_t first = 1; first <= last_item; first += kPiece) {
      const std::int64_t last = std::min(last_item, first + kPiece - 1);
      row.reset();
      row.bind(1, first).bind(2, last);
      bind(row);
      while (ids.size() < limit) {
        DUNLIN_ASSIGN(const bool more, row.step());
        if (!more) break;
        ids.insert(row.column_int64(0));
      }
      row.reset();
      if (progress) DUNLIN_TRY(progress(last - first + 1));
    }
    return success();
  }

  /// Rows that stand for these paths.
  Status find_paths(const std::set<Wanted>& wanted, const Progress& progress, std::size_t limit,
                    std::set<std::int64_t>& ids) {
    std::set<Key> keys;
    for (const auto& [path, side] : wanted)
      DUNLIN_TRY(side == Side::placed ? find_placed(path, limit, ids) : add_keys(path, keys));
    if (keys.empty()) return success();
    std::string list;
    for (std::size_t i = 0; i < keys.size(); ++i)
      list += fmt::format("{}(?{}, ?{})", i == 0 ? "" : ", ", 3 + 2 * i, 4 + 2 * i);
    const auto bind = [&](sql::Statement& row) {
      int at = 3;
      for (const auto& [directory, name] : keys) {
        row.bind(at, directory).bind(at + 1, sql::Blob{name});
        at += 2;
      }
    };
    return scan("(directory_id, name) IN (VALUES " + list + ")", bind, progress, limit, ids);
  }

  /// What stands at the destination under another name than its own.
  Status find_placed(const std::string& path, std::size_t limit, std::set<std::int64_t>& ids) {
    const std::size_t slash = path.rfind('/');
    const bool nested = slash != std::string::npos;
    DUNLIN_ASSIGN(const auto folder, directory_of(nested ? path.substr(0, slash) : ""));
    if (!folder) return success();
    const std::string name = nested ? path.substr(slash + 1) : path;
    DUNLIN_ASSIGN(sql::Statement row,
                  database.prepare("SELECT item_id FROM placed p JOIN item i ON i.id = p.item_id "
                                   "WHERE p.name = ?1 AND i.directory_id = ?2"));
    row.bind(1, sql::Blob{name}).bind(2, *folder);
    while (ids.size() < limit) {
      DUNLIN_ASSIGN(const bool more, row.step());
      if (!more) break;
      ids.insert(row.column_int64(0));
    }
    return success();
  }

  /// Rows whose name is one of these paths, or the end of one.
  Status find_names(const std::vector<std::string>& paths, const Progress& progress,
                    std::size_t limit, std::set<std::int64_t>& ids) {
    std::set<std::string> names;
    for (const std::string& path : paths) {
      for (std::string_view rest = path; !rest.empty() && names.size() < kMostNames;) {
        names.emplace(rest);
        const std::size_t slash = rest.find('/');
        if (slash == std::string_view::npos) break;
        rest.remove_prefix(slash + 1);
      }
    }
    if (names.empty()) return success();
    std::string list;
    for (std::size_t i = 0; i < names.size(); ++i)
      list += fmt::format("{}?{}", i == 0 ? "" : ", ", 3 + i);
    const auto bind = [&](sql::Statement& row) {
      int at = 3;
      for (const std::string& name : names) row.bind(at++, sql::Blob{name});
    };
    return scan("name IN (" + list + ")", bind, progress, limit, ids);
  }

  Result<LineageItem> item(std::int64_t id) {
    ItemFilter filter;
    filter.item = ItemId(id);
    DUNLIN_ASSIGN(std::vector<ItemRow> rows, reader->items(filter));
    if (rows.empty())
      return Error(ErrorType::not_found, fmt::format("there is no item {} in this execution", id));
    LineageItem out;
    out.item = std::move(rows.front());
    DUNLIN_ASSIGN(sql::Statement task,
                  database.cached("SELECT t.task_type, t.count_as FROM batch b JOIN task t ON t.id "
                                  "= b.task_id WHERE b.id = ?1"));
    DUNLIN_ASSIGN(const bool found, task.query(out.item.batch.value));
    if (found) {
      out.task_type = task.column_string(0);
      out.count_as = static_cast<CountAs>(task.column_int64(1));
    }
    const std::string inside = in_folder(out.item.directory_path, out.item.name);
    const std::string& placed = out.item.placed_name;
    out.source = whole(inside, Side::source);
    out.destination = placed.empty()
                          ? whole(inside, Side::destination)
                          : whole(in_folder(out.item.directory_path, placed), Side::placed);
    return out;
  }
};

LineageReader::LineageReader(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
LineageReader::~LineageReader() = default;

Result<std::unique_ptr<LineageReader>> LineageReader::open(const std::string& ledger_file) {
  const auto opened = [&]() -> Result<std::unique_ptr<Parts>> {
    sql::OpenOptions options;
    options.read_only = true;
    options.create = false;
    options.foreign_keys = false;
    options.cache_kib = 2048;
    DUNLIN_ASSIGN(sql::Database database, sql::Database::open(ledger_file, options));
    DUNLIN_TRY(check_format(database, kLedgerApplicationId, kLedgerFormat, true,
                            fmt::format("'{}'", ledger_file)));
    auto parts = std::make_unique<Parts>(std::move(database));
    DUNLIN_TRY(parts->load_places());
    DUNLIN_ASSIGN(const auto last, parts->database.query_int64("SELECT max(id) FROM item"));
    parts->last_item = last.value_or(0);
    return parts;
  };
  auto parts = opened();
  if (!parts) return as_state_error(std::move(parts).error());
  return std::unique_ptr<LineageReader>(new LineageReader(*std::move(parts)));
}

Result<ExecutionRow> LineageReader::execution() {
  return parts_->reader->execution();
}

Result<LineageItem> LineageReader::item(ItemId id) {
  return parts_->item(id.value);
}

Result<std::vector<LineageItem>> LineageReader::find(const std::vector<std::string>& paths,
                                                     std::size_t limit, const Progress& progress) {
  std::set<std::int64_t> ids;
  std::set<Wanted> wanted;
  for (const std::string& path : paths) parts_->add_wanted(path, wanted);
  DUNLIN_TRY(parts_->find_paths(wanted, progress, limit, ids));
  const bool by_name = parts_->places.empty();
  if (by_name) DUNLIN_TRY(parts_->find_names(paths, progress, limit, ids));
  std::vector<LineageItem> out;
  for (const std::int64_t id : ids) {
    DUNLIN_ASSIGN(LineageItem one, parts_->item(id));
    const std::string& folder = one.item.directory_path;
    const std::string inside = in_folder(folder, one.item.name);
    const std::string& placed = one.item.placed_name;
    one.from_it = wanted.contains({inside, Side::source});
    one.into_it = placed.empty() ? wanted.contains({inside, Side::destination})
                                 : wanted.contains({in_folder(folder, placed), Side::placed});
    if (by_name && std::any_of(paths.begin(), paths.end(), [&](const std::string& path) {
          return path == inside || path.ends_with("/" + inside);
        }))
      one.from_it = one.into_it = true;
    if (one.from_it || one.into_it) out.push_back(std::move(one));
  }
  return out;
}

}  // namespace dunlin::store
