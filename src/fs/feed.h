// Reading one file from its start for its hashes: a large one several blocks at once, each hash on
// a thread of its own. Any thread, each call on a descriptor of its own.
#pragma once

#include <cstdint>
#include <string_view>

#include "fs/copy.h"
#include "fs/direct_io.h"

namespace dunlin::fs {

struct FedFile {
  DirectMode& mode;
  Subject shown;
  std::size_t granule = 1;    ///< of direct I/O
  bool written_here = false;  ///< it is the destination's: the type of an error
};

/// Up to `size`, or to an earlier end; returns where that was.
[[nodiscard]] Result<std::int64_t> feed(const FedFile& file, std::int64_t size, HashSet& hashes,
                                        const Transfer& transfer);

}  // namespace dunlin::fs
