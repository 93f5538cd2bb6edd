// A small tree with everything the copy distinguishes: empty, small, large, nested, odd names,
// symlinks, files that stand at the destination already (older, equal), directories with modes of
// their own. Copied, moved by renames, moved to another file system, linked, copied beside what
// stands there.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>

#include "base/check.h"
#include "content.h"
#include "scenario.h"
#include "support/scratch.h"

namespace dunlin::crash {
namespace {

namespace fsys = std::filesystem;

void write(const std::string& path, std::size_t size, unsigned seed, mode_t mode, time_t mtime) {
  std::string bytes(size, '\0');
  unsigned state = seed * 2654435761U + 1;
  for (char& byte : bytes) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<char>(state >> 24);
  }
  std::ofstream(path, std::ios::binary) << bytes;
  DUNLIN_CHECK(::chmod(path.c_str(), mode) == 0, path);
  const timespec times[2] = {{mtime, 111}, {mtime, 123456789}};
  DUNLIN_CHECK(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0, path);
}

/// FNV-1a (Fowler, Noll, Vo): of our own, so that the judge shares nothing with the judged.
std::string fnv(const std::string& bytes) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 1099511628211ULL;
  return std::to_string(hash);
}

class FilesScenario final : public Scenario {
 public:
  explicit FilesScenario(FilesVerb verb) : verb_(verb) {
    if (across()) memory_.emplace("/dev/shm");
  }

  std::string name() const override {
    switch (verb_) {
      case FilesVerb::copy:
        return "files";
      case FilesVerb::move_within:
        return "files-rename";
      case FilesVerb::move_across:
        return "files-move";
      case FilesVerb::hardlink:
        return "files-hardlink";
      case FilesVerb::keep_both:
        return "files-keep-both";
      case FilesVerb::rename_existing:
        return "files-rename-existing";
      case FilesVerb::several:
        return "files-several";
      case FilesVerb::several_move:
        return "files-several-move";
    }
    return "files";
  }

  void make_source(const std::string& folder) override {
    source_ = (memory_ ? memory_->path() : folder) + "/source";
    destination_ = folder + "/destination";
    make_tree();
  }

