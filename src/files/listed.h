// What the enumeration journals besides items: a directory's own detail, and where items come from
// and go to. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "files/layout.h"
#include "store/model.h"

namespace dunlin::files {

/// A directory's own detail: the batch that creates it, for those that depend on it.
[[nodiscard]] std::string encode_batch(BatchId batch);
[[nodiscard]] Result<BatchId> decode_batch(std::string_view bytes);

/// Each of several sources, or the only file, by its name; all else lies below the roots.
[[nodiscard]] std::vector<store::NewPlace> places_of(const Layout& layout);

}  // namespace dunlin::files
