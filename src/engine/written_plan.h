// What a kind may have to say of plans that a person has written into a file; optional beside Kind.
// Stateless; any thread.
#pragma once

#include <string>
#include <vector>

#include "base/json_fwd.h"

namespace dunlin::engine {

class WrittenPlans {
 public:
  virtual ~WrittenPlans() = default;
  /// A destination that is the source, or lies in it, as far as the names tell; lines as of
  /// Kind::check(). A one-line form is told so by preflight.
  [[nodiscard]] virtual std::vector<std::string> check_places(const Json& document) const = 0;
};

}  // namespace dunlin::engine
