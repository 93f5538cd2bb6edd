// See attributes.h.
#include "files/attributes.h"

#include <algorithm>

#include "base/hash.h"
#include "base/text.h"

namespace dunlin::files {
namespace {

constexpr std::string_view kCapability = "security.capability";

bool is_kept(const std::string& name, const fs::Preserve& preserve) {
  if (fs::is_acl(name)) return preserve.acls;
  return preserve.xattrs && (!name.starts_with("security.") || name == kCapability);
}

/// Without what is not remembered; `with_flags` false: without flags, which a source on a file
/// system that knows none could not tell.
fs::Extended remembered(const fs::Extended& extended, const fs::Preserve& preserve,
                        bool with_flags) {
  fs::Extended kept;
  for (const fs::Xattr& one : extended.xattrs) {
    if (is_kept(one.name, preserve)) kept.xattrs.push_back(one);
  }
  const std::uint32_t flags = extended.flags.value_or(0) & ~fs::kFinalFlags;
  if (with_flags && preserve.flags && flags != 0) kept.flags = flags;
  return kept;
}

Result<std::uint64_t> mark_of(const fs::Extended& kept) {
  if (kept.xattrs.empty() && !kept.flags) return std::uint64_t{0};
  DUNLIN_ASSIGN(const std::string digest, hash_bytes(HashKind::xxh3, fs::encode_extended(kept)));
  std::uint64_t mark = 0;
  for (std::size_t n = 0; n < sizeof mark; ++n)
    mark = mark << 8U | static_cast<unsigned char>(digest[n]);
  return std::max<std::uint64_t>(mark, 1);
}

std::string names_of(const fs::Extended& kept) {
  std::string names;
  for (const fs::Xattr& one : kept.xattrs)
    names += (names.empty() ? "" : ", ") + escape_bytes(one.name);
  return names.empty() ? "none" : names;
}

}  // namespace

Result<std::uint64_t> attributes_mark(const fs::Extended& extended, const fs::Preserve& preserve) {
  return mark_of(remembered(extended, preserve, true));
}

Result<std::uint64_t> placed_attributes(fs::InodeRef to, const fs::Extended& extended,
                                        const fs::Preserve& preserve, const fs::Loss& loss,
                                        const fs::Directory& directory, std::string_view name) {
  if (loss.empty()) return attributes_mark(extended, preserve);
  DUNLIN_ASSIGN(const fs::Extended there, fs::read_extended(to, directory, name));
  return attributes_mark(there, preserve);
}

Result<std::optional<std::string>> attributes_difference(fs::InodeRef inode, const Witness& witness,
                                                         const fs::Preserve& preserve,
                                                         const fs::Directory& directory,
                                                         std::string_view name) {
  if (!preserve.xattrs && !preserve.acls && !preserve.flags) return std::optional<std::string>();
  auto there = fs::read_extended(inode, directory, name);
  if (!there.ok()) {
    if (there.error().type == ErrorType::permission_denied) return std::optional<std::string>();
    return std::move(there).error();
  }
  if (preserve.flags && !inode.path_only &&
      (there->flags.value_or(0) & fs::kFinalFlags) != witness.final_flags)
    return std::optional<std::string>("the immutable or append-only flag was changed");
  const fs::Extended plain = remembered(*there, preserve, false);
  DUNLIN_ASSIGN(const std::uint64_t without_flags, mark_of(plain));
  DUNLIN_ASSIGN(const std::uint64_t with_flags, attributes_mark(*there, preserve));
  if (witness.attributes == without_flags || witness.attributes == with_flags)
    return std::optional<std::string>();
  if (witness.attributes == 0)
    return std::optional("attributes or an ACL were added: " + names_of(plain));
  return std::optional("the attributes, ACL or flags were changed; attributes there now: " +
                       names_of(plain));
}

}  // namespace dunlin::files
