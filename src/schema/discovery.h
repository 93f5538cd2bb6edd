// Discovery: the migrations that lie in a directory, in the order in which they apply.
//
// Forms (schema.md S-1), also side by side:
//   VERSION_Name.up.sql with an optional VERSION_Name.down.sql   (as golang-migrate)
//   VERSION_Name.sql, parted by lines `-- dunlin:up` and `-- dunlin:down`, goose's `-- +goose Up`
//     and `Down`, dbmate's `-- migrate:up` and `migrate:down`; without any all of it is up
//   V1.2__Name.sql with an optional U1.2__Name.sql   (as Flyway)
//   VERSION_Name/up.sql with an optional down.sql   (as diesel)
// VERSION is a number of any length, or several with dots between, compared as numbers. An empty
// down is no way back. Reads only; any thread.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "schema/steps.h"
#include "sql/dialect.h"

namespace dunlin::schema {

/// Numbers with dots between as text, without leading zeros and without zeros at the end; ordered
/// by value, never limited by a machine word.
struct Version {
  std::string digits;
  friend bool operator==(const Version&, const Version&) = default;
  friend bool operator<(const Version& a, const Version& b);
};
/// The version at the beginning of a migration's id or file name; empty digits when there is none.
[[nodiscard]] Version version_of(std::string_view name);

struct Migration {
  Version version;
  std::string id;  ///< the file's or directory's name without its ending
  Script up;
  Script down;  ///< `file` empty: there is none
  Steps up_steps;
  std::string checksum;  ///< of the up part, as checksum.h says

  /// How to take it back; nullptr: it says that there is no way, or says nothing.
  [[nodiscard]] const Script* way_back() const { return has_way_back ? &down : nullptr; }
  bool has_way_back = false;
};

using Migrations = std::map<Version, Migration>;

/// Every file is read and split as `dialect` has it, up and down. All problems in one
/// invalid_input: a version used twice, a .down.sql without its .up.sql, a file that cannot be
/// read, a statement that cannot be run. A directory that cannot be listed is an error, never "no
/// migrations".
[[nodiscard]] Result<Migrations> discover(const std::string& directory, sql::Dialect dialect,
                                          TransactionMode mode);

}  // namespace dunlin::schema
