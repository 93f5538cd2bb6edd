// Files: a tree copied into a folder that holds something already; moved there by renames; moved
// there from another file system.
#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "files/files_kind.h"
#include "support/scratch.h"
#include "support/workload_conformance.h"

namespace dunlin::testing {

namespace {

namespace stdfs = std::filesystem;

enum class Verb : std::uint8_t { copy, move_within, move_across };

template <Verb verb>
class FilesSubject final : public WorkloadSubject {
 public:
  Capabilities capabilities() const override {
    Capabilities all;
    all.keeps_source = verb == Verb::copy;  // a move is there to empty it
    return all;
  }
  void make_source(std::int64_t items) override {
    make_folders();
    for (std::int64_t n = 1; n <= items; ++n) {
      write_source(
          "/dir " + std::to_string(n % 3) + "/file " + std::to_string(n),
          std::string(static_cast<std::size_t>(n * 1000), static_cast<char>('a' + n % 26)));
    }
    stdfs::create_directories(in("/empty folder"));
    stdfs::create_symlink("dir 1/file 1", in("/link"));
    write(scratch_.file("out/dir 1/file 1"), "an older version");
    write(scratch_.file("out/not ours"), "stays");
  }
  void make_hostile_source() override {
    make_folders();
    for (const std::string& name :
         {std::string("new\nline"), std::string("\xff\xfe no UTF-8"), std::string("-rf"),
          std::string(255, 'n'), std::string("$(reboot)"), std::string(" "), std::string("..."),
          std::string("\xe2\x80\xae turned"), std::string(kLookalike), std::string(kReserved)}) {
      write_source("/" + name, "of " + name);
      if (name.size() < 200) write_source("/folder " + name + "/" + name, "below " + name);
    }
  }
  std::unique_ptr<engine::Run> open() override {
    const auto kind = files::make_files_kind();
    remember();
    const std::string name = verb == Verb::copy ? "copy" : "move";
    engine::CommandLine line{name, {in("") + "/", scratch_.file("out")}, {}};
    auto document = kind->plan_for(line);
    EXPECT_TRUE(document.ok()) << document.error().text();
    if (!document.ok()) return nullptr;
    engine::Plan plan;
    plan.kind = "files";
    plan.document = std::move(document).value();
    auto run = kind->open(plan);
    EXPECT_TRUE(run.ok()) << run.error().text();
    return run.ok() ? std::move(run).value() : nullptr;
  }
  Contents source() override { return tree(in("")); }
  Contents destination() override { return tree(scratch_.file("out")); }
  Contents expected() override {
    Contents all = remembered_;
    if (stdfs::exists(scratch_.file("out/not ours")))
      all["/not ours"] = destination().at("/not ours");
    return all;
  }
  std::vector<std::string> leftovers() override {
    std::vector<std::string> names;
    for (const auto& entry : stdfs::recursive_directory_iterator(scratch_.file("out"))) {
      const std::string name = entry.path().filename();
      if (name.starts_with(".dunlin-") && name != kLookalike && name != kReserved)
        names.push_back(entry.path());
    }
    return names;
  }
  std::optional<bool> holds(const engine::ItemRow& item) override {
    const std::string path =
        "/" + (item.directory_path.empty() ? "" : item.directory_path + "/") + item.name;
    const auto wanted = remembered_.find(path);
    // Directories get their times in a batch of their own, of the same name.
    if (wanted == remembered_.end() || wanted->second.starts_with("folder")) return std::nullopt;
    const Contents now = destination();
    const auto found = now.find(path);
    return found != now.end() && found->second == wanted->second;
  }
  void damage() override {
    // Same length and time: only the content tells (and ctime, once the kernel's clock has moved
    // on).
    const std::string path = scratch_.file("out/dir 2/file 2");
    struct stat before{};
    ASSERT_EQ(::stat(path.c_str(), &before), 0);
    const timespec times[2] = {before.st_atim, before.st_mtim};
    struct stat after = before;
    while (after.st_ctim.tv_sec == before.st_ctim.tv_sec &&
           after.st_ctim.tv_nsec == before.st_ctim.tv_nsec) {
      std::fstream(path, std::ios::in | std::ios::out | std::ios::binary) << '!';
      ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
      ASSERT_EQ(::stat(path.c_str(), &after), 0);
    }
  }

 private:
  static constexpr std::string_view kReserved = ".dunlin-12345678-1-1";  ///< of nobody's execution
  static constexpr std::string_view kLookalike = ".dunlin-notes";
  /// What is copied or moved, as it was before: a move leaves no source to compare with.
  void remember() {
    if (remembered_.empty()) remembered_ = source();
  }
  [[nodiscard]] std::string in(const std::string& name) const {
    return (verb == Verb::move_across ? memory_ : scratch_).file("in" + name);
  }
  void make_folders() {
    stdfs::create_directories(in(""));
    stdfs::create_directories(scratch_.file("out"));
  }
  void write_source(const std::string& name, const std::string& content) {
    write(in(name), content);
  }
  void write(const stdfs::path& path, const std::string& content) {
    stdfs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << content;
    const timespec times[2] = {{1'500'000'000, 0}, {1'500'000'000, 123'456'789}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }
  /// Type, mode, time and content; without dunlin's own.
  [[nodiscard]] static Contents tree(const std::string& root) {
    Contents all;
    for (auto entry = stdfs::recursive_directory_iterator(root);
         entry != stdfs::recursive_directory_iterator(); ++entry) {
      const std::string own = entry->path().filename();
      const std::string path = entry->path().native().substr(root.size());
      if (own.starts_with(".dunlin-") && own != kReserved && own != kLookalike) {
        if (entry->is_directory()) entry.disable_recursion_pending();
        continue;
      }
      struct stat info{};
      if (::lstat(entry->path().c_str(), &info) != 0) continue;
      if (S_ISDIR(info.st_mode)) {
        all[path] = "folder " + std::to_string(info.st_mode);
      } else if (S_ISLNK(info.st_mode)) {
        all[path] = "link to " + stdfs::read_symlink(entry->path()).native();
      } else {
        std::ifstream in(entry->path(), std::ios::binary);
        all[path] = std::to_string(info.st_mode) + " " + std::to_string(info.st_mtim.tv_sec) + "." +
                    std::to_string(info.st_mtim.tv_nsec) + " " +
                    std::string(std::istreambuf_iterator<char>(in), {});
      }
    }
    return all;
  }
  ScratchDirectory scratch_;
  ScratchDirectory memory_ = ScratchDirectory::in_memory();
  Contents remembered_;
};

}  // namespace

INSTANTIATE_TYPED_TEST_SUITE_P(Files, WorkloadConformance, FilesSubject<Verb::copy>);
INSTANTIATE_TYPED_TEST_SUITE_P(FilesRename, WorkloadConformance, FilesSubject<Verb::move_within>);
INSTANTIATE_TYPED_TEST_SUITE_P(FilesMove, WorkloadConformance, FilesSubject<Verb::move_across>);

}  // namespace dunlin::testing
