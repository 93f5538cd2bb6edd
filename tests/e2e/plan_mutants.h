// Faulty plans made of good ones by a seed: one mistake each, and what the answer has to name.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"

namespace dunlin::e2e {

/// A plan that is right, of each kind more than one.
[[nodiscard]] std::vector<Json> good_plans();
/// A document as somebody would write it: YAML in blocks, or JSON with a member a line.
[[nodiscard]] std::string written(const Json& plan, bool as_json);

struct PlanMutant {
  std::string mistake;  ///< "misspelt key": what was done
  std::string text;
  bool as_json = false;
  std::string kind;
  int line = 0;
  std::string key;         ///< "settings.batch_szie"; empty: only the message names it
  std::string word;        ///< what the message has to hold
  std::string suggestion;  ///< empty: any or none
};
[[nodiscard]] PlanMutant plan_mutant(std::uint64_t seed);

}  // namespace dunlin::e2e
