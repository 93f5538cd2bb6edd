#include "schema/session.h"

#include <unistd.h>

#include <chrono>
#include <random>

#include "base/leave_to_exit.h"

namespace dunlin::schema {

namespace {

Owner owner_of(engine::RunContext& context) {
  return {context.execution(), context.epoch()};
}

}  // namespace

Session::~Session() {
  give_lock_back();
  leave_to_exit(std::move(applied_));
}

Result<Target*> Session::look(engine::RunContext& context) {
  if (target_ && target_->is_lost()) {
    history_.reset();
    target_.reset();
  }
  if (!target_) {
    DUNLIN_ASSIGN(target_, open_target(options_.database, Access::look, call_of(context)));
  }
  return target_.get();
}

Result<bool> Session::has_tables(engine::RunContext& context, Target& target) {
  if (!has_tables_) {
    DUNLIN_ASSIGN(has_tables_, target.has_tables(call_of(context)));
  }
  return has_tables_;
}

/// Ten thousand rows are not read again where nothing has changed.
Result<const std::map<Version, Applied>*> Session::applied(engine::RunContext& context) {
  DUNLIN_ASSIGN(Target* const target, look(context));
  bool there = target != nullptr;
  if (there) {
    DUNLIN_ASSIGN(there, has_tables(context, *target));
  }
  if (!there) {
    applied_.clear();
    applied_in_.reset();
    return &applied_;
  }
  DUNLIN_ASSIGN(std::string state, History::state(*target, call_of(context)));
  if (applied_in_ != state) {
    DUNLIN_ASSIGN(applied_, History::applied(*target, call_of(context)));
    applied_in_ = std::move(state);
  }
  return &applied_;
}

Result<std::map<std::string, Applied>> Session::find_all(engine::RunContext& context,
                                                         const std::vector<std::string>& ids) {
  DUNLIN_ASSIGN(Target* const target, look(context));
  if (target == nullptr) return std::map<std::string, Applied>();
  DUNLIN_ASSIGN(const bool there, has_tables(context, *target));
  if (!there) return std::map<std::string, Applied>();
  return History::find_all(*target, ids, call_of(context));
}

Status Session::open(engine::RunContext& context) {
  DUNLIN_ASSIGN(const Target* const there, look(context));
  if (history_) return success();
  if (there == nullptr && !options_.ensure_created)
    return Error(ErrorType::not_found, "there is no database " + options_.database.text() +
                                           ", and `ensure_created: false` says that it is not to "
                                           "be made");
  if (there == nullptr) {
    DUNLIN_ASSIGN(target_, open_target(options_.database, Access::change, call_of(context)));
  }
  narration_.lock_wanted(context);
  if (Status locked = lock(context); !locked.ok()) {
    target_->unlock(owner_of(context), sql::Call{{}, std::chrono::seconds(10)})
        .ignore("half of it may have been taken; it ends with the session at the latest");
    return locked;
  }
  narration_.lock_taken(context);
  history_.emplace(*target_, owner_of(context), options_.product_version);
  Status ready = prepare(context);
  if (!ready.ok()) give_lock_back();
  return ready;
}

Status Session::prepare(engine::RunContext& context) {
  DUNLIN_ASSIGN(const bool there, has_tables(context, *target_));
  if (!there) DUNLIN_TRY(target_->make_tables(call_of(context)));
  DUNLIN_ASSIGN(unfinished_, history_->unfinished(call_of(context)));
  return success();
}

/// Asked for again and again, at times that differ from those of others who wait.
Status Session::lock(engine::RunContext& context) {
  constexpr int kPollMin_ms = 50;
  constexpr int kPollMax_ms = 150;
  std::minstd_rand random(static_cast<std::minstd_rand::result_type>(::getpid()));
  std::uniform_int_distribution<int> pause(kPollMin_ms, kPollMax_ms);
  const std::int64_t give_up_ms = context.clock().monotonic_ms() + options_.lock_timeout_ms;
  for (;;) {
    Result<std::string> holder = target_->try_lock(owner_of(context), call_of(context));
    if (!holder.ok() && holder.error().type != ErrorType::database_locked)
      return std::move(holder).error();
    if (holder.ok() && holder.value().empty()) return success();
    DUNLIN_TRY(context.cancel().check());
    if (context.clock().monotonic_ms() >= give_up_ms) {
      if (!holder.ok())
        return Error(ErrorType::lock_held, "the database is locked by another connection");
      return Error(ErrorType::lock_held, "the migration lock is held by " + holder.value());
    }
    static_cast<void>(context.cancel().wait_for(std::chrono::milliseconds(pause(random))));
  }
}

void Session::close(engine::RunContext& context) {
  narration_.end(context);
  if (history_ || context.epoch() <= 1 || options_.database.dialect != sql::Dialect::sqlite)
    return give_lock_back();
  // An earlier owner of this execution may have been kept by a kill from giving its lock back; a
  // server knows by itself that it has gone. Nothing is made or waited for here: this attempt may
  // only have verified, or the database may be gone.
  const auto target = open_target(options_.database, Access::look, sql::Call{});
  if (!target.ok() || !target.value()) return;
  target.value()
      ->unlock(owner_of(context), sql::Call{})
      .ignore("whoever comes next sees that the process has ended");
}

void Session::give_lock_back() {
  if (!history_) return;
  // Without the token of the run: a cancelled execution gives its lock back, too.
  target_->unlock(history_->owner(), sql::Call{{}, std::chrono::seconds(10)})
      .ignore("whoever comes next sees that this process has ended");
  history_.reset();
}

/// A script and its record, behind the fence. What it set in the session does not reach the next.
Result<bool> Session::change(engine::BatchContext& context, Job& job,
                             std::int64_t& failed_statement) {
  const auto before = unfinished_.find(job.id);
  narration_.begin(context, job.id);
  job.on_step = [&](const Step& step) { narration_.statement(context, *job.script, step); };
  Applier applier(*target_, *history_, Limits{options_.statement_timeout_ms}, context.cancel(),
                  context.clock(), [&] { return context.fence(); });
  Result<bool> done = applier.run(job, before == unfinished_.end() ? Unfinished{} : before->second);
  failed_statement = applier.failed_statement();
  if (target_->is_lost()) return done;
  if (done.ok()) {
    if (done.value()) {
      narration_.done(context);
    } else {
      narration_.not_wanted(context);
    }
    unfinished_.erase(job.id);
  } else if (!job.steps->is_atomic()) {
    // The next attempt of this process goes on where this one came to.
    if (auto now = history_->unfinished(sql::Call{}); now.ok())
      unfinished_ = std::move(now).value();
  }
  // PostgreSQL's functions may set what no word of a script shows.
  if (target_->dialect() == sql::Dialect::postgresql || job.steps->touches_session) {
    if (Status fresh = target_->refresh(sql::Call{}); !fresh.ok() && done.ok())
      return std::move(fresh).error();
  }
  return done;
}

Result<std::vector<bool>> Session::change_all(engine::BatchContext& context, std::vector<Job>& jobs,
                                              std::size_t& failed_job,
                                              std::int64_t& failed_statement) {
  for (Job& job : jobs) {
    job.on_begin = [this, &context, &job] { narration_.begin(context, job.id); };
    job.on_step = [this, &context, &job](const Step& step) {
      narration_.statement(context, *job.script, step);
    };
  }
  Applier applier(*target_, *history_, Limits{options_.statement_timeout_ms}, context.cancel(),
                  context.clock(), [&] { return context.fence(); });
  auto done = applier.run_all(jobs, failed_job);
  failed_statement = applier.failed_statement();
  if (target_->is_lost()) return done;
  if (done.ok())
    for (const bool one : done.value())
      if (one) narration_.done(context);
  if (Status fresh = target_->refresh(sql::Call{}); !fresh.ok() && done.ok())
    return std::move(fresh).error();
  return done;
}

}  // namespace dunlin::schema
