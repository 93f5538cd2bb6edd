// Operators, roles and tokens as people meet them: who is refused what, what is said and recorded,
// and that nobody can lock everybody out.
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "base/file_io.h"
#include "e2e/world.h"

namespace dunlin::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Roles : public World {
 protected:
  /// boss, otto and eve, each with a token in a file.
  void make_operators() {
    const std::pair<const char*, const char*> all[] = {
        {"boss", "admin"}, {"otto", "operator"}, {"eve", "viewer"}};
    for (const auto& [name, role] : all) {
      ASSERT_EQ(run({"user", "add", name, "--role", role, "--uid", "none"}).code, 0);
      make_token(name, name);
    }
  }
  /// Its id.
  std::string make_token(const std::string& name, const std::string& file) {
    const Json made = json({"user", "token", name});
    write(file, made["token"].get<std::string>() + "\n");
    EXPECT_EQ(::chmod(path(file).c_str(), 0600), 0);
    return made["id"].get<std::string>();
  }
  std::vector<std::string> as(const std::string& file, std::vector<std::string> words) const {
    words.emplace_back("--as-token");
    words.push_back("file:" + path(file));
    return words;
  }
  /// The type of the error that the command ended with; empty: none.
  std::string error_of(std::vector<std::string> words) {
    words.emplace_back("--json");
    const Finished done = run(words);
    // Some verbs print what is no JSON whatever is asked: a script, a schema over many lines.
    const std::size_t at = done.out.find(R"({"event":"error")");
    std::string type;
    if (at != std::string::npos)
      type = string_or(json_lines(done.out.substr(at)).front(), "type", "");
    if (type == "role_refused") {
      EXPECT_EQ(done.code, 2) << done.err;
    }
    return type;
  }
};

struct VerbCase {
  std::vector<std::string> words;
  int least;  ///< 0 none, 1 viewer, 2 operator, 3 admin
};

/// Words that get as far as the state, for each verb of docs/cli.md.
std::vector<VerbCase> verb_cases(const std::string& folder) {
  const std::string plan = folder + "/plan.yaml";
  const std::string db = "sqlite:" + folder + "/a.db";
  const std::string dir = folder + "/migrations";
  return {
      {{"explain", "disk_full"}, 0},
      {{"version"}, 0},
      {{"completion", "bash"}, 0},
      {{"completion", "zsh"}, 0},
      {{"completion", "fish"}, 0},
      {{"man"}, 0},
      {{"plan", "schema"}, 0},
      {{"ps"}, 1},
      {{"status", "1"}, 1},
      {{"watch", "1"}, 1},
      {{"items", "1"}, 1},
      {{"errors", "1"}, 1},
      {{"tasks", "1"}, 1},
      {{"checkpoints", "1"}, 1},
      {{"report", "1"}, 1},
      {{"manifest", "1"}, 1},
      {{"audit", "show", "1"}, 1},
      {{"audit", "verify", "1"}, 1},
      {{"audit", "export", "1"}, 1},
      {{"lineage", folder + "/src/d0/f0"}, 1},
      {{"plan", "list"}, 1},
      {{"doctor"}, 1},
      {{"copy", folder + "/src", folder + "/dst2"}, 2},
      {{"move", folder + "/one", folder + "/dst2"}, 2},
      {{"load", "sqlite:" + folder + "/a.db", "sqlite:" + folder + "/b.db", "--all"}, 2},
      {{"migrate", "up", "--db", "sqlite:" + folder + "/a.db", "--dir", folder + "/migrations"}, 2},
      {{"migrate", "down", "--db", db, "--dir", dir}, 2},
      {{"migrate", "redo", "--db", db, "--dir", dir}, 2},
      {{"migrate", "baseline", "1", "--db", db, "--dir", dir}, 2},
      {{"migrate", "mark-applied", "1", "--db", db, "--dir", dir}, 2},
      {{"migrate", "import-history", "--db", db, "--dir", dir}, 2},
      {{"migrate", "repair", "--db", db, "--dir", dir}, 2},
      {{"migrate", "status", "--db", db, "--dir", dir}, 1},
      {{"migrate", "validate", "--db", db, "--dir", dir}, 1},
      {{"migrate", "show", "1", "--db", db}, 1},
      {{"run", plan}, 2},
      {{"resume", "1"}, 2},
      {{"pause", "1"}, 2},
      {{"cancel", "1"}, 2},
      {{"stop", "--now", "1"}, 2},
      {{"limits", "1", "--io", "none"}, 2},
      {{"priority", "1", "low"}, 2},
      {{"retry", "1"}, 2},
      {{"skip", "1"}, 2},
      {{"verify", "1"}, 2},
      {{"rollback", "1", "--yes"}, 2},
      {{"plan", "create", plan}, 2},
      {{"plan", "delete", "0193e0a0-7c1b-7d52-9f00-5d2f6c1b7a10"}, 2},
      {{"plan", "show", "0193e0a0-7c1b-7d52-9f00-5d2f6c1b7a10"}, 1},
      {{"plan", "check", "0193e0a0-7c1b-7d52-9f00-5d2f6c1b7a10"}, 1},
      {{"run-owner", "0193e0a0-7c1b-7d52-9f00-5d2f6c1b7a10", "--goal", "migrate"}, 2},
      {{"accept", "1", "--yes"}, 3},
      {{"delete", "1", "--yes"}, 3},
      {{"doctor", "--repair"}, 3},
      {{"user", "add", "new", "--role", "viewer", "--uid", "none"}, 3},
      {{"user", "list"}, 3},
      {{"user", "role", "nosuch", "viewer"}, 3},
      {{"user", "remove", "nosuch"}, 3},
      {{"user", "token", "nosuch"}, 3},
      {{"user", "whoami"}, 0},
  };
}

