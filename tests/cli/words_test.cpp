// Parsing: what is typed and what becomes of it; configuration; the words of help.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file_io.h"
#include "cli/completion.h"
#include "cli/config.h"
#include "cli/help.h"
#include "cli/plan_input.h"
#include "cli/selector.h"
#include "cli/text_layout.h"
#include "cli/verb_families.h"

namespace dunlin::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class WordsTest : public ::testing::Test {
 protected:
  WordsTest() : verbs_(options_) {
    add_copy_verbs(verbs_);
    add_run_verbs(verbs_);
    add_watch_verbs(verbs_);
    add_plan_verbs(verbs_);
  }
  /// Empty when the words are fine.
  std::string complaint(std::vector<std::string> words) {
    std::reverse(words.begin(), words.end());
    try {
      verbs_.root().parse(std::move(words));
    } catch (const CLI::ParseError& error) {
      return usage_error(verbs_, error).message;
    }
    return "";
  }

  GlobalOptions options_;
  Verbs verbs_;
};

TEST_F(WordsTest, AFileNamedLikeAVerbIsAFile) {
  EXPECT_EQ(complaint({"copy", "status", "ps"}), "");
  EXPECT_EQ(verbs_.find(&verbs_.parsed())->path, "copy");
}

TEST_F(WordsTest, GlobalFlagsStandBeforeAndAfterTheVerb) {
  EXPECT_EQ(complaint({"--json", "--state", "/s", "ps"}), "");
  EXPECT_TRUE(options_.json);
  EXPECT_EQ(options_.state, "/s");
  EXPECT_EQ(complaint({"ps", "-q", "--state=/t"}), "");
  EXPECT_TRUE(options_.quiet);
  EXPECT_EQ(options_.state, "/t");
}

TEST_F(WordsTest, ComplaintsNameTheNearestWord) {
  EXPECT_EQ(complaint({"coyp", "a", "b"}), "unknown verb 'coyp'; did you mean 'copy'?");
  EXPECT_EQ(complaint({"plan", "chekc"}),
            "unknown word 'chekc' after 'dunlin plan'; did you mean 'check'?");
  EXPECT_EQ(complaint({"copy", "a", "b", "--veryfi", "x"}),
            "'dunlin copy' has no flag '--veryfi'; did you mean '--verify'?");
  EXPECT_EQ(complaint({"copy"}), "SRC and DST are missing after 'dunlin copy'");
  EXPECT_EQ(complaint({"copy", "a"}), "DST is missing after 'dunlin copy'");
  EXPECT_EQ(complaint({"ps", "--state"}), "--state needs a value");
  EXPECT_EQ(complaint({"run-ownr", "x"}), "unknown verb 'run-ownr'")
      << "internal verbs are named nowhere";
  EXPECT_THAT(complaint({"x\x1b[31m"}), Not(HasSubstr("\x1b")));
}

TEST_F(WordsTest, HabitsOfOtherToolsLeadToTheVerb) {
  EXPECT_EQ(complaint({"undo", "1"}), "unknown verb 'undo'; did you mean 'rollback'?");
  EXPECT_EQ(complaint({"cp", "a", "b"}), "unknown verb 'cp'; did you mean 'copy'?");
  EXPECT_EQ(complaint({"plan", "undo"}), "unknown word 'undo' after 'dunlin plan'")
      << "only where verbs stand";
  EXPECT_EQ(complaint({"copy", "-a", "a", "b"}), "");
  EXPECT_EQ(complaint({"move", "-r", "a", "b"}), "");
}

TEST_F(WordsTest, HelpShowsEveryVerbOnceUnderWhatItIsFor) {
  const std::string help = help_text(verbs_, verbs_.root(), 80);
  EXPECT_LT(help.find("\nBegin:\n"), help.find("\n  copy "));
  EXPECT_LT(help.find("\nProve and take back:\n"), help.find("\n  rollback "));
  for (const std::string& verb : verbs_.words_after(verbs_.root())) {
    const std::string line = "\n  " + verb + " ";
    EXPECT_NE(help.find(line), std::string::npos) << verb;
    EXPECT_EQ(help.find(line), help.rfind(line)) << verb;
  }
}

