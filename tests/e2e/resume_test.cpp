// What changed between a pause and its resume: options, the version, the source.
#include <csignal>

#include "e2e/world.h"

namespace dunlin::e2e {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Resume : public World {
 protected:
  void start_and_pause() {
    make_tree("src", 40, 10'000);
    Process copy(dunlin({"copy", path("src") + "/", path("dst"), "--io-limit", "200kB/s",
                         "--batch-size", "5", "--hash", "sha256"}));
    ASSERT_TRUE(is_under_way());
    ASSERT_EQ(run({"pause", "last"}).code, 0);
    ASSERT_EQ(copy.wait(), 4);
  }
  [[nodiscard]] static Finished sql(const std::string& ledger, const std::string& query) {
    ProcessOptions options;
    options.words = {"/usr/bin/sqlite3", ledger, query};
    return testing::run_process(options);
  }
};

TEST_F(Resume, GoesOnWithTheOptionsItBeganWith) {
  start_and_pause();
  const Json before = json({"status", "last"})["settings"];
  EXPECT_EQ(run({"resume", "last", "--hash", "md5"}).code, 2) << "there is no such option";
  write("config.yaml", "settings: {batch_size: 11, verification_level: none}\n");
  ProcessOptions resumed = dunlin({"resume", "last", "--config", path("config.yaml")});
  resumed.environment["DUNLIN_BATCH_SIZE"] = "22";
  resumed.environment["DUNLIN_VERIFICATION_LEVEL"] = "none";
  const Finished done = testing::run_process(resumed);
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(json({"status", "last"})["settings"], before);
  for (const Json& item : json({"items", "last", "--limit", "0"})) {
    if (item["size"] != 10'000) continue;
    EXPECT_TRUE(item["checksum"].get<std::string>().starts_with("sha256:")) << item.dump();
    EXPECT_NE(item["proof"], "none");
  }
  EXPECT_EQ(difference("src", "dst"), "");
}

TEST_F(Resume, GoesOnItselfWhenTheProcessThatItWatchesIsKilled) {
  make_tree("src", 40, 10'000);
  Process copy(dunlin({"copy", path("src") + "/", path("dst"), "--io-limit", "100kB/s"}));
  ASSERT_TRUE(is_under_way());
  Process watching(dunlin({"resume", "last"}));
  ASSERT_TRUE(watching.says("only watches it"));
  copy.signal(SIGKILL);
  ASSERT_EQ(copy.wait(), 128 + SIGKILL);
  ASSERT_TRUE(watching.says("it goes on here"));
  EXPECT_EQ(run({"limits", "last", "--io", "none"}).code, 0);
  EXPECT_EQ(watching.wait(), 0) << watching.out() << watching.err();
  EXPECT_EQ(difference("src", "dst"), "");
}

TEST_F(Resume, ALedgerOfALaterVersionIsRefusedAndLeftAlone) {
  start_and_pause();
  const std::string id = json({"status", "last"})["execution_id"];
  const std::string ledger = state() + "/executions/" + id + "/ledger.db";
  ASSERT_EQ(
      sql(ledger, "UPDATE meta SET value = '99' WHERE key IN ('min_reader', 'min_writer')").code,
      0);
  const std::string ours = sql(ledger, "PRAGMA user_version").out;
  ASSERT_EQ(sql(ledger, "PRAGMA user_version = 99").code, 0);
  const Finished refused = run({"resume", "1"});
  EXPECT_EQ(refused.code, 2) << refused.out << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("99"));
  EXPECT_THAT(refused.err, HasSubstr("version"));
  ASSERT_EQ(sql(ledger, "PRAGMA user_version = " + ours).code, 0);
  EXPECT_EQ(run({"resume", "1"}).code, 0);
  EXPECT_EQ(difference("src", "dst"), "");
}

TEST_F(Resume, AFileDeletedSinceFailsAloneAsVanished) {
  start_and_pause();
  int deleted = 0;
  for (const Json& item : json({"items", "last", "--status", "pending", "--limit", "0"})) {
    if (item["size"] != 10'000 || deleted == 3) continue;
    fs::remove(path("src/" + item["path"].get<std::string>()));
    ++deleted;
  }
  ASSERT_EQ(deleted, 3);
  EXPECT_EQ(run({"resume", "last"}).code, 1);
  EXPECT_EQ(json({"report", "last"})["errors"]["by_type"]["source_vanished"], 3);
  EXPECT_EQ(difference("src", "dst"), "");
}

TEST_F(Resume, ASourceDeletedSincePausesAndWhatWasCopiedStays) {
  start_and_pause();
  fs::rename(path("src"), path("aside"));
  const Finished paused = run({"resume", "last"});
  EXPECT_EQ(paused.code, 4);
  EXPECT_EQ(json({"status", "last"})["reason"]["type"], "root_changed");
  EXPECT_FALSE(fs::is_empty(path("dst")));
  fs::rename(path("aside"), path("src"));
  EXPECT_EQ(run({"resume", "last"}).code, 0);
  EXPECT_EQ(difference("src", "dst"), "");
}

}  // namespace
}  // namespace dunlin::e2e
