// Canaries: secrets of an unmistakable form are put wherever one can be given, every verb is run,
// also in its failures, and no byte of what is left behind or was shown may hold one, in any
// spelling.
#include <sys/stat.h>

#include <csignal>

#include <fmt/format.h>

#include "base/file_io.h"
#include "base/redact.h"
#include "base/text.h"
#include "e2e/world.h"

namespace dunlin::e2e {
namespace {

using ::testing::HasSubstr;

/// Letters and signs that a URL, a shell and YAML bear as they are; long enough to be met by no
/// accident.
constexpr const char* kCanary = "Kq7+Vz=cAnArYw8";
constexpr const char* kEncoded = "Kq7%2BVz%3DcAnArYw8";
/// Only who has the whole word can tell where it ends.
constexpr const char* kWithBlanks = "Kq' h <cAnArY> w8";

/// The ways in which the bytes of a secret may stand somewhere.
std::vector<std::string> spellings(const std::string& secret) {
  std::string upper = hex(secret);
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  std::vector<std::string> out = {secret, hex(secret), upper};
  // In the middle of other bytes, base64 shows one of three faces.
  for (std::size_t shift = 0; shift < 3; ++shift) {
    const std::string face = base64_encode(std::string(shift, 'x') + secret);
    const std::size_t from = (shift * 8 + 5) / 6;
    const std::size_t whole = (shift + secret.size()) * 8 / 6;
    out.push_back(face.substr(from, whole - from));
  }
  return out;
}

class Secrets : public World {
 protected:
  Secrets() {
    canaries_ = spellings(kCanary);
    canaries_.emplace_back(kEncoded);
    canaries_.emplace_back("Kq7%2bVz%3dcAnArYw8");
    canaries_.emplace_back("<cAnArY>");
  }

  /// Runs it and keeps what it said.
  Finished say(const std::vector<std::string>& words) { return say(dunlin(words)); }
  Finished say(const ProcessOptions& options) {
    Finished done = testing::run_process(options);
    const std::string shown = fmt::format("{}", fmt::join(options.words, " "));
    look_at(done.out, "standard output of: " + shown);
    look_at(done.err, "standard error of: " + shown);
    return done;
  }
  /// As people type it, and as a script that logs everything does.
  void say_both(std::vector<std::string> words) {
    static_cast<void>(say(words));
    words.insert(words.end(), {"--json", "--log-level", "debug"});
    static_cast<void>(say(words));
  }

  void look_at(const std::string& bytes, const std::string& where) const {
    for (const std::string& canary : canaries_)
      EXPECT_EQ(bytes.find(canary), std::string::npos) << "'" << canary << "' in " << where;
  }
  /// Everything that is on disk but what the test itself has written.
  void look_at_files(const std::string& folder) const {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      look_at(entry.path().string(), "a name");
      if (!entry.is_regular_file()) continue;
      const auto bytes = read_file(entry.path(), 256 << 20);
      ASSERT_TRUE(bytes.ok()) << bytes.error().text();
      look_at(*bytes, entry.path());
    }
  }
  void look_at_process(std::int64_t pid) const {
    for (const char* file : {"cmdline", "comm"}) {
      const auto bytes = read_file(fmt::format("/proc/{}/{}", pid, file), 1 << 20);
      if (bytes.ok()) look_at(*bytes, file);
    }
  }
  void private_file(const std::string& name, const std::string& content) {
    write(name, content);
    ASSERT_EQ(::chmod(path(name).c_str(), 0600), 0);
  }
  void add_canary(const std::string& secret) {
    for (std::string& one : spellings(secret)) canaries_.push_back(std::move(one));
  }

