// The tables of ledger.db: created, recognised, refused when another version wrote them.
//
// The DDL itself, with the reason of every table and index, is ledger_schema.cpp. One thread, like
// its Database.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "sql/sqlite.h"

namespace dunlin::store {

/// "dunl" and "duns": `PRAGMA application_id` of a ledger and of a state store (file(1) shows it).
inline constexpr std::int64_t kLedgerApplicationId = 0x64756e6c;
inline constexpr std::int64_t kStateApplicationId = 0x64756e73;
/// What this program writes, and the oldest program that may read or write it (conventions.md,
/// "Versions").
struct FormatVersion {
  std::int64_t version = 1;
  std::int64_t min_reader = 1;
  std::int64_t min_writer = 1;
};
// 2: first_item; 3: count_as; 4: answer, place, roots of files; 5: seals of audit entries;
// 6: rollback of a part, what is kept for a rollback; 7: what an incremental one builds on, what is
// dropped at its end
inline constexpr FormatVersion kLedgerFormat{7, 7, 7};
// 2: seals of audit anchors; 3: keeps_until_ms, operators, tokens, who has written a control row
inline constexpr FormatVersion kStateFormat{3, 3, 3};

/// All tables, indices and views of an empty ledger. Inside the caller's transaction.
[[nodiscard]] Status create_ledger_schema(sql::Database& database);

/// Writes version, minimum versions and application id. Inside the caller's transaction.
[[nodiscard]] Status write_format(sql::Database& database, std::int64_t application_id,
                                  const FormatVersion& format);
/// state_corrupt when the file is none of ours; state_version, naming both versions, when `ours`
/// may not read it (or, unless `read_only`, not write it). `what` names the file.
[[nodiscard]] Status check_format(sql::Database& database, std::int64_t application_id,
                                  const FormatVersion& ours, bool read_only, std::string_view what);

}  // namespace dunlin::store