  void make_tree() {
    fsys::create_directories(source_ + "/a/b/c");
    fsys::create_directories(source_ + "/empty");
    fsys::create_directories(source_ + "/-dash\nline");
    const std::size_t sizes[] = {0, 1, 100, 4095, 4096, 4097, 70'000, 300'000};
    unsigned n = 0;
    for (const char* where : {"", "/a", "/a/b", "/a/b/c", "/-dash\nline"}) {
      for (const std::size_t size : sizes) {
        ++n;
        write(source_ + where + "/file" + std::to_string(n), size, n, n % 3 == 0 ? 0600 : 0644,
              1'600'000'000 + n);
      }
    }
    write(source_ + "/a/large", 2'500'000, 99, 0640, 1'500'000'000);
    write(source_ + "/a/\xff\xfe not utf-8", 500, 98, 0604, -86'400);
    fsys::create_hard_link(source_ + "/a/large", source_ + "/a/b/c/large again");
    fsys::create_hard_link(source_ + "/a/large", source_ + "/-dash\nline/large again");
    fsys::create_hard_link(source_ + "/a/file14", source_ + "/a/b/one of two");
    DUNLIN_CHECK(::mkfifo((source_ + "/a/pipe").c_str(), 0620) == 0, "mkfifo");
    write(source_ + "/a/b/holes", 3, 97, 0644, 1'600'000'097);
    DUNLIN_CHECK(::truncate((source_ + "/a/b/holes").c_str(), 700'000) == 0, "truncate");
    DUNLIN_CHECK(::setxattr((source_ + "/a/b/holes").c_str(), "user.note", "kept", 4, 0) == 0,
                 "setxattr");
    fsys::create_symlink("../nowhere", source_ + "/a/b/link");
    fsys::create_symlink("file1", source_ + "/link to file1");
    for (const char* timed : {"/a/pipe", "/a/b/holes", "/a/b/link", "/link to file1"}) {
      const timespec times[2] = {{1'600'000'097, 1}, {1'600'000'097, 2}};
      DUNLIN_CHECK(
          ::utimensat(AT_FDCWD, (source_ + timed).c_str(), times, AT_SYMLINK_NOFOLLOW) == 0, timed);
    }
    DUNLIN_CHECK(::chmod((source_ + "/a/b").c_str(), 0750) == 0, "chmod");
    for (const char* where : {"/a/b/c", "/a/b", "/a", "/empty", "/-dash\nline", ""}) {
      const timespec times[2] = {{1'400'000'000, 0}, {1'400'000'000, 5}};
      DUNLIN_CHECK(::utimensat(AT_FDCWD, (source_ + where).c_str(), times, 0) == 0, where);
    }
  }

  void reset_destination() override {
    if (moves()) {
      fsys::remove_all(source_);
      make_tree();
    }
    fsys::remove_all(destination_);
    fsys::create_directories(destination_ + "/a");
    write(destination_ + "/file3", 77, 1000, 0644,
          1'300'000'000);  // older: overwritten, kept for undo
    write(destination_ + "/a/file14", 10, 1001, 0600, 1'300'000'000);  // the same
    write(destination_ + "/a/large", 2'500'000, 1002, 0640,
          1'300'000'000);                                          // same size, other content
    fsys::copy_file(source_ + "/file2", destination_ + "/file2");  // equal: skipped
    const timespec times[2] = {{1'600'000'002, 0}, {1'600'000'002, 123456789}};
    DUNLIN_CHECK(::utimensat(AT_FDCWD, (destination_ + "/file2").c_str(), times, 0) == 0, "file2");
    write(destination_ + "/theirs", 33, 1003, 0644, 1'300'000'000);  // nobody's business
  }

  std::vector<std::string> command() const override {
    std::vector<std::string> words{moves() ? "move" : "copy"};
    if (several()) {
      // Each entry of the tree by itself: what arrives is the same, but for the root's own times.
      for (const auto& entry : fsys::directory_iterator(source_)) words.push_back(entry.path());
      std::sort(words.begin() + 1, words.end());
    } else {
      words.push_back(source_ + "/");
    }
    words.push_back(destination_);
    for (const char* word : {"--batch-size", "12", "--concurrency", "4"}) words.emplace_back(word);
    if (moves()) words.emplace_back("--delete-empty-src-dirs");
    if (verb_ == FilesVerb::hardlink) words.emplace_back("--link");
    if (verb_ == FilesVerb::keep_both) words.insert(words.end(), {"--conflict", "keep_both"});
    if (verb_ == FilesVerb::rename_existing) words.insert(words.end(), {"--conflict", "rename"});
    return words;
  }

  std::string state() override {
    std::vector<std::string> lines;
    describe("", destination_, lines);
    // What has left the source, and nothing else.
    if (moves()) describe_names(lines);
    // Nothing may be set through a link.
    if (verb_ == FilesVerb::hardlink) describe("source", source_, lines);
    std::sort(lines.begin(), lines.end());
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    return text;
  }

  std::vector<std::string> leftovers() override {
    std::vector<std::string> found;
    for (const std::string& root : {source_, destination_}) {
      for (const auto& entry : fsys::recursive_directory_iterator(root)) {
        const std::string file = entry.path().filename().string();
        if (file.starts_with(".dunlin-") && !file.starts_with(".dunlin-undo-"))
          found.push_back(entry.path().string());
      }
    }
    return found;
  }

  std::vector<std::string> publishing_points() const override {
    return {"files.publish.before", "fs.rename_new.before", "fs.rename_new.after",
            "fs.exchange.before",   "fs.exchange.after",    "fs.keep_old.before",
            "files.intents.after",  "files.write.after",    "engine.execute.after"};
  }

 private:
  /// Old versions are kept under names that carry the execution and the item: both differ between
  /// good runs.
  void describe(const std::string& relative, const std::string& path,
                std::vector<std::string>& lines) {
    struct stat info{};
    DUNLIN_CHECK(::lstat(path.c_str(), &info) == 0, path);
    std::string line = relative + " mode " + std::to_string(info.st_mode) + " owner " +
                       std::to_string(info.st_uid) + ":" + std::to_string(info.st_gid) + " mtime " +
                       std::to_string(info.st_mtim.tv_sec) + "." +
                       std::to_string(info.st_mtim.tv_nsec);
    if (S_ISREG(info.st_mode)) {
      line += " size " + std::to_string(info.st_size) + " links " + std::to_string(info.st_nlink) +
              " content " + fnv(content_of(path));
      char note[64];
      const ssize_t length = ::getxattr(path.c_str(), "user.note", note, sizeof note);
      if (length > 0) line += " note " + std::string(note, static_cast<std::size_t>(length));
      if (info.st_blocks * 1024 < info.st_size) line += " mostly holes";
    } else if (S_ISLNK(info.st_mode)) {
      line += " to " + fsys::read_symlink(path).string();
    }
    const bool undo_root = fsys::path(path).filename().string().starts_with(".dunlin-undo-");
    if (several() && relative.empty())
      line = "the directory that all go into";  // its time is that of the last name in it
    if (undo_root) {
      // Neither when it was made nor by which name matters.
      line = "(kept for undo)";
    }
    lines.push_back(line);
    if (!S_ISDIR(info.st_mode)) return;
    for (const auto& entry : fsys::directory_iterator(path)) {
      const std::string file = entry.path().filename().string();
      if (undo_root) {
        lines.push_back("(kept for undo) " + fnv(content_of(entry.path().string())));
      } else {
        describe(relative + "/" + file, entry.path().string(), lines);
      }
    }
  }

  [[nodiscard]] bool across() const {
    return verb_ == FilesVerb::move_across || verb_ == FilesVerb::several_move;
  }
  [[nodiscard]] bool several() const {
    return verb_ == FilesVerb::several || verb_ == FilesVerb::several_move;
  }
  [[nodiscard]] bool moves() const { return verb_ == FilesVerb::move_within || across(); }
  void describe_names(std::vector<std::string>& lines) {
    for (const auto& entry : fsys::recursive_directory_iterator(source_))
      lines.push_back("still at the source: " + entry.path().string());
  }

  FilesVerb verb_;
  std::optional<testing::ScratchDirectory> memory_;  ///< the other file system
  std::string source_;
  std::string destination_;
};

}  // namespace

std::unique_ptr<Scenario> make_files_scenario(FilesVerb verb) {
  return std::make_unique<FilesScenario>(verb);
}

}  // namespace dunlin::crash
