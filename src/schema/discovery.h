// Discovery: the migrations that lie in a directory, in the order in which they apply.
//
// Forms: VERSION_Name.up.sql with an optional VERSION_Name.down.sql, or one VERSION_Name.sql, in
// which the lines
// `-- dunlin:up` and `-- dunlin:down` part the two (without them all of it is up). VERSION is a
// number of any length, compared as a number. Reads only; any thread.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace dunlin::schema {

/// A number as text without leading zeros; ordered by value, never limited by a machine word.
struct Version {
  std::string digits;
  friend bool operator==(const Version&, const Version&) = default;
  friend bool operator<(const Version& a, const Version& b) {
    return a.digits.size() != b.digits.size() ? a.digits.size() < b.digits.size()
                                              : a.digits < b.digits;
  }
};
/// The version at the beginning of a migration's id or file name; empty digits when there is none.
[[nodiscard]] Version version_of(std::string_view name);

struct Script {
  std::string file;  ///< path, for messages
  std::string sql;
  int first_line = 1;  ///< of `sql` within the file
};

struct Migration {
  Version version;
  std::string id;  ///< VERSION_Name
  Script up;
  Script down;           ///< `file` empty: there is none
  std::string checksum;  ///< "sha256:<hex>" over the bytes of the up part
};

using Migrations = std::map<Version, Migration>;

/// All problems in one invalid_input: a version used twice, a .down.sql without its .up.sql, a file
/// that cannot be read. A directory that cannot be listed is an error, never "no migrations".
[[nodiscard]] Result<Migrations> discover(const std::string& directory);

}  // namespace dunlin::schema
