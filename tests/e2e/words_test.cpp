// What is typed wrong: the nearest right word, the line and key of a plan, the exit code.
#include <cstdlib>

#include "base/file_io.h"
#include "e2e/world.h"

namespace dunlin::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Words : public World {
 protected:
  void expect_refusal(const std::vector<std::string>& words, const std::string& says) {
    const Finished done = run(words);
    EXPECT_EQ(done.code, 2);
    EXPECT_THAT(done.err, HasSubstr(says));
    EXPECT_THAT(done.err, HasSubstr("try:"));
    EXPECT_EQ(done.out, "");
  }
};

TEST_F(Words, AWrongWordGivesTheNearestRightOne) {
  expect_refusal({"coyp", "a", "b"}, "did you mean 'copy'?");
  expect_refusal({"plan", "chekc", "x"}, "did you mean 'check'?");
  expect_refusal({"copy", "a", "b", "--bach-size", "3"}, "did you mean '--batch-size'?");
  expect_refusal({"ps", "--status", "runing"}, "did you mean 'running'?");
  expect_refusal({"explain", "disk_ful"}, "did you mean 'disk_full'?");
  expect_refusal({"copy", "a", "b", "--verify", "ful"}, "did you mean full?");
  expect_refusal({"ps", "--log-level", "wran"}, "did you mean warn?");
}

TEST_F(Words, WhatIsMissingOrTooMuchIsNamed) {
  expect_refusal({"copy", "a"}, "DST is missing");
  expect_refusal({"load", "a", "b", "c"}, "'c' is one word too many");
  expect_refusal({"copy", "a", "b", "c"}, "the source 'a' does not exist");
  expect_refusal({"copy", "a", "b", "--batch-size", "many"},
                 "--batch-size: must be a whole number");
  expect_refusal({"copy", "a", "b", "--io-limit", "fast"}, "--io-limit:");
  expect_refusal({"stop", "1"}, "--now");
  expect_refusal({"retry", "1", "--item", "x"}, "--item takes a whole number");
}

TEST_F(Words, WhatThisVersionDoesNotHaveIsRefusedAndNeverIgnored) {
  expect_refusal({"copy", "a", "b", "--delete"}, "does not have --delete");
  expect_refusal({"load", "sqlite:a", "sqlite:b", "--all", "--test", "5"}, "cannot be tested");
  expect_refusal({"serve"}, "unknown verb 'serve'");
  expect_refusal({"report", "1", "--format", "pdf"}, "text, json or html");
}

TEST_F(Words, WhatDoesNotExistIsNamed) {
  expect_refusal({"status", "99"}, "99");
  expect_refusal({"copy", path("fotos"), path("dst")}, "fotos' does not exist");
  EXPECT_THAT(run({"status"}).err, HasSubstr("dunlin status last"));
  expect_refusal({"run", "nofile.yaml"}, "nofile.yaml");
  expect_refusal({"copy", path("nothing"), path("dst")}, "nothing");
}

TEST_F(Words, APlanWithAnErrorNamesFileLineAndKey) {
  write("plan.yaml",
        "kind: files\n"
        "source: {paths: [/a]}\n"
        "destination: {base_path: /b}\n"
        "settings:\n"
        "  batchsize: 5\n"
        "  verify: ful\n");
  const Finished done = run({"plan", "check", path("plan.yaml")});
  EXPECT_EQ(done.code, 2);
  EXPECT_THAT(
      done.err,
      HasSubstr("plan.yaml:5:3: settings.batchsize: unknown key; did you mean batch_size?"));
  EXPECT_THAT(done.err, HasSubstr("plan.yaml:6:3: settings.verify:"));
  EXPECT_EQ(run({"run", path("plan.yaml")}).code, 2);
  write("plan.yaml", "kind: files\n  broken: [\n");
  EXPECT_EQ(run({"run", path("plan.yaml")}).code, 2);
}

