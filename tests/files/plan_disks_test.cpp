// Plans whose paths begin on disks that they name.
#include "files/plan_disks.h"

#include "engine/claims.h"
#include "files/fixture.h"

namespace dunlin::files::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Two mounted disks, "camera" and "backup", and one that is not: "away".
class FilesPlanDisks : public ::testing::Test {
 protected:
  FilesPlanDisks() {
    std::string mounts;
    for (const char* name : {"camera", "backup", "away"}) {
      write_file(scratch_.file("dev-" + std::string(name)), "");
      stdfs::create_directories(mounted(name));
      stdfs::create_directories(scratch_.file("by-label"));
      stdfs::create_symlink(scratch_.file("dev-" + std::string(name)),
                            scratch_.file("by-label/" + std::string(name)));
      if (std::string(name) != "away")
        mounts += "36 25 253:1 / " + mounted(name) + " rw - ext4 " + scratch_.file("dev-") + name +
                  " rw\n";
    }
    write_file(scratch_.file("mountinfo"), mounts);
    kind_ = make_files_kind(
        {}, {}, {scratch_.file("mountinfo"), scratch_.file("by-label"), scratch_.file("by-uuid")});
    write_file(mounted("camera") + "/2023/a", "content a");
    write_file(mounted("camera") + "/2024/b", "content b");
  }
  [[nodiscard]] std::string mounted(const std::string& name) const {
    return scratch_.file("mnt/" + name);
  }
  static engine::Plan plan(const std::string& source, const std::string& destination) {
    engine::Plan plan;
    plan.kind = "files";
    plan.document = *parse_json(R"({"kind":"files","source":)" + source + R"(,"destination":)" +
                                destination + "}");
    return plan;
  }
  /// Why it cannot begin.
  std::string refusal(const std::string& source, const std::string& destination) {
    const auto claims = kind_->claims(plan(source, destination));
    return claims.ok() ? "" : claims.error().message;
  }
  std::vector<std::string> problems(const std::string& source, const std::string& destination) {
    return kind_->check(plan(source, destination).document);
  }

  ScratchDirectory scratch_;
  std::unique_ptr<engine::Kind> kind_;
};

TEST_F(FilesPlanDisks, PathsAreThoseOfTheDiskWhereverItIsMounted) {
  const engine::Plan one = plan(R"({"disks":["camera"],"paths":["2023"]})",
                                R"({"target_disk":"backup","base_path":"in"})");
  EXPECT_THAT(kind_->check(one.document), IsEmpty());
  EXPECT_EQ(kind_->describe(one),
            "copy " + mounted("camera") + "/2023 to " + mounted("backup") + "/in/2023");
  const auto claims = kind_->claims(one);
  ASSERT_TRUE(claims.ok()) << claims.error().text();
  EXPECT_THAT(engine::shown_claims(*claims), ElementsAre("file:" + mounted("backup") + "/in/2023"));
  auto run = kind_->open(one);
  ASSERT_TRUE(run.ok()) << run.error().text();
  LocalExecution execution(**run);
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(read_all(mounted("backup") + "/in/2023/a"), "content a");

  const engine::Plan two = plan(R"({"disks":["camera"],"paths":["2023","2024/b"]})",
                                R"({"target_disk":"LABEL=backup"})");
  const auto several = kind_->claims(two);
  ASSERT_TRUE(several.ok()) << several.error().text();
  EXPECT_THAT(engine::shown_claims(*several), ElementsAre("file:" + mounted("backup") + "/2023",
                                                          "file:" + mounted("backup") + "/b"));
}

TEST_F(FilesPlanDisks, ADiskWithoutPathsIsMeantAsAWhole) {
  const engine::Plan one = plan(R"({"disks":["camera"]})", R"({"base_path":"/nowhere/else"})");
  EXPECT_EQ(kind_->describe(one), "copy " + mounted("camera") + " to /nowhere/else");
  const engine::Plan two = plan(R"({"disks":["camera",")" + mounted("backup") + R"("]})",
                                R"({"base_path":"/nowhere/else"})");
  const auto claims = kind_->claims(two);
  ASSERT_TRUE(claims.ok()) << claims.error().text();
  EXPECT_THAT(engine::shown_claims(*claims),
              ElementsAre("file:/nowhere/else/camera", "file:/nowhere/else/backup"));
}

TEST_F(FilesPlanDisks, OnesThatCannotBeFoundAreNamedBesideThoseThatCan) {
  const std::string to = R"({"target_disk":"away","base_path":"in"})";
  EXPECT_THAT(refusal(R"({"paths":["/a"]})", to),
              AllOf(HasSubstr("'away'"), HasSubstr("is not mounted"), HasSubstr("LABEL=backup")));
  EXPECT_THAT(refusal(R"({"disks":["camra"],"paths":["a"]})", R"({"base_path":"/b"})"),
              AllOf(HasSubstr("no disk is called 'camra'"), HasSubstr("LABEL=camera")));
  EXPECT_THAT(refusal(R"({"disks":["camera","backup"],"paths":["2023"]})", R"({"base_path":"/b"})"),
              HasSubstr("would both arrive as '2023'"));
  const engine::Plan away = plan(R"({"disks":["camera"],"paths":["2023"]})", to);
  EXPECT_EQ(kind_->describe(away), "copy 2023 on disk camera to in on disk away");
  const auto run = kind_->open(away);
  ASSERT_FALSE(run.ok());
  EXPECT_THAT(run.error().message, HasSubstr("is not mounted"));
}

TEST_F(FilesPlanDisks, PathsStayOnTheirDisk) {
  EXPECT_THAT(problems(R"({"disks":["camera"],"paths":["/2023"]})", R"({"base_path":"/b"})"),
              ElementsAre(HasSubstr("/source/paths/0: must be relative to the disk")));
  EXPECT_THAT(problems(R"({"disks":["camera"],"paths":["a/../../b"]})", R"({"base_path":"/b"})"),
              ElementsAre(HasSubstr("/source/paths/0: must be relative to the disk")));
  EXPECT_THAT(problems(R"({"paths":["/a"]})", R"({"target_disk":"backup","base_path":".."})"),
              ElementsAre(HasSubstr("/destination/base_path: must be relative to the disk")));
  EXPECT_THAT(problems(R"({"disks":[],"paths":["a"]})", R"({"target_disk":7})"),
              AllOf(Contains(HasSubstr("/source/disks: must be a list")),
                    Contains(HasSubstr("/destination/target_disk: must be a disk"))));
  EXPECT_THAT(problems(R"({"paths":["a"]})", R"({"base_path":"b"})"),
              AllOf(Contains(HasSubstr("/source/paths/0: must be an absolute path")),
                    Contains(HasSubstr("/destination/base_path: must be an absolute path"))));
}

}  // namespace
}  // namespace dunlin::files::testing
