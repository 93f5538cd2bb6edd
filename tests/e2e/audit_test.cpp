// The audit log and lineage as a person uses them: who did what, the proof that nobody changed the
// record, and where a file came from.
#include <sys/stat.h>

#include <csignal>

#include "base/file_io.h"
#include "e2e/world.h"
#include "sql/sqlite.h"

namespace dunlin::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Audit : public World {
 protected:
  void SetUp() override {
    make_tree("src", 30, 200);
    ASSERT_EQ(run({"copy", path("src/"), path("dst"), "--batch-size", "5"}).code, 0);
  }
  [[nodiscard]] std::string key() const { return path("home/.config/dunlin/audit.key"); }
  [[nodiscard]] std::string ledger() const {
    for (const auto& entry : std::filesystem::directory_iterator(state() + "/executions"))
      return entry.path().string() + "/ledger.db";
    return {};
  }
  static void tamper(const std::string& file, std::string_view sql) {
    sql::OpenOptions options;
    options.create = false;
    auto database = sql::Database::open(file, options);
    ASSERT_TRUE(database.ok());
    const Status done = database->exec(sql);
    ASSERT_TRUE(done.ok()) << done.error().text();
  }
};

TEST_F(Audit, ShowsWhoDidWhatWhenAndFromWhere) {
  const Finished shown = run({"audit", "show"});
  EXPECT_EQ(shown.code, 0);
  for (const char* word : {"WHO", "FROM", "uid ", "process ", "execution.taken_over",
                           "execution.started", "batch.completed", "execution.completed"})
    EXPECT_THAT(shown.out, HasSubstr(word));
  const Finished some = run({"audit", "show", "1", "--action", "batch", "--limit", "2", "--json"});
  const auto lines = json_lines(some.out);
  ASSERT_EQ(lines.size(), 1U);
  ASSERT_EQ(lines[0].size(), 2U);
  EXPECT_THAT(lines[0][0]["action"].get<std::string>(), ::testing::StartsWith("batch."));
  EXPECT_THAT(lines[0][0]["from"].get<std::string>(), HasSubstr("process "));
  EXPECT_THAT(run({"audit", "show", "--action", "batch", "--limit", "2"}).out,
              HasSubstr("earlier entries are not shown"));
  EXPECT_EQ(run({"audit", "show", "--action", "nothing", "--json"}).out, "[]\n");
}

TEST_F(Audit, ARecordThatNobodyTouchedIsIntactAlsoAfterKills) {
  EXPECT_EQ(run({"audit", "verify"}).code, 0);
  EXPECT_THAT(run({"audit", "verify"}).out, HasSubstr("intact"));
  make_tree("more", 3000, 2000);
  for (int kill = 0; kill < 3; ++kill) {
    Process copy(dunlin(kill == 0
                            ? std::vector<std::string>{"copy", path("more/"), path("dst2"),
                                                       "--batch-size", "20", "--io-limit", "2MB/s"}
                            : std::vector<std::string>{"resume", "last"}));
    ASSERT_TRUE(is_under_way());
    copy.signal(SIGKILL);
    ASSERT_TRUE(copy.wait());
    const Finished after = run({"audit", "verify", "--all"});
    EXPECT_EQ(after.code, 0) << after.out << after.err;
  }
  ASSERT_EQ(run({"limits", "last", "--io", "none"}).code, 0);
  ASSERT_EQ(run({"resume", "last"}).code, 0);
  const Json proof = json({"audit", "verify", "--all"});
  ASSERT_EQ(proof.size(), 2U);
  for (const Json& one : proof) {
    EXPECT_EQ(one["result"], "intact");
    EXPECT_EQ(one["sealed_entries"], one["entries"]);
    EXPECT_EQ(one["anchored_entry"], one["entries"]);
  }
}

TEST_F(Audit, AnEntryThatWasChangedIsNamedAndTheExitCodeIsSix) {
  tamper(ledger(), "UPDATE audit SET actor = 'nobody' WHERE sequence = 4");
  const Finished done = run({"audit", "verify", "last"});
  EXPECT_EQ(done.code, 6);
  EXPECT_THAT(done.out, HasSubstr("CHANGED"));
  EXPECT_THAT(done.out, HasSubstr("audit entry 4 was changed"));
  EXPECT_THAT(done.err, HasSubstr("try:"));
  const Finished all = run({"audit", "verify", "--all", "--json"});
  EXPECT_EQ(all.code, 6);
  EXPECT_EQ(json_lines(all.out).at(0)[0]["first_wrong_entry"], 4);
}

