// Two open files: is the content the same, are holes still holes? The part of tree_compare.h that
// looks at one file; one thread.
#pragma once

#include <sys/stat.h>

#include <string>

namespace dunlin::testing {

/// Both files, open, with what fstatat said of them.
struct OpenPair {
  int one;
  int other;
  const struct stat& one_info;
  const struct stat& other_info;
};

struct CompareBuffers {
  std::string one;
  std::string other;
};

/// What is wrong with the content of two files of one size; empty: nothing. What is a hole on both
/// sides is not read.
std::string content_difference(const OpenPair& files, CompareBuffers& buffers);

/// What is wrong with the holes of the second file; empty: nothing. See tree_compare.h.
std::string hole_difference(const OpenPair& files);

}  // namespace dunlin::testing
