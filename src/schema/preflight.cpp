#include "schema/preflight.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "schema/changes.h"
#include "schema/comparison.h"
#include "schema/content.h"
#include "schema/foreign_history.h"
#include "schema/migrator.h"

namespace dunlin::schema {

namespace {

using engine::Problem;

class Preflight {
 public:
  Preflight(const SchemaPlan& plan, const Migrations& all, const std::map<Version, Applied>& done,
            Target* target, const sql::Call& call)
      : plan_(plan), all_(all), done_(done), target_(target), call_(call) {}

  Result<std::vector<Problem>> run(const ExecutionId& execution) {
    const bool up = plan_.direction == Direction::up;
    if (plan_.mode == TransactionMode::all_in_one && plan_.database.dialect == sql::Dialect::mysql)
      add(ErrorType::unsupported_item,
          "MariaDB and MySQL commit each change of a schema at once, so that all migrations cannot "
          "be in one transaction",
          "take transaction_mode all_in_one out");
    const Result<std::vector<Work>> work = list_work(plan_, all_, done_, target_, call_);
    if (!work.ok()) {
      problems_.push_back({work.error(), true, false});
      return std::move(problems_);
    }
    if (up) DUNLIN_TRY(check_up(execution));
    if (target_ != nullptr && goes_back(work.value())) {
      DUNLIN_ASSIGN(unreadable_, History::unreadable(*target_, call_));
    }
    check_each(work.value());
    return std::move(problems_);
  }

 private:
  static bool goes_back(const std::vector<Work>& work) {
    return std::any_of(work.begin(), work.end(),
                       [](const Work& one) { return one.direction == Direction::down; });
  }
  void add(ErrorType type, std::string message, std::string what_to_do, bool critical = true) {
    Error error(type, std::move(message));
    error.remediation = std::move(what_to_do);
    problems_.push_back({std::move(error), critical, !critical});
  }
  void add_all(const std::vector<std::string>& messages, bool critical, const char* what_to_do) {
    for (const std::string& message : messages)
      add(ErrorType::schema_mismatch, message, what_to_do, critical);
  }

  void add_changed(const std::vector<Changed>& changed, bool critical) {
    const Places places{plan_.directories, {plan_.database}};
    const std::vector<std::string> shown = shown_differences(*target_, changed, places, call_);
    for (std::size_t i = 0; i < changed.size(); ++i) {
      const bool is_shown = i < shown.size();
      const Version& version = changed[i].migration->version;
      add(ErrorType::schema_mismatch, changed[i].words,
          is_shown
              ? "put the file back as it was, and write a new migration; or accept it as it is: " +
                    repair_command(version, places)
              : "see what was changed: " + show_command(version, places, true),
          critical);
      if (is_shown) problems_.back().differences = {shown[i]};
    }
  }

  Status check_up(const ExecutionId& execution) {
    for (const std::optional<Version>& named : {plan_.target, plan_.only}) {
      if (!named || all_.contains(*named) || plan_.redo) continue;
      add(ErrorType::invalid_input,
          "there is no migration " + printable(named->text()) + " in '" +
              printable(plan_.directories.front()) + "'",
          "");
    }
    if (target_ == nullptr) return success();
    const Misfits misfits = compare(all_, done_);
    const bool repairs = plan_.mark == SchemaPlan::Mark::repair;
    add_changed(misfits.changed, !repairs && plan_.validate_checksums);
    for (const Changed& one : misfits.retouched)
      add(ErrorType::schema_mismatch, one.words, "", false);
    add_all(misfits.missing, !plan_.out_of_order,
            "get the newest files; or go on without it: --out-of-order");
    // What is only marked is not run in any order.
    add_all(misfits.out_of_order, !plan_.out_of_order && plan_.mark == SchemaPlan::Mark::no,
            "give it a number above those that are applied; or apply it as it is: --out-of-order");
    DUNLIN_ASSIGN(const bool has_history, target_->has_tables(call_));
    if (has_history) return repairs ? success() : check_failures(execution);
    DUNLIN_ASSIGN(const std::string elsewhere, target_->history_elsewhere(call_));
    // Where the address says which schema is meant, each may have a history of its own.
    const bool is_meant = plan_.database.server.options.contains("options");
    if (!elsewhere.empty()) add_all({elsewhere}, !is_meant, "");
    return check_foreign();
  }