TEST_F(WordsTest, TheManualPageHasEveryVerbAndNoLineThatRoffWouldTake) {
  const std::string page = manual_page(verbs_, "1.2.3");
  EXPECT_THAT(page, HasSubstr(".TH DUNLIN 1"));
  for (const auto& verb : verbs_.all()) {
    if (verb.internal || !verb.action) continue;
    std::string path = verb.path;  // roff writes a hyphen-minus so
    for (std::size_t at = path.find('-'); at != std::string::npos; at = path.find('-', at + 2))
      path.insert(at, 1, '\\');
    EXPECT_THAT(page, HasSubstr(".SS dunlin " + path)) << verb.path;
  }
  EXPECT_THAT(page, HasSubstr("\n0\ndone\n"));
  for (const char byte : page) EXPECT_LT(static_cast<unsigned char>(byte), 0x80);
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with('.')) continue;
    EXPECT_THAT(line.substr(1, 2),
                ::testing::AnyOf("TH", "SH", "SS", "TP", "PP", "RS", "RE", "nf", "fi", "\\\""))
        << line;
  }
}

TEST_F(WordsTest, HelpFitsItsWidthAndHidesWhatIsInternal) {
  for (const auto& verb : verbs_.all())
    for (const std::size_t width : {60U, 80U, 100U}) {
      std::istringstream lines(help_text(verbs_, *verb.app, width));
      bool examples = false;
      for (std::string line; std::getline(lines, line);) {
        examples = examples || line == "Examples:";
        if (!examples && !line.starts_with("usage:")) {
          EXPECT_LE(display_width(line), width) << line;
        }
      }
    }
  EXPECT_THAT(help_text(verbs_, verbs_.root(), 80), Not(HasSubstr("run-owner")));
  EXPECT_THAT(reference_markdown(verbs_), HasSubstr("## dunlin plan check"));
  EXPECT_THAT(bash_completion(verbs_), Not(HasSubstr("--delete ")));
}

