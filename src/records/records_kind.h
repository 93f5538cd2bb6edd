// The records kind: rows between databases (records.md). `dunlin load SOURCE TARGET`, plans with
// `kind: records`.
#pragma once

#include <memory>

#include "engine/kind.h"

namespace dunlin::records {

[[nodiscard]] std::unique_ptr<engine::Kind> make_records_kind();

}  // namespace dunlin::records