  /// What somebody has to look at first; an execution that failed and goes on has been told to.
  Status check_failures(const ExecutionId& execution) {
    DUNLIN_ASSIGN(const auto unfinished, History(*target_, Owner{}, "").unfinished(call_));
    for (const auto& [id, one] : unfinished) {
      if (one.failed == 0 || one.direction != Direction::up || one.execution == execution.value)
        continue;
      add(ErrorType::migration_failed, failure_of(id, one, 0), kAfterFailure);
    }
    return success();
  }

  /// Another tool's work would be done once more.
  Status check_foreign() {
    DUNLIN_ASSIGN(const auto foreign, foreign_history(*target_, call_));
    if (!foreign) return success();
    if (foreign->is_empty()) return success();  // that tool has done nothing here
    if (plan_.mark == SchemaPlan::Mark::no)
      add(ErrorType::schema_mismatch,
          foreign->tool + " has applied migrations to this database (table " + foreign->table +
              "), which would be applied once more",
          "take its history over: dunlin migrate import-history --db URL --dir DIR");
    if (plan_.mark != SchemaPlan::Mark::as_other_tool_did) return success();
    if (!foreign->broken.empty())
      add(ErrorType::schema_mismatch,
          foreign->tool + " calls migration " + printable(foreign->broken) + " unfinished",
          "put that right with that tool first");
    std::set<Version> known = foreign->applied;
    if (foreign->up_to && foreign->up_to_was_applied) known.insert(*foreign->up_to);
    for (const Version& version : known)
      if (!all_.contains(version) && version.text() != "0")  // diesel's own setup need not be there
        add(ErrorType::schema_mismatch,
            foreign->tool + " has applied migration " + printable(version.text()) +
                ", whose file is missing",
            "get the newest files");
    return success();
  }

  /// Of what will be done: what no server of this kind, or none that is reached this way, can do.
  void check_each(const std::vector<Work>& work) {
    for (const Work& one : work) {
      if (one.direction == Direction::down) {
        if (unreadable_.contains(one.place))
          add(ErrorType::state_version,
              "how to take '" + printable(one.id) +
                  "' back is kept in a form that this version of dunlin does not know",
              kNewerVersion);
        if (one.has_way_back) continue;
        add(ErrorType::unsupported_item,
            "'" + printable(one.id) + "' is irreversible: it was applied without SQL to go down",
            "write a new migration that takes its effect back");
        continue;
      }
      const auto found = all_.find(version_of(one.id));
      if (found != all_.end() && plan_.mark == SchemaPlan::Mark::no) check_steps(found->second);
    }
  }

  void check_steps(const Migration& migration) {
    if (plan_.mode == TransactionMode::all_in_one) {
      if (Status together = check_together(migration.up, migration.up_steps); !together.ok())
        problems_.push_back({std::move(together).error(), true, false});
    }
    if (target_ == nullptr) return;
    for (const Requirement& requirement : migration.requirements) {
      const std::string why = unmet(requirement, target_->connection().server());
      if (!why.empty())
        problems_.push_back(
            {in_file(migration.up.file, Error(ErrorType::unsupported_item, why), requirement.line),
             true, false});
    }
    if (target_->connection().server().pooled) refuse_by_proxy(migration);
  }

  /// What no transaction can hold, where nothing else keeps others away.
  void refuse_by_proxy(const Migration& migration) {
    for (const Segment& segment : migration.up_steps.segments) {
      if (segment.in_transaction) continue;
      const Step& step = migration.up_steps.steps[segment.begin];
      add(ErrorType::invalid_state,
          place_of(migration.up, step) + ": " + std::string(step.traits.what) +
              " cannot run in a transaction, and behind a proxy that hands out sessions by "
              "transaction nothing else keeps a second migration away",
          "name the server's own address, not the proxy's");
    }
  }

  const SchemaPlan& plan_;
  const Migrations& all_;
  const std::map<Version, Applied>& done_;
  Target* target_;
  const sql::Call& call_;
  std::set<std::int64_t> unreadable_;  ///< places in the log
  std::vector<Problem> problems_;
};

}  // namespace

Result<std::vector<Problem>> check_plan(const SchemaPlan& plan, const ExecutionId& execution,
                                        const Migrations& all,
                                        const std::map<Version, Applied>& done, Target* target,
                                        const sql::Call& call) {
  return Preflight(plan, all, done, target, call).run(execution);
}

}  // namespace dunlin::schema
