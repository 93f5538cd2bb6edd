// KindRegistry's lookups.
#include "engine/kind.h"

namespace dunlin::engine {

const Kind* KindRegistry::find(std::string_view name) const {
  for (const auto& kind : kinds_)
    if (kind->name() == name) return kind.get();
  return nullptr;
}

const Kind* KindRegistry::for_command(const CommandLine& line) const {
  for (const auto& kind : kinds_)
    if (kind->accepts(line)) return kind.get();
  return nullptr;
}

}  // namespace dunlin::engine
