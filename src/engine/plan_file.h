// Plan files: a file that was to be a plan is one, or says with line and key why it is none.
// Values; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/kind.h"

namespace dunlin::engine {

/// One thing that is wrong with a plan, for a person who wants to put it right.
struct PlanProblem {
  std::string pointer;     ///< "/settings/batchsize"; empty: the whole document
  std::string message;     ///< "unknown key; did you mean batch_size?"
  std::string suggestion;  ///< "batch_size"; empty: there is none
  int line = 0;            ///< from 1; 0: unknown
  int column = 0;

  /// As written: "settings.batchsize".
  [[nodiscard]] std::string key() const;
};

/// A file that was to be a plan: the plan, or why it is none, in the order of its lines.
struct PlanReading {
  std::string file;
  std::optional<Plan> plan;
  std::vector<PlanProblem> problems;

  /// plan_invalid, a line per problem: "photos.yaml:5:3: settings.batchsize: unknown key; …".
  [[nodiscard]] Error error() const;
};

/// Reads a YAML or JSON file. An error when it cannot be read, with the names near to it; what is
/// wrong in it are problems.
[[nodiscard]] Result<PlanReading> read_plan_file(const std::string& path,
                                                 const KindRegistry& kinds);

struct DecodedPlan {
  Plan plan;
  std::vector<PlanProblem> problems;  ///< without lines
};

/// A document becomes a plan, or problems. Secrets are taken out of it first (plan_secrets.h): they
/// are in neither. `written`: by a person, into a file (WrittenPlans).
[[nodiscard]] DecodedPlan decode_document(const Json& document, const KindRegistry& kinds,
                                          bool written = false);

}  // namespace dunlin::engine
