// Dependencies between plans (engine.md X-4): what a plan waits for before it may start, and how
// each of them stands.
//
// A plan is met once its newest execution has completed, and that after the last completed one of
// the plan that waits for it; an execution that is named itself once it has completed. Dry runs and
// tests count on neither side. For engine.cpp and cli; safe from any thread and process.
#pragma once

#include <string>
#include <vector>

#include "store/state_directory.h"

namespace dunlin::engine {

struct Dependency {
  std::string id;    ///< of a plan or an execution, as the waiting plan names it
  std::string name;  ///< in words, paths escaped
  bool met = false;
  bool may_come = false;  ///< not met, but nothing has failed: waiting for it makes sense
  std::string state;  ///< "execution 3 has completed", "has never run", "execution 4 has failed: …"
  std::string remedy;  ///< not met: what to type
};

/// In the order of `ids`. `waiting`: the plan that names them; not valid: it has never run.
[[nodiscard]] Result<std::vector<Dependency>> dependencies_of(store::StateDirectory& state,
                                                              const std::vector<std::string>& ids,
                                                              const PlanId& waiting);
/// preflight_refused, with everything that is not met; success when all is.
[[nodiscard]] Status all_met(const std::vector<Dependency>& dependencies);

/// A circle of stored plans that wait for each other, were `plan` to wait for `ids`: as ids, the
/// first once more at the end; empty: there is none.
[[nodiscard]] Result<std::vector<std::string>> dependency_cycle(
    store::StateDirectory& state, const PlanId& plan, const std::vector<std::string>& ids);
/// Stored plans that wait for this one.
[[nodiscard]] Result<std::vector<store::PlanRow>> plans_waiting_for(store::StateDirectory& state,
                                                                    const PlanId& plan);
/// The ids that a stored plan waits for; what cannot be read waits for none.
[[nodiscard]] std::vector<std::string> waits_for(const store::PlanRow& row);

}  // namespace dunlin::engine
