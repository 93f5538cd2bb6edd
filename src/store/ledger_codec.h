// How values of the model become columns, and the hashes over them: shared by the writer, the
// reader and the check.
//
// The encodings are part of the file format (docs: README.md, "Format"): a change needs a new
// schema version. Pure functions; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/hash.h"
#include "base/result.h"
#include "sql/sqlite.h"
#include "store/model.h"

namespace dunlin::store {

/// The first byte of a blob of intents: pairs of an item's offset in its batch and its intent.
inline constexpr std::uint8_t kIntentFormat = 1;

/// Every counter with its name, in the order of the columns of `state` and of a checkpoint's
/// statistics.
struct CounterField {
  std::string_view name;
  std::int64_t Counters::* member;
};
inline constexpr std::array<CounterField, 29> kCounterFields = {{
    {"total_items", &Counters::total_items},
    {"total_bytes", &Counters::total_bytes},
    {"succeeded_items", &Counters::succeeded_items},
    {"failed_items", &Counters::failed_items},
    {"skipped_items", &Counters::skipped_items},
    {"rolled_back_items", &Counters::rolled_back_items},
    {"processed_bytes", &Counters::processed_bytes},
    {"transferred_bytes", &Counters::transferred_bytes},
    {"total_batches", &Counters::total_batches},
    {"ended_batches", &Counters::ended_batches},
    {"failed_batches", &Counters::failed_batches},
    {"staged_batches", &Counters::staged_batches},
    {"verified_items", &Counters::verified_items},
    {"verified_batches", &Counters::verified_batches},
    {"differences", &Counters::differences},
    {"undone_batches", &Counters::undone_batches},
    {"retries", &Counters::retries},
    {"listed_directories", &Counters::listed_directories},
    {"total_directories", &Counters::total_directories},
    {"succeeded_directories", &Counters::succeeded_directories},
    {"failed_directories", &Counters::failed_directories},
    {"skipped_directories", &Counters::skipped_directories},
    {"rolled_back_directories", &Counters::rolled_back_directories},
    {"total_steps", &Counters::total_steps},
    {"succeeded_steps", &Counters::succeeded_steps},
    {"failed_steps", &Counters::failed_steps},
    {"skipped_steps", &Counters::skipped_steps},
    {"rolled_back_steps", &Counters::rolled_back_steps},
    {"kept_bytes", &Counters::kept_bytes},
}};
static_assert(sizeof(Counters) == kCounterFields.size() * sizeof(std::int64_t),
              "a counter without a column");

[[nodiscard]] std::string counters_json(const Counters& counters);
/// Unknown members are left out, missing ones are 0.
[[nodiscard]] Result<Counters> counters_from_json(std::string_view json);

[[nodiscard]] std::string rollback_part_json(const RollbackPart& part);
/// state_corrupt for what the other has not made.
[[nodiscard]] Result<RollbackPart> rollback_part_from_json(std::string_view json);

[[nodiscard]] std::string baseline_json(const Baseline& baseline);
/// state_corrupt for what the other has not made.
[[nodiscard]] Result<Baseline> baseline_from_json(std::string_view json);

/// "md5:<hex> xxh3:<hex>" as (code, raw digest) pairs: half the size. False when the text is
/// anything else; it is then stored as text. `out` is overwritten and keeps its capacity.
[[nodiscard]] bool pack_checksum(std::string_view text, std::string& out);
/// The text of what pack_checksum made; empty when the bytes are not that.
[[nodiscard]] std::string unpack_checksum(std::string_view bytes);

/// The members of an Error that have no column of their own, as JSON; empty when there are none.
[[nodiscard]] std::string error_extra_json(const Error& error);
void add_error_extra(Error& error, std::string_view json);

/// One link of the audit chain: SHA-256 (raw) over the previous hash and the fields, each with its
/// length.
[[nodiscard]] std::string audit_hash(Hasher& hasher, std::string_view previous_raw,
                                     const AuditRow& row);
/// SHA-256 (hex) over the columns of a checkpoint.
[[nodiscard]] std::string checkpoint_checksum(Hasher& hasher, const CheckpointRow& row);

/// Feeds one row of `outcome` into a segment's hash. The statement's columns are those of
/// kSegmentColumns; `action` is the text that stands behind column 3.
inline constexpr std::string_view kSegmentColumns =
    "item_id, status, proof, action, transferred_bytes, ended_after_ms, checksum";
void add_to_segment(std::string& buffer, const sql::Statement& row, std::string_view action);

/// Failures of the state's own files: what would mean a full or failing destination elsewhere is
/// state_write_failed here, native code kept; what cannot be read is state_corrupt as the wrapper
/// says.
[[nodiscard]] Error as_state_error(Error error);

}  // namespace dunlin::store
