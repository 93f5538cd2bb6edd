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
struct Version {
  std::string digits;
  std::string repeatable = {};  ///< "R__Name"; `digits` is empty

  [[nodiscard]] bool empty() const { return digits.empty() && repeatable.empty(); }
  [[nodiscard]] bool is_repeatable() const { return !repeatable.empty(); }
  [[nodiscard]] const std::string& text() const { return digits.empty() ? repeatable : digits; }
  friend bool operator==(const Version&, const Version&) = default;
  friend bool operator<(const Version& a, const Version& b);
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

/// Every file is read and split as `dialect` has it, up and down; those for other databases
/// (`-- dunlin:provider`) are passed over. All problems in one invalid_input: a version used twice,
/// a .down.sql without its .up.sql, a file that cannot be read, a statement that cannot be run, a
/// dependency that is missing or goes in a circle. A directory that cannot be listed is an error,
/// never "no migrations". `applied`: of those that have not changed since only the bytes are read,
/// which is several times as fast (Migration::is_read).
[[nodiscard]] Result<Migrations> discover(std::span<const std::string> directories,
                                          sql::Dialect dialect, TransactionMode mode,
                                          const std::map<Version, Applied>& applied = {});

/// What discover() has left out of it. invalid_input as there.
[[nodiscard]] Status read_statements(Migration& migration, sql::Dialect dialect,
                                     TransactionMode mode);

}  // namespace dunlin::schema
