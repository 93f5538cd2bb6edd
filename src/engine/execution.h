// Execution: one execution in the process that owns it: coordinator, ledger writer, pools, control,
// progress.
//
// run() drives it to its end, a pause or a failure. Everything durable goes through the ledger
// writer; the coordinator (coordinator.h) decides; this class only carries its commands out. Made
// by Engine::attach().
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "engine/events.h"
#include "engine/kind.h"
#include "engine/progress.h"
#include "engine/selector.h"
#include "store/state_directory.h"

namespace dunlin::engine {

/// What an attempt is for.
enum class Goal : std::uint8_t {
  migrate,    ///< enumerate, execute, verify
  verify,     ///< compare again what was migrated (`dunlin verify`)
  roll_back,  ///< undo, last batch first
};

/// The milestone of an execution whose failure is taken back.
inline constexpr std::string_view kFailureTakenBack = "failure_taken_back";

/// How an attempt ended.
struct Outcome {
  store::ExecutionStatus status = store::ExecutionStatus::failed;
  int exit_code = 70;             ///< as in cli.md
  std::optional<Error> reason;    ///< why it paused or failed
  std::vector<Problem> problems;  ///< found by pre-flight
  /// Of a rollback of a part, when that is what it was: how many of all that was done it has taken
  /// back, and how many not, for others have changed them.
  struct PartTaken {
    std::int64_t back = 0;
    std::int64_t left_alone = 0;
  };
  std::optional<PartTaken> part;
};

class Execution {
 public:
  struct Parts {
    const Kind& kind;
    Plan plan;
    std::unique_ptr<store::Ledger> ledger;
    store::OwnerLock lock;
    store::StateDirectory& state;
    const Clock& clock;
    store::ExecutionRow row;  ///< after take_over: carries the new epoch
    Goal goal = Goal::migrate;
    /// Nothing is kept for a rollback any more: also what this attempt adds is removed again.
    bool undo_given_up = false;
    /// Of row.rollback_part, when that is what is to be taken back.
    std::optional<UndoSelector> undo_selector{};
  };
  explicit Execution(Parts parts);
  ~Execution();

  /// Runs to the end of this attempt. Once.
  [[nodiscard]] Outcome run();

  /// pause, cancel, stop …, as Engine::control does it from another process; answers when the
  /// request is recorded (or at once for stop, after which the process ends within 1 s). Any
  /// thread; not from a signal handler.
  [[nodiscard]] Json request(const std::string& verb, const Json& arguments,
                             const std::string& actor);

  /// `dunlin retry`: the failed items that `selector` means ({batch, item, type, path}, all must
  /// match; empty: every one) begin this attempt as pending again. Before run(). Returns how many;
  /// not_found when none matches.
  [[nodiscard]] Result<std::int64_t> reopen_at_start(const Json& selector, store::ItemStatus to,
                                                     const std::string& actor);

  /// What a person no longer takes for done.
  struct Doubted {
    BatchId from;  ///< what ended before it stays as it is
    std::int64_t batches = 0;
    std::int64_t items = 0;
  };
  /// `dunlin resume --from-batch`: {"batch_number": N}, or {"checkpoint_id": N}. What was done from
  /// that batch on, or after that checkpoint was written, is looked at again by run(): what holds
  /// stays, all else is done again. Before run(), with Goal::migrate. Durable on return, may be
  /// repeated. not_found where there is no such batch or checkpoint, state_corrupt where the
  /// checkpoint is damaged, invalid_state where nothing of it can be doubted.
  [[nodiscard]] Result<Doubted> resume_from(const Json& point, const std::string& actor);

  /// `dunlin rollback`: only the part that undo_selector_from() reads is taken back, and the
  /// execution is then what it was before; empty: all of it. Without this call a rollback that was
  /// paused goes on with what it was of. Before run(). invalid_state where the whole is being taken
  /// back, or was.
  [[nodiscard]] Status roll_back_part(const Json& part);
  /// With Goal::roll_back, before run(): records that the rollback is of a failure
  /// (`on_failure: rollback`). Durable on return, may be repeated.
  [[nodiscard]] Status take_back_failure(const std::string& actor);

  /// The attempt settles what is open, cleans up and ends as cancelled. Before run().
  void cancel_at_start(const std::string& actor);
  /// Marks failed items as skipped without running anything; returns how many. Instead of run().
  [[nodiscard]] Result<std::int64_t> skip_now(const Json& selector, const std::string& actor);
  /// Limits, priority, parts that are held back, of an execution that does not run, for its next
  /// start; returns what a person is told. Instead of run().
  [[nodiscard]] Result<std::string> change_now(const std::string& verb, const Json& arguments,
                                               const std::string& actor);

  struct GivingUp {
    std::string decided;  ///< milestone: durable before anything of it goes
    std::string done;     ///< milestone: nothing is left of it
  };
  /// Run::release() of an execution that has ended. Instead of run(). root_changed where the
  /// destination is not the one that it was, interrupted when `budget` (0: none) was too short.
  [[nodiscard]] Status give_up_undo(const GivingUp& milestones, const std::string& actor,
                                    std::chrono::milliseconds budget);

  /// Live numbers. Any thread.
  [[nodiscard]] Progress progress();
  [[nodiscard]] std::shared_ptr<Subscription> subscribe(std::size_t capacity = 1024);
  [[nodiscard]] const ExecutionId& id() const;
  [[nodiscard]] const Plan& plan() const;
  [[nodiscard]] const Kind& kind() const;
  [[nodiscard]] store::Ledger& ledger();

 private:
  class Host;
  std::unique_ptr<Host> host_;
};

}  // namespace dunlin::engine
