// How soon a verb from another process takes effect.
#pragma once

#include "loop.h"

namespace dunlin::crash {

struct Latencies {
  std::string verb;
  std::vector<double> ms;  ///< sorted
  std::vector<std::string> failures;
  [[nodiscard]] double quantile(double q) const;
};

/// `trials` each of pause, cancel and stop, against a copy of `files` files of 8 KiB, given at a
/// random moment. Time runs from the start of the command `dunlin pause` to the end of the owner's
/// process.
[[nodiscard]] std::vector<Latencies> measure_control(const Options& options, int trials, int files);

}  // namespace dunlin::crash
