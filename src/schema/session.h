// A run's way to its target: looks without a trace, and from the first change on holds the lock.
//
// A connection that was lost is made anew at the next call, and the lock with it. One thread at a
// time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/run.h"
#include "schema/applier.h"
#include "schema/history.h"
#include "schema/narration.h"
#include "schema/target.h"

namespace dunlin::schema {

[[nodiscard]] inline sql::Call call_of(engine::RunContext& context) {
  return {context.cancel(), {}};
}

class Session {
 public:
  struct Options {
    sql::DatabaseAddress database;
    std::string product_version;
    std::int64_t lock_timeout_ms = 0;
    std::int64_t statement_timeout_ms = 0;
    bool ensure_created = true;  ///< else a database that is missing is an error
  };
  Session(Options options, NarrationWords words)
      : options_(std::move(options)), narration_(words) {}
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// The database, if there is one; nothing is made and no lock is taken.
  [[nodiscard]] Result<Target*> look(engine::RunContext& context);
  /// What is applied, without the lock; valid until the next call.
  [[nodiscard]] Result<const std::map<Version, Applied>*> applied(engine::RunContext& context);

  /// Another one whenever applied() has read anew; before it has, and where there is no history,
  /// none.
  [[nodiscard]] const std::optional<std::string>& applied_in() const { return applied_in_; }

  /// Of these what is applied, by id; without the lock.
  [[nodiscard]] Result<std::map<std::string, Applied>> find_all(
      engine::RunContext& context, const std::vector<std::string>& ids);

  /// The database made, the lock taken, the history's tables made, where that is still to be done.
  /// lock_held says who holds it.
  [[nodiscard]] Status open(engine::RunContext& context);
  /// After open().
  [[nodiscard]] Target& target() { return *target_; }
  [[nodiscard]] History& history() { return *history_; }
  /// Runs a script with its record (Applier::run). What it set in the session does not reach the
  /// next one. `failed_statement`: see Applier.
  [[nodiscard]] Result<bool> change(engine::BatchContext& context, Job& job,
                                    std::int64_t& failed_statement);

  /// The same with several in one transaction (Applier::run_all).
  [[nodiscard]] Result<std::vector<bool>> change_all(engine::BatchContext& context,
                                                     std::vector<Job>& jobs,
                                                     std::size_t& failed_job,
                                                     std::int64_t& failed_statement);
  /// How far each migration came that is neither applied nor untouched; after open().
  [[nodiscard]] const std::map<std::string, Unfinished>& unfinished() const { return unfinished_; }
  /// After History::may_go_on().
  void may_go_on(const std::string& id) {
    unfinished_[id].failed = 0;
    unfinished_[id].begun = 0;
  }

  [[nodiscard]] Narration& narration() { return narration_; }
  /// Gives the lock back, also one that an earlier life of this execution has left.
  void close(engine::RunContext& context);

 private:
  [[nodiscard]] Result<bool> has_tables(engine::RunContext& context, Target& target);
  [[nodiscard]] Status lock(engine::RunContext& context);
  [[nodiscard]] Status prepare(engine::RunContext& context);
  void give_lock_back();

  Options options_;
  std::unique_ptr<Target> target_;
  std::optional<History> history_;  ///< the lock is held
  std::map<std::string, Unfinished> unfinished_;
  bool has_tables_ = false;  ///< they were seen, and are never removed
  std::map<Version, Applied> applied_;
  std::optional<std::string> applied_in_;  ///< History::state() when `applied_` was read
  Narration narration_;
};

}  // namespace dunlin::schema
