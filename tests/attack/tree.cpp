#include "tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/check.h"
#include "support/adversarial_tree.h"

namespace dunlin::attack {
namespace {

constexpr const char* kSymlink = "symlink";
constexpr const char* kHardLink = "hard-link";
constexpr const char* kFifo = "fifo";
constexpr int kKeptVersions = 900;  // more than a copy of the tree has items
constexpr time_t kLongAgo = 1'000'000'000;

void must(bool done, const std::string& path) {
  DUNLIN_CHECK(done, "cannot make " + path);
}

void write(const std::string& path, std::string_view word, std::size_t bytes) {
  std::string text;
  while (text.size() < bytes) text.append(word).append("\n");
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  must(out.good(), path);
}

/// Where the file system has none of the user's attributes, the proof does without.
void attribute(const std::string& path, std::string_view value) {
  static_cast<void>(::lsetxattr(path.c_str(), "user.attack", value.data(), value.size(), 0));
}

void date(const std::string& path, time_t seconds) {
  const timespec times[2] = {{seconds, 111'111'111}, {seconds, 222'222'222}};
  must(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0, path);
}

void folder(const std::string& path) {
  must(::mkdir(path.c_str(), 0755) == 0, path);
}

std::size_t size_of(std::size_t directory, int file) {
  if (file == 0 && directory % 16 == 0) return 300'000;
  return 1 + directory * 37 + static_cast<std::size_t>(file) * 211;
}

/// The files of the tree, `word` in each.
void make_files(const std::string& root, const std::string& word, std::size_t more_bytes) {
  for (std::size_t d = 0; d < directories().size(); ++d) {
    const std::string& relative = directories()[d];
    const std::string path = below(root, relative);
    std::string line = word;
    line.append(" ").append(relative);
    folder(path);
    for (int n = 0; n < kFilesInDirectory; ++n)
      write(below(path, file_name(n)), line, size_of(d, n) + more_bytes);
    attribute(below(path, file_name(2)), word);
    attribute(path, word);
  }
}

template <typename Do>
void each_entry(const std::string& root, const Do& step) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) step(entry.path());
  step(root);
}

void give_to_nobody(const std::string& root) {
  if (::geteuid() != 0) return;
  each_entry(root, [](const std::filesystem::path& path) {
    must(::lchown(path.c_str(), kNobody, kNobody) == 0, path);
  });
}

void anew(const std::string& root) {
  testing::remove_tree(root);
  folder(root);
}

mode_t type_at(const std::string& path) {
  struct stat info{};
  return ::lstat(path.c_str(), &info) == 0 ? info.st_mode & S_IFMT : 0;
}

}  // namespace

const std::vector<std::string>& directories() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> made;
    for (char a = 'a'; a < 'e'; ++a) {
      made.push_back(std::string("top-") + a);
      for (char b = 'a'; b < 'd'; ++b) {
        const std::string middle = std::string("top-") + a + "/middle-" + b;
        made.push_back(middle);
        for (char c = 'a'; c < 'e'; ++c) made.push_back(middle + "/leaf-" + c);
      }
    }
    return made;
  }();
  return all;
}

std::string file_name(int number) {
  return "file-" + std::to_string(number);
}

std::string below(const std::string& folder, const std::string& path) {
  if (folder.empty() || path.empty()) return folder + path;
  return folder + "/" + path;
}

void make_source(const std::string& root) {
  anew(root);
  make_files(root, "source", 0);
  for (const std::string& relative : directories()) {
    const std::string path = below(root, relative);
    must(::symlink("file-0", below(path, kSymlink).c_str()) == 0, path);
    must(::link(below(path, file_name(1)).c_str(), below(path, kHardLink).c_str()) == 0, path);
    if (relative.ends_with("leaf-a")) must(::mkfifo(below(path, kFifo).c_str(), 0640) == 0, path);
  }
  give_to_nobody(root);
}

void make_older(const std::string& root) {
  anew(root);
  make_files(root, "older", 5);
  each_entry(root, [](const std::filesystem::path& path) { date(path, kLongAgo); });
  give_to_nobody(root);
}

void make_directories(const std::string& root) {
  anew(root);
  for (const std::string& relative : directories()) folder(below(root, relative));
  give_to_nobody(root);
}

void make_empty(const std::string& root) {
  anew(root);
  give_to_nobody(root);
}

void make_outside(const std::string& root) {
  anew(root);
  const std::string marker(kMarker);
  make_files(root, marker, 1000);
  for (const std::string& relative : directories()) {
    const std::string path = below(root, relative);
    write(below(path, marker + "-name"), marker, 100);
    must(::symlink((marker + "-target").c_str(), below(path, kSymlink).c_str()) == 0, path);
    write(below(path, kHardLink), marker, 50);
  }
  const std::string undo = below(root, std::string(kUndoNames));
  folder(undo);
  for (int n = 1; n <= kKeptVersions; ++n) write(below(undo, std::to_string(n)), marker, 40);
  each_entry(root, [](const std::filesystem::path& path) {
    const bool link = std::filesystem::is_symlink(path);
    const bool directory = !link && std::filesystem::is_directory(path);
    if (!link) must(::chmod(path.c_str(), directory ? 0700 : 0600) == 0, path);
    date(path, kLongAgo + 1000);
  });
}

std::vector<std::string> changed_shape(const std::string& root) {
  std::vector<std::string> changed;
  for (const std::string& relative : directories()) {
    if (type_at(below(root, relative)) != S_IFDIR) changed.push_back(relative);
    for (int n = 0; n < kFilesInDirectory; ++n) {
      const std::string file = below(relative, file_name(n));
      if (type_at(below(root, file)) != S_IFREG) changed.push_back(file);
    }
  }
  return changed;
}

}  // namespace dunlin::attack
