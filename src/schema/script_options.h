// The lines `-- dunlin:KEY VALUE` of a migration (schema.md S-2), and those of other tools that
// mean the same. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "sql/connection.h"
#include "sql/dialect.h"

namespace dunlin::schema {

/// The text of one direction of a migration.
struct Script {
  std::string file;    ///< path, for messages; empty: there is none
  std::string sql;     ///< UTF-8
  int first_line = 1;  ///< of `sql` within the file
  /// The text of other files stands in it, between marks (includes.h), whose names there are those
  /// below `root` (empty, or with a slash at its end).
  bool has_files = false;
  std::string root = {};
};

/// "postgresql >= 16".
struct Requirement {
  std::string product;  ///< postgresql, mariadb, mysql or sqlite
  std::string at_least;
  std::int64_t line = 0;
};

struct ScriptOptions {
  std::optional<bool> transaction;
  bool irreversible = false;
  std::int64_t statement_timeout_ms = -1;  ///< -1: not said; 0: as long as it takes
  std::int64_t lock_timeout_ms = -1;       ///< the same
  std::vector<std::string> depends_on;     ///< versions or whole names
  std::vector<std::string> tags;
  std::vector<std::string> providers;  ///< it is for these alone; none: for all
  std::vector<Requirement> requirements;

  /// Whether it is for such a database at all. MariaDB and MySQL are one here.
  [[nodiscard]] bool is_for(sql::Dialect dialect) const;
};

/// invalid_input, naming file and line, for a key or a value that is none.
[[nodiscard]] Result<ScriptOptions> script_options(const Script& script);

/// Why this server is not what the migration requires; empty: it is, or it is another product's.
[[nodiscard]] std::string unmet(const Requirement& requirement, const sql::ServerInfo& server);

/// The error with the file, and the line where it is known, before its words.
[[nodiscard]] Error in_file(const std::string& file, Error error, std::int64_t line = 0);

}  // namespace dunlin::schema
