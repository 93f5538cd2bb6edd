// The schema kind: versioned changes of a database's schema (schema.md). `dunlin migrate up --db
// URL --dir DIR`, plans with `kind: schema`.
#pragma once

#include <memory>
#include <string>

#include "engine/kind.h"

namespace dunlin::schema {

/// `product_version` is what the history records beside each migration.
[[nodiscard]] std::unique_ptr<engine::Kind> make_schema_kind(
    std::string product_version = "dunlin");

}  // namespace dunlin::schema
