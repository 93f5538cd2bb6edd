// StateDirectory: where state lives on disk, who may own an execution, and the space kept in
// reserve.
//
//   <state>/state.db                     plans, summaries, control rows, operators
//   <state>/reserve                      16 MiB, given up on ENOSPC so that a cancel can still be
//   recorded <state>/executions/<id>/ledger.db    everything of one execution
//   <state>/executions/<id>/owner        held under an OFD write lock for the owner's whole life
//   run directory                        the owner's control socket (run_directory())
//
// Threads: StateDirectory from any thread; OwnerLock by the one who holds it.
#pragma once

#include <sys/types.h>

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/process.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "store/audit_key.h"
#include "store/audit_proof.h"
#include "store/ledger.h"
#include "store/state_store.h"

namespace dunlin::store {

/// `--state`, else $DUNLIN_STATE, else $XDG_STATE_HOME/dunlin, else ~/.local/state/dunlin, else
/// /var/lib/dunlin.
[[nodiscard]] std::string default_state_path(std::string_view option);

/// The name of a file system on which WAL and locks cannot be relied on, by statfs(2)'s f_type;
/// empty for the others.
[[nodiscard]] std::string_view unsuitable_file_system(std::int64_t f_type);

/// Ownership of one execution, by lock and not by time. Dropping it releases the lock. A child made
/// by fork() without exec holds it, too, until it ends.
class OwnerLock {
 public:
  OwnerLock(OwnerLock&&) noexcept = default;
  OwnerLock& operator=(OwnerLock&&) noexcept = default;

  /// False once another process has taken over by force: stop writing at once. Asked before each
  /// name that is made. One system call, then one look at a page shared with the taker, so that a
  /// process stopped and continued goes on with an old answer only if it stood between that look
  /// and its next system call: some ten instructions.
  [[nodiscard]] bool still_held() const;

 private:
  friend class StateDirectory;
  struct Unmap {
    void operator()(const char* page) const;
  };
  explicit OwnerLock(UniqueFd fd);
  UniqueFd fd_;
  std::unique_ptr<const char, Unmap> mark_;  ///< the file's first byte; null if it cannot be mapped
};

class StateDirectory {
 public:
  /// Creates it (0700) when missing, makes the reserve, opens state.db. Refuses (state_unusable)
  /// nfs, cifs, lustre, gpfs, fuse and 9p, where WAL does not work, naming --state.
  [[nodiscard]] static Result<std::unique_ptr<StateDirectory>> open(const std::string& path,
                                                                    const Clock& clock);
  ~StateDirectory();

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] StateStore& store() { return *store_; }
  /// The user whose directory it is: for files of a local store the one boundary, so whoever it is
  /// may always administrate (as root may).
  [[nodiscard]] Result<uid_t> owner() const;
  [[nodiscard]] std::string execution_path(const ExecutionId& id) const;
  /// $XDG_RUNTIME_DIR/dunlin/<hash of the state path>/, else <state>/run; created 0700.
  [[nodiscard]] Result<std::string> run_directory() const;

  /// Makes the folder and an empty ledger holding `row`, for open_ledger(). Durable on return.
  [[nodiscard]] Status create_ledger(const ExecutionRow& row);
  [[nodiscard]] Result<std::unique_ptr<Ledger>> open_ledger(const ExecutionId& id,
                                                            bool read_only = false);
  /// Whether open_ledger() would find one.
  [[nodiscard]] Result<bool> has_ledger(const ExecutionId& id) const;
  /// Ids of all folders under executions/ that hold a ledger, whether or not state.db knows them.
  [[nodiscard]] Result<std::vector<ExecutionId>> ledgers_on_disk() const;
  [[nodiscard]] Status delete_execution(const ExecutionId& id);

  /// lock_held, naming the owner's pid, when a live (also a stopped) process has it. `force`
  /// replaces the lock file under a holder that cannot be reached; the epoch then fences its
  /// writes.
  [[nodiscard]] Result<OwnerLock> acquire(const ExecutionId& id, bool force = false);
  /// Where the key is that seals audit entries (audit_key.h): it is read, or made, when the first
  /// ledger is opened for writing. From then on a key file that is no good is the error of that
  /// opening, and so is a key that cannot be made for a record that is sealed already; without one
  /// at the default place a record that is new is not sealed, with a warning. Before the first
  /// ledger is opened; without a call nothing is sealed.
  void use_audit_key(AuditKeyPlace place);
  /// Tells state.db of the newest audit entry of this ledger, which is on disk. state_corrupt, and
  /// nothing is changed, when what it knew before does not stand in the ledger any more: somebody
  /// has changed or cut the record. By the owner only; repeatable.
  [[nodiscard]] Status anchor_audit(const ExecutionId& id, const Ledger& ledger);
  /// Holds an execution's audit record against `keys` and what state.db knows; also of one that is
  /// live. A ledger that is gone though state.db knows its record is a difference. not_found:
  /// nobody knows of it.
  [[nodiscard]] Result<AuditProof> prove_audit(const ExecutionId& id,
                                               std::span<const AuditKey> keys);

  /// True while a process holds the lock.
  [[nodiscard]] Result<bool> owned(const ExecutionId& id) const;
  /// Who holds it, or held it last, by the lock's own file: known also while that process holds the
  /// ledger in the midst of a write. not_found where none has, or another has taken it over.
  [[nodiscard]] Result<ProcessIdentity> owner(const ExecutionId& id) const;

  /// Gives up the reserve; true when there was one to give. make_reserve() makes it again when 64
  /// MiB are free: it must not take the last space itself. open() does both as needed.
  bool release_reserve();
  [[nodiscard]] Status make_reserve();

  /// Rewrites every summary that differs from its ledger, or has none: state.db may be deleted at
  /// any time.
  [[nodiscard]] Status rebuild_summaries();

 private:
  StateDirectory(std::string path, const Clock& clock);
  /// The key to seal with; null: none, and audit_refusal_ says why if one was asked for.
  [[nodiscard]] Result<const AuditKey*> audit_key();
  [[nodiscard]] Status seal_with_key(class SqliteLedger& ledger);

  std::string path_;
  const Clock& clock_;
  std::unique_ptr<StateStore> store_;
  std::mutex audit_mutex_;
  std::optional<AuditKeyPlace> audit_place_;
  std::optional<AuditKey> audit_key_;
  std::optional<Error> audit_refusal_;
};

}  // namespace dunlin::store
