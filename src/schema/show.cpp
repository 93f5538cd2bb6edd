#include "schema/show.h"

#include <fmt/format.h>

#include "base/hash.h"
#include "base/text.h"
#include "schema/content.h"

namespace dunlin::schema {

namespace {

/// Whoever asks for all of it gets it, as far as anybody can read it.
constexpr DifferenceLimits kAll{1'000'000, 64 << 10};

/// The log's own name of it: that of the last one, where it was renamed.
Result<std::string> id_in_log(Target& target, const Version& version, const sql::Call& call) {
  DUNLIN_ASSIGN(const bool there, target.has_tables(call));
  std::string id;
  if (there) {
    DUNLIN_ASSIGN(id, History::last_named(target, version, call));
  }
  if (!id.empty()) return id;
  Error error(ErrorType::not_found, "the log has no migration " + printable(version.text()));
  error.remediation = "`dunlin migrate status --db URL --dir DIR` shows what is applied";
  return error;
}

Result<engine::Findings> difference(const Places& places, const Showing& what,
                                    const sql::Dialect dialect, const std::string& id,
                                    const std::string& recorded) {
  if (places.directories.empty()) {
    Error error(ErrorType::invalid_input, "--diff needs to know where the file is");
    error.remediation = show_command(what.version, places, true) + " --dir DIR";
    return error;
  }
  DUNLIN_ASSIGN(
      const Migrations files,
      MigrationFiles::read(places.directories, dialect).understand(TransactionMode::per_migration));
  const auto file = files.find(what.version);
  if (file == files.end())
    return Error(ErrorType::not_found, "the file of '" + printable(id) + "' is missing");
  const Migration& migration = file->second;
  const bool up = what.direction == Direction::up;
  const Script& script = up ? migration.up : migration.down;
  engine::Findings found;
  found.good = recorded == script.sql;
  if (found.good) {
    found.text = printable(script.file) + " has what was applied\n";
  } else {
    found.differences = {shown_difference(migration, what.direction, recorded, kAll, places)};
  }
  found.json = [id, up, file_name = script.file, differences = found.differences] {
    return Json{{"event", "migration_difference"},
                {"id", escape_invalid_utf8(id)},
                {"direction", up ? "up" : "down"},
                {"file", escape_invalid_utf8(file_name)},
                {"equal", differences.empty()},
                {"difference", differences.empty() ? Json(nullptr) : Json(differences.front())}};
  };
  return found;
}

}  // namespace

Result<engine::Findings> show_migration(const Places& places, const Showing& what,
                                        const sql::Call& call) {
  const sql::DatabaseAddress& database = places.databases.front();
  DUNLIN_ASSIGN(const std::unique_ptr<Target> target, open_target(database, Access::look, call));
  if (!target)
    return Error(ErrorType::not_found, "there is no database " + printable(database.text()));
  DUNLIN_ASSIGN(const std::string id, id_in_log(*target, what.version, call));
  DUNLIN_ASSIGN(std::string recorded, recorded_sql(*target, id, what.direction, call));
  if (what.difference) return difference(places, what, target->dialect(), id, recorded);
  DUNLIN_ASSIGN(const std::string digest, hash_bytes(HashKind::sha256, recorded));
  engine::Findings found;
  found.content = std::move(recorded);
  found.json = [id, digest, up = what.direction == Direction::up, sql = *found.content] {
    return Json{{"event", "migration_content"},    {"id", escape_invalid_utf8(id)},
                {"direction", up ? "up" : "down"}, {"bytes", sql.size()},
                {"sha256", hex(digest)},           {"sql", escape_invalid_utf8(sql)}};
  };
  return found;
}

}  // namespace dunlin::schema
