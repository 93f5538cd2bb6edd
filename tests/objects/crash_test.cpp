// Death at every crash point, against a store in another process: what goes on afterwards ends
// equal to an undisturbed run, with nothing left over. The undo pass likewise.
#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>

#include "base/crash_point.h"
#include "objects/fixture.h"
#include "objects/socket_backend.h"
#include "support/object_server.h"
#include "support/scratch.h"
#include "support/self_exec.h"

#if DUNLIN_CRASH_POINTS

namespace dunlin::objects {
namespace {

using dunlin::testing::LocalExecution;
using dunlin::testing::ObjectServerProcess;
using dunlin::testing::ScratchDirectory;
using engine::ItemStatus;

constexpr std::int64_t kItems = 6;

std::unique_ptr<ObjectsRun> open_run(const std::string& socket) {
  ObjectsPlan plan;
  plan.source = {socket, "source", ""};
  plan.destination = {socket, "destination", "to/"};
  plan.conflict = Conflict::overwrite_if_different;
  plan.multipart_threshold = 100;
  plan.part_size = 90;
  return std::make_unique<ObjectsRun>(plan, std::make_unique<SocketBackend>(socket, "source"),
                                      std::make_unique<SocketBackend>(socket, "destination"));
}

LocalExecution::Options options_for(const std::string& journal) {
  LocalExecution::Options options;
  options.settings.batch_size = 2;
  options.settings.batch_size_set = true;
  options.journal_path = journal;
  return options;
}

/// The process that dies: runs (or goes on, when there is a journal), then undoes if told to.
TEST(ObjectsCrash, DISABLED_Child) {
  const char* socket = std::getenv("DUNLIN_TEST_SOCKET");
  const char* journal = std::getenv("DUNLIN_TEST_JOURNAL");
  const char* goal = std::getenv("DUNLIN_TEST_GOAL");
  ASSERT_TRUE(socket != nullptr && journal != nullptr && goal != nullptr);
  const auto run = open_run(socket);
  std::unique_ptr<LocalExecution> execution;
  if (std::ifstream(journal).good()) {
    auto taken = LocalExecution::take_over(*run, options_for(journal));
    ASSERT_TRUE(taken.ok()) << taken.error().text();
    execution = std::move(*taken);
  } else {
    execution = std::make_unique<LocalExecution>(*run, options_for(journal));
  }
  if (std::string_view(goal) == "run") {
    const Status status = execution->run_to_end();
    ASSERT_TRUE(status.ok()) << status.error().text();
    return;
  }
  const Status status = execution->undo();
  ASSERT_TRUE(status.ok()) << status.error().text();
  ASSERT_TRUE(execution->release().ok());
}

/// A store, what is in it, and the execution's journal.
class Scene {
 public:
  Scene() {
    put(source_, "a-empty", "");
    put(source_, "b-large", random_bytes(250, 1), {{"colour", "red"}});
    put(source_, "c-small", "some content");
    put(source_, "d-large-replaces", random_bytes(200, 2));
    put(source_, "e-small-replaces", "new content", {{"colour", "blue"}});
    put(source_, "f-large-replaces-small", random_bytes(120, 3));
    put(destination_, "to/d-large-replaces", random_bytes(230, 4), {{"old", "yes"}});
    put(destination_, "to/e-small-replaces", "old content", {{"old", "yes"}});
    put(destination_, "to/f-large-replaces-small", "old");
    put(destination_, "to/foreign", "not ours");
    auto upload = destination_.begin_upload("to/b-large", {{"who", "somebody else"}}, never_);
    EXPECT_TRUE(upload.ok());
    before_ = everything(destination_);
  }

  int child(const std::string& goal, const std::string& crash_at = "") {
    std::map<std::string, std::string> environment{{"DUNLIN_TEST_SOCKET", server_.socket_path()},
                                                   {"DUNLIN_TEST_JOURNAL", journal_},
                                                   {"DUNLIN_TEST_GOAL", goal},
                                                   {"DUNLIN_CRASH_LOG", log_}};
    if (!crash_at.empty()) environment["DUNLIN_CRASH_AT"] = crash_at;
    return dunlin::testing::run_self("ObjectsCrash.DISABLED_Child", environment);
  }
  /// "name:n" of every hit so far, and forgets them.
  std::vector<std::string> hits() {
    std::vector<std::string> all;
    std::map<std::string, int> counts;
    std::ifstream file(log_);
    for (std::string line; std::getline(file, line);) {
      all.push_back(line + ":" + std::to_string(++counts[line]));
    }
    static_cast<void>(std::remove(log_.c_str()));
    return all;
  }

