// Patterns: each rule by name, time that does not explode, and git as the reference.
#include "files/glob.h"

#include <random>
#include <set>

#include "base/file_io.h"
#include "files/fixture.h"
#include "files/selection.h"
#include "support/process.h"

namespace dunlin::files::testing {
namespace {

using dunlin::testing::run_process;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

bool matches(std::string_view pattern, const std::string& path, bool directory = false) {
  const auto glob = Glob::parse(pattern);
  EXPECT_TRUE(glob.ok()) << pattern;
  return glob.ok() && glob->matches(path, path.substr(path.rfind('/') + 1), directory);
}

std::string refusal(std::string_view pattern) {
  const auto glob = Glob::parse(pattern);
  return glob.ok() ? "accepted" : glob.error().message;
}

TEST(Glob, WithoutASlashTheNameIsMatchedAtEveryDepth) {
  for (const char* path : {"core", "a/core", "a/b/core"})
    EXPECT_TRUE(matches("core", path)) << path;
  EXPECT_FALSE(matches("core", "core/x"));
  EXPECT_FALSE(matches("core", "score"));
  EXPECT_TRUE(matches("*.o", "deep/er/x.o"));
  EXPECT_TRUE(matches("*.o", ".o"));
  EXPECT_FALSE(matches("*.o", "x.oo"));
}

TEST(Glob, ASlashAnchorsItAtTheRoot) {
  EXPECT_TRUE(matches("/core", "core"));
  EXPECT_FALSE(matches("/core", "a/core"));
  EXPECT_TRUE(matches("a/core", "a/core"));
  EXPECT_FALSE(matches("a/core", "b/a/core"));
}

TEST(Glob, ASlashAtTheEndMeansDirectories) {
  EXPECT_TRUE(matches("build/", "x/build", true));
  EXPECT_FALSE(matches("build/", "x/build", false));
  EXPECT_TRUE(matches("/a/b/", "a/b", true));
}

TEST(Glob, StarsStopAtASlashAndTwoDoNot) {
  EXPECT_TRUE(matches("/a/*.c", "a/x.c"));
  EXPECT_FALSE(matches("/a/*.c", "a/b/x.c"));
  EXPECT_TRUE(matches("/a/**/x.c", "a/x.c"));
  EXPECT_TRUE(matches("/a/**/x.c", "a/b/c/x.c"));
  EXPECT_FALSE(matches("/a/**/x.c", "a/bx.c"));
  EXPECT_TRUE(matches("**/x", "x"));
  EXPECT_TRUE(matches("**/b/x", "a/b/x"));
  EXPECT_TRUE(matches("a/**", "a/b/c"));
  EXPECT_FALSE(matches("a/**", "a"));
  EXPECT_FALSE(matches("/x/a*b", "x/a/b"));
  EXPECT_FALSE(matches("/x/a?b", "x/a/b"));
  EXPECT_FALSE(matches("/x/a[!c]b", "x/a/b")) << "nor does a set take a slash";
}

TEST(Glob, SetsRangesAndClasses) {
  EXPECT_TRUE(matches("[abc].o", "b.o"));
  EXPECT_FALSE(matches("[!abc].o", "b.o"));
  EXPECT_FALSE(matches("[^abc].o", "b.o"));
  EXPECT_TRUE(matches("[a-c]", "b"));
  EXPECT_TRUE(matches("[]]", "]"));
  EXPECT_TRUE(matches("[!]]", "a"));
  EXPECT_TRUE(matches("[a-]", "-"));
  EXPECT_TRUE(matches("[\\]]", "]"));
  EXPECT_TRUE(matches("x[[:digit:][:upper:]]", "x7"));
  EXPECT_TRUE(matches("x[[:digit:][:upper:]]", "xQ"));
  EXPECT_FALSE(matches("x[[:digit:][:upper:]]", "xq"));
  EXPECT_TRUE(matches("[\xf0-\xff]", "\xfe")) << "bytes, not characters";
  EXPECT_FALSE(matches("?", "\xc3\xa9")) << "bytes, not characters";
}

TEST(Glob, ABackslashTakesTheNextByteAsItIs) {
  EXPECT_TRUE(matches("\\*", "*"));
  EXPECT_FALSE(matches("\\*", "a"));
  EXPECT_TRUE(matches("\\!a", "!a"));
  EXPECT_TRUE(matches("a\\ ", "a "));
  EXPECT_TRUE(matches("a  ", "a")) << "blanks at the end do not count";
  EXPECT_TRUE(matches("a\\  ", "a "));
  EXPECT_TRUE(matches("a b", "a b"));
}

TEST(Glob, ANumberSignBeginsNoComment) {
  EXPECT_TRUE(matches("#*#", "#notes#"));
}

TEST(Glob, WhatCanMatchNothingIsRefusedWithTheReason) {
  EXPECT_THAT(refusal(""), HasSubstr("it is empty"));
  EXPECT_THAT(refusal("!"), HasSubstr("it is empty"));
  EXPECT_THAT(refusal("/"), HasSubstr("it is empty"));
  EXPECT_THAT(refusal("a\\"), HasSubstr("it ends in a backslash"));
  EXPECT_THAT(refusal("a[b"), HasSubstr("without its ']'"));
  EXPECT_THAT(refusal("[[:digits:]]"), HasSubstr("an unknown class"));
  EXPECT_THAT(refusal(std::string(5000, 'a')), HasSubstr("4,096"));
  EXPECT_THAT(refusal(std::string_view("a\0b", 3)), HasSubstr("NUL"));
}

TEST(Glob, NoPatternIsSlow) {
  // Each of these takes longer than anybody waits in a matcher that tries and goes back.
  std::string many;
  for (int n = 0; n < 120; ++n) many += "*a";
  const std::string name(255, 'a');
  EXPECT_TRUE(matches(many, name));
  EXPECT_FALSE(matches(many + "b", name));
  std::string deep;
  for (int n = 0; n < 60; ++n) deep += "**/a*/";
  std::string path = "a";
  for (int n = 0; n < 500; ++n) path += "/aa";
  EXPECT_TRUE(matches(deep + "**", path));
  EXPECT_FALSE(matches(deep + "b", path));
}

TEST(Glob, MayMatchBelowIsFalseOnlyWhereNothingCan) {
  const auto below = [](std::string_view pattern, std::string_view directory) {
    return Glob::parse(pattern)->may_match_below(directory);
  };
  EXPECT_TRUE(below("*.jpg", "any/where"));
  EXPECT_TRUE(below("/photos/2023/*.jpg", "photos"));
  EXPECT_TRUE(below("/photos/2023/*.jpg", "photos/2023"));
  EXPECT_FALSE(below("/photos/2023/*.jpg", "photos/2024"));
  EXPECT_FALSE(below("/photos/2023/*.jpg", "music"));
  EXPECT_FALSE(below("/photos", "photos"));
  EXPECT_FALSE(below("/photos", "photo"));
  EXPECT_TRUE(below("/p*/x", "photos"));
  EXPECT_TRUE(below("/p*/**/x", "photos/a/b/c"));
  EXPECT_FALSE(below("/p*/x", "photos/a"));
}

// ---- git as the reference ----

constexpr int kRepositories = 40;
constexpr int kCasesEach = 50;

class Maker {
 public:
  explicit Maker(unsigned seed) : random_(seed) {}
  std::string name() {
    static const std::vector<std::string> parts{"a", "b",  "c", "ab", "*",  "[a",   "!a",
                                                "#", "a ", "]", "\\", ".o", "\xff", "-"};
    std::string name;
    for (unsigned n = 1 + below(2); n > 0; --n) name += parts[below(parts.size())];
    return name;
  }
  std::string pattern() {
    static const std::vector<std::string> parts{
        "a",       "b",     "c",           "ab",       "*",           "?",    "**",
        "/",       "**/",   "/**/",        "/**",      "[ab]",        "[!a]", "[^b]",
        "[a-c]",   "[]a]",  "[!]a]",       "[a\\]]",   "[b-]",        "[a",   "\\",
        "\\a",     "\\*",   "[[:alpha:]]", "[[:no:]]", "[[:",         " ",    "\\ ",
        "!",       "#",     "-",           "\xff",     "[\xf0-\xff]", ".o",   "*.o",
        "[a-c-b]", "a/b",   "***",         "\\/",      "[/]",         "[*]",  "[[:punct:]a]",
        "a*b",     "[!-b]", "[c-a]"};
    std::string pattern = below(4) == 0 ? "!" : "";
    if (below(4) == 0) pattern += "/";
    for (unsigned n = 1 + below(4); n > 0; --n) pattern += parts[below(parts.size())];
    if (below(4) == 0) pattern += "/";
    return pattern;
  }
  /// Paths of a tree, directories with a slash at their end.
  std::vector<std::string> tree() {
    std::vector<std::string> directories{""};
    std::set<std::string> names;
    std::vector<std::string> paths;
    for (unsigned n = 6 + below(10); n > 0; --n) {
      const std::string path = directories[below(directories.size())] + name();
      if (!names.insert(path).second) continue;
      const bool directory = below(2) == 0;
      paths.push_back(directory ? path + "/" : path);
      if (directory) directories.push_back(path + "/");
    }
    return paths;
  }
  std::size_t below(std::size_t end) { return random_() % end; }

