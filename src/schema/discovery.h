// Discovery: the migrations that lie in a directory, in the order in which they apply.
//
// Forms (schema.md S-1), also side by side:
//   VERSION_Name.up.sql with an optional VERSION_Name.down.sql   (as golang-migrate)
//   VERSION_Name.sql, parted by lines `-- dunlin:up` and `-- dunlin:down`, goose's `-- +goose Up`
//     and `Down`, dbmate's `-- migrate:up` and `migrate:down`; without any all of it is up
//   V1.2__Name.sql with an optional U1.2__Name.sql   (as Flyway)
//   VERSION_Name/up.sql with an optional down.sql   (as diesel)
//   R__Name.sql: repeatable, applied behind all others and again whenever its statements change
// VERSION is a number of any length, or several with dots between, compared as numbers. An empty
// down is no way back. Reads only; any thread.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "schema/steps.h"
#include "sql/dialect.h"

namespace dunlin::schema {

/// Numbers with dots between as text, without leading zeros and without zeros at the end; ordered
/// by value, never limited by a machine word. A repeatable migration has its name instead, and
/// stands behind all numbers.
class Version {
 public:
  Version() = default;
  /// Of numbers in that form.
  explicit Version(std::string digits);
  /// Of a repeatable migration: "R__Name".
  [[nodiscard]] static Version of_repeatable(std::string name);

  [[nodiscard]] bool empty() const { return text_.empty(); }
  [[nodiscard]] bool is_repeatable() const { return is_repeatable_; }
  [[nodiscard]] const std::string& text() const { return text_; }
  friend bool operator==(const Version& a, const Version& b) { return a.order_ == b.order_; }
  friend bool operator<(const Version& a, const Version& b) { return a.order_ < b.order_; }

 private:
  std::string text_;
  std::string order_;  ///< compared byte by byte, since lists of many thousands are
  bool is_repeatable_ = false;
};
/// The version at the beginning of a migration's id or file name; empty when there is none.
[[nodiscard]] Version version_of(std::string_view name);

/// What the history says of a migration that is applied.
struct Applied {
  std::string id;
  std::string checksum;
};

struct Migration {
  Version version;
  std::string id;  ///< the file's or directory's name without its ending
  Script up;
  Script down;  ///< `file` empty: there is none
  /// False: it is applied, and so its statements were not looked at: up_steps and has_way_back are
  /// only known after read_statements().
  bool is_read = true;
  Steps up_steps;
  std::string checksum;  ///< of the up part, as checksum.h says
  std::size_t rank = 0;  ///< from 1, in the order in which they apply
  std::vector<Version> depends_on;
  std::vector<std::string> tags;
  std::vector<Requirement> requirements;

  /// How to take it back; nullptr: it says that there is no way, or says nothing.
  [[nodiscard]] const Script* way_back() const { return has_way_back ? &down : nullptr; }
  bool has_way_back = false;
};

using Migrations = std::map<Version, Migration>;

/// The files of some directories, read: what takes time and needs no database.
class MigrationFiles {
 public:
  MigrationFiles(MigrationFiles&&) noexcept;
  MigrationFiles& operator=(MigrationFiles&&) noexcept;
  ~MigrationFiles();

  /// Those for other databases (`-- dunlin:provider`) are passed over. Blocks; any thread.
  [[nodiscard]] static MigrationFiles read(std::span<const std::string> directories,
                                           sql::Dialect dialect);
  /// Every file is split, up and down. All problems in one invalid_input: a version used twice, a
  /// .down.sql without its .up.sql, a file that cannot be read, a statement that cannot be run, a
  /// dependency that is missing or goes in a circle. A directory that cannot be listed is an error,
  /// never "no migrations". `applied`: what has not changed since is not split, which is several
  /// times as fast (Migration::is_read). Once.
  [[nodiscard]] Result<Migrations> understand(TransactionMode mode,
                                              const std::map<Version, Applied>& applied = {});

 private:
  struct Content;
  explicit MigrationFiles(std::unique_ptr<Content> content);
  std::unique_ptr<Content> content_;
};

/// What understand() has left out of it. invalid_input as there.
[[nodiscard]] Status read_statements(Migration& migration, sql::Dialect dialect,
                                     TransactionMode mode);

}  // namespace dunlin::schema
