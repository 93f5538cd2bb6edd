// What tests of the kind files share: trees made from a list, snapshots of trees, and a copy driven
// in memory.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/unique_fd.h"
#include "files/files_kind.h"
#include "support/local_contexts.h"
#include "support/scratch.h"

namespace dunlin::files::testing {

using dunlin::testing::LocalExecution;
using dunlin::testing::LocalItem;
using dunlin::testing::ScratchDirectory;
using engine::ItemStatus;
namespace stdfs = std::filesystem;

inline void set_mtime(const std::string& path, std::int64_t seconds, long nanoseconds = 123456789) {
  const timespec times[2] = {{seconds, 0}, {seconds, nanoseconds}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), 0) << path;
}

inline void write_file(const std::string& path, const std::string& content,
                       std::int64_t mtime = 1'500'000'000, mode_t mode = 0644) {
  stdfs::create_directories(stdfs::path(path).parent_path());
  {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out << content;
    ASSERT_TRUE(out.good()) << path;
  }
  ASSERT_EQ(::chmod(path.c_str(), mode), 0);
  set_mtime(path, mtime);
}

inline std::string read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// 3 MiB, of which only some bytes in the middle were ever written.
inline void write_sparse(const std::string& path, std::int64_t mtime = 1'500'000'000) {
  write_file(path, "");
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_EQ(::ftruncate(file.get(), 3 << 20), 0);
  ASSERT_EQ(::pwrite(file.get(), "island", 6, 1 << 20), 6);
  set_mtime(path, mtime);
}

/// " name=value" of each, in order of names.
inline std::string xattrs_of(const std::string& path) {
  std::string names(4096, '\0');
  const ssize_t length = ::llistxattr(path.c_str(), names.data(), names.size());
  std::map<std::string, std::string> found;
  for (std::size_t at = 0; length > 0 && at < static_cast<std::size_t>(length);) {
    const std::string name = names.c_str() + at;
    at += name.size() + 1;
    std::string value(4096, '\0');
    value.resize(static_cast<std::size_t>(
        std::max<ssize_t>(::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size()), 0)));
    found[name] = value;
  }
  std::string text;
  for (const auto& [name, value] : found) text += " " + name + "=" + value;
  return text;
}

/// One line per entry: type, mode, owner, mtime, content or target, whether most of it is holes,
/// and for hard links the first name of their set. `directory_times` false: without the mtime of
/// directories.
inline std::map<std::string, std::string> snapshot(const std::string& root,
                                                   bool directory_times = true) {
  std::map<std::string, std::string> tree;
  std::map<ino_t, std::vector<std::string>> names;
  const auto add = [&](const stdfs::path& path) {
    struct stat raw{};
    if (::lstat(path.c_str(), &raw) != 0) return;
    std::string line = std::to_string(raw.st_mode) + " " + std::to_string(raw.st_uid) + " ";
    if (!S_ISDIR(raw.st_mode) || directory_times) {
      line += std::to_string(raw.st_mtim.tv_sec) + "." + std::to_string(raw.st_mtim.tv_nsec);
    }
    if (S_ISREG(raw.st_mode))
      line += " " + std::to_string(std::hash<std::string>()(read_all(path))) + "/" +
              std::to_string(raw.st_size) + (raw.st_blocks * 1024 < raw.st_size ? " sparse" : "");
    if (!S_ISDIR(raw.st_mode) && raw.st_nlink > 1)
      names[raw.st_ino].push_back(path.native().substr(root.size()));
    line += xattrs_of(path.native());
    if (S_ISLNK(raw.st_mode)) line += " -> " + stdfs::read_symlink(path).native();
    tree[path.native().substr(root.size())] = line;
  };
  add(root);
  std::error_code ignored;
  for (const auto& entry : stdfs::recursive_directory_iterator(root, ignored)) add(entry.path());
  for (auto& [inode, linked] : names) {
    std::sort(linked.begin(), linked.end());
    for (const std::string& name : linked) tree[name] += " = " + linked.front();
  }
  return tree;
}

/// Names of dunlin's own below a root: temporaries and undo folders.
inline std::vector<std::string> own_names(const std::string& root) {
  std::vector<std::string> found;
  if (!stdfs::exists(root)) return found;
  for (const auto& entry : stdfs::recursive_directory_iterator(root)) {
    const std::string name = entry.path().filename();
    if (name.starts_with(".dunlin-")) found.push_back(entry.path().native().substr(root.size()));
  }
  return found;
}

