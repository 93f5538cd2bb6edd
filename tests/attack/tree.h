// The trees of the attack: a source, an older version of it, and one outside that neither dunlin
// nor anybody else may touch. All have the same names, so that a path that is led astray hits
// something.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace dunlin::attack {

/// Stands in every file, attribute, symlink and name that only the outside has, and nowhere else.
inline constexpr std::string_view kMarker = "SECRET-OF-OUTSIDE";
inline constexpr int kFilesInDirectory = 9;
/// A folder outside whose files have the names of an undo folder's: 1, 2, 3 and so on.
inline constexpr std::string_view kUndoNames = "undo";
/// The ordinary user of the attack when dunlin is root.
inline constexpr uid_t kNobody = 65534;

/// Relative paths, parents first, without the root.
[[nodiscard]] const std::vector<std::string>& directories();
[[nodiscard]] std::string file_name(int number);
/// "a/b" below "r" is "r/a/b"; either may be empty.
[[nodiscard]] std::string below(const std::string& folder, const std::string& path);

/// Each makes its root anew; started by root, the trees belong to kNobody but for the outside.
void make_source(const std::string& root);
void make_older(const std::string& root);  ///< the same files with other content, from 2001
void make_directories(const std::string& root);
void make_empty(const std::string& root);
void make_outside(const std::string& root);

/// What is not of the type that was made there, and what is there beside it.
[[nodiscard]] std::vector<std::string> changed_shape(const std::string& root);

}  // namespace dunlin::attack
