// Exit code, report, lists, the ledger's views and the destination say the same, whatever happened:
// failures, skips, kills, retries, rollbacks. Each item has exactly one end.
#include <sys/stat.h>

#include <csignal>
#include <fstream>
#include <map>
#include <random>
#include <set>

#include "base/crash_point.h"
#include "e2e/world.h"

namespace dunlin::e2e {
namespace {

namespace fs = std::filesystem;

std::string content_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

class Agreement : public World, public ::testing::WithParamInterface<int> {
 protected:
  int below(int limit) { return static_cast<int>(random_() % static_cast<unsigned>(limit)); }
  template <std::size_t N>
  const char* one_of(const char* const (&words)[N]) {
    return words[below(N)];
  }

  /// Files that arrive, that cannot be read, that stand there already, and that meet a directory.
  void make_case() {
    const int files = 10 + below(30);
    for (int n = 0; n < files; ++n) {
      const std::string name = "/d" + std::to_string(below(4)) + "/f" + std::to_string(n);
      write("src" + name, std::string(static_cast<std::size_t>(below(5000)), 'x') + name);
      switch (below(8)) {
        case 0:
          fs::permissions(path("src" + name), fs::perms::none);
          break;
        case 1:
          write("dst" + name, "an older version");
          break;
        case 2:
          fs::create_directories(path("dst" + name));
          break;
        case 3:
          fs::create_hard_link(path("src" + name), path("src/link" + std::to_string(n)));
          break;
        default:
          break;
      }
    }
  }
  void mend() {
    for (const auto& entry : fs::recursive_directory_iterator(path("src")))
      if (entry.is_regular_file()) fs::permissions(entry.path(), fs::perms::owner_all);
    for (const auto& entry : fs::recursive_directory_iterator(path("src"))) {
      const fs::path twin = path("dst") / fs::relative(entry.path(), path("src"));
      if (entry.is_regular_file() && fs::is_directory(twin)) fs::remove(twin);
    }
  }

  /// To its end, or killed at some point: nullopt.
  std::optional<int> act(const std::vector<std::string>& words) {
    ProcessOptions options = dunlin(words);
#if DUNLIN_CRASH_POINTS
    static const char* const kPoints[] = {
        "engine.append.after",  "engine.execute.before",      "files.write.after",
        "files.intents.after",  "files.publish.after",        "files.outcomes.after",
        "ledger.commit.before", "ledger.commit.after",        "engine.end_batch.before",
        "files.settle.after",   "files.directory_times.after"};
    if (below(2) == 0) {
      const std::string at = one_of(kPoints);
      options.environment["DUNLIN_CRASH_AT"] = at + ":" + std::to_string(1 + below(6));
    }
#endif
    const Finished done = testing::run_process(options);
    if (done.code == 128 + SIGKILL) return std::nullopt;
    EXPECT_THAT(done.code, ::testing::AnyOf(0, 1, 4, 6)) << done.out << done.err;
    return done.code;
  }

  [[nodiscard]] std::string sql(const std::string& query) const {
    ProcessOptions options;
    const std::string id = json({"status", "last"})["execution_id"];
    options.words = {"/usr/bin/sqlite3",
                     "-readonly",
                     "-separator",
                     "=",
                     state() + "/executions/" + id + "/ledger.db",
                     query};
    const Finished done = testing::run_process(options);
    EXPECT_EQ(done.code, 0) << done.err;
    return done.out;
  }
  [[nodiscard]] std::map<std::string, std::int64_t> counts(const std::string& query) const {
    std::map<std::string, std::int64_t> found;
    std::istringstream lines(sql(query));
    for (std::string line; std::getline(lines, line);)
      found[line.substr(0, line.find('='))] = std::stoll(line.substr(line.find('=') + 1));
    return found;
  }