/// A tree with what tends to go wrong: nested and empty directories, symlinks of all sorts, modes,
/// odd names, and files around the sizes of blocks.
inline void make_odd_tree(const std::string& root) {
  write_file(root + "/a.txt", "alpha\n");
  write_file(root + "/empty", "");
  write_file(root + "/sub/b.txt", "beta\n", 1'400'000'000, 0640);
  write_file(root + "/sub/deep/er/c.bin", std::string(4096, 'c'), -5);
  write_file(root + "/sub/script", "#!/bin/sh\n", 1'600'000'000, 0755);
  write_file(root + "/sub/readonly", "r", 1'600'000'001, 0444);
  write_file(root + "/block", std::string(1 << 20, 'x') + "tail", 5'000'000'000);
  write_file(root + "/exact", std::string(1 << 20, 'y'));
  write_sparse(root + "/sub/sparse");
  write_file(root + "/shared", "of three names\n", 1'450'000'000, 0604);
  stdfs::create_hard_link(root + "/shared", root + "/sub/deep/er/shared again");
  stdfs::create_hard_link(root + "/shared", root + "/z");
  stdfs::create_directory(root + "/pipes");
  ASSERT_EQ(::mkfifo((root + "/pipes/fifo").c_str(), 0620), 0);
  set_mtime(root + "/pipes/fifo", 1'250'000'000);
  write_file(root + "/names/new\nline", "1");
  write_file(root + "/names/-dash", "2");
  write_file(root + "/names/\xff\xfe invalid", "3");
  write_file(root + "/names/" + std::string(255, 'n'), "4");
  ASSERT_EQ(::setxattr((root + "/sub/script").c_str(), "user.note", "kept\0too", 8, 0), 0);
  ASSERT_EQ(::setxattr((root + "/names").c_str(), "user.empty", "", 0, 0), 0);
  stdfs::create_directories(root + "/empty dir/inner");
  stdfs::create_symlink("a.txt", root + "/link");
  stdfs::create_symlink("/nowhere/at all", root + "/dangling");
  stdfs::create_symlink("sub", root + "/link to directory");
  for (const char* name : {"/link", "/dangling", "/link to directory"})
    set_mtime(root + name, 1'300'000'000);
  ASSERT_EQ(::chmod((root + "/sub/deep").c_str(), 0555), 0);
  for (const char* name : {"/empty dir/inner", "/empty dir", "/pipes", "/names", "/sub/deep/er",
                           "/sub/deep", "/sub", ""}) {
    set_mtime(root + name, 1'200'000'000);
  }
}

/// A copy or a move of one plan, from the command line to the Run.
class CopyTest {
 public:
  explicit CopyTest(std::string source, std::string destination,
                    std::map<std::string, std::string> options = {}, fs::Features features = {},
                    const std::string& verb = "copy", sandbox::ParserCommand parser = {})
      : kind_(make_files_kind(features, std::move(parser))) {
    engine::CommandLine line{verb, {std::move(source), std::move(destination)}, std::move(options)};
    auto document = kind_->plan_for(line);
    EXPECT_TRUE(document.ok()) << (document.ok() ? "" : document.error().text());
    if (document.ok()) plan_.document = std::move(document).value();
    plan_.kind = "files";
    const std::string level =
        string_or(plan_.document.value("settings", Json::object()), "verification_level", "full");
    settings.verification_level = level == "none"    ? engine::VerificationLevel::none
                                  : level == "basic" ? engine::VerificationLevel::basic
                                                     : engine::VerificationLevel::full;
  }

  /// Begins (or with the same journal, takes over) an execution.
  LocalExecution& start(LocalExecution::Options options = {}) {
    options.settings = settings;
    options.keeps_roots = true;
    auto run = kind_->open(plan_);
    EXPECT_TRUE(run.ok()) << (run.ok() ? "" : run.error().text());
    runs_.push_back(std::move(run).value());
    execution_ = std::make_unique<LocalExecution>(*runs_.back(), std::move(options));
    return *execution_;
  }
  LocalExecution& take_over() {
    auto run = kind_->open(plan_);
    EXPECT_TRUE(run.ok());
    runs_.push_back(std::move(run).value());
    execution_->take_over(*runs_.back());
    return *execution_;
  }
  std::unique_ptr<LocalExecution> take_over_from(LocalExecution::Options options) {
    options.settings = settings;
    options.keeps_roots = true;
    auto run = kind_->open(plan_);
    EXPECT_TRUE(run.ok());
    runs_.push_back(std::move(run).value());
    auto taken = LocalExecution::take_over(*runs_.back(), std::move(options));
    EXPECT_TRUE(taken.ok());
    return std::move(taken).value();
  }
  engine::Run& run() { return *runs_.back(); }
  const engine::Kind& kind() const { return *kind_; }
  engine::Plan& plan() { return plan_; }

  engine::ExecutionSettings settings;

 private:
  std::unique_ptr<engine::Kind> kind_;
  engine::Plan plan_;
  std::vector<std::unique_ptr<engine::Run>> runs_;
  std::unique_ptr<LocalExecution> execution_;
};

inline ::testing::AssertionResult is_ok(const Status& status) {
  if (status.ok()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << status.error().text();
}

/// The type of an item's last error; nullopt when there is no such item or no error.
inline std::optional<ErrorType> error_of(const LocalExecution& execution, std::string_view path,
                                         std::string_view task_type = {}) {
  const LocalItem* item = execution.item(path, task_type);
  if (item == nullptr || !item->error) return std::nullopt;
  return item->error->type;
}

/// Every item ended well; shows the first that did not.
inline ::testing::AssertionResult all_ended(const LocalExecution& execution) {
  for (const LocalItem* item : execution.items()) {
    if (item->row.status == ItemStatus::completed || item->row.status == ItemStatus::skipped)
      continue;
    return ::testing::AssertionFailure()
           << item->row.directory_path << "/" << item->row.name << ": "
           << (item->error ? item->error->text() : "no outcome");
  }
  return ::testing::AssertionSuccess();
}

}  // namespace dunlin::files::testing
