// Several sources of one plan, as tests have them: two directories and a file, on one file system
// or two.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "files/fixture.h"

namespace dunlin::files::testing {

/// `words`: the sources, and behind them the destination.
inline CopyTest several(const std::vector<std::string>& words,
                        const std::map<std::string, std::string>& options = {},
                        const std::string& verb = "copy") {
  CopyTest test(words.front(), words.back(), options, {}, verb);
  auto document = test.kind().plan_for({verb, words, options});
  EXPECT_TRUE(document.ok()) << (document.ok() ? "" : document.error().text());
  if (document.ok()) test.plan().document = std::move(document).value();
  return test;
}

/// Two directories and a file, each in a folder of its own; a set of hard links goes through all of
/// what lies on the disk. With `across` one of the directories lies on another file system.
struct Three {
  explicit Three(bool across = false)
      : other_side(across ? ScratchDirectory::in_memory() : ScratchDirectory()) {}

  [[nodiscard]] std::string tree() const { return side.file("one/tree"); }
  [[nodiscard]] std::string more() const { return other_side.file("two/more"); }
  [[nodiscard]] std::string list() const { return side.file("three/list.txt"); }
  [[nodiscard]] std::string target(const std::string& name = "") const {
    return side.file("target") + name;
  }
  [[nodiscard]] std::vector<std::string> words() const {
    return {tree(), more(), list(), target()};
  }
  [[nodiscard]] CopyTest test(const std::map<std::string, std::string>& options = {},
                              const std::string& verb = "copy") const {
    return several(words(), options, verb);
  }
  void make() const {
    make_odd_tree(tree());
    write_file(more() + "/in/c.txt", "gamma\n");
    write_file(more() + "/d.txt", "delta\n", 1'410'000'000, 0600);
    ASSERT_EQ(::chmod((more() + "/in").c_str(), 0751), 0);
    set_mtime(more() + "/in", 1'210'000'000);
    set_mtime(more(), 1'220'000'000);
    write_file(list(), "a list\n", 1'420'000'000, 0640);
  }
  /// What is at the sources, under the names by which it arrives.
  [[nodiscard]] std::map<std::string, std::string> at_sources() const {
    auto all = prefixed("/tree", snapshot(tree()));
    all.merge(prefixed("/more", snapshot(more())));
    if (stdfs::exists(list())) {
      auto folder = snapshot(side.file("three"));
      all["/list.txt"] = folder["/list.txt"];
    }
    return all;
  }
  /// What is in the directory that all went into.
  [[nodiscard]] std::map<std::string, std::string> at_target() const {
    auto all = snapshot(target());
    all.erase("");
    return all;
  }
  static std::map<std::string, std::string> prefixed(
      const std::string& prefix, const std::map<std::string, std::string>& tree) {
    std::map<std::string, std::string> all;
    for (const auto& [name, line] : tree) {
      std::string text = line;
      const auto first = text.rfind(" = /");
      if (first != std::string::npos) text.insert(first + 3, prefix);
      all[prefix + name] = text;
    }
    return all;
  }

  ScratchDirectory side;
  ScratchDirectory other_side;
};

}  // namespace dunlin::files::testing
