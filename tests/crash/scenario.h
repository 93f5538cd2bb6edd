// What a kind of migration brings to the crash loop.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace dunlin::crash {

class Scenario {
 public:
  virtual ~Scenario() = default;
  [[nodiscard]] virtual std::string name() const = 0;
  /// Once, into an empty folder.
  virtual void make_source(const std::string& folder) = 0;
  /// Before each run: the destination as it was before the migration.
  virtual void reset_destination() = 0;
  /// Arguments of a run that comes to its end before the one that is killed, by another state
  /// directory; none: the destination is as it has to be.
  [[nodiscard]] virtual std::vector<std::string> preparation() const { return {}; }
  /// The program beside dunlin that knows the kind.
  [[nodiscard]] virtual std::string program() const { return "dunlin"; }
  /// Its arguments.
  [[nodiscard]] virtual std::vector<std::string> command() const = 0;
  /// The same for an owner that is to be stopped: one that does not wait long for a lock.
  [[nodiscard]] virtual std::vector<std::string> impatient_command() const { return command(); }
  /// Everything a person could see at the destination, line by line; nothing that may differ
  /// between two good runs.
  [[nodiscard]] virtual std::string state() = 0;
  /// Temporaries, open uploads and the like: there must be none at the end.
  [[nodiscard]] virtual std::vector<std::string> leftovers() = 0;
  /// Points at which something becomes visible: where a stopped owner is most dangerous. Outside of
  /// SQLite transactions: inside one it holds the file's lock, and nobody can take anything over.
  [[nodiscard]] virtual std::vector<std::string> publishing_points() const = 0;
};

/// "files", "files-rename", "files-move", "files-hardlink", "files-keep-both", "records",
/// "records-single", "schema", "objects", "scripted", "scripted-batch", "scripted-execution". There
/// are also "files-adversarial", which needs root and is run by itself, and
/// "files-rename-existing", "files-several" and "files-several-move" (several sources), which are
/// near to "files-keep-both", "files" and "files-move", and "schema-postgresql" and
/// "schema-mariadb", which need the servers' programs. "schema-down", "schema-postgresql-down" and
/// "schema-mariadb-down" take back what was applied before; "schema-postgresql-all-in-one" and
/// "schema-postgresql-tenants" are further ways up.
[[nodiscard]] std::vector<std::string> scenario_names();
[[nodiscard]] std::unique_ptr<Scenario> make_scenario(const std::string& name);

enum class FilesVerb : unsigned char {
  copy,
  move_within,
  move_across,
  hardlink,
  keep_both,
  rename_existing,
  several,
  several_move,  ///< to another file system
};
std::unique_ptr<Scenario> make_files_scenario(FilesVerb verb);
std::unique_ptr<Scenario> make_adversarial_scenario();
std::unique_ptr<Scenario> make_large_scenario();
std::unique_ptr<Scenario> make_records_scenario(bool single);
std::unique_ptr<Scenario> make_schema_scenario(bool down);
enum class SchemaWay : unsigned char {
  up,
  down,        ///< takes everything back but the first migration, after all were applied
  all_in_one,  ///< up, in one transaction; PostgreSQL
  tenants,     ///< up, in three schemas by one run; PostgreSQL
};
/// "postgresql" or "mariadb": starts a server of its own.
std::unique_ptr<Scenario> make_server_scenario(const std::string& server, SchemaWay way);
std::unique_ptr<Scenario> make_objects_scenario();
std::unique_ptr<Scenario> make_scripted_scenario(const std::string& scope);

}  // namespace dunlin::crash