 private:
  std::mt19937 random_;
};

struct Case {
  std::vector<std::string> patterns;
  std::vector<std::string> paths;
};

/// As the enumeration asks: what lies in a directory that is left out is left out.
bool left_out(const Selection& selection, const std::string& path, bool directory) {
  for (std::size_t slash = path.find('/');; slash = path.find('/', slash + 1)) {
    const std::string prefix = path.substr(0, slash);
    fs::FileInfo info;
    const bool last = slash == std::string::npos;
    info.type = directory || !last ? fs::EntryType::directory : fs::EntryType::file;
    const std::string name = prefix.substr(prefix.rfind('/') + 1);
    if (selection.leaves_out({}, prefix, name, info)) return true;
    if (last) return false;
  }
}

Selection selection_of(const Case& one) {
  Selection selection;
  Json source = Json::object();
  Json& list = source["exclude_patterns"] = Json::array();
  for (const std::string& pattern : one.patterns) {
    if (!Glob::parse(pattern).ok()) continue;  // git must find that it matches nothing
    Json holder = Json::object();
    put_path(holder, "pattern", pattern);
    list.push_back(holder);
  }
  std::vector<std::string> problems;
  selection.decode(source, problems);
  EXPECT_THAT(problems, IsEmpty());
  return selection;
}

/// The paths (as given) that git leaves out.
std::set<std::string> ignored_by_git(const std::string& repository, const std::string& names) {
  EXPECT_TRUE(write_file_durably(repository + "/.git/names", names).ok());
  const auto done = run_process(
      {{"/bin/sh", "-c", "exec git check-ignore --no-index --stdin -z -v -n < .git/names"},
       {{"HOME", repository}},
       repository,
       0});
  EXPECT_LE(done.code, 1) << done.err;
  std::set<std::string> found;
  std::vector<std::string> fields;
  for (std::size_t begin = 0; begin < done.out.size();) {
    const std::size_t end = done.out.find('\0', begin);
    fields.push_back(done.out.substr(begin, end - begin));
    begin = end + 1;
    if (fields.size() < 4) continue;
    if (!fields[2].empty() && fields[2].front() != '!') found.insert(fields[3]);
    fields.clear();
  }
  return found;
}

/// One repository of many cases, each in a directory of its own with a .gitignore.
int compare_repository(unsigned seed, std::size_t& paths, std::size_t& ignored) {
  const ScratchDirectory scratch = ScratchDirectory::in_memory();
  const std::string root = scratch.path();
  EXPECT_EQ(run_process({{"/usr/bin/git", "init", "-q", "."}, {{"HOME", root}}, root, 0}).code, 0);
  Maker maker(seed);
  std::vector<Case> cases(kCasesEach);
  std::string names;
  for (std::size_t n = 0; n < cases.size(); ++n) {
    Case& one = cases[n];
    for (std::size_t left = 1 + maker.below(4); left > 0; --left)
      one.patterns.push_back(maker.pattern());
    one.paths = maker.tree();
    const std::string base = "case" + std::to_string(n) + "/";
    stdfs::create_directory(root + "/" + base);
    std::string lines;
    for (const std::string& pattern : one.patterns)
      lines += (pattern.starts_with('#') ? "\\" : "") + pattern + "\n";
    std::ofstream(root + "/" + base + ".gitignore") << lines;
    for (std::string path : one.paths) {
      const bool directory = path.ends_with('/');
      if (directory) path.pop_back();
      if (directory) {
        stdfs::create_directory(root + "/" + base + path);
      } else {
        std::ofstream(root + "/" + base + path) << "";
      }
      names += base + path + '\0';
    }
  }
  const auto expected = ignored_by_git(root, names);
  ignored += expected.size();
  int different = 0;
  for (std::size_t n = 0; n < cases.size(); ++n) {
    const Selection selection = selection_of(cases[n]);
    for (std::string path : cases[n].paths) {
      const bool directory = path.ends_with('/');
      if (directory) path.pop_back();
      ++paths;
      const bool by_git = expected.contains("case" + std::to_string(n) + "/" + path);
      if (left_out(selection, path, directory) == by_git) continue;
      if (++different > 3) continue;
      std::string lines;
      for (const std::string& pattern : cases[n].patterns) lines += " '" + pattern + "'";
      ADD_FAILURE() << "'" << path << "'" << (directory ? " (directory)" : "") << ": git "
                    << (by_git ? "leaves it out" : "takes it") << " by" << lines;
    }
  }
  return different;
}

TEST(Glob, TwoThousandRandomListsSayWhatGitSays) {
  std::size_t paths = 0;
  std::size_t ignored = 0;
  int different = 0;
  for (unsigned seed = 1; seed <= kRepositories; ++seed)
    different += compare_repository(seed, paths, ignored);
  EXPECT_EQ(different, 0);
  EXPECT_GT(paths, 15'000U);
  EXPECT_GT(ignored, paths / 10) << "patterns that match nothing show nothing";
  EXPECT_LT(ignored, paths * 9 / 10);
}

}  // namespace
}  // namespace dunlin::files::testing
