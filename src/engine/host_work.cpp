// The host's work: what its enumerator and batch threads do with the Run, before and in each pass.
#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "base/crash_point.h"
#include "base/logging.h"
#include "engine/dry_run.h"
#include "engine/host.h"
#include "engine/test_run.h"

namespace dunlin::engine {
namespace {

using coordinator::BatchEnded;
using store::BatchResult;
using store::Pass;

bool refuses(const std::vector<Problem>& problems) {
  return std::any_of(problems.begin(), problems.end(), [](const Problem& problem) {
    return problem.critical && !problem.can_continue;
  });
}

}  // namespace

Result<std::unique_ptr<Run>> Execution::Host::open_run() const {
  DUNLIN_ASSIGN(std::unique_ptr<Run> run, parts.kind.open(parts.plan));
  if (!parts.row.roots.empty()) run->started_with(parts.row.roots);
  if (parts.row.baseline) run->build_on(*parts.row.baseline);
  if (parts.plan.settings.is_dry_run()) run = std::make_unique<DryRun>(std::move(run));
  if (!is_test()) return run;
  // Without it the whole would go to the destination itself.
  auto* const testable = dynamic_cast<TestableRun*>(run.get());
  if (testable == nullptr) DUNLIN_TRY(check_test(parts.kind, parts.plan));
  DUNLIN_CHECK(testable != nullptr, "a kind that can be tested has a run that can");
  testable->begin_test(parts.row.id, test_items(parts.plan));
  return run;
}

/// root_changed when a root is not what it was at the start; `roots` is what it is.
Status Execution::Host::check_roots(RunContext& context, std::string& roots) {
  const std::string& stored = parts.row.roots;
  if (parts.goal != Goal::migrate && !stored.empty()) {
    DUNLIN_ASSIGN(const bool same, run_->same_destination(context, stored));
    roots = stored;
    if (same) return success();
    return Error(ErrorType::root_changed,
                 "the destination is not the one this execution started with, which was " + stored);
  }
  DUNLIN_ASSIGN(roots, run_->root_identity(context));
  if (stored.empty() || stored == roots) return success();
  return Error(ErrorType::root_changed, run_->changed_roots(stored, roots));
}

coordinator::PreflightDone Execution::Host::preflight(const coordinator::Preflight& command) {
  coordinator::PreflightDone done;
  done.call = command.call;
  if (!run_) {
    // open() has failed: say the same again, with the reason that a person needs.
    Result<std::unique_ptr<Run>> again = open_run();
    if (!again.ok()) {
      done.error = again.error();
      return done;
    }
    run_ = *std::move(again);
    shared_->run = run_.get();
    reads_back_ = run_->reads_back(parts.plan.settings.verification_level);
  }
  PlainContext context(*shared_, cancel_.token());
  if (command.first && parts.goal == Goal::migrate) {
    Result<std::vector<Problem>> problems = run_->preflight(context);
    if (!problems.ok()) {
      done.error = problems.error();
      return done;
    }
    done.refused = refuses(*problems);
    problems_ = *std::move(problems);
    if (done.refused) return done;
  }
  if (const Status same = check_roots(context, done.roots); !same.ok()) {
    done.error = same.error();
    return done;
  }
  share_devices();
  if (parts.row.committing) {
    Result<bool> committed = run_->committed(context);
    if (!committed.ok()) {
      done.error = committed.error();
      return done;
    }
    done.committed = *committed;
  }
  return done;
}

/// Sharing is a courtesy: without it everything goes on.
void Execution::Host::share_devices() {
  const std::vector<std::string> devices = run_->devices();
  if (devices.empty() || governor_.shared() != nullptr) return;
  const Result<std::string> directory = parts.state.run_directory();
  if (!directory.ok()) return;
  Result<std::unique_ptr<ShareBoard>> board = ShareBoard::join(*directory, devices);
  if (!board.ok()) {
    log_warn("shares its devices with nobody: {}", board.error().text());
    return;
  }
  governor_.share(std::make_unique<FairShare>(*std::move(board), limits_.effective().priority));
}

coordinator::ItemsChecked Execution::Host::check_items(std::int64_t call) {
  coordinator::ItemsChecked checked;
  checked.call = call;
  const Result<store::ExecutionRow> row = parts.ledger->execution();
  if (!row.ok()) {
    checked.error = row.error();
    return checked;
  }
  LedgerItemsContext context(*shared_, cancel_.token(), row->counters);
  Result<std::vector<Problem>> problems = run_->check_items(context);
  if (!problems.ok()) {
    checked.error = problems.error();
    return checked;
  }
  checked.refused = refuses(*problems);
  for (const Problem& problem : *problems) {
    if (problem.critical && !problem.can_continue) checked.problems.push_back(problem.error);
  }
  std::move(problems->begin(), problems->end(), std::back_inserter(problems_));
  return checked;
}

coordinator::EnumerationEnded Execution::Host::enumerate(std::int64_t call) {
  coordinator::EnumerationEnded ended;
  ended.call = call;
  auto context = LedgerEnumerateContext::make(
      *shared_, cancel_.token(),
      [this](std::int64_t waiting, const LedgerWriter::Written& written) {
        note_counters(written.counters, written.as_of);
        post(coordinator::WorkAppended{waiting});
      });
  if (!context.ok()) {
    ended.error = context.error();
    return ended;
  }
  Status status = run_->enumerate(**context);
  const Status written = (*context)->settle();
  if (status.ok()) status = written;
  ended.complete = status.ok() && (*context)->complete();
  if (!status.ok()) ended.error = status.error();
  return ended;
}

/// commit_scope execution: until the batch is staged, nothing that it reports as completed is.
bool Execution::Host::provisional(const coordinator::RunBatch& command) const {
  return state_.config.execution_scope && command.pass == Pass::work && !command.settle;
}

void Execution::Host::run_batch(const coordinator::RunBatch& command) {
  CancelSource part = cancel_.part();
  // What an earlier owner left open is settled whole, whatever is held back.
  if (command.pass == Pass::work && !command.settle) {
    const std::lock_guard lock(running_mutex_);
    running_.insert_or_assign(command.batch.id, &part);
  }
  LedgerBatchContext context(*shared_, part.token(), command.batch, command.token, command.pass,
                             provisional(command));
  const LiveLimits::Parts held = limits_.held();
  const Status status = run_pass(context, command);
  {
    const std::lock_guard lock(running_mutex_);
    running_.erase(command.batch.id);
  }
  end_batch(command, context, status, held);
}

Status Execution::Host::run_pass(LedgerBatchContext& context,
                                 const coordinator::RunBatch& command) {
  if (command.pass == Pass::verify)
    return command.settle ? cancel_.token().check() : run_->verify(context);
  if (command.settle) return settle_open(context, command.pass);
  if (command.pass == Pass::undo) return undo(context);
  const bool started_before = command.batch.token > 0;
  DUNLIN_TRY(cancel_.token().check());
  if (started_before || run_->truth() == Truth::target) DUNLIN_TRY(run_->settle(context));
  DUNLIN_ASSIGN(const bool any, context.begin_execution(run_->commit_scope() != CommitScope::item));
  if (!any) return success();
  DUNLIN_CRASH_POINT("engine.execute.before");
  DUNLIN_TRY(run_->execute(context));
  DUNLIN_CRASH_POINT("engine.execute.after");
  return success();
}

Status Execution::Host::undo(LedgerBatchContext& context) {
  if (context.undoes_part()) {
    DUNLIN_ASSIGN(const std::vector<ItemRow> meant, context.items());
    if (meant.empty()) return success();
  }
  return run_->undo(context);
}

/// What an earlier owner left open. Nothing new begins before it is known, so a passing error is
/// waited out here.
Status Execution::Host::settle_open(LedgerBatchContext& context, Pass pass) {
  for (std::int32_t attempt = 1;; ++attempt) {
    DUNLIN_CRASH_POINT("engine.settle.before");
    Status status = pass == Pass::undo ? run_->settle_undo(context) : run_->settle(context);
    if (status.ok() || !retry_.should_retry(status.error(), attempt)) return status;
    const std::chrono::milliseconds delay(retry_.delay_ms(status.error(), attempt));
    if (cancel_.token().wait_for(delay)) return status;
  }
}

/// `held`: the parts that were held back when it began.
void Execution::Host::end_batch(const coordinator::RunBatch& command, LedgerBatchContext& context,
                                const Status& status, const LiveLimits::Parts& held) {
  BatchEnded event;
  event.batch = command.batch.id;
  event.token = command.token;
  Result<LedgerBatchContext::Tally> tally = context.finish();
  if (!tally.ok() || stale_) {
    event.persist_error = tally.ok()
                              ? Error(ErrorType::stale_owner, "another process has taken over")
                              : tally.error();
    batch_ended(std::move(event));
    return;
  }
  const CommitScope scope = run_->commit_scope();
  const BatchVerdict verdict = decide_batch_end(
      status,
      BatchTally{command.batch.item_count, tally->unreported, tally->to_retry, tally->retry_error,
                 tally->stops, tally->held},
      command.pass, command.settle, scope,
      [&](const Error& error) { return retry_.should_retry(error, command.batch.attempt + 1); });
  if (verdict.leave_open) {
    event.persist_error = verdict.error;
    batch_ended(std::move(event));
    return;
  }
  store::EndBatch end;
  end.batch = command.batch.id;
  end.token = command.token;
  end.pass = command.pass;
  end.result = verdict.result;
  // Until it is on its way to the ledger, nothing that it held is let go: the ledger takes both in
  // the order in which they come. What was let go while it ran goes again at once.
  const std::lock_guard holding(hold_mutex_);
  if (end.result == BatchResult::held && limits_.held() != held)
    end.result = BatchResult::interrupted;
  end.error = verdict.error;
  if (verdict.wants_retry_delay && verdict.error) {
    end.not_before_ms =
        parts.clock.wall_ms() + retry_.delay_ms(*verdict.error, command.batch.attempt + 1);
  }
  end.outcomes = std::move(tally->outcomes);
  const bool taken_back = provisional(command) && verdict.result != BatchResult::staged;
  context.end_in_meter(!taken_back);
  if (taken_back) {
    // Completed within a transaction that will not hold it, or that is taken back to where the
    // batch began.
    std::erase_if(end.outcomes,
                  [](const ItemOutcome& one) { return one.status == ItemStatus::completed; });
  }
  end.differences = std::move(tally->differences);
  end.verified_items = tally->equal;
  left_alone_ += tally->left_alone;
  event.result = end.result;
  event.error = verdict.error;
  std::vector<store::Mutation> mutations;
  mutations.emplace_back(std::move(end));
  DUNLIN_CRASH_POINT("engine.end_batch.before");
  writer_->submit(std::move(mutations),
                  [this, event = std::move(event)](LedgerWriter::Written written) mutable {
                    if (!written.results.ok()) {
                      event.persist_error = written.results.error();
                    } else if (!written.results->front().ok()) {
                      event.persist_error = written.results->front().error();
                      if (event.persist_error->type == ErrorType::stale_owner) stale_ = true;
                    }
                    event.counters = written.counters;
                    event.as_of = written.as_of;
                    if (!event.persist_error) note_counters(written.counters, written.as_of);
                    batch_ended(std::move(event));
                  });
}

void Execution::Host::batch_ended(BatchEnded event) {
  Json fields;
  fields["batch"] = event.batch.value;
  if (event.error) fields["error"] = event.error->text();
  publish(event.result == BatchResult::failed ? "batch_failed" : "batch_completed",
          std::move(fields));
  const std::lock_guard lock(calls_mutex_);
  batches_[{event.batch.value, event.token}] = event;
  post(std::move(event));
}

}  // namespace dunlin::engine
