// What a migration whose file was changed was when it was applied, beside what the file says now.
// Reads the log of the target, and only of the migrations that it is asked for. One thread at a
// time, as the Target.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "schema/comparison.h"
#include "schema/target.h"
#include "schema/text_difference.h"
#include "sql/database_address.h"

namespace dunlin::schema {

/// What a command line names to get at them.
struct Places {
  std::vector<std::string> directories;
  std::vector<sql::DatabaseAddress> databases;
};

/// One direction of a migration as the log keeps it. not_found, state_version and state_corrupt say
/// what to do.
[[nodiscard]] Result<std::string> recorded_sql(Target& target, const std::string& id,
                                               Direction direction, const sql::Call& call);

/// "dunlin migrate show 7 --db URL", or with all of its difference to the file.
[[nodiscard]] std::string show_command(const Version& version, const Places& places,
                                       bool difference);
/// "dunlin migrate repair 7 --db URL --dir DIR".
[[nodiscard]] std::string repair_command(const Version& version, const Places& places);

/// From what the log has to what the file has, under the names of both, for a terminal; what is
/// left out, or cannot be compared, is said with the command that shows it. `places`: for that one.
[[nodiscard]] std::string shown_difference(const Migration& migration, Direction direction,
                                           std::string_view recorded,
                                           const DifferenceLimits& limits, const Places& places);

/// Those of them that are shown at once, each as above; what cannot be read of the log is said in
/// its place.
[[nodiscard]] std::vector<std::string> shown_differences(Target& target,
                                                         const std::vector<Changed>& changed,
                                                         const Places& places,
                                                         const sql::Call& call);

}  // namespace dunlin::schema
