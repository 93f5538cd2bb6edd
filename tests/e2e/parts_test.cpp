// Parts of the work, by verbs from another process: held back, let go, wanted first.
#include <csignal>
#include <filesystem>

#include "e2e/world.h"

namespace dunlin::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Parts : public World {
 protected:
  static constexpr int kFiles = 60;

  Parts() {
    for (int i = 0; i < kFiles; ++i) {
      for (const char* folder : {"a", "b", "z"})
        write("src/" + std::string(folder) + "/" + std::to_string(i), std::string(10'000, 'x'));
    }
    // In the midst of the directories of all parts.
    for (const char* folder : {"b/deep", "z/deep", "z/deep/more"})
      write("src/" + std::string(folder) + "/file", "a file further down");
  }

  /// 1.8 MB, read twice at 1 MB/s.
  ProcessOptions slow_copy(const std::string& rate = "1MB/s") {
    return dunlin(
        {"copy", path("src/"), path("dst"), "--io-limit", rate, "--batch-size", "7", "--json"});
  }
  [[nodiscard]] std::size_t count(const std::string& folder) const {
    std::error_code none;
    std::size_t found = 0;
    for (const auto& entry : std::filesystem::directory_iterator(path("dst/" + folder), none))
      found +=
          entry.is_regular_file() && !entry.path().filename().string().starts_with(".") ? 1 : 0;
    return found;
  }
  void expect_whole() {
    EXPECT_EQ(status(), "completed");
    EXPECT_EQ(difference("src", "dst"), "");
    EXPECT_TRUE(leftovers("dst").empty()) << leftovers("dst").front();
  }
  [[nodiscard]] Json current_items() {
    return json({"status", "last"})["progress"]["current_items"];
  }
};

TEST_F(Parts, APartIsHeldBackWhileAllElseGoesOnAndResumeGoesOnWithIt) {
  Process copy(slow_copy());
  ASSERT_TRUE(is_under_way());
  const Finished held = run({"pause", "last", "--path", "z/*"});
  EXPECT_EQ(held.code, 0) << held.err;
  EXPECT_THAT(held.out, HasSubstr("held back: --path 'z/*'"));
  EXPECT_THAT(run({"status", "last"}).out, HasSubstr("held back   --path 'z/*'"));
  EXPECT_EQ(copy.wait(milliseconds(60'000)), 4) << "it pauses when nothing else is left";
  EXPECT_EQ(count("a"), kFiles);
  EXPECT_EQ(count("b"), kFiles);
  EXPECT_LT(count("z"), kFiles);
  const Json shown = json({"status", "last"});
  EXPECT_EQ(shown["status"], "paused");
  EXPECT_EQ(shown["reason"]["type"], "held_back");
  EXPECT_EQ(shown["settings"]["selective_pause"], Json::parse(R"([{"path": "z/*"}])"));
  EXPECT_EQ(shown["error_summary"]["total"], 0) << "what a person wants is no error";
  const Finished resume = run({"resume", "last"});
  EXPECT_EQ(resume.code, 0) << resume.err;
  EXPECT_THAT(resume.out, HasSubstr("goes on with --path 'z/*'"));
  expect_whole();
}

TEST_F(Parts, AFileUnderWayStopsWithinASecondAndGoesOnWhenItIsLetGo) {
  write("src/m/film", std::string(6'000'000, 'f'));
  Process copy(slow_copy());
  ASSERT_TRUE(is_under_way());
  ASSERT_TRUE(eventually([&] { return !current_items().empty(); }));
  ASSERT_EQ(run({"pause", "last", "--path", "m/film"}).code, 0);
  EXPECT_TRUE(eventually([&] { return current_items().empty(); }));
  const Finished wrong = run({"resume", "last", "--path", "m/*"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("held back: --path m/film"));
  EXPECT_EQ(copy.wait(milliseconds(60'000)), 4);
  EXPECT_EQ(count("a") + count("b") + count("z"), 3 * kFiles);
  EXPECT_EQ(run({"limits", "last", "--io", "none"}).code, 0);
  EXPECT_EQ(run({"resume", "last", "--path", "m/film"}).code, 0);
  expect_whole();
}

TEST_F(Parts, WhatIsLetGoWhileAllElseIsUnderWayComesInTheSameRun) {
  Process copy(slow_copy());
  ASSERT_TRUE(is_under_way());
  ASSERT_EQ(run({"pause", "last", "--path", "a/*"}).code, 0);
  ASSERT_EQ(run({"pause", "last", "--path", "b/*"}).code, 0);
  const Finished again = run({"resume", "last", "--held"});
  EXPECT_EQ(again.code, 0);
  EXPECT_THAT(again.out, HasSubstr("--path 'a/*'; --path 'b/*'"));
  EXPECT_THAT(run({"status", "last"}).out, Not(HasSubstr("held back")));
  EXPECT_EQ(run({"resume", "last", "--held"}).code, 2) << "nothing is held back any more";
  EXPECT_EQ(copy.wait(milliseconds(60'000)), 0);
  expect_whole();
}

TEST_F(Parts, WhatIsHeldBackOutlivesAKillAndAPauseOfAllOfIt) {
  Process copy(slow_copy("300kB/s"));
  ASSERT_TRUE(is_under_way());
  ASSERT_EQ(run({"pause", "last", "--path", "b/*"}).code, 0);
  ASSERT_EQ(run({"pause", "last", "--entity", "z"}).code, 0);
  copy.signal(SIGKILL);
  EXPECT_EQ(copy.wait(milliseconds(5000)), 128 + SIGKILL);
  EXPECT_EQ(run({"resume", "last", "--entity", "z", "--detach"}).code, 0);
  ASSERT_TRUE(is_under_way());
  ASSERT_EQ(run({"limits", "last", "--io", "none"}).code, 0);
  ASSERT_TRUE(eventually([&] { return status() == "paused"; }));
  EXPECT_EQ(count("a"), kFiles);
  EXPECT_EQ(count("z"), kFiles);
  EXPECT_LT(count("b"), kFiles);
  const Finished held = run({"pause", "last", "--type", "symlink"});
  EXPECT_EQ(held.code, 0) << held.err;
  EXPECT_THAT(held.out, HasSubstr("from its next start"));
  EXPECT_EQ(run({"resume", "last", "--held"}).code, 0);
  expect_whole();
}

TEST_F(Parts, WhatIsWantedFirstComesFirst) {
  Process copy(slow_copy("400kB/s"));
  ASSERT_TRUE(is_under_way());
  const Finished first = run({"priority", "last", "immediate", "--path", "z/*"});
  EXPECT_EQ(first.code, 0) << first.err;
  EXPECT_THAT(first.out, HasSubstr("now immediate"));
  ASSERT_TRUE(eventually([&] { return count("z") == kFiles; }));
  EXPECT_LT(count("a") + count("b"), 2 * kFiles) << "they came before it";
  EXPECT_EQ(run({"priority", "last", "immediate", "--path", "nowhere/*"}).code, 2);
  const Finished bytes = run({"priority", "last", "high", "--path", "z/\xff*"});
  EXPECT_EQ(bytes.code, 2) << "it would become another name";
  EXPECT_THAT(bytes.err, HasSubstr("? stands for any byte"));
  const Finished type = run({"pause", "last", "--type", "symlnk"});
  EXPECT_EQ(type.code, 2);
  EXPECT_THAT(type.err, HasSubstr("did you mean 'symlink'?"));
  EXPECT_EQ(run({"priority", "last", "high", "--task", "files-999"}).code, 2);
  EXPECT_EQ(run({"priority", "last", "high", "--task", "files-3", "--batch", "3"}).code, 2);
  EXPECT_EQ(run({"priority", "last", "low", "--task", "files-3"}).code, 0);
  EXPECT_EQ(run({"limits", "last", "--io", "none"}).code, 0);
  EXPECT_EQ(copy.wait(milliseconds(60'000)), 0);
  expect_whole();
}

TEST_F(Parts, APlanMayBeginWithAPartHeldBack) {
  write("plan.json",
        R"({"kind": "files", "source": {"paths": [")" + path("src/") +
            R"("]}, "destination": {"base_path": ")" + path("dst") +
            R"("}, "settings": {"selective_pause": [{"path": "z/*"}, {"entity": "b"}]}})");
  EXPECT_EQ(run({"run", path("plan.json")}).code, 4);
  EXPECT_EQ(count("a"), kFiles);
  EXPECT_EQ(count("b") + count("z"), 0);
  EXPECT_EQ(run({"rollback", "last", "--yes"}).code, 0) << "nothing keeps it from being taken back";
  EXPECT_FALSE(std::filesystem::exists(path("dst/a/1")));
}

TEST_F(Parts, WhatFailedIsTriedAgainByItsTask) {
  write("src/a/0", "");
  std::filesystem::create_directories(path("dst/a/0"));
  EXPECT_EQ(run({"copy", path("src/"), path("dst"), "--conflict", "overwrite"}).code, 1);
  std::string task;
  for (const Json& one : json({"tasks", "last"})) {
    if (one["failed_batches"] != 0 || one["task_type"] == "batch_file_operation") task = one["uid"];
  }
  std::filesystem::remove(path("dst/a/0"));
  EXPECT_EQ(run({"retry", "last", "--task", "files-999"}).code, 2);
  EXPECT_EQ(run({"retry", "last", "--task", "nothing"}).code, 2);
  EXPECT_EQ(run({"retry", "last", "--task", task}).code, 0);
  expect_whole();
}

}  // namespace
}  // namespace dunlin::e2e