TEST_F(Audit, ACutTailAndALedgerThatIsGoneAreFound) {
  tamper(ledger(),
         "DELETE FROM audit WHERE sequence > 5; UPDATE state SET audit_entries = 5, audit_head = "
         "(SELECT hash FROM audit WHERE sequence = 5)");
  const Finished cut = run({"audit", "verify"});
  EXPECT_EQ(cut.code, 6);
  EXPECT_THAT(cut.out, HasSubstr("the audit log ends at entry 5"));
  std::filesystem::remove_all(std::filesystem::path(ledger()).parent_path());
  for (const auto& words : {std::vector<std::string>{"audit", "verify", "1"},
                            std::vector<std::string>{"audit", "verify", "--all"}}) {
    const Finished gone = run(words);
    EXPECT_EQ(gone.code, 6) << gone.err;
    EXPECT_THAT(gone.out, HasSubstr("the ledger is gone"));
  }
  EXPECT_EQ(run({"status", "1"}).code, 2);
  EXPECT_EQ(run({"audit", "verify", "1"}).code, 6) << "to ask for it has not made it forgotten";
}

TEST_F(Audit, WithoutTheKeyItSaysWhatIsAndWhatIsNotProven) {
  std::filesystem::rename(key(), path("kept.key"));
  const Finished without = run({"audit", "verify"});
  EXPECT_EQ(without.code, 1);
  EXPECT_THAT(without.out, HasSubstr("is intact"));
  EXPECT_THAT(without.out, HasSubstr("not proven"));
  EXPECT_THAT(without.err, HasSubstr("--audit-key-file"));
  EXPECT_FALSE(std::filesystem::exists(key())) << "verify makes no key";
  EXPECT_EQ(run({"audit", "verify", "--audit-key-file", path("kept.key")}).code, 0);
  EXPECT_EQ(run({"audit", "verify", "--also-key", path("kept.key")}).code, 0);
  EXPECT_EQ(run({"audit", "verify", "--audit-key-file", path("none.key")}).code, 2);
}