  /// `code`: of the verb before; nullopt: it was killed.
  void expect_agreement(std::optional<int> code) {
    const Json report = json({"report", "last"});
    const Json& progress = report["progress"];
    const Json items = json({"items", "last", "--limit", "0"});
    std::map<std::string, std::int64_t> by_status;
    std::set<std::int64_t> ids;
    std::int64_t processed_bytes = 0;
    std::int64_t transferred_bytes = 0;
    for (const Json& item : items) {
      const std::string status = item["status"];
      EXPECT_TRUE(ids.insert(item["item_id"].get<std::int64_t>()).second)
          << "an item is listed twice";
      ++by_status[status];
      if (status != "pending") processed_bytes += item["size"].get<std::int64_t>();
      if (status == "completed") transferred_bytes += item["transferred_bytes"].get<std::int64_t>();
      if (status == "failed" || status == "skipped") {
        EXPECT_FALSE(item["message"].is_null()) << item.dump();
      }
    }
    const auto total = static_cast<std::int64_t>(items.size());
    EXPECT_TRUE(ids.empty() || (*ids.begin() == 1 && *ids.rbegin() == total));
    // Each item is counted as what its task says, in no other sum.
    auto counted = counts(
        "SELECT 'total_' || k.name, count(*) FROM item i JOIN batch b ON i.id BETWEEN b.first_item "
        "AND b.first_item + b.item_count - 1 JOIN task t ON t.id = b.task_id JOIN code k ON k.of = "
        "'count_as' AND k.code = t.count_as GROUP BY 1 UNION ALL SELECT s.name || '_' || k.name, "
        "count(*) FROM outcome o JOIN batch b ON o.item_id BETWEEN b.first_item AND b.first_item + "
        "b.item_count - 1 JOIN task t ON t.id = b.task_id JOIN code k ON k.of = 'count_as' AND "
        "k.code = t.count_as JOIN code s ON s.of = 'item' AND s.code = o.status GROUP BY 1");
    std::int64_t planned = 0;
    std::int64_t processed_files = 0;
    for (const auto& [noun, count_as] :
         {std::pair("files", "items"), {"directories", "directories"}, {"steps", "steps"}}) {
      const auto shown = [&progress, noun = std::string(noun)](const std::string& what) {
        const auto found = progress.find(what + "_" + noun);
        return found == progress.end() || found->is_null() ? 0 : found->get<std::int64_t>();
      };
      planned += shown("total");
      EXPECT_EQ(shown("total"), counted[std::string("total_") + count_as]) << noun;
      for (const auto& [what, status] : {std::pair("successful", "completed_"),
                                         {"failed", "failed_"},
                                         {"skipped", "skipped_"},
                                         {"rolled_back", "rolled_back_"}}) {
        EXPECT_EQ(shown(what), counted[std::string(status) + count_as]) << what << " " << noun;
        if (std::string_view(noun) == "files") processed_files += shown(what);
      }
    }
    EXPECT_EQ(planned, total);
    EXPECT_EQ(progress["processed_files"], processed_files);
    EXPECT_EQ(progress["processed_bytes"], processed_bytes);
    if (report["status"] != "rolled_back") {
      EXPECT_EQ(progress["transferred_bytes"], transferred_bytes);
    }

    auto view = counts("SELECT status, count(DISTINCT id) FROM file_operations GROUP BY status");
    view["pending"] += view["executing"];
    for (const char* status : {"completed", "failed", "skipped", "rolled_back", "pending"})
      EXPECT_EQ(view[status], by_status[status]) << status;
    EXPECT_EQ(counts("SELECT 'n', count(*) FROM file_operations")["n"], total);
    const auto told = counts(
        "SELECT 'completed', progress ->> 'succeeded_items' FROM migration_executions UNION "
        "SELECT 'failed', progress ->> 'failed_items' FROM migration_executions UNION "
        "SELECT 'skipped', progress ->> 'skipped_items' FROM migration_executions");
    auto files = counts(
        "SELECT s.name, count(*) FROM outcome o JOIN batch b ON o.item_id BETWEEN b.first_item AND "
        "b.first_item + b.item_count - 1 JOIN task t ON t.id = b.task_id JOIN code s ON s.of = "
        "'item' AND s.code = o.status WHERE t.count_as = 0 GROUP BY 1");
    for (const auto& [status, number] : told) EXPECT_EQ(number, files[status]) << status;
    EXPECT_EQ(
        counts("SELECT 'n', count(DISTINCT item_id) FROM error e WHERE final = 1 AND pass = 0 "
               "AND item_id IS NOT NULL")["n"],
        by_status["failed"]);
    EXPECT_EQ(run({"doctor"}).code, 0);

    const std::string status = report["status"];
    if (status == "completed") {
      EXPECT_EQ(by_status["pending"], 0);
    }
    if (!code) return;
    EXPECT_EQ(sql("SELECT status FROM migration_executions"), status + "\n");
    int expected = 4;
    if (status == "completed") expected = by_status["failed"] > 0 ? 1 : 0;
    if (status == "rolled_back")
      expected = by_status["completed"] + by_status["failed"] > 0 ? 1 : 0;
    EXPECT_EQ(*code, expected) << status;
    expect_destination(items);
  }

  /// What is called completed is there, whole; what failed or was skipped has not been touched.
  void expect_destination(const Json& items) const {
    for (const Json& item : items) {
      const fs::path from = path("src") / fs::path(item["path"].get<std::string>());
      const fs::path to = path("dst") / fs::path(item["path"].get<std::string>());
      const std::string status = item["status"];
      if (fs::is_directory(from)) continue;
      if (status == "completed") {
        EXPECT_EQ(content_of(to), content_of(from)) << to;
      } else if (fs::is_regular_file(to) && status != "skipped") {
        EXPECT_EQ(content_of(to), "an older version") << to << " " << status;
      }
    }
    if (json({"report", "last"})["live"] == false) {
      EXPECT_EQ(
          leftovers("dst").empty() ||
              fs::path(leftovers("dst").front()).filename().string().starts_with(".dunlin-undo"),
          true);
    }
  }

  std::optional<int> finish(std::optional<int> code) {
    for (int n = 0; n < 30 && (!code || *code == 4); ++n) {
      code = act({"resume", "last"});
      expect_agreement(code);
    }
    return code;
  }

 private:
  std::mt19937 random_{static_cast<unsigned>(GetParam())};
};

TEST_P(Agreement, OfExitCodeReportListsViewsAndDestination) {
  make_case();
  static const char* const kConflicts[] = {"skip", "overwrite", "overwrite_if_different", "fail"};
  static const char* const kLevels[] = {"none", "basic", "full"};
  std::optional<int> code =
      act({"copy", path("src") + "/", path("dst"), "--batch-size", std::to_string(2 + below(8)),
           "--conflict", one_of(kConflicts), "--verify", one_of(kLevels)});
  if (!code && run({"status", "last"}).code != 0) return;  // killed before there was an execution
  expect_agreement(code);
  code = finish(code);
  if (code == 1 && below(3) > 0) {
    if (below(2) == 0) mend();
    code = act({below(3) > 0 ? "retry" : "skip", "last"});
    expect_agreement(code);
    code = finish(code);
  }
  if (below(2) == 0) {
    code = act({"rollback", "last", "--yes"});
    expect_agreement(code);
    finish(code);
  }
}

INSTANTIATE_TEST_SUITE_P(BySeed, Agreement, ::testing::Range(1, 25, static_cast<int>(kEvery)));

}  // namespace
}  // namespace dunlin::e2e
