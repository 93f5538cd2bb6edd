// What the tests of fs share.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fs/directory.h"
#include "support/scratch.h"

namespace dunlin::fs::testing {

using dunlin::testing::ScratchDirectory;
namespace stdfs = std::filesystem;

inline Directory open(const std::string& path, Features features = {},
                      Side side = Side::destination) {
  auto opened = Directory::open_root(path, side, features);
  EXPECT_TRUE(opened.ok()) << opened.error().text();
  return std::move(opened).value();
}

inline void write(const std::string& path, const std::string& content) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << content;
  ASSERT_TRUE(out.good()) << path;
}

inline std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline ::testing::AssertionResult is_ok(const Status& status) {
  if (status.ok()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << status.error().text();
}

template <typename T>
ErrorType type_of(const Result<T>& result) {
  EXPECT_FALSE(result.ok());
  return result.ok() ? ErrorType::defect : result.error().type;
}

}  // namespace dunlin::fs::testing