  std::vector<std::string> canaries_;
};

std::vector<std::string> addresses() {
  std::vector<std::string> out;
  for (const std::string& secret : {std::string(kCanary), std::string(kEncoded)}) {
    for (const char* scheme :
         {"postgres", "postgresql", "mysql", "mssql", "s3", "az", "dw", "https"})
      out.push_back(fmt::format("{}://user:{}@host/place", scheme, secret));
    for (const char* name : {"password", "sslpassword", "sig", "access_token", "X-Amz-Signature",
                             "AccountKey", "X-Amz-Security-Token"})
      out.push_back(fmt::format("s3://bucket/place?a=b&{}={}", name, secret));
    out.push_back(fmt::format("mssql://host;user=sa;password={};encrypt=yes", secret));
  }
  out.push_back(fmt::format("postgres://user:{}@host/place", kWithBlanks));
  return out;
}

TEST_F(Secrets, InAWordOfTheCommandLineGoNowhere) {
  const auto all = addresses();
  for (std::size_t n = 0; n < all.size(); n += kEvery) {
    const std::string& address = all[n];
    static_cast<void>(say({"copy", address, path("dst")}));
    static_cast<void>(say({"copy", path("src"), address, "--json"}));
    static_cast<void>(say({"load", address, "sqlite:" + path("b.db"), "--all", "--json"}));
    static_cast<void>(say({"load", "sqlite:" + path("a.db"), address, "--all"}));
    static_cast<void>(say({"migrate", "up", "--db=" + address, "--dir", path("m")}));
  }
  const std::string address = addresses().front();
  say_both({"migrate", "up", "--db", address, "--dir", path("m")});
  say_both({address});
  say_both({"copy", address});
  say_both({"copy", path("a"), path("b"), "--conflict", address});
  say_both({"copy", path("a"), path("b"), std::string("--password=") + kCanary});
  say_both({"run", address});
  say_both({"plan", "check", address});
  say_both({"status", address});
  say_both({"explain", address});
  say_both({"lineage", address});
  say_both({"ps", "--status", address});
  say_both({"ps", "--as-token", kCanary});
  say_both({"ps", "--as-token", address});
  say_both({"report", "last", "--format", address});
  look_at_files(state());
}

TEST_F(Secrets, InAPlanGoNowhereAlsoWhenItIsRefused) {
  const std::string url = addresses().front();
  const std::string canary = kCanary;
  const std::vector<std::pair<std::string, std::string>> plans = {
      {"records.yaml", "kind: records\nsource: {url: '" + url + "'}\ndestination:\n  url: " + url +
                           "\nentities: auto\n"},
      {"keys.yaml", "kind: records\npassword: " + canary +
                        "\nsource:\n  url: sqlite:/a.db\n  passwd: " + canary +
                        "\n  sslpassword: " + canary + "\n  token: [" + canary + "]\n" +
                        "destination: {url: sqlite:/b.db, secret_access_key: " + canary +
                        ", sas_token: " + canary + "}\nentities: auto\n"},
      {"objects.yaml", "kind: objects\nsource: {address: s3://K:" + canary +
                           "@bucket/a}\ndestination: {address: 'az://box/a?sig=" + canary +
                           "', account_key: {value: " + canary + "}}\n"},
      {"schema.yaml", "kind: schema\nsource: {directory: /m}\ndestination: {url: 'mysql://u:" +
                          canary + "@h/d', connection_string: 'Server=h;Pwd=" + canary + "'}\n"},
      {"files.yaml",
       "kind: files\nsource: {paths: ['" + url + "']}\ndestination: {base_path: '" + url + "'}\n"},
      {"colon.yaml", "kind: records\npassword: " + canary + ": x\n"},
      {"colon2.yaml", "kind: records\nsource:\n  url: " + url + ": x\n"},
      {"quote.yaml", "kind: records\nsource:\n  password: \"" + canary + "\n"},
      {"star.yaml", "kind: records\nsource:\n  password: *" + canary + "\n"},
      {"blank.yaml", "kind: records\nsource:\n  url:" + url + "\n"},
      {"key.yaml", "kind: records\n" + url + ": a\n? '" + url + "'\n: b\n"},
      {"list.yaml", "- " + url + "\n- password: " + canary + "\n"},
      {"text.yaml", url + "\n"},
      {"broken.json", "{\"kind\": \"records\", \"password\": \"" + canary + "\" \"x\": 1}"},
      {"broken2.json", "{\"kind\": \"records\", \"source\": {\"url\": \"" + url + "\",}}"},
      {"broken3.json", "{\"kind\": \"records\", \"password\": " + canary + "}"},
      {"types.yaml", "kind: '" + url + "'\nname: [" + canary + "]\nid: '" + url +
                         "'\ndepends_on: '" + url + "'\nsettings: {batch_size: '" + url +
                         "', verify: '" + url + "'}\n"},
  };
  ASSERT_EQ(say({"plan", "list"}).code, 0);  // makes the state
  for (std::size_t n = 0; n < plans.size(); n += kEvery) {
    const auto& [name, content] = plans[n];
    // A list below `name` is no secret by any form: it is told as "a list".
    write("plans/" + name, content);
    say_both({"plan", "check", path("plans/" + name)});
    say_both({"plan", "create", path("plans/" + name)});
    say_both({"plan", "show", path("plans/" + name), "--effective"});
    say_both({"run", path("plans/" + name)});
    say_both({"run", path("plans/" + name), "--dry-run"});
  }
  look_at_files(state());
}

/// A plan that is good, and names an address in its words: it is stored, run, killed, reported.
TEST_F(Secrets, InThePlanOfAnExecutionStayOutOfAllThatIsKeptOfIt) {
  make_tree("src", 200, 10'000);
  const std::string words =
      fmt::format("from {} with Authorization: Bearer {}", addresses().front(), kCanary);
  write("plan.yaml", fmt::format("kind: files\nname: '{0}'\ndescription: '{0}'\nsource: {{paths: "
                                 "['{1}']}}\ndestination: {{base_path: '{2}'}}\n"
                                 "settings: {{io_limit: 100KB/s, batch_size: 20}}\n",
                                 words, path("src"), path("dst")));
  say_both({"plan", "check", path("plan.yaml")});
  const auto created = json_lines(say({"plan", "create", path("plan.yaml"), "--json"}).out);
  ASSERT_FALSE(created.empty());
  const std::string id = created.back()["id"].get<std::string>();
  say_both({"plan", "list"});
  say_both({"plan", "show", id});
  say_both({"plan", "check", id});
  {
    // Its own command line, too: an exclusion that is an address.
    Process copy(dunlin({"copy", path("src/"), path("dst0"), "--io-limit", "100KB/s", "--exclude",
                         addresses().front(), "--log-level", "debug", "--json"}));
    ASSERT_TRUE(is_under_way());
    look_at_process(copy.pid());
    copy.signal(SIGKILL);
    ASSERT_TRUE(copy.wait());
    look_at(copy.out() + copy.err(), "what a killed process said");
  }
  say_both({"cancel", "last"});
  const auto started =
      json_lines(say({"run", id, "--detach", "--json", "--log-level", "debug"}).out);
  ASSERT_FALSE(started.empty());
  ASSERT_EQ(started.back()["event"], "detached");
  const auto pid = started.back()["pid"].get<std::int64_t>();
  ASSERT_TRUE(is_under_way());
  look_at_process(pid);
  for (const std::vector<std::string>& one : std::vector<std::vector<std::string>>{
           {"ps"}, {"ps", "--all"}, {"status", "last"}, {"pause", "last", "--path", "d0/*"}})
    say_both(one);
  ASSERT_EQ(::kill(static_cast<pid_t>(pid), SIGKILL), 0);
  ASSERT_TRUE(eventually([this] { return !boolean_or(json({"status", "last"}), "live", true); }));
  ASSERT_EQ(say({"limits", "last", "--io", "none"}).code, 0);
  say_both({"resume", "last", "--held"});
  EXPECT_EQ(status(), "completed");
  for (const std::vector<std::string>& one :
       std::vector<std::vector<std::string>>{{"report", "last"},
                                             {"report", "last", "--format", "html"},
                                             {"items", "last"},
                                             {"errors", "last"},
                                             {"tasks", "last"},
                                             {"checkpoints", "last"},
                                             {"manifest", "last"},
                                             {"audit", "show", "last"},
                                             {"audit", "export", "--all"},
                                             {"audit", "export", "--all", "--format", "csv"},
                                             {"audit", "verify", "--all"},
                                             {"lineage", path("dst/src/d0/f0")},
                                             {"verify", "last"},
                                             {"rollback", "last", "--yes"},
                                             {"doctor"}})
    say_both(one);
  ASSERT_EQ(say({"report", "last", "--format", "html", "-o", path("report.html")}).code, 0);
  look_at(*read_file(path("report.html"), 1 << 24), "report.html");
  look_at_files(state());
}

TEST_F(Secrets, OfTokensAndKeysStayWithWhoeverWasGivenThem) {
  make_tree("src", 200, 10'000);
  ASSERT_EQ(say({"user", "add", "boss", "--role", "admin", "--uid", "none"}).code, 0);
  const Finished made = run({"user", "token", "boss"});
  const std::string token = made.out.substr(0, made.out.size() - 1);
  ASSERT_EQ(token.size(), 80U);
  add_canary(token.substr(kTokenBegins.size() + kTokenIdDigits + 1));
  private_file("token", token + "\n");
  const auto with_file = [&](std::vector<std::string> words) {
    words.insert(words.end(), {"--as-token", "file:" + path("token"), "--log-level", "debug"});
    return dunlin(words);
  };
  const auto with_variable = [&](const std::vector<std::string>& words,
                                 const std::string& variable) {
    ProcessOptions options = dunlin(words);
    options.environment[variable] = token;
    return options;
  };
  ASSERT_EQ(
      say(with_file({"copy", path("src"), path("dst"), "--io-limit", "100KB/s", "--detach"})).code,
      0);
  ASSERT_TRUE(is_under_way());
  const auto owner = json({"status", "last"});
  const auto pid =
      integer_or(*parse_json(owner.contains("owner") ? owner["owner"].dump() : "{}"), "pid", 0);
  if (pid > 0) look_at_process(pid);
  for (const char* verb : {"status", "pause"}) {
    EXPECT_EQ(say(with_file({verb, "last"})).code, 0);
    EXPECT_EQ(say(with_variable({verb, "last", "--json"}, "DUNLIN_TOKEN")).code, 0);
    EXPECT_EQ(say(with_variable({verb, "last", "--as-token", "env:MINE"}, "MINE")).code, 0);
  }
  ASSERT_EQ(say(with_file({"limits", "last", "--io", "none"})).code, 0);
  ASSERT_EQ(say(with_variable({"resume", "last", "--detach"}, "DUNLIN_TOKEN")).code, 0);
  ASSERT_TRUE(eventually([this] { return status() == "completed"; }));
  static_cast<void>(say(with_file({"user", "token", "boss", "--list", "--json"})));
  static_cast<void>(say(with_file({"user", "list"})));
  static_cast<void>(say({"ps", "--as-token", token}));
  const auto key = read_file(path("home/.config/dunlin/audit.key"), 1000);
  ASSERT_TRUE(key.ok());
  canaries_.push_back(key->substr(0, 64));
  canaries_.push_back(*unhex(key->substr(0, 64)));
  // Refused, in the record: a token that is no good, and one that was.
  private_file("token", kCanary);
  EXPECT_EQ(say(with_file({"cancel", "last"})).code, 2);
  private_file("token", token);
  ASSERT_EQ(say({"user", "token", "boss", "--revoke", token.substr(7, 8)}).code, 0);
  EXPECT_EQ(say(with_file({"cancel", "last", "--json"})).code, 2);
  say_both({"audit", "show", "last"});
  say_both({"report", "last"});
  EXPECT_THAT(run({"audit", "show", "last"}).out, HasSubstr("access.refused"));
  look_at_files(state());
}

/// The search finds what there is, in each spelling.
TEST_F(Secrets, TheSearchItselfIsNotBlind) {
  std::vector<std::string> hidden = {kCanary, kEncoded, hex(kCanary)};
  for (const char* before : {"", "a", "ab"})
    hidden.push_back(base64_encode(std::string(before) + kCanary + "and more"));
  for (const std::string& one : hidden) {
    const bool found = std::any_of(canaries_.begin(), canaries_.end(), [&](const std::string& c) {
      return ("before " + one + " behind").find(c) != std::string::npos;
    });
    EXPECT_TRUE(found) << one;
  }
}

}  // namespace
}  // namespace dunlin::e2e