TEST_F(Roles, EveryVerbByEveryRole) {
  make_tree("src", 6, 10);
  make_tree("one", 1, 10);
  write("plan.yaml", "kind: files\nsource: {paths: [" + path("src") +
                         "]}\ndestination: {base_path: " + path("dst3") + "}\n");
  ASSERT_EQ(run({"copy", path("src"), path("dst")}).code, 0);
  const auto cases = verb_cases(path("."));
  const std::string reference = run({"reference"}).out;
  for (std::size_t at = reference.find("\n## dunlin "); at != std::string::npos;
       at = reference.find("\n## dunlin ", at + 1)) {
    const std::string verb = reference.substr(at + 11, reference.find('\n', at + 1) - at - 11);
    const bool there = std::any_of(cases.begin(), cases.end(), [&](const VerbCase& one) {
      const std::string& first = one.words.front();
      return first == verb || (one.words.size() > 1 && first + " " + one.words[1] == verb);
    });
    EXPECT_TRUE(there) << verb << " has no case here";
  }
  EXPECT_NE(error_of({"status", "1"}), "role_refused") << "there are no operators";
  make_operators();
  const std::string revoked = make_token("boss", "revoked");
  ASSERT_EQ(run({"user", "token", "boss", "--revoke", revoked}).code, 0);
  write("unknown", "dunlin_00000000_" + std::string(64, '0'));
  ASSERT_EQ(::chmod(path("unknown").c_str(), 0600), 0);
  const struct {
    const char* file;
    int role;
  } callers[] = {{"revoked", -1}, {"unknown", -1}, {"eve", 1}, {"otto", 2}, {"boss", 3}};
  std::size_t number = 0;
  for (const auto& caller : callers)
    for (const VerbCase& one : cases) {
      if (number++ % kEvery != 0) continue;
      const bool refused = error_of(as(caller.file, one.words)) == "role_refused";
      // Without a good token nobody is anybody; what touches no state asks for none.
      const bool asks = one.least > 0 || one.words == std::vector<std::string>{"user", "whoami"};
      const bool expected = caller.role < 0 ? asks : caller.role < one.least;
      EXPECT_EQ(refused, expected) << caller.file << ": " << ::testing::PrintToString(one.words);
    }
}

TEST_F(Roles, WithoutOperatorsNothingHasToBeSetUp) {
  make_tree("src", 2, 10);
  EXPECT_EQ(run({"copy", path("src"), path("dst")}).code, 0);
  EXPECT_EQ(json({"user", "list"}), Json::array());
  const Json me = json({"user", "whoami"});
  EXPECT_EQ(me["name"], nullptr);
  EXPECT_EQ(me["role"], "admin");
  EXPECT_EQ(me["uid"], ::getuid());
  EXPECT_THAT(run({"audit", "show"}).out, Not(HasSubstr(", uid ")));
}