  void expect_migrated() {
    const auto source = everything(source_);
    const auto destination = everything(destination_);
    for (const auto& [key, seen] : source) {
      const auto at = destination.find("to/" + key);
      ASSERT_NE(at, destination.end()) << key;
      EXPECT_EQ(at->second, seen) << key;
    }
    // Three kept old versions, and somebody else's object.
    EXPECT_EQ(destination.size(), source.size() + 4);
    expect_only_the_foreign_upload();
    const auto run = open_run(server_.socket_path());
    auto execution = LocalExecution::take_over(*run, options_for(journal_));
    ASSERT_TRUE(execution.ok());
    EXPECT_EQ((*execution)->count(ItemStatus::completed), kItems);
    std::map<std::string, std::string> actions;
    for (const auto* item : (*execution)->items()) actions[item->row.name] = item->row.action;
    EXPECT_EQ(actions, (std::map<std::string, std::string>{{"a-empty", "created"},
                                                           {"b-large", "created"},
                                                           {"c-small", "created"},
                                                           {"d-large-replaces", "updated"},
                                                           {"e-small-replaces", "updated"},
                                                           {"f-large-replaces-small", "updated"}}));
    ASSERT_TRUE((*execution)->verify().ok());
    EXPECT_EQ((*execution)->verified(), kItems);
  }
  void expect_as_before() {
    EXPECT_EQ(everything(destination_), before_);
    expect_only_the_foreign_upload();
  }

 private:
  void put(SocketBackend& bucket, const std::string& key, const std::string& bytes,
           const Metadata& metadata = {}) {
    const auto info = bucket.put(key, bytes, {}, metadata, never_);
    EXPECT_TRUE(info.ok()) << info.error().text();
  }
  void expect_only_the_foreign_upload() {
    const auto uploads = destination_.list_uploads("", never_);
    ASSERT_TRUE(uploads.ok());
    ASSERT_EQ(uploads->size(), 1U);
    EXPECT_EQ(uploads->front().metadata.at("who"), "somebody else");
  }

  const CancelToken never_;
  const ScratchDirectory directory_;
  const std::string journal_ = directory_.file("journal");
  const std::string log_ = directory_.file("crash.log");
  const ObjectServerProcess server_;
  SocketBackend source_{server_.socket_path(), "source"};
  SocketBackend destination_{server_.socket_path(), "destination"};
  std::map<std::string, Seen> before_;
};

TEST(ObjectsCrash, AtEachPointOfTheRunAndAgainDuringRecovery) {
  Scene undisturbed;
  ASSERT_TRUE(dunlin::testing::succeeded(undisturbed.child("run")));
  const auto points = undisturbed.hits();
  undisturbed.expect_migrated();
  ASSERT_GT(points.size(), 60U);
  for (const auto& point : points) {
    SCOPED_TRACE("killed at " + point);
    Scene scene;
    ASSERT_TRUE(dunlin::testing::was_killed(scene.child("run", point)));
    // The recovery dies as well: at its first step of that name, if it has one, then at an abort.
    const std::string name = point.substr(0, point.rfind(':'));
    static_cast<void>(scene.child("run", name + ":1"));
    static_cast<void>(scene.child("run", "objects.abort.after:1"));
    ASSERT_TRUE(dunlin::testing::succeeded(scene.child("run")));
    scene.expect_migrated();
    ASSERT_TRUE(dunlin::testing::succeeded(scene.child("undo")));
    scene.expect_as_before();
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(ObjectsCrash, AtEachPointOfTheUndo) {
  Scene undisturbed;
  ASSERT_TRUE(dunlin::testing::succeeded(undisturbed.child("run")));
  static_cast<void>(undisturbed.hits());
  ASSERT_TRUE(dunlin::testing::succeeded(undisturbed.child("undo")));
  undisturbed.expect_as_before();
  for (const auto& point : undisturbed.hits()) {
    SCOPED_TRACE("killed at " + point);
    Scene scene;
    ASSERT_TRUE(dunlin::testing::succeeded(scene.child("run")));
    ASSERT_TRUE(dunlin::testing::was_killed(scene.child("undo", point)));
    ASSERT_TRUE(dunlin::testing::succeeded(scene.child("undo")));
    scene.expect_as_before();
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace dunlin::objects

#endif  // DUNLIN_CRASH_POINTS
