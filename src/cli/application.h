// Application: the command line of dunlin, from words to an exit code.
//
// main.cpp makes it with the kinds of this program; nothing here knows one of them.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "engine/kind.h"

namespace dunlin::cli {

class Application {
 public:
  Application(const engine::KindRegistry& kinds, const Clock& clock, std::string version)
      : kinds_(kinds), clock_(clock), version_(std::move(version)) {}

  /// `words` without the program's name. Never throws; the result is an exit code of the contract.
  [[nodiscard]] int run(const std::vector<std::string>& words);

 private:
  const engine::KindRegistry& kinds_;
  const Clock& clock_;
  const std::string version_;
};

}  // namespace dunlin::cli
