// Execution::Host: carries the coordinator's commands out with real threads, a real ledger and a
// real clock.
//
// Threads: one coordinator (the caller of run()), one ledger writer, one reader, one enumerator,
// parallel_batches batch threads, io_concurrency item threads, one control thread. Everything they
// tell the coordinator goes through its inbox.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <future>
#include <map>
#include <mutex>
#include <optional>

#include "engine/batch_end.h"
#include "engine/contexts.h"
#include "engine/control_socket.h"
#include "engine/coordinator.h"
#include "engine/execution.h"
#include "engine/live_limits.h"
#include "engine/roles.h"

namespace dunlin::engine {

/// conventions.md, exit codes; execution.h, "emergency stop".
inline constexpr int kExitPaused = 4;

class Execution::Host {
 public:
  explicit Host(Parts parts);
  ~Host();

  [[nodiscard]] Outcome run();
  [[nodiscard]] Json request(const std::string& verb, const Json& arguments,
                             const std::string& actor);
  [[nodiscard]] Progress progress();
  [[nodiscard]] Result<std::int64_t> reopen_at_start(const Json& selector, store::ItemStatus to,
                                                     const std::string& actor);
  [[nodiscard]] Result<Doubted> resume_from(const Json& point, const std::string& actor);
  [[nodiscard]] Status roll_back_part(const Json& part);
  [[nodiscard]] Status take_back_failure(const std::string& actor);
  void cancel_at_start(const std::string& actor) { cancel_actor_ = actor; }
  [[nodiscard]] Result<std::int64_t> skip_now(const Json& selector, const std::string& actor);
  [[nodiscard]] Result<std::string> change_now(const std::string& verb, const Json& arguments,
                                               const std::string& actor);
  [[nodiscard]] Status give_up_undo(const GivingUp& milestones, const std::string& actor,
                                    std::chrono::milliseconds budget);
  [[nodiscard]] std::shared_ptr<Subscription> subscribe(std::size_t capacity) {
    return events_.subscribe(capacity);
  }

  Parts parts;

 private:
  template <typename Make>
  void call_once(TaskThreads& threads, std::int64_t number, Make make);

  // The coordinator's thread
  void loop();
  void post(coordinator::Event event);
  [[nodiscard]] coordinator::Now now() const;
  void carry_out(coordinator::Persist command);
  void carry_out(const coordinator::Preflight& command);
  void carry_out(const coordinator::Enumerate& command);
  void carry_out(const coordinator::CheckItems& command);
  void carry_out(coordinator::LoadWindow command);
  void carry_out(coordinator::RunBatch command);
  void carry_out(const coordinator::CommitExecution& command);
  void carry_out(const coordinator::CloseRun& command);
  void remove_scratch(RunContext& context);
  [[nodiscard]] bool is_test() const;
  void carry_out(const coordinator::CancelWork& command);
  void carry_out(const coordinator::Answer& command);
  void carry_out(const coordinator::ReleaseReserve& command);
  void carry_out(const coordinator::Finish& command);

  // Other threads
  [[nodiscard]] Result<std::unique_ptr<Run>> open_run() const;
  [[nodiscard]] Status check_roots(RunContext& context, std::string& roots);
  [[nodiscard]] coordinator::PreflightDone preflight(const coordinator::Preflight& command);
  void share_devices();
  [[nodiscard]] coordinator::ItemsChecked check_items(std::int64_t call);
  [[nodiscard]] coordinator::EnumerationEnded enumerate(std::int64_t call);
  void run_batch(const coordinator::RunBatch& command);
  [[nodiscard]] Status run_pass(LedgerBatchContext& context, const coordinator::RunBatch& command);
  [[nodiscard]] Status undo(LedgerBatchContext& context);
  [[nodiscard]] Status settle_open(LedgerBatchContext& context, store::Pass pass);
  [[nodiscard]] bool provisional(const coordinator::RunBatch& command) const;
  void end_batch(const coordinator::RunBatch& command, LedgerBatchContext& context,
                 const Status& status, const LiveLimits::Parts& held);
  void batch_ended(coordinator::BatchEnded event);

