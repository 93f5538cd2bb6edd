// LedgerReader: every question to a ledger, on one connection (the readers' own, or the only one of
// a ledger in memory). SqliteLedger guards it with a mutex. Questions of several statements see one
// snapshot.
//
// ledger_reader.cpp: execution, batches, tasks, directories; ledger_reader_items.cpp: items,
// errors, records; ledger_check.cpp: check(); audit_check.cpp: prove_audit(). One thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sql/sqlite.h"
#include "store/audit_key.h"
#include "store/audit_proof.h"
#include "store/ledger.h"

namespace dunlin::store {

/// What a record is held against, beside itself.
struct AuditEvidence {
  std::span<const AuditKey> keys;
  AuditAnchor anchor;
};

class LedgerReader {
 public:
  explicit LedgerReader(sql::Database& database) : database_(database) {}

  [[nodiscard]] Result<std::int64_t> sequence();
  [[nodiscard]] Result<ExecutionRow> execution();
  [[nodiscard]] Result<ReadyBatches> ready(const ReadyQuery& query);
  [[nodiscard]] Result<std::vector<BatchRow>> open_batches();
  [[nodiscard]] Result<bool> begun();
  [[nodiscard]] Result<BatchRow> batch(BatchId id);
  [[nodiscard]] Result<std::vector<ItemRow>> items_of(BatchId id, bool unfinished_only);
  [[nodiscard]] Result<std::vector<DirectoryRow>> open_directories(std::size_t limit);
  [[nodiscard]] Result<std::vector<DirectoryRow>> directories_before(DirectoryId before,
                                                                     std::size_t limit);
  [[nodiscard]] Result<DirectoryRow> directory(DirectoryId id);
  [[nodiscard]] Result<bool> has_item(DirectoryId directory, std::string_view name);
  [[nodiscard]] Result<std::optional<DirectoryId>> find_directory(DirectoryId parent,
                                                                  std::string_view name);
  [[nodiscard]] Result<std::optional<ItemId>> first_item(std::string_view key);
  [[nodiscard]] Result<Ledger::LastIds> last_ids();
  [[nodiscard]] Result<std::vector<TaskRow>> tasks(std::size_t limit);
  [[nodiscard]] Result<std::vector<ItemRow>> items(const ItemFilter& filter);
  [[nodiscard]] Result<std::vector<ErrorRow>> errors(const ItemFilter& filter, bool final_only);
  [[nodiscard]] Result<std::vector<std::pair<std::string, std::int64_t>>> error_counts();
  [[nodiscard]] Result<std::vector<Remark>> remarks();
  [[nodiscard]] Result<std::vector<ItemId>> answered_items();
  [[nodiscard]] Result<std::vector<CheckpointRow>> checkpoints();
  [[nodiscard]] Result<std::vector<AuditRow>> audit(std::int64_t after_sequence, std::size_t limit);
  [[nodiscard]] Result<std::vector<MilestoneRow>> milestones();
  [[nodiscard]] Status check();
  /// The audit record of this execution; see audit_proof.h. An error: it could not be looked at.
  [[nodiscard]] Result<AuditProof> prove_audit(const ExecutionId& execution,
                                               const AuditEvidence& evidence);
  /// Whether the last audit entry has a seal.
  [[nodiscard]] Result<bool> audit_is_sealed();

 private:
  [[nodiscard]] Result<std::int64_t> barrier_floor(bool enumeration_complete);
  [[nodiscard]] Status ready_work(const ReadyQuery& query, bool enumeration_complete,
                                  ReadyBatches& result);
  [[nodiscard]] Status ready_verify(const ReadyQuery& query, ReadyBatches& result);
  [[nodiscard]] Status ready_undo(const ReadyQuery& query, ReadyBatches& result);
  /// Rows of kBatchColumns until `limit`, those of `exclude` left out.
  [[nodiscard]] Status take_batches(sql::Statement& row, const ReadyQuery& query,
                                    ReadyBatches& result);
  /// Rows of kItemColumns: path and words filled in, batch found.
  [[nodiscard]] Status take_items(sql::Statement& row, std::vector<ItemRow>& items);
  [[nodiscard]] Status fill_batch(ItemRow& item);
  [[nodiscard]] Status add_intents(std::int64_t batch, std::int64_t first_item,
                                   std::vector<ItemRow>& items);
  [[nodiscard]] Result<std::string> word_or_text(const sql::Statement& row, int column);
  [[nodiscard]] Result<std::string> word_text(std::int64_t word_id);
  /// Relative to the root. Directories never change, so paths are kept (at most 8,192).
  [[nodiscard]] Result<std::string> path_of(std::int64_t directory);
  [[nodiscard]] Result<DirectoryRow> directory_row(const sql::Statement& row);
  /// The temporary index of names in open directories, up to the newest item and directory.
  [[nodiscard]] Status refresh_names();
  [[nodiscard]] Result<bool> is_open(DirectoryId directory);

  [[nodiscard]] Status check_audit(const struct LedgerState& state);
  /// Fills segments_ as well.
  [[nodiscard]] Status walk_audit(const struct LedgerState& state, const ExecutionId& execution,
                                  const AuditEvidence& evidence, AuditProof& proof);
  [[nodiscard]] Status check_structure(const struct LedgerState& state);
  [[nodiscard]] Status check_counters(const struct LedgerState& state);
  [[nodiscard]] Status check_segments();

  sql::Database& database_;
  std::unordered_map<std::int64_t, std::string> paths_;
  std::vector<std::string> words_;  ///< by number - 1; words never change
  std::int64_t named_item_ = -1;    ///< highest item in the temporary index; -1: there is none yet
  std::int64_t named_directory_ = 0;
  struct BatchRange {
    std::int64_t id = 0;
    std::int64_t first = 0;
    std::int64_t end = 0;
  };
  BatchRange last_batch_;  ///< of the item read last: neighbours share it
  /// Segment hashes that the audit chain names last, by batch; filled by check_audit for
  /// check_segments.
  std::unordered_map<std::int64_t, std::string> segments_;
};

}  // namespace dunlin::store