TEST_F(Words, HelpOfEveryVerbHasExamples) {
  const Finished help = run({"--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.out, Not(HasSubstr("run-owner")));
  for (const char* verb :
       {"copy",   "load",        "run",    "resume", "verify",  "rollback", "retry", "pause",
        "cancel", "stop",        "skip",   "ps",     "status",  "watch",    "items", "errors",
        "tasks",  "checkpoints", "report", "doctor", "explain", "version"}) {
    EXPECT_THAT(help.out, HasSubstr(std::string("  ") + verb + " "));
    const Finished one = run({verb, "--help"});
    EXPECT_EQ(one.code, 0);
    EXPECT_THAT(one.out, HasSubstr("Examples:\n  dunlin ")) << verb;
  }
  EXPECT_THAT(run({"help", "plan", "check"}).out, HasSubstr("dunlin plan check PLAN"));
  EXPECT_EQ(run({}).code, 0);
  EXPECT_EQ(run({"plan"}).code, 2);
}

TEST_F(Words, TheReferenceInTheDocumentsIsWhatHelpSays) {
  const char* source = std::getenv("DUNLIN_SOURCE_DIR");
  if (source == nullptr) FAIL() << "DUNLIN_SOURCE_DIR is not set: run me with ctest or ./dev test";
  const auto written = read_file(std::string(source) + "/docs/cli.md");
  ASSERT_TRUE(written.ok());
  EXPECT_EQ(run({"reference"}).out, *written) << "dunlin reference > docs/cli.md";
}

TEST_F(Words, CompletionKnowsVerbsFlagsAndExecutions) {
  const Finished script = run({"completion", "bash"});
  ASSERT_EQ(script.code, 0);
  write("completion.bash", script.out);
  const auto complete = [&](const std::string& words) {
    auto options = dunlin({});
    const std::string folder = std::filesystem::path(options.words[0]).parent_path();
    options.environment["PATH"] = folder + ":/usr/bin:/bin";
    options.words = {
        "/bin/bash", "-c",
        "source '" + path("completion.bash") + "'; COMP_WORDS=(" + words +
            "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _dunlin; echo \"${COMPREPLY[@]}\""};
    return testing::run_process(options).out;
  };
  EXPECT_THAT(complete("dunlin res"), HasSubstr("resume"));
  EXPECT_THAT(complete("dunlin plan c"), HasSubstr("check"));
  EXPECT_THAT(complete("dunlin copy --ba"), HasSubstr("--batch-size"));
  EXPECT_THAT(complete("dunlin status l"), HasSubstr("last"));
  EXPECT_THAT(complete("dunlin copy --dry"), HasSubstr("--dry-run"));
  EXPECT_EQ(complete("dunlin copy a b --verify ''"), "none basic full\n");
  EXPECT_EQ(complete("dunlin copy a b --verify = fu"), "full\n");
  EXPECT_THAT(complete("dunlin items last --status sk"), HasSubstr("skipped"));
  EXPECT_THAT(complete("dunlin explain disk"), HasSubstr("disk_full"));
  EXPECT_EQ(complete("dunlin copy ''"), "\n") << "files: of that the shell knows more";
  for (const char* shell : {"zsh", "fish"}) EXPECT_EQ(run({"completion", shell}).code, 0);
}

TEST_F(Words, TheManualPageIsReadableByMan) {
  const Finished page = run({"man"});
  ASSERT_EQ(page.code, 0);
  EXPECT_EQ(page.err, "") << "the advice is for terminals";
  EXPECT_THAT(page.out, ::testing::StartsWith(".\\\""));
  EXPECT_THAT(page.out, HasSubstr(".SS dunlin copy SRC... DST [FLAGS]"));
}

TEST_F(Words, CompletionOfTheOtherShellsNamesEveryVerb) {
  const std::string fish = run({"completion", "fish"}).out;
  EXPECT_THAT(fish, HasSubstr("-a rollback -d"));
  EXPECT_THAT(fish, HasSubstr("'__fish_seen_subcommand_from copy' -l batch-size"));
  const std::string zsh = run({"completion", "zsh"}).out;
  EXPECT_THAT(zsh, ::testing::StartsWith("#compdef dunlin\n"));
  EXPECT_THAT(zsh, HasSubstr("rollback"));
}

TEST_F(Words, TheReportTellsTimesPeopleErrorsAndEarlierRuns) {
  make_tree("src", 3, 10);
  write("dst/d0/f0", "another");
  const std::vector<std::string> copy = {"copy", path("src/"), path("dst"), "--conflict", "fail"};
  ASSERT_EQ(run(copy).code, 1);
  ASSERT_EQ(run({"skip", "last"}).code, 0);
  ASSERT_EQ(run(copy).code, 1);
  const std::string report = run({"report", "last"}).out;
  for (const char* part : {"\nTiming\n", "\nResults by task\n", "\nErrors\n", "\nMilestones\n",
                           "\nWho did what\n", "\nThe same, this time and before\n", "\nAudit\n"})
    EXPECT_THAT(report, HasSubstr(part));
  EXPECT_THAT(report, HasSubstr("destination_exists"));
  EXPECT_THAT(report, HasSubstr("          d0/f0: "));
  EXPECT_THAT(report, HasSubstr("execution.started"));
  EXPECT_THAT(run({"report", "1"}).out, HasSubstr("items.skipped"));
  const auto parsed = parse_json(run({"report", "last", "--format", "json"}).out);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->at("runs").size(), 2U);
  EXPECT_EQ(parsed->at("warnings")["total"], 0);
  EXPECT_FALSE(parsed->at("interventions").empty());
  EXPECT_TRUE(parsed->at("remarks").is_array());
}

TEST_F(Words, TheReportSumsUpByDirectoryEndingAndSize) {
  for (const char* name : {"d0/a", "d0/b", "d1/c.txt", "d2/d.txt"})
    write(std::string("src/deep/er/") + name, "content");
  write("src/deep/er/d0/photo.JPG", std::string(5000, 'x'));
  write("src/deep/er/top.txt", "");
  std::filesystem::create_symlink("top.txt", path("src/deep/er/link.txt"));
  ASSERT_EQ(run({"copy", path("src/"), path("dst"), "--batch-size", "3"}).code, 0);
  const std::string report = run({"report", "last"}).out;
  EXPECT_THAT(report, HasSubstr("\nResults by directory below deep/er\n"));
  EXPECT_THAT(report, HasSubstr("\nResults by ending\n"));
  EXPECT_THAT(report, HasSubstr("\nUP TO "));
  EXPECT_THAT(report, HasSubstr("\nResults by type\n"));
  EXPECT_THAT(report, HasSubstr("\nResults by batch\n"));
  const auto by = json({"report", "last"})["results_by"];
  ASSERT_EQ(by["types"].size(), 2U) << by;
  EXPECT_EQ(by["types"][0]["type"], "file");
  EXPECT_EQ(by["types"][1]["type"], "symlink");
  EXPECT_EQ(by["types"][1]["successful"], 1);
  std::int64_t in_batches = 0;
  for (const auto& batch : by["batches"]) in_batches += batch["items"].get<std::int64_t>();
  EXPECT_EQ(in_batches, 7);
  EXPECT_EQ(by["path"], "deep/er");
  ASSERT_EQ(by["directories"].size(), 4U) << by;
  EXPECT_EQ(by["directories"][0]["path"], "d0");
  EXPECT_EQ(by["directories"][0]["successful"], 3);
  ASSERT_EQ(by["endings"].size(), 3U) << by;
  EXPECT_EQ(by["endings"][0]["ending"], ".txt");
  ASSERT_EQ(by["sizes"].size(), 3U) << by;
  EXPECT_EQ(by["sizes"][0]["up_to"], "empty");
  EXPECT_EQ(by["sizes"][2]["bytes"], 5000);
}

/// Names are text of the page, whatever they say; nothing is fetched and nothing runs.
TEST_F(Words, TheReportAsAPageNeedsNothingAndRunsNothing) {
  const std::string name = "<img onerror=alert(1)>&'\"\xe2\x80\xae.txt";
  write("src/" + name, "a");
  write("src/b.jpg", "b");
  write("dst/" + name, "theirs");
  ASSERT_EQ(run({"copy", path("src/"), path("dst"), "--conflict", "fail"}).code, 1);
  const std::string page = run({"report", "last", "--format", "html"}).out;
  EXPECT_THAT(page, ::testing::StartsWith("<!doctype html>"));
  EXPECT_THAT(page, HasSubstr("&lt;img onerror=alert(1)&gt;&amp;&#39;&quot;\\xe2\\x80\\xae.txt"));
  for (const char* part : {"<img", "<script", "http://", "https://", "src=", "@import", "url("})
    EXPECT_THAT(page, ::testing::Not(HasSubstr(part))) << part;
  EXPECT_THAT(page, HasSubstr("<code>dunlin retry 1"));
  for (const char* part : {"<h2>Timing", "<h2>Errors", "<h2>Proof", "<h2>Results by ending",
                           "<h2>What happened", "<h2>Audit", "default-src 'none'"})
    EXPECT_THAT(page, HasSubstr(part));
  ASSERT_EQ(run({"report", "last", "--format", "html", "-o", path("r.html")}).code, 0);
  const auto written = read_file(path("r.html"));
  ASSERT_TRUE(written.ok());
  EXPECT_EQ(*written, page);
}

TEST_F(Words, VersionAndExplainSpeakJsonToo) {
  EXPECT_THAT(run({"version"}).out, HasSubstr("dunlin "));
  EXPECT_THAT(run({"--version"}).out, HasSubstr("dunlin "));
  EXPECT_TRUE(json({"version"}).contains("version"));
  EXPECT_EQ(json({"explain", "disk_full"})["category"], "system");
  EXPECT_TRUE(json({"explain", "--list"}).is_array());
  EXPECT_EQ(parse_json(run({"plan", "schema"}).out)->at("type"), "object");
}

}  // namespace
}  // namespace dunlin::e2e
