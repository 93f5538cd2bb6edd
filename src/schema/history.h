// The migrations' records at the target: what is applied, and what was tried.
//
// The target is the truth (schema.md S-9): __MigrationsHistory holds exactly the applied
// migrations, __MigrationsHistoryLog every attempt with the SQL of both directions and how far it
// came, append-only, so that undo and resume need neither the files nor the local state. Times are
// the database's, the order is the log's. One thread at a time, as the Target.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "schema/discovery.h"
#include "schema/target.h"

namespace dunlin::schema {

/// What is known of a migration that was applied: the last `up` that was done.
struct Record {
  std::int64_t sequence = 0;  ///< in the log: order of applying
  /// As the log keeps them: content_of() (content.h) gives what they hold.
  std::optional<std::string> kept_up;    ///< none: it was only called applied
  std::optional<std::string> kept_down;  ///< none: irreversible
  std::string checksum;
};

/// One that is applied, as a list shows it.
struct AppliedEntry {
  std::string id;
  std::string checksum;
  std::int64_t sequence = 0;  ///< in the log: order of applying; 0: the log does not know it
  std::string applied_at;     ///< RFC 3339
  std::string applied_by;
  bool has_way_back = false;
};

enum class Direction : std::uint8_t { up, down };

/// How far a migration came that is neither applied nor untouched. Counts are of statements.
struct Unfinished {
  Direction direction = Direction::up;
  std::int64_t passed = 0;  ///< so many are done, from the first on
  std::string hash;         ///< prefix_hash() of those
  std::int64_t begun = 0;   ///< announced, and nothing more is known of it; 0: none
  std::string begun_hash;   ///< statement_hash() of that one
  std::string fingerprint;  ///< before that one, as probe.h has it
  std::int64_t failed = 0;  ///< the server has refused that one, and nobody has said since that it
                            ///< may go on; 0: none
  std::string message;      ///< what it said
  std::string execution;    ///< that failed
};

class History {
 public:
  History(Target& target, Owner owner, std::string product_version)
      : target_(&target), owner_(std::move(owner)), product_version_(std::move(product_version)) {}

  [[nodiscard]] const Owner& owner() const { return owner_; }

  /// By version; the tables are there.
  [[nodiscard]] static Result<std::map<Version, Applied>> applied(Target& target,
                                                                  const sql::Call& call);
  /// Another text whenever something was applied or taken back since; the tables are there.
  [[nodiscard]] static Result<std::string> state(Target& target, const sql::Call& call);
  /// The first one applied first; empty when there is no history table.
  [[nodiscard]] static Result<std::vector<AppliedEntry>> in_order(Target& target,
                                                                  const sql::Call& call);
  [[nodiscard]] Result<std::optional<Applied>> find(const std::string& id, const sql::Call& call);
  /// Of these what is applied, by id; the tables are there.
  [[nodiscard]] static Result<std::map<std::string, Applied>> find_all(
      Target& target, const std::vector<std::string>& ids, const sql::Call& call);
  /// What find() asks: the answer is the checksum, none that it is not applied.
  [[nodiscard]] sql::Request question(const std::string& id) const;
  /// nullopt when the log has no `up` of it.
  [[nodiscard]] Result<std::optional<Record>> record_of(const std::string& id,
                                                        const sql::Call& call);
  /// The SQL that what the history's checksum says was taken from, as the log keeps it: that of the
  /// last `up`, or what a repair took for it since. nullopt: the log has none.
  [[nodiscard]] static Result<std::optional<std::string>> kept_up_of(Target& target,
                                                                     const std::string& id,
                                                                     const sql::Call& call);
  /// The name under which that version was applied last; empty: never.
  [[nodiscard]] static Result<std::string> last_named(Target& target, const Version& version,
                                                      const sql::Call& call);
  /// Where in the log a way back is kept in a form that this version cannot read.
  [[nodiscard]] static Result<std::set<std::int64_t>> unreadable(Target& target,
                                                                 const sql::Call& call);
  /// The execution that did it last in that direction; empty: none.
  [[nodiscard]] Result<std::string> last_done(const std::string& id, Direction direction,
                                              const sql::Call& call);
  /// The id of a migration that was applied after that place in the log and still is, repeatable
  /// ones aside; empty: none.
  [[nodiscard]] Result<std::string> applied_after(std::int64_t sequence, const sql::Call& call);
  /// What that execution has applied and is applied still, the last one first.
  [[nodiscard]] Result<std::vector<std::string>> applied_by(const ExecutionId& execution,
                                                            const sql::Call& call);
  /// By id.
  [[nodiscard]] Result<std::map<std::string, Unfinished>> unfinished(const sql::Call& call);

  /// Inside the migration's last transaction. A repeatable one may be there already.
  [[nodiscard]] Status add(const Migration& migration, std::int64_t duration_ms,
                           const sql::Call& call);
  [[nodiscard]] Status remove(const std::string& id, const sql::Call& call);
  /// Puts back what remove() has taken: the log knows it. Inside the transaction that does it.
  [[nodiscard]] Status restore(const std::string& id, const Record& record,
                               std::int64_t duration_ms, const sql::Call& call);
  /// Its file, as it is now, is what was applied. The way back stays the one that was recorded.
  [[nodiscard]] Status accept(const Migration& migration, const sql::Call& call);
  /// What failed half way may go on behind what is done.
  [[nodiscard]] Status may_go_on(const std::string& id, const sql::Call& call);
  /// `count` statements are done; inside the transaction of the last ones, if they have one.
  [[nodiscard]] Status passed(const std::string& id, Direction direction, std::int64_t count,
                              const std::string& hash, const sql::Call& call);
  /// That statement (from 1) is sent next, and no transaction holds it. `hash`: statement_hash().
  [[nodiscard]] Status begun(const std::string& id, Direction direction, std::int64_t statement,
                             const std::string& hash, const std::string& fingerprint,
                             const sql::Call& call);
  /// After its transaction was rolled back. `statement` from 1; 0: none of them.
  [[nodiscard]] Status failed(const Migration& migration, std::int64_t statement,
                              const std::string& message, const sql::Call& call);

 private:
  struct Entry;
  [[nodiscard]] static Status add_applied(Target& target, std::vector<AppliedEntry>& entries,
                                          const sql::Call& call);
  [[nodiscard]] static Status add_places(Target& target, std::vector<AppliedEntry>& entries,
                                         const sql::Call& call);
  [[nodiscard]] Status add(const Entry& entry, std::int64_t duration_ms, const sql::Call& call);
  [[nodiscard]] sql::Request log_entry(const Entry& entry) const;
  [[nodiscard]] Status log(const Entry& entry, const sql::Call& call);
  [[nodiscard]] Status run_all(std::initializer_list<sql::Request> statements,
                               const sql::Call& call);
  [[nodiscard]] std::string sql(std::string_view text) const;

  Target* target_;
  Owner owner_;
  std::string product_version_;
};

}  // namespace dunlin::schema
