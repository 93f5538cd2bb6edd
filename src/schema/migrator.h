// Applies single migrations at a target and takes them back, in an open session: what one database
// of one execution needs, whatever the engine calls its items. One thread at a time, as the
// Session.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/run.h"
#include "schema/discovery.h"
#include "schema/schema_plan.h"
#include "schema/session.h"

namespace dunlin::schema {

/// One thing to do, in a list that is done together.
struct Task {
  std::string id;
  const Migration* migration = nullptr;  ///< to apply; unset: to take back
};

class Migrator {
 public:
  Migrator(const SchemaPlan& plan, Session& session) : plan_(plan), session_(session) {}

  /// Runs it, or only calls it applied (plan.mark). False: it was applied already. migration_failed
  /// is in the log when it returns.
  [[nodiscard]] Result<bool> apply(engine::BatchContext& context, const Migration& migration);
  /// What stands in the file is taken for what was applied, and what failed may go on. False:
  /// nothing to do.
  [[nodiscard]] Result<bool> repair(engine::BatchContext& context, const Migration& migration);
  /// By the SQL that was recorded with it. False: it is not applied any more. An error for which
  /// is_refusal() says that nothing was tried.
  [[nodiscard]] Result<bool> take_back(engine::BatchContext& context, const std::string& id);
  /// Applies again what was taken back, by the SQL that was recorded. False: it is applied.
  [[nodiscard]] Result<bool> put_back(engine::BatchContext& context, const std::string& id);
  /// All in one transaction, in this order; what was not wanted any more is false.
  [[nodiscard]] Result<std::vector<bool>> do_all(engine::BatchContext& context,
                                                 const std::vector<Task>& changes);

  [[nodiscard]] static bool is_refusal(const Error& error);

 private:
  /// A script read from the log, with its steps.
  struct Recorded {
    Script script;
    Steps steps;
  };
  [[nodiscard]] Result<bool> is_pending(const Migration& migration, const sql::Call& call);
  [[nodiscard]] Result<bool> is_applied(const std::string& id, const sql::Call& call);
  [[nodiscard]] Result<Recorded> recorded(const std::string& id, Direction direction,
                                          const Record& record);
  /// The record by which it can be taken back; nullopt: it is not applied.
  [[nodiscard]] Result<std::optional<Record>> way_back(const std::string& id,
                                                       const sql::Call& call);
  [[nodiscard]] Job job_for(engine::BatchContext& context, const Migration& migration);
  [[nodiscard]] Job job_down(engine::BatchContext& context, const std::string& id,
                             const Recorded& recorded);
  void note_failure(const Migration& migration, std::int64_t statement, const Error& error,
                    const sql::Call& call);

  const SchemaPlan& plan_;
  Session& session_;
  Steps nothing_;
};

/// As the fault of one item among others that go on: an error that ends an execution would end them
/// all.
[[nodiscard]] Error of_one_item(Error error);

/// Refused with its place when it cannot be part of one transaction of all.
[[nodiscard]] Status check_together(const Script& script, const Steps& steps);

}  // namespace dunlin::schema
