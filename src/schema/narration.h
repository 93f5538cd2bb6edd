// What a person reads while migrations run (schema.md S-16): the lock, the list of what is pending,
// a line for each statement, the end. Text only; lost where nobody watches (RunContext::tell). One
// thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/run.h"
#include "schema/steps.h"

namespace dunlin::schema {

/// What is done to each.
struct NarrationWords {
  std::string_view list = "Pending migrations";
  std::string_view begin = "Executing";
  std::string_view done = "applied";
  bool silent = false;  ///< many databases at the same time: nobody could tell whose line it is
};
inline constexpr NarrationWords kApplies{};
inline constexpr NarrationWords kReverts{"Migrations to revert", "Reverting", "reverted"};
inline constexpr NarrationWords kMarks{"Migrations to be called applied", "Marking",
                                       "called applied"};
inline constexpr NarrationWords kRepairs{"Migrations that were changed", "Repairing", "repaired"};
inline constexpr NarrationWords kSilent{"", "", "", true};

class Narration {
 public:
  explicit Narration(NarrationWords words) : words_(words) {}

  /// In their order; what an earlier process has listed is not told again.
  void list(const std::vector<std::string>& ids) { ids_ = ids; }
  void lock_wanted(engine::RunContext& context) const;
  void lock_taken(engine::RunContext& context);
  void begin(engine::RunContext& context, const std::string& id);
  void statement(engine::RunContext& context, const Script& script, const Step& step);
  /// It is in the history, or gone from it.
  void done(engine::RunContext& context);
  /// Somebody else was there before.
  void not_wanted(engine::RunContext& context) const;
  void end(engine::RunContext& context);

 private:
  void tell(engine::RunContext& context, const std::string& text) const {
    if (!words_.silent) context.tell(text);
  }

  NarrationWords words_;
  std::vector<std::string> ids_;
  std::int64_t begun_ = 0;
  std::int64_t done_ = 0;
  std::int64_t statements_ = 0;
  std::int64_t begin_ms_ = -1;
};

}  // namespace dunlin::schema