TEST_F(Roles, ARefusalSaysWhoYouAreWhatItTakesAndWhomToAskAndIsInTheRecord) {
  make_tree("src", 200, 10'000);
  make_operators();
  Process copy(dunlin(as("otto", {"copy", path("src"), path("dst"), "--io-limit", "1MB/s"})));
  ASSERT_TRUE(is_under_way());
  const Finished refused = run(as("eve", {"cancel", "last"}));
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err,
              HasSubstr("you are eve (viewer), and `dunlin cancel` takes the role operator"));
  EXPECT_THAT(refused.err, HasSubstr("ask an admin (boss) to run `dunlin user role eve operator`"));
  EXPECT_EQ(run(as("eve", {"status", "last"})).code, 0) << "looking is what a viewer does";
  EXPECT_GT(json(as("eve", {"status", "last"}))["progress"]["processed_bytes"], 0);
  EXPECT_TRUE(copy.running());
  EXPECT_EQ(run(as("otto", {"cancel", "last"})).code, 0);
  EXPECT_EQ(copy.wait(milliseconds(20'000)), 4);
  EXPECT_EQ(error_of(as("eve", {"rollback", "last", "--yes"})), "role_refused");
  const Json entries = json({"audit", "show", "last", "--action", "access"});
  ASSERT_EQ(entries.size(), 2U) << entries;
  EXPECT_EQ(entries[0]["detail"],
            Json({{"verb", "cancel"}, {"role", "viewer"}, {"needs", "operator"}}));
  EXPECT_EQ(entries[1]["detail"]["verb"], "rollback");
  const std::string uid = "uid " + std::to_string(::getuid());
  EXPECT_THAT(entries[0]["who"].get<std::string>(), ::testing::StartsWith("eve, " + uid));
  EXPECT_EQ(entries[0]["from"], "cli");
  const std::string all = run({"audit", "show", "last"}).out;
  EXPECT_THAT(all, HasSubstr("otto, " + uid)) << "who owned it, and who cancelled it";
  EXPECT_EQ(run({"audit", "verify", "last"}).code, 0);
}

TEST_F(Roles, WhatRunsInTheBackgroundRunsAsTheOperatorOfTheToken) {
  make_tree("src", 20, 10);
  make_operators();
  EXPECT_EQ(run(as("eve", {"copy", path("src"), path("dst"), "--detach"})).code, 2);
  EXPECT_FALSE(std::filesystem::exists(path("dst")));
  auto words = dunlin({"copy", path("src"), path("dst"), "--detach", "--as-token", "file:otto"});
  ASSERT_EQ(testing::run_process(words).code, 0) << "a relative path, from the folder it is in";
  ASSERT_TRUE(eventually([this] { return status() == "completed"; }));
  EXPECT_THAT(run({"audit", "show", "last"}).out, HasSubstr("otto, uid "));
  words = dunlin({"copy", path("src"), path("dst4"), "--detach"});
  words.environment["DUNLIN_TOKEN"] = *read_file(path("eve"), 1000);
  EXPECT_EQ(testing::run_process(words).code, 2);
  words.environment["DUNLIN_TOKEN"] = "file:" + path("otto");
  EXPECT_EQ(testing::run_process(words).code, 0);
  ASSERT_TRUE(eventually([this] { return status() == "completed"; }));
}

TEST_F(Roles, TheOwnerOfTheStateCannotBeLockedOut) {
  ASSERT_EQ(run({"user", "add", "eve", "--role", "viewer"}).code, 2) << "the first is an admin";
  ASSERT_EQ(run({"user", "add", "boss", "--role", "admin", "--uid", "none"}).code, 0);
  const std::string uid = std::to_string(::getuid());
  ASSERT_EQ(run({"user", "add", "me", "--role", "viewer", "--uid", uid}).code, 0);
  EXPECT_THAT(run({"user", "whoami"}).out, HasSubstr("me (viewer)"));
  const Finished refused = run({"plan", "delete", "0193e0a0-7c1b-7d52-9f00-5d2f6c1b7a10"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("the state directory is yours: dunlin user role me operator"));
  EXPECT_EQ(run({"user", "remove", "boss"}).code, 2) << "the last admin";
  EXPECT_EQ(run({"user", "role", "boss", "viewer"}).code, 2);
  EXPECT_EQ(run({"user", "role", "me", "admin"}).code, 0);
  EXPECT_EQ(run({"user", "remove", "boss"}).code, 0) << "there is another one now";
  const Finished last = run({"user", "remove", "me"});
  EXPECT_EQ(last.code, 0);
  EXPECT_THAT(last.out, HasSubstr("everybody who may open the state directory is admin"));
}

TEST_F(Roles, ATokenIsShownOnceListedByItsIdAndRevoked) {
  make_operators();
  const std::string token = run({"user", "token", "otto", "--quiet"}).out;
  EXPECT_THAT(token, ::testing::MatchesRegex("dunlin_[0-9a-f]{8}_[0-9a-f]{64}\n"));
  const std::string id = token.substr(7, 8);
  write("second", token);
  ASSERT_EQ(::chmod(path("second").c_str(), 0600), 0);
  const std::string secret = token.substr(16, 64);
  EXPECT_EQ(run(as("second", {"user", "whoami"})).code, 0);
  Json listed = json({"user", "token", "otto", "--list"});
  ASSERT_EQ(listed.size(), 2U);
  const auto of_id = [&]() -> Json {
    for (const Json& one : json({"user", "token", "otto", "--list"}))
      if (one["id"] == id) return one;
    return {};
  };
  EXPECT_TRUE(of_id()["last_used_at"].is_string());
  EXPECT_EQ(of_id()["revoked_at"], nullptr);
  EXPECT_EQ(run({"user", "token", "otto", "--revoke", id}).code, 0);
  EXPECT_TRUE(of_id()["revoked_at"].is_string());
  const Finished revoked = run(as("second", {"ps"}));
  EXPECT_EQ(revoked.code, 2);
  EXPECT_THAT(revoked.err, HasSubstr("token " + id + " of otto was revoked"));
  EXPECT_EQ(run({"user", "token", "eve", "--revoke", id}).code, 2) << "it is not eve's";
  const Json all = json({"user", "list"});
  EXPECT_EQ(all.size(), 3U);
  EXPECT_EQ(all[2]["name"], "otto");
  EXPECT_EQ(all[2]["tokens"].size(), 2U);
  EXPECT_THAT(all.dump(), Not(HasSubstr(secret)));
  EXPECT_THAT(run({"user", "list"}).out, HasSubstr("otto  operator"));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(state()))
    if (entry.is_regular_file()) {
      EXPECT_EQ(read_file(entry.path(), 64 << 20)->find(secret), std::string::npos) << entry.path();
    }
}

TEST_F(Roles, TheTokenItselfIsNotTakenFromTheCommandLine) {
  make_operators();
  const std::string token = *read_file(path("boss"), 1000);
  const Finished done = run({"ps", "--as-token", token.substr(0, token.size() - 1)});
  EXPECT_EQ(done.code, 2);
  EXPECT_THAT(done.err, HasSubstr("--as-token takes env:NAME or file:PATH"));
  EXPECT_THAT(done.err, Not(HasSubstr(token.substr(16, 20))));
  ASSERT_EQ(::chmod(path("boss").c_str(), 0644), 0);
  const Finished open = run(as("boss", {"ps"}));
  EXPECT_EQ(open.code, 0);
  EXPECT_THAT(open.err, HasSubstr("others may read the secret in"));
  EXPECT_THAT(run({"ps", "--as-token", "env:NOT_THERE"}).err, HasSubstr("NOT_THERE is not set"));
  EXPECT_THAT(run({"user", "add", "x", "--role", "boss"}).err,
              HasSubstr("there is no role 'boss'"));
  EXPECT_THAT(run({"user", "add", "x", "--role", "viwer"}).err, HasSubstr("did you mean viewer?"));
  EXPECT_THAT(run({"user", "add", "x", "--role", "viewer", "--uid", "-3"}).err,
              HasSubstr("is no user id"));
}

TEST_F(Roles, ADamagedStateDbLosesTheOperatorsAndSaysSo) {
  make_operators();
  write("state/state.db", "no database at all, and long enough to be looked at as one");
  const Finished after = run({"user", "list"});
  EXPECT_EQ(after.code, 0) << after.err;
  EXPECT_THAT(after.err, HasSubstr("operators and their tokens are lost"));
  EXPECT_THAT(run({"doctor"}).out, HasSubstr("operators and their tokens"));
}

}  // namespace
}  // namespace dunlin::e2e
