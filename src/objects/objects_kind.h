// The objects kind: moves objects between buckets. Registered by main.cpp.
#pragma once

#include <memory>

#include "engine/kind.h"

namespace dunlin::objects {

[[nodiscard]] std::unique_ptr<engine::Kind> make_objects_kind();

}  // namespace dunlin::objects