TEST(SettingsFlagsTest, BecomeCanonicalSettings) {
  CLI::App app;
  const SettingsFlags flags(app);
  app.parse(
      "--batch-size 5 --transfers 2 --bwlimit 100 --max-failures 5% --retries 1 "
      "--stop-on-first-error --verify basic");
  const auto read = flags.read();
  ASSERT_TRUE(read.ok());
  EXPECT_EQ((*read)["batch_size"], 5);
  EXPECT_EQ((*read)["io_concurrency"], 2);
  EXPECT_EQ((*read)["parallel_batches"], 2);
  EXPECT_EQ((*read)["resource_limits"]["max_io_bytes_per_sec"], 102'400) << "KiB, as in rsync";
  EXPECT_EQ((*read)["max_failures"], "5%");
  EXPECT_EQ((*read)["retry_policy"]["max_attempts"], 2);
  EXPECT_EQ((*read)["verification_level"], "basic");
}

TEST(SettingsFlagsTest, NameTheFlagThatIsWrong) {
  CLI::App app;
  const SettingsFlags flags(app);
  app.parse("--concurrency many --io-limit 5x");
  const auto read = flags.read();
  ASSERT_FALSE(read.ok());
  EXPECT_THAT(read.error().message, HasSubstr("--concurrency: must be a whole number"));
  EXPECT_THAT(read.error().message, HasSubstr("--io-limit: "));
}

TEST(KindFlagsTest, BelongToKindsAndAreRefusedElsewhere) {
  CLI::App app;
  const KindFlags flags(app, "copy");
  app.parse("--hash xxh3");
  EXPECT_EQ(flags.read("files")->at("hash"), "xxh3");
  EXPECT_EQ(flags.read("objects").error().message, "--hash has no meaning for objects");
  EXPECT_TRUE(flags.check_built().ok());
}

TEST(SelectorFlagsTest, NamesItems) {
  CLI::App app;
  const SelectorFlags flags(app);
  app.parse("--batch 3 --type transient --path *.raw");
  EXPECT_EQ(*flags.read(), (Json{{"batch", 3}, {"type", "transient"}, {"path", "*.raw"}}));
  EXPECT_FALSE(whole_number("0", "--item").ok());
  EXPECT_FALSE(whole_number("-3", "--item").ok());
  EXPECT_FALSE(whole_number("99999999999999999999", "--item").ok());
  EXPECT_THAT(error_type_name("transiet").error().message, HasSubstr("did you mean 'transient'?"));
}

class ConfigTest : public ::testing::Test {
 protected:
  ConfigTest() {
    char folder[] = "/tmp/dunlin-config-XXXXXX";
    folder_ = ::mkdtemp(folder);
  }
  ~ConfigTest() override { std::filesystem::remove_all(folder_); }
  Result<Config> load(const std::string& file) {
    return load_config(file, [this](const char* name) -> const char* {
      const auto it = environment_.find(name);
      return it == environment_.end() ? nullptr : it->second.c_str();
    });
  }
  std::string write(const std::string& name, const std::string& text) {
    const std::string path = folder_ + "/" + name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    EXPECT_TRUE(write_file_durably(path, text).ok());
    return path;
  }

  std::string folder_;
  std::map<std::string, std::string> environment_;
};

TEST_F(ConfigTest, TheEnvironmentIsAboveTheFile) {
  const auto path = write("c.yaml",
                          "state: /s\nsettings: {batch_size: 1, max_iops: 3}\n"
                          "log_level: info\n");
  EXPECT_THAT(load(path).error().message, HasSubstr("c.yaml:2:27: /settings/max_iops: unknown key; "
                                                    "did you mean resource_limits.max_iops?"));
  write("c.yaml", "state: /s\nsettings: {batch_size: 1, max_concurrency: 3}\nlog_level: info\n");
  environment_["DUNLIN_PARALLEL_BATCHES"] = "2";
  environment_["DUNLIN_LOG_LEVEL"] = "debug";
  const auto config = load(path);
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config->state, "/s");
  EXPECT_EQ(config->log_level, "debug");
  EXPECT_EQ(config->settings["batch_size"], 1);
  EXPECT_EQ(config->settings["parallel_batches"], 2);
}

TEST_F(ConfigTest, TheUsersFileIsFoundAndANamedOneMustExist) {
  write("dunlin/config.yaml", "settings: {retries: 9}\n");
  environment_["XDG_CONFIG_HOME"] = folder_;
  EXPECT_EQ(load("")->settings["retry_policy"]["max_attempts"], 10);
  EXPECT_EQ(load(folder_ + "/none.yaml").error().type, ErrorType::not_found);
}

TEST_F(ConfigTest, WhatIsWrongIsNamed) {
  environment_["DUNLIN_BATCH_SIZE"] = "many";
  EXPECT_THAT(load("").error().message, HasSubstr("DUNLIN_BATCH_SIZE: must be a whole number"));
  environment_.clear();
  EXPECT_THAT(load(write("c.yaml", "sttings: {}\n")).error().message,
              HasSubstr("did you mean settings?"));
  EXPECT_THAT(load(write("c.yaml", "state: 5\n")).error().message,
              HasSubstr("/state: must be text"));
  EXPECT_FALSE(load(write("c.yaml", "[1]\n")).ok());
  EXPECT_TRUE(load(write("c.yaml", "")).ok());
}

TEST(ValueOf, IsTheJsonThatAWordLooksLike) {
  EXPECT_EQ(value_of("12"), 12);
  EXPECT_EQ(value_of("1.5"), 1.5);
  EXPECT_EQ(value_of("true"), true);
  EXPECT_EQ(value_of("12x"), "12x");
  EXPECT_EQ(value_of(""), "");
}

}  // namespace
}  // namespace dunlin::cli
