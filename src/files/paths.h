// Paths of a plan as text: bytes with slashes between them. Any thread.
#pragma once

#include <string>
#include <utility>

namespace dunlin::files {

[[nodiscard]] bool ends_in_slash(const std::string& path);

/// "/a/b/" and "/a/b" are ("/a", "b"); "/" is ("/", "").
[[nodiscard]] std::pair<std::string, std::string> split_path(std::string path);

/// The directory itself when there is no name.
[[nodiscard]] std::string joined(const std::string& directory, const std::string& name);

[[nodiscard]] std::string without_slash(std::string path);

/// The only one that looks at anything. What cannot be looked at is none.
[[nodiscard]] bool is_directory(const std::string& path, bool follow);

}  // namespace dunlin::files
