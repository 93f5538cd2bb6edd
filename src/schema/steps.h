// What a migration's script will send, read as a whole before any of it runs: its statements, and
// which of them share a transaction.
//
// What cannot be kept is refused here, with file and line (schema.md S-8): a script that ends our
// transaction, changes our records, or needs a client of another kind.
// Pure functions; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "schema/script_options.h"
#include "sql/dialect.h"
#include "sql/script/statement_traits.h"

namespace dunlin::schema {

/// One statement. Places are those of the script's text.
struct Step {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t data_begin = 0;  ///< of COPY ... FROM STDIN
  std::size_t data_end = 0;
  bool has_data = false;
  std::int64_t line = 1;    ///< in the file
  int repeat = 1;           ///< `GO 5`
  bool moves_rows = false;  ///< reads or changes rows: it waits for their locks as long as it takes
  sql::StatementTraits traits;

  [[nodiscard]] std::string_view sql(const Script& script) const {
    return std::string_view(script.sql).substr(begin, end - begin);
  }
  [[nodiscard]] std::string_view data(const Script& script) const {
    return std::string_view(script.sql).substr(data_begin, data_end - data_begin);
  }
};

/// Steps [begin, end) that are done together or not at all. One that no transaction can hold stands
/// alone, and is announced before it runs.
struct Segment {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool in_transaction = true;
};

struct Steps {
  std::vector<Step> steps;
  std::vector<Segment> segments;  ///< cover the steps; none for an empty script
  /// What it does may outlive it in the session; the next migration gets a fresh one.
  bool touches_session = false;
  bool irreversible = false;               ///< `-- dunlin:irreversible`
  std::int64_t statement_timeout_ms = -1;  ///< `-- dunlin:timeout SECONDS`; -1: not said
  std::int64_t lock_timeout_ms = -1;       ///< `-- dunlin:lock_timeout SECONDS`; -1: not said
  bool sets_lock_timeout = false;          ///< by statements of its own, which count
  bool may_change_role = false;            ///< so that our own records need another one

  /// It leaves all of its effects or none.
  [[nodiscard]] bool is_atomic() const {
    return segments.empty() || (segments.size() == 1 && segments.front().in_transaction);
  }
};

enum class TransactionMode : std::uint8_t {
  per_migration,  ///< all of it in one, as far as its statements let it
  all_in_one,     ///< all migrations of a run in one: scripts are read as by per_migration
  none,           ///< each statement by itself, or in those that the script begins and ends
};

/// `mode` is what the plan says; a line `-- dunlin:transaction false` (or `true`) in the script
/// counts for more. invalid_input, naming file, line and statement.
[[nodiscard]] Result<Steps> read_steps(sql::Dialect dialect, const Script& script,
                                       TransactionMode mode);

/// Of the first `count` statements as they are sent, hexadecimal: whether what ran is what stands
/// there still.
[[nodiscard]] Result<std::string> prefix_hash(const Script& script, const Steps& steps,
                                              std::size_t count);

/// Of that statement alone.
[[nodiscard]] Result<std::string> statement_hash(const Script& script, const Step& step);

/// "FILE:LINE", and the beginning of the statement, for messages; `offset`: of a place in the
/// statement, bytes.
[[nodiscard]] std::string place_of(const Script& script, const Step& step, std::size_t offset = 0);
[[nodiscard]] std::string beginning_of(const Script& script, const Step& step);

}  // namespace dunlin::schema
