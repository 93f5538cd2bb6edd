// Runs the script of one migration at a target, so that after any death it is known what was done.
//
// A segment that a transaction can hold is recorded in that transaction: with the history if it is
// the last, else in the log. A statement that none can hold is announced in the log, sent, and
// recorded; when all that is known of one is that it was announced, the catalogue is asked whether
// it has been done (probe.h). One thread at a time, as the Target.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/clock.h"
#include "schema/history.h"
#include "schema/steps.h"
#include "schema/target.h"

namespace dunlin::schema {

/// One direction of one migration.
struct Job {
  std::string id;
  Direction direction = Direction::up;
  const Script* script = nullptr;
  const Steps* steps = nullptr;
  /// Writes the history; in the last transaction, with what it took.
  std::function<Status(std::int64_t duration_ms)> record;
  /// By what the history has of it within the last transaction, before `record` (nothing: it is not
  /// applied): false when there is nothing left to do, because somebody has done it meanwhile.
  std::function<bool(const std::optional<std::string>& checksum)> is_wanted;
  /// One of several: its statements are sent now; unset: nobody wants to know.
  std::function<void()> on_begin;
  /// After each statement that the server has done; unset: nobody wants to know.
  std::function<void(const Step&)> on_step;
};

struct Limits {
  std::int64_t statement_timeout_ms = 300'000;  ///< 0: as long as it takes
  /// For the locks of a statement that changes the schema: whoever else wants the table waits
  /// behind it (trap 32). Then what its transaction did is rolled back, and tried again after a
  /// pause.
  std::int64_t lock_timeout_ms = 1'000;
  int lock_tries = 30;
};

/// That a migration failed half way, of `count` statements (0: not known), and what to do.
[[nodiscard]] std::string failure_of(const std::string& id, const Unfinished& before,
                                     std::size_t count);
inline constexpr const char* kAfterFailure =
    "correct its file from that statement on, then go on: dunlin resume, with the number of the "
    "execution that failed; or say that what stands is right, and go up again: dunlin migrate "
    "repair VERSION --db URL --dir DIR";

class Applier {
 public:
  /// `fence` is asked immediately before each commit.
  Applier(Target& target, History& history, Limits limits, CancelToken cancel, const Clock& clock,
          std::function<Status()> fence);

  /// False: it was not wanted any more, and nothing was done. migration_failed names file, line,
  /// statement and the server's message; in_doubt what has to be looked at; a full disk, a lock, a
  /// lost connection or an interruption keeps its own type. After an error nothing is open.
  [[nodiscard]] Result<bool> run(const Job& job, const Unfinished& before);
  /// All of them in one transaction: each is there afterwards or none. Those that were not wanted
  /// any more are false. Each has to be atomic. The errors of run(); `failed_job` is whose.
  [[nodiscard]] Result<std::vector<bool>> run_all(std::span<const Job> jobs,
                                                  std::size_t& failed_job);
  /// Of the last run() that failed: the statement, from 1, that the server refused; 0: none.
  [[nodiscard]] std::int64_t failed_statement() const { return failed_statement_; }

 private:
  [[nodiscard]] Result<std::size_t> go_on_from(const Job& job, const Unfinished& before);
  [[nodiscard]] Result<bool> run_together(const Job& job, const Segment& segment, std::size_t from,
                                          bool last);
  [[nodiscard]] Result<bool> work_in_transaction(const Job& job, const Segment& segment,
                                                 std::size_t from, bool last);
  [[nodiscard]] Result<std::vector<bool>> work_on_all(std::span<const Job> jobs,
                                                      std::size_t& failed_job);
  [[nodiscard]] Status run_alone(const Job& job, std::size_t index);
  [[nodiscard]] Result<bool> record_alone(const Job& job);
  [[nodiscard]] Status send(const Job& job, std::size_t index);
  [[nodiscard]] Status send_alone(const Job& job, std::size_t index);
  /// For that step; nothing: it is what it should be.
  [[nodiscard]] std::optional<std::int64_t> lock_wait_for(const Job& job, const Step& step) const;
  [[nodiscard]] Status limit_lock_wait(const Job& job, const Step& step);
  /// A transaction in which the job is still wanted: else false. `step`: what it begins with.
  [[nodiscard]] Result<bool> begin(const Job& job, std::string_view words, const Step* step);
  /// True: all that was sent is undone, and may be sent again: a lock was not to be had (then after
  /// a pause), or a script has taken away what our own statements were prepared under.
  [[nodiscard]] Result<bool> tries_again(const Error& error, int tries);
  /// Our own records, as whoever connected.
  [[nodiscard]] Status as_ourselves(const Job& job, const std::function<Status()>& write);
  [[nodiscard]] Status note_passed(const Job& job, std::size_t count);
  [[nodiscard]] Error failure(const Job& job, std::size_t index, Error error);
  [[nodiscard]] sql::Call call(const Job& job) const;
  [[nodiscard]] sql::Call own_call() const { return {cancel_, {}}; }
  /// False: a statement has committed by itself, and what follows is durable at once.
  [[nodiscard]] Result<bool> is_still_open();
  [[nodiscard]] Status commit();
  void roll_back();

  Target& target_;
  History& history_;
  Limits limits_;
  CancelToken cancel_;
  const Clock& clock_;
  std::function<Status()> fence_;
  std::int64_t begin_ms_ = 0;
  std::int64_t failed_statement_ = 0;
  std::int64_t lock_wait_ms_ = -1;  ///< as the session has it; -1: not known
  std::minstd_rand random_;
};

}  // namespace dunlin::schema
