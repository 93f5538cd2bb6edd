// The bytes of a file, "" when it cannot be read.
#pragma once

#include <fstream>
#include <iterator>
#include <string>

namespace dunlin::crash {

[[nodiscard]] inline std::string content_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace dunlin::crash
