// SqliteLedger: the ledger of one execution in one SQLite file (WAL, synchronous=EXTRA), or in
// memory.
//
// Writes go through one connection (LedgerWriter), reads through a second one (LedgerReader), which
// sees a snapshot and never waits for the writer. In memory there is one connection for both, and
// nothing survives the object: for the simulator, which makes thousands.
//
// Threads: as Ledger says; a mutex for each connection.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "store/audit_key.h"
#include "store/audit_proof.h"
#include "store/ledger.h"

namespace dunlin::store {

class SqliteLedger final : public Ledger {
 public:
  /// Makes the file, which must not exist (invalid_state), with `row` in it. Flushed, but not its
  /// directory.
  [[nodiscard]] static Status make(const std::string& path, const ExecutionRow& row);
  /// The same, and opens it.
  [[nodiscard]] static Result<std::unique_ptr<SqliteLedger>> create(const std::string& path,
                                                                    const ExecutionRow& row,
                                                                    const Clock& clock);
  /// not_found; state_corrupt (no ledger); state_version (another version's). `read_only`: apply()
  /// is refused, and a newer version's file is accepted when it allows that.
  [[nodiscard]] static Result<std::unique_ptr<SqliteLedger>> open(const std::string& path,
                                                                  bool read_only,
                                                                  const Clock& clock);
  [[nodiscard]] static Result<std::unique_ptr<SqliteLedger>> create_in_memory(
      const ExecutionRow& row, const Clock& clock);
  ~SqliteLedger() override;

  /// Moves the log into the file, so that ledger.db alone is the whole ledger (export, end of an
  /// execution).
  [[nodiscard]] Status checkpoint_wal();
  /// Audit entries are sealed with this key from now on. Not when it is open for reading only.
  void seal_with(AuditKey key);
  /// Holds the audit record against its chain, these keys and this anchor (audit_proof.h), which
  /// was read before the ledger was opened. An error: it could not be looked at.
  [[nodiscard]] Result<AuditProof> prove_audit(std::span<const AuditKey> keys,
                                               const AuditAnchor& anchor) const;
  /// Whether the last audit entry has a seal.
  [[nodiscard]] Result<bool> audit_is_sealed() const;

  /// Test hook: the file refuses (SQLITE_FULL) to grow by more than `pages` pages; 0 lifts the
  /// limit.
  [[nodiscard]] Status limit_growth(std::int64_t pages);

  [[nodiscard]] Result<std::vector<Status>> apply(std::int64_t epoch,
                                                  std::span<const Mutation> mutations) override;
  [[nodiscard]] Result<std::int64_t> take_over(std::string_view owner_json) override;
  [[nodiscard]] Result<std::int64_t> sequence() const override;
  [[nodiscard]] Result<ExecutionRow> execution() const override;
  [[nodiscard]] Result<ReadyBatches> ready(const ReadyQuery& query) const override;
  [[nodiscard]] Result<std::vector<BatchRow>> open_batches() const override;
  [[nodiscard]] Result<bool> begun() const override;
  [[nodiscard]] Result<BatchRow> batch(BatchId id) const override;
  [[nodiscard]] Result<std::vector<ItemRow>> items_of(BatchId id,
                                                      bool unfinished_only) const override;
  [[nodiscard]] Result<std::vector<DirectoryRow>> directories_before(
      DirectoryId before, std::size_t limit) const override;
  [[nodiscard]] Result<std::vector<DirectoryRow>> open_directories(
      std::size_t limit) const override;
  [[nodiscard]] Result<DirectoryRow> directory(DirectoryId id) const override;
  [[nodiscard]] Result<bool> has_item(DirectoryId directory, std::string_view name) const override;
  [[nodiscard]] Result<std::optional<DirectoryId>> find_directory(
      DirectoryId parent, std::string_view name) const override;
  [[nodiscard]] Result<std::optional<ItemId>> first_item(std::string_view key) const override;
  [[nodiscard]] Result<LastIds> last_ids() const override;
  [[nodiscard]] Result<std::vector<TaskRow>> tasks(std::size_t limit) const override;
  [[nodiscard]] Result<std::vector<ItemRow>> items(const ItemFilter& filter) const override;
  [[nodiscard]] Result<std::vector<ErrorRow>> errors(const ItemFilter& filter,
                                                     bool final_only) const override;
  [[nodiscard]] Result<std::vector<std::pair<std::string, std::int64_t>>> error_counts()
      const override;
  [[nodiscard]] Result<std::vector<Remark>> remarks() const override;
  [[nodiscard]] Result<std::vector<ItemId>> answered_items() const override;
  [[nodiscard]] Result<std::vector<CheckpointRow>> checkpoints() const override;
  [[nodiscard]] Result<std::vector<AuditRow>> audit(std::int64_t after_sequence,
                                                    std::size_t limit) const override;
  [[nodiscard]] Result<std::vector<MilestoneRow>> milestones() const override;
  [[nodiscard]] Status check() const override;

 private:
  struct Connections;
  explicit SqliteLedger(std::unique_ptr<Connections> connections);
  std::unique_ptr<Connections> connections_;
};

}  // namespace dunlin::store
