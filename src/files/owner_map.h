// Whose a copied entry becomes: by number as it is (the default), or by rules "FROM:TO,FROM:TO".
// FROM is a name, a number, a range 1000-1999 or * ; TO a name or a number; the first rule that
// fits counts, and who fits none stays. Names are those of this machine.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "fs/types.h"

namespace dunlin::files {

class OwnerMap {
 public:
  /// Replaces the rules; invalid_input names what is wrong.
  [[nodiscard]] Status set_users(std::string_view rules);
  [[nodiscard]] Status set_groups(std::string_view rules);
  /// `info` with the owner and group that its copy gets.
  [[nodiscard]] fs::FileInfo mapped(fs::FileInfo info) const;

 private:
  struct Rule {
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    std::uint32_t to = 0;
  };
  std::vector<Rule> users_;
  std::vector<Rule> groups_;
};

}  // namespace dunlin::files
