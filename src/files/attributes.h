// What is remembered of the attributes, ACLs and flags of a placed entry, so that a verification
// can tell years later, without the source, that they are others: eight bytes where there are any,
// nothing else. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "files/records.h"
#include "fs/inode.h"
#include "fs/metadata.h"

namespace dunlin::files {

/// Zero: there are none that the plan keeps. Labels of the system (security.*, but for
/// capabilities) are its own affair, and kFinalFlags are in the witness.
[[nodiscard]] Result<std::uint64_t> attributes_mark(const fs::Extended& extended,
                                                    const fs::Preserve& preserve);

/// What was placed: `extended` of the source, or where something of it was lost, what `to` has.
[[nodiscard]] Result<std::uint64_t> placed_attributes(fs::InodeRef to, const fs::Extended& extended,
                                                      const fs::Preserve& preserve,
                                                      const fs::Loss& loss,
                                                      const fs::Directory& directory,
                                                      std::string_view name);

/// In words what differs from the witness in the entry `inode`; nullopt: nothing, or the right to
/// look is missing.
[[nodiscard]] Result<std::optional<std::string>> attributes_difference(
    fs::InodeRef inode, const Witness& witness, const fs::Preserve& preserve,
    const fs::Directory& directory, std::string_view name);

}  // namespace dunlin::files
