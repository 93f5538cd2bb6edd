// See creation.h.
#include "engine/creation.h"

#include <fcntl.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "base/file_io.h"

namespace dunlin::engine {
namespace {

constexpr std::int64_t kTurnWaitMs = 10'000;  // for the turn to make an execution
constexpr std::int64_t kTurnPollMs = 5;

}  // namespace

Result<UniqueFd> creation_turn(const store::StateDirectory& state) {
  const std::string path = state.path() + "/create.lock";
  DUNLIN_ASSIGN(UniqueFd fd, open_file(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  struct flock lock{};
  lock.l_type = F_WRLCK;
  // Making an execution takes milliseconds; a process that stands still in it must not hold up all
  // others without a word.
  for (std::int64_t waited = 0; ::fcntl(fd.get(), F_OFD_SETLK, &lock) != 0; waited += kTurnPollMs) {
    if (errno != EAGAIN && errno != EACCES && errno != EINTR)
      return error_from_errno(errno, "lock '" + path + "'", true);
    if (waited >= kTurnWaitMs) {
      Error error(ErrorType::lock_held, "another process has been starting an execution for " +
                                            std::to_string(kTurnWaitMs / 1000) + " s and holds '" +
                                            path + "'");
      error.remediation =
          "`pgrep -a dunlin` lists them; let the one that stands still go on or end it";
      return error;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(kTurnPollMs));
  }
  return fd;
}

Result<bool> has_lost_ledger(store::StateDirectory& state, const ExecutionId& id) {
  DUNLIN_ASSIGN(const store::AuditAnchor anchor, state.store().audit_anchor(id));
  return anchor.sequence > 0;
}

Result<bool> drop_unborn(store::StateDirectory& state, const ExecutionId& id) {
  DUNLIN_ASSIGN(const bool born, state.has_ledger(id));
  if (born) return false;
  DUNLIN_ASSIGN(const bool lost, has_lost_ledger(state, id));
  if (lost) return true;
  const Status dropped = state.store().delete_execution(id);
  if (!dropped && dropped.error().type != ErrorType::not_found) return dropped.error();
  return true;
}

Error lost_ledger(const store::StateDirectory& state, const store::ExecutionSummary& summary) {
  Error error(ErrorType::state_corrupt,
              "the ledger of execution " + std::to_string(summary.number) +
                  " is gone: somebody has removed '" + state.execution_path(summary.id) + "'");
  error.remediation =
      "bring it back from a backup; `dunlin audit verify --all` says what else is wrong";
  return error;
}

}  // namespace dunlin::engine
