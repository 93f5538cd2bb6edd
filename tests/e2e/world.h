// World: a scratch folder with a state directory, trees to copy, and the program itself.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "support/process.h"

namespace dunlin::e2e {

using testing::eventually;
using testing::Finished;
using testing::milliseconds;
using testing::Process;
using testing::ProcessOptions;

/// Of cases that are alike and start a process each, every so many are gone through: all of them,
/// but a few under the address sanitizer, where a start takes a quarter of a second.
#ifdef __SANITIZE_ADDRESS__
inline constexpr std::size_t kEvery = 5;
#else
inline constexpr std::size_t kEvery = 1;
#endif

class World : public ::testing::Test {
 protected:
  World();
  ~World() override;

  [[nodiscard]] std::string path(const std::string& name) const { return root_ + "/" + name; }
  [[nodiscard]] std::string state() const { return root_ + "/state"; }

  /// What to start for `dunlin WORDS`; change it before starting for another environment.
  [[nodiscard]] ProcessOptions dunlin(const std::vector<std::string>& words) const;
  /// `dunlin WORDS` to its end.
  [[nodiscard]] Finished run(const std::vector<std::string>& words) const;
  /// `dunlin WORDS --json`, which must end with 0: its last line.
  [[nodiscard]] Json json(std::vector<std::string> words) const;
  [[nodiscard]] std::string status() const;  ///< of the last execution
  /// Waits until the last execution has copied something and goes on.
  [[nodiscard]] bool is_under_way() const;

  /// `files` files of `bytes` bytes each in a few directories.
  void make_tree(const std::string& name, int files, std::size_t bytes);
  void write(const std::string& name, const std::string& content) const;
  /// Empty when both trees hold the same names and contents; else the first difference.
  [[nodiscard]] std::string difference(const std::string& one, const std::string& other) const;
  /// Files of dunlin's own left below a folder.
  [[nodiscard]] std::vector<std::string> leftovers(const std::string& name) const;

 private:
  std::string root_;
  std::string binary_;
};

/// Each line of a --json output.
[[nodiscard]] std::vector<Json> json_lines(const std::string& text);

}  // namespace dunlin::e2e