  // Control
  [[nodiscard]] Json handle_request(const Json& request, uid_t peer);
  [[nodiscard]] Json live_progress();
  void record_refusal(const Caller& caller, std::string_view via, const std::string& verb);
  [[nodiscard]] std::optional<Json> request_within(const std::string& verb, const Json& arguments,
                                                   const std::string& actor,
                                                   std::chrono::milliseconds patience);
  void poll_control_rows();
  void emergency_stop();
  [[nodiscard]] Status change_limits(const Json& arguments);
  [[nodiscard]] std::string settings_now() const;
  // Parts (host_parts.cpp)
  /// One is held back, or let go; returns what a person is told.
  [[nodiscard]] Result<std::string> change_parts(const std::string& verb, const Json& arguments);
  void interrupt_held();
  /// Who says which items a selector means.
  [[nodiscard]] Status have_run();
  /// Is there anything that a rollback of this part would take back?
  [[nodiscard]] Result<bool> any_of_part(const UndoSelector& part);
  [[nodiscard]] Status roots_are_there();
  [[nodiscard]] Status reorder(coordinator::Control& control, const Json& arguments);
  [[nodiscard]] Result<std::vector<BatchId>> pending_batches(const Json& selector);
  [[nodiscard]] Status prepare(coordinator::Control& control, const Json& arguments);
  [[nodiscard]] Json sharing_json();
  /// Threads for `io_concurrency` items, as far as the descriptors of the process bear them.
  [[nodiscard]] static std::size_t workers(int io_concurrency);
  /// What the contexts of a Run stand on.
  void make_parts();
  [[nodiscard]] Result<std::vector<ItemId>> select_items(const Json& selector,
                                                         store::ItemStatus to);

  void note_counters(const store::Counters& counters, std::int64_t as_of);
  /// Nothing is kept any more, and the summary says so.
  void forget_kept();
  void publish_summary();
  /// Tells state.db of the newest audit entry, now and then or (`now`) at once.
  void anchor_audit(bool now);
  void publish(const std::string& name, Json fields);
  void start_control();
  void close_requests();
  [[nodiscard]] int exit_code(const coordinator::Finish& finish) const;

  std::unique_ptr<Run> run_;
  EventBus events_;
  RateMeter meter_;
  ItemsInFlight in_flight_;
  std::atomic<bool> reads_back_{false};  ///< Run::reads_back
  ConcurrencyGate gate_;
  Governor governor_{&gate_};
  LiveLimits limits_;
  RetryAdvisor retry_;
  std::atomic<bool> stale_{false};

  CancelSource cancel_;
  std::mutex running_mutex_;
  std::map<BatchId, CancelSource*> running_;  ///< batches in a pass; under running_mutex_
  std::mutex hold_mutex_;  ///< between a look at what is held and the record of what follows

  std::mutex inbox_mutex_;
  std::condition_variable inbox_changed_;
  std::deque<coordinator::Event> inbox_;
  coordinator::State state_;

  // What commands have led to, so that one emitted again is answered again and not done again.
  std::mutex calls_mutex_;
  std::map<std::int64_t, std::optional<coordinator::Event>>
      calls_;  ///< call number -> answer once there is one
  std::map<std::pair<std::int64_t, std::int64_t>, std::optional<coordinator::BatchEnded>>
      batches_;  ///< batch, token
  std::map<std::int64_t, std::optional<coordinator::Event>>
      writes_;  ///< persist sequence -> answer

  std::mutex requests_mutex_;
  std::int64_t next_request_ = 1;
  bool requests_closed_ = false;
  std::map<std::int64_t, std::shared_ptr<std::promise<Json>>> requests_;
  std::string pending_request_;  ///< a person's pause or cancel that is not yet in effect
  std::map<std::int64_t, std::int64_t>
      control_rows_;  ///< control row id -> request number (0: answered)

  std::mutex progress_mutex_;
  store::Counters counters_;
  std::int64_t counters_as_of_ = 0;
  store::ExecutionRow row_;  ///< for phase and times; refreshed with the counters
  std::int64_t summary_at_ms_ = 0;
  std::int64_t anchored_at_ms_ = 0;
  bool record_changed_ = false;  ///< the audit log: said once
  std::string phase_;

  std::vector<ItemId> reopen_;
  std::vector<BatchId> reopen_batches_;
  bool reopen_answers_ = false;
  store::ItemStatus reopen_to_ = store::ItemStatus::pending;
  std::string reopen_actor_;
  AnsweredItems answered_;
  std::string cancel_actor_;                 ///< not empty: cancelled before it begins
  std::atomic<std::int64_t> left_alone_{0};  ///< items that could not be taken back

  std::optional<coordinator::Finish> finish_;
  std::vector<Problem> problems_;
  std::mutex stop_mutex_;
  std::condition_variable stopped_;
  bool ended_ = false;
  std::thread stop_watchdog_;

  // Started by run(), ended in reverse order.
  std::unique_ptr<LedgerWriter> writer_;
  std::unique_ptr<ItemPool> pool_;
  std::unique_ptr<HostParts> shared_;
  std::unique_ptr<TaskThreads> reader_;
  std::unique_ptr<TaskThreads> aside_;  ///< what the enumeration looks at beforehand
  std::unique_ptr<TaskThreads> enumerator_;
  std::unique_ptr<TaskThreads> batch_threads_;
  std::unique_ptr<ControlServer> control_;
};

}  // namespace dunlin::engine