TEST_F(Audit, TheKeyIsForItsOwnerAloneAndOneThatIsNotIsRefused) {
  struct stat found{};
  ASSERT_EQ(::stat(key().c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0600U);
  ASSERT_EQ(::chmod(key().c_str(), 0644), 0);
  for (const auto& words : {std::vector<std::string>{"audit", "verify"},
                            std::vector<std::string>{"copy", path("src/"), path("dst3")}}) {
    const Finished refused = run(words);
    EXPECT_EQ(refused.code, 2);
    EXPECT_THAT(refused.err, HasSubstr("chmod 600"));
  }
  EXPECT_EQ(run({"ps"}).code, 0) << "to look it needs none";
  EXPECT_EQ(run({"copy", path("src/"), path("dst3"), "--audit-key-file", state() + "/k"}).code, 2);
}

TEST_F(Audit, AWorldWithoutAHomeCopiesAndSaysThatNothingIsSealed) {
  ProcessOptions bare = dunlin({"copy", path("src/"), path("dst4"), "--state", path("other")});
  bare.environment.erase("HOME");
  bare.environment["XDG_CONFIG_HOME"] = "/proc/none";
  const Finished copied = testing::run_process(bare);
  EXPECT_EQ(copied.code, 0) << copied.err;
  bare.words.resize(1);
  for (const char* word : {"audit", "verify", "--state"}) bare.words.emplace_back(word);
  bare.words.push_back(path("other"));
  const Finished proof = testing::run_process(bare);
  EXPECT_EQ(proof.code, 1);
  EXPECT_THAT(proof.out, HasSubstr("no seal"));
}

TEST_F(Audit, IsExportedAsLinesAndAsATableAndNeverOverAnotherFile) {
  ASSERT_EQ(run({"audit", "export", "-o", path("audit.jsonl")}).code, 0);
  const auto lines = json_lines(*read_file(path("audit.jsonl")));
  ASSERT_GT(lines.size(), 8U);
  EXPECT_EQ(lines[0]["sequence"], 1);
  EXPECT_EQ(lines[0]["number"], 1);
  EXPECT_EQ(lines[0]["hash"].get<std::string>().size(), 64U);
  const Finished again = run({"audit", "export", "--format", "csv", "-o", path("audit.jsonl")});
  EXPECT_EQ(again.code, 2);
  EXPECT_THAT(again.err, HasSubstr("--yes"));
  ASSERT_EQ(
      run({"audit", "export", "--all", "--format", "csv", "-o", path("audit.jsonl"), "--yes"}).code,
      0);
  const std::string table = *read_file(path("audit.jsonl"));
  EXPECT_THAT(table, HasSubstr("execution_id,number,sequence,time,actor,action,detail,hash\r\n"));
  EXPECT_THAT(table, HasSubstr("execution.started,\"{\"\"from\"\":\"\"pending\"\""));
  EXPECT_EQ(json_lines(run({"audit", "export"}).out).size(), lines.size());
  EXPECT_EQ(run({"audit", "export", "--format", "xml"}).code, 2);
  for (const auto& entry : std::filesystem::directory_iterator(path("")))
    EXPECT_THAT(entry.path().filename().string(), Not(HasSubstr(".tmp-")));
}

TEST_F(Audit, LineageSaysWhereAFileCameFromAndWhatBecameOfIt) {
  std::filesystem::create_directories(path("one"));
  write("one/a.txt", "first");
  ASSERT_EQ(run({"copy", path("one/"), path("all")}).code, 0);
  write("one/a.txt", "second one");
  ASSERT_EQ(run({"copy", path("one/"), path("all")}).code, 0);
  Json events = json({"lineage", path("all/a.txt")});
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0]["source_path"], path("one/a.txt"));
  EXPECT_EQ(events[0]["destination_path"], path("all/a.txt"));
  EXPECT_EQ(events[0]["since"], "overwritten");
  EXPECT_EQ(events[0]["since_by"], 3);
  EXPECT_EQ(events[1]["since"], "stands");
  EXPECT_THAT(events[1]["checksum"].get<std::string>(), HasSubstr(":"));
  ASSERT_EQ(run({"rollback", "last", "--yes"}).code, 0);
  events = json({"lineage", path("all/a.txt")});
  EXPECT_EQ(events[0]["since"], "stands") << "the version before is back";
  EXPECT_EQ(events[1]["since"], "rolled_back");

  const Json sources = json({"lineage", path("one/a.txt")});
  ASSERT_EQ(sources.size(), 2U);
  EXPECT_EQ(sources[0]["is_source"], true);
  EXPECT_EQ(sources[0]["is_destination"], false);
  ASSERT_EQ(run({"move", path("all/a.txt"), path("moved/")}).code, 0);
  EXPECT_EQ(json({"lineage", path("all/a.txt")})[0]["since"], "moved_away");
  const Json moved = json({"lineage", path("moved/a.txt")});
  EXPECT_EQ(moved[0]["source_path"], path("all/a.txt"));
  EXPECT_EQ(moved[0]["operation"], "move");
  const std::string number = moved[0]["item_id"].dump();
  EXPECT_EQ(json({"lineage", number, "--exec", "last"}), moved);

  const Finished text = run({"lineage", path("all/a.txt")});
  EXPECT_THAT(text.out, HasSubstr("came here:"));
  EXPECT_THAT(text.out, HasSubstr("moved away to"));
  const Finished nothing = run({"lineage", path("all/b.txt")});
  EXPECT_EQ(nothing.code, 2);
  EXPECT_THAT(nothing.err, HasSubstr("try:"));
}

TEST_F(Audit, LineageFindsNamesOfAnyBytesAndFromAnywhere) {
  std::filesystem::create_directories(path("odd"));
  const std::string name = "caf\xE9\n";
  write("odd/" + name, "x");
  ASSERT_EQ(run({"copy", path("odd"), path("all/")}).code, 0);
  const Json found = json({"lineage", path("all/odd/" + name)});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_THAT(found[0]["source_path"].get<std::string>(), HasSubstr("\\xe9"));
  EXPECT_TRUE(found[0].contains("source_path_b64"));
  EXPECT_EQ(json({"lineage", path("all/odd/caf\\xe9\\x0a")}).size(), 1U) << "as lists show it";
  EXPECT_EQ(json({"lineage", "all/odd/" + name}).size(), 1U) << "from this folder on";
  std::filesystem::create_directory_symlink(path("all"), path("link"));
  EXPECT_EQ(json({"lineage", path("link/odd/" + name)}).size(), 1U) << "through a symlink";
  EXPECT_EQ(json({"lineage", path("odd/" + name)})[0]["is_source"], true);
}

}  // namespace
}  // namespace dunlin::e2e
