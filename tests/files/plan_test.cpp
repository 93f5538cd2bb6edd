// Plans, claims, descriptions, pre-flight and identity.
#include "files/plan.h"

#include <sys/mount.h>

#include <limits>

#include "base/text.h"
#include "engine/claims.h"
#include "files/fixture.h"
#include "files/records.h"

namespace dunlin::files::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(FilesPlanText, EveryProblemIsNamedWithItsKey) {
  const auto kind = make_files_kind();
  const Json document = *parse_json(R"({"kind":"files",
    "source":{"paths":["relative"],"duplicates":"skip"},
    "destination":{"base_pth":"/x"},
    "strategy":{"operation":"sync","conflict_resolution":"merge","hash":"md5,crc"}})");
  const auto problems = kind->check(document);
  EXPECT_THAT(problems, Contains(HasSubstr("/source/paths/0: must be an absolute path")));
  EXPECT_THAT(problems, Contains(HasSubstr("/source/duplicates: unknown key")));
  EXPECT_THAT(problems,
              Contains(HasSubstr("/destination/base_pth: unknown key; did you mean base_path?")));
  EXPECT_THAT(problems, Contains(HasSubstr("/destination/base_path: is missing")));
  EXPECT_THAT(problems, Contains(HasSubstr("/strategy/operation: \"sync\" is none of")));
  EXPECT_THAT(problems, Contains(HasSubstr("/strategy/conflict_resolution: \"merge\" is none of")));
  EXPECT_THAT(problems, Contains(HasSubstr("/strategy/hash: \"crc\" is none of")));
  EXPECT_THAT(problems, ::testing::SizeIs(7));
}

TEST(FilesPlanText, OptionsThatAreNotImplementedAreRefusedByName) {
  const ScratchDirectory scratch;
  write_file(scratch.file("f"), "x");
  const auto kind = make_files_kind();
  const auto refused = [&](const std::string& option, const std::string& value) {
    const auto plan =
        kind->plan_for({"copy", {scratch.file("f"), scratch.file("g")}, {{option, value}}});
    return plan.ok() ? "accepted" : plan.error().message;
  };
  EXPECT_THAT(refused("delete", "true"), HasSubstr("--delete is not supported for files yet"));
  EXPECT_THAT(refused("conflict", "keep"), HasSubstr("\"keep\" is none of"));
  EXPECT_THAT(refused("conflct", "skip"), HasSubstr("did you mean --conflict?"));
  EXPECT_THAT(refused("hash", "sha1"), HasSubstr("none of md5, sha256, xxh3"));
  EXPECT_EQ(refused("conflict", "skip"), "accepted");
}

TEST(FilesPlanText, PreserveNamesWhatIsKeptOrWithNoWhatIsNot) {
  const auto decoded = [](const std::string& list, std::vector<std::string>& problems) {
    Json document = *parse_json(R"({"kind":"files","source":{"paths":["/a"]},
      "destination":{"base_path":"/b"},"strategy":{}})");
    document["strategy"]["preserve"] = list;
    return decode_plan(document, problems);
  };
  const auto kept = [&](const std::string& list) {
    std::vector<std::string> problems;
    const FilesPlan plan = decoded(list, problems);
    EXPECT_THAT(problems, IsEmpty());
    std::string names;
    for (const auto& [name, on] :
         std::vector<std::pair<std::string, bool>>{{"times", plan.preserve.times},
                                                   {"mode", plan.preserve.mode},
                                                   {"owner", plan.preserve.owner},
                                                   {"xattr", plan.preserve.xattrs},
                                                   {"acl", plan.preserve.acls},
                                                   {"flags", plan.preserve.flags},
                                                   {"links", plan.preserve_links},
                                                   {"holes", plan.preserve_holes}}) {
      if (on) names += " " + name;
    }
    return names;
  };
  EXPECT_EQ(kept("all"), " times mode owner xattr acl flags links holes");
  EXPECT_EQ(kept("none"), "");
  EXPECT_EQ(kept("times,mode"), " times mode");
  EXPECT_EQ(kept("no-owner,no-acl"), " times mode xattr flags links holes");
  EXPECT_EQ(kept("all,no-holes"), " times mode owner xattr acl flags links");
  std::vector<std::string> problems;
  static_cast<void>(decoded("times,ownr", problems));
  EXPECT_THAT(problems, ElementsAre(::testing::AllOf(HasSubstr("/strategy/preserve: \"ownr\""),
                                                     HasSubstr("did you mean owner?"))));
}

TEST(FilesPlanText, OwnersAreMappedByTheFirstRuleThatFits) {
  const auto owner = [](const std::string& users, const std::string& groups, std::uint32_t uid,
                        std::uint32_t gid) {
    Json document = *parse_json(R"({"kind":"files","source":{"paths":["/a"]},
      "destination":{"base_path":"/b"},"strategy":{}})");
    if (!users.empty()) document["strategy"]["user_map"] = users;
    if (!groups.empty()) document["strategy"]["group_map"] = groups;
    std::vector<std::string> problems;
    const FilesPlan plan = decode_plan(document, problems);
    if (!problems.empty()) return problems.front();
    fs::FileInfo info;
    info.uid = uid;
    info.gid = gid;
    info = plan.owners.mapped(info);
    return std::to_string(info.uid) + ":" + std::to_string(info.gid);
  };
  EXPECT_EQ(owner("", "", 1000, 100), "1000:100");
  EXPECT_EQ(owner("1000:2000", "", 1000, 1000), "2000:1000");
  EXPECT_EQ(owner("1000:2000,1000-1999:7,*:8", "0-5:6", 1000, 5), "2000:6");
  EXPECT_EQ(owner("1000:2000,1000-1999:7,*:8", "0-5:6", 1999, 6), "7:6");
  EXPECT_EQ(owner("1000:2000,1000-1999:7,*:root", "*:root", 2000, 6), "0:0");
  EXPECT_EQ(owner("root:1", "root:2", 0, 0), "1:2");
  EXPECT_EQ(owner("", "5-5:9", 5, 5), "5:9");
  for (const char* bad : {"1000", "1000:", ":5", "no-such-user:5", "5:no-such-user", "9-3:1",
                          "1:2,", "4294967295:1", "-1:2"})
    EXPECT_THAT(owner(bad, "", 0, 0), HasSubstr("/strategy/user_map")) << bad;
}

TEST(FilesCopyNeedsRoot, OwnersArriveAsTheRulesSay) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/d/f"), "x", 1'500'000'000, 04755);
  stdfs::create_symlink("f", scratch.file("source/d/l"));
  for (const char* name : {"source", "source/d", "source/d/f", "source/d/l"})
    ASSERT_EQ(::lchown(scratch.file(name).c_str(), 1001, 1002), 0);
  ASSERT_EQ(::chmod(scratch.file("source/d/f").c_str(), 04755), 0);
  CopyTest copy(scratch.file("source/"), scratch.file("target"),
                {{"usermap", "1001:3001"}, {"groupmap", "*:3002"}});
  LocalExecution& execution = copy.start();
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  for (const char* name : {"target", "target/d", "target/d/f", "target/d/l"}) {
    struct stat info{};
    ASSERT_EQ(::lstat(scratch.file(name).c_str(), &info), 0);
    EXPECT_EQ(info.st_uid, 3001U) << name;
    EXPECT_EQ(info.st_gid, 3002U) << name;
  }
  EXPECT_EQ(static_cast<unsigned>(stdfs::status(scratch.file("target/d/f")).permissions()), 04755U);
  ASSERT_TRUE(is_ok(execution.verify()));
  EXPECT_EQ(execution.differences(), 0);
}

TEST(FilesPlanText, AcceptsPlainPathsOnly) {
  const auto kind = make_files_kind();
  EXPECT_TRUE(kind->accepts({"copy", {"a", "b"}, {}}));
  EXPECT_FALSE(kind->accepts({"copy", {"s3://bucket/a", "b"}, {}}));
  EXPECT_FALSE(kind->accepts({"copy", {"a", "sqlite://b"}, {}}));
  EXPECT_TRUE(kind->accepts({"move", {"a", "b"}, {}}));
  EXPECT_FALSE(kind->accepts({"load", {"a", "b"}, {}}));
  EXPECT_FALSE(kind->accepts({"copy", {"a"}, {}}));
}

TEST(FilesPlanText, NamesThatAreNoUtf8SurviveThePlan) {
  const ScratchDirectory scratch;
  const std::string name = "caf\xe9";
  write_file(scratch.file(name), "latin-1");
  CopyTest copy(scratch.file(name), scratch.file("to\xff/"));
  EXPECT_TRUE(is_utf8(dump_json(copy.plan().document)));
  ASSERT_TRUE(is_ok(copy.start().run_to_end()));
  EXPECT_EQ(read_all(scratch.file("to\xff/" + name)), "latin-1");
}

TEST(FilesPlanText, ClaimsAndDescriptionNameWhatWillBeWritten) {
  const ScratchDirectory scratch;
  write_file(scratch.file("d/f"), "x");
  const auto claim = [&](const std::string& from, const std::string& to) {
    CopyTest copy(scratch.file(from), scratch.file(to));
    const auto claims = copy.kind().claims(copy.plan()).value();
    EXPECT_THAT(engine::shown_claims(claims), ::testing::SizeIs(1));
    EXPECT_THAT(claims, ::testing::SizeIs(2)) << "and where that lies";
    return copy.kind().describe(copy.plan()) + " " + claims[0];
  };
  const std::string at = scratch.path();
  EXPECT_EQ(claim("d/", "t"), "copy " + at + "/d to " + at + "/t file:" + at + "/t");
  EXPECT_EQ(claim("d", "t"), "copy " + at + "/d to " + at + "/t/d file:" + at + "/t/d");
  EXPECT_EQ(claim("d/f", "g"), "copy " + at + "/d/f to " + at + "/g file:" + at + "/g");
  EXPECT_EQ(claim("d/f", "t/"), "copy " + at + "/d/f to " + at + "/t/f file:" + at + "/t/f");
}

/// files.md F-5: the slash, symlinks and hard links, in words for the given plan.
TEST(FilesPlanText, WhatItMeansIsSaidForItsOwnPaths) {
  const ScratchDirectory scratch;
  stdfs::create_directory(scratch.file("a"));
  write_file(scratch.file("a/f"), "x");
  const auto kind = make_files_kind();
  const auto said = [&](const std::string& verb, const std::string& source,
                        const std::map<std::string, std::string>& options = {}) {
    const auto document =
        kind->plan_for({verb, {scratch.file(source), scratch.file("b")}, options});
    engine::Plan plan;
    plan.document = document.value();
    std::map<std::string, std::string> words;
    for (const engine::Meaning& meaning : kind->meanings(plan))
      words[std::string(meaning.topic)] = meaning.words;
    return words;
  };
  const std::string root = scratch.path();
  EXPECT_THAT(said("copy", "a")["trailing slash"],
              HasSubstr(root + "/a/NAME is copied to " + root + "/b/a/NAME"));
  EXPECT_THAT(said("move", "a/")["trailing slash"],
              HasSubstr(root + "/a/NAME is moved to " + root + "/b/NAME"));
  EXPECT_EQ(said("copy", "a/f")["paths"], root + "/a/f is copied to " + root + "/b");
  EXPECT_THAT(said("copy", "a")["symlinks"], HasSubstr("copied as symlinks"));
  EXPECT_THAT(said("copy", "a")["hard links"], HasSubstr("names of one file within DST"));
  EXPECT_THAT(said("copy", "a", {{"preserve", "no-links"}})["hard links"],
              HasSubstr("a file of its own"));
  EXPECT_THAT(said("copy", "a", {{"conflict", "skip"}})["what stands there"], HasSubstr("stays"));
  EXPECT_THAT(said("move", "a")["the source"], HasSubstr("its directories stay"));
}

TEST(FilesPlanText, AMissingSourceIsRefusedAtOnce) {
  const ScratchDirectory scratch;
  const auto kind = make_files_kind();
  const auto plan = kind->plan_for({"copy", {scratch.file("absent"), scratch.file("t")}, {}});
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.error().type, ErrorType::invalid_input);
}

TEST(FilesPreflight, ADestinationInsideTheSourceIsRefusedAlsoThroughASymlink) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), "x");
  stdfs::create_symlink(scratch.file("source"), scratch.file("alias"));
  for (const char* to : {"source/inner", "source", "alias/inner/deeper"}) {
    CopyTest copy(scratch.file("source/"), scratch.file(to));
    LocalExecution& execution = copy.start();
    const auto problems = copy.run().preflight(execution.context());
    ASSERT_TRUE(problems.ok());
    ASSERT_THAT(*problems, ::testing::SizeIs(1)) << to;
    EXPECT_TRUE(problems->front().critical);
    EXPECT_THAT(problems->front().error.message, HasSubstr("lies inside the source"));
  }
  CopyTest beside(scratch.file("source/"), scratch.file("source2"));
  LocalExecution& execution = beside.start();
  EXPECT_THAT(*beside.run().preflight(execution.context()), IsEmpty());
}

TEST(FilesPreflight, ASourceInsideTheDestinationMayBeAccepted) {
  const ScratchDirectory scratch;
  write_file(scratch.file("outer/source/f"), "x");
  CopyTest copy(scratch.file("outer/source/"), scratch.file("outer"));
  LocalExecution& execution = copy.start();
  const auto problems = copy.run().preflight(execution.context());
  ASSERT_THAT(*problems, ::testing::SizeIs(1));
  EXPECT_TRUE(problems->front().can_continue);
}

TEST(FilesPreflight, ADestinationThatCannotBeWrittenIsNamedAndTheProbeLeavesNothing) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), "x");
  stdfs::create_directory(scratch.file("target"));
  set_mtime(scratch.file("target"), 1'000'000'000);
  const auto before = snapshot(scratch.file("target"));
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  LocalExecution& execution = copy.start();
  EXPECT_THAT(*copy.run().preflight(execution.context()), IsEmpty());
  EXPECT_EQ(snapshot(scratch.file("target")), before);
  if (::geteuid() == 0) return;
  ASSERT_EQ(::chmod(scratch.file("target").c_str(), 0500), 0);
  const auto problems = copy.run().preflight(execution.context());
  ASSERT_THAT(*problems, ::testing::SizeIs(1));
  EXPECT_EQ(problems->front().error.type, ErrorType::permission_denied);
  ASSERT_EQ(::chmod(scratch.file("target").c_str(), 0700), 0);
}

TEST(FilesIdentity, StaysTheSameFromStartToEndAndChangesWithTheSourceRoot) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), "x");
  CopyTest copy(scratch.file("source/"), scratch.file("a/b/target"));
  LocalExecution& execution = copy.start();
  const auto first = copy.run().root_identity(execution.context());
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(is_ok(execution.run_to_end()));
  CopyTest later(scratch.file("source/"), scratch.file("a/b/target"));
  LocalExecution& second = later.start();
  EXPECT_EQ(*later.run().root_identity(second.context()), *first);
  stdfs::rename(scratch.file("source"), scratch.file("aside"));
  write_file(scratch.file("source/g"), "y");
  CopyTest other(scratch.file("source/"), scratch.file("a/b/target"));
  LocalExecution& third = other.start();
  EXPECT_NE(*other.run().root_identity(third.context()), *first);
}

TEST(FilesIdentityNeedsRoot, ADiskThatIsNotMountedAnyMoreIsAnotherDestination) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), "x");
  stdfs::create_directory(scratch.file("disk"));
  ASSERT_EQ(::mount("none", scratch.file("disk").c_str(), "tmpfs", 0, "size=1M"), 0);
  CopyTest copy(scratch.file("source/"), scratch.file("disk/target"));
  LocalExecution& execution = copy.start();
  const auto mounted = copy.run().root_identity(execution.context());
  ASSERT_EQ(::umount2(scratch.file("disk").c_str(), MNT_DETACH), 0);
  ASSERT_TRUE(mounted.ok());
  CopyTest again(scratch.file("source/"), scratch.file("disk/target"));
  LocalExecution& second = again.start();
  EXPECT_NE(*again.run().root_identity(second.context()), *mounted);
}

TEST(FilesCopyNeedsRoot, AFullDiskPausesWithoutTemporariesAndGoesOnWhenThereIsRoom) {
  const ScratchDirectory scratch;
  stdfs::create_directory(scratch.file("disk"));
  ASSERT_EQ(::mount("none", scratch.file("disk").c_str(), "tmpfs", 0, "size=1M"), 0);
  for (int n = 0; n < 8; ++n)
    write_file(scratch.file("source/f" + std::to_string(n)), std::string(300'000, 'x'));
  CopyTest copy(scratch.file("source/"), scratch.file("disk/target"));
  LocalExecution& execution = copy.start();
  const Status full = execution.run_to_end();
  EXPECT_FALSE(full.ok());
  if (!full.ok()) {
    EXPECT_EQ(full.error().type, ErrorType::disk_full);
  }
  EXPECT_THAT(own_names(scratch.file("disk/target")), IsEmpty());
  EXPECT_EQ(::mount("none", scratch.file("disk").c_str(), "tmpfs", MS_REMOUNT, "size=16M"), 0);
  EXPECT_TRUE(is_ok(copy.take_over().run_to_end()));
  EXPECT_EQ(snapshot(scratch.file("disk/target")), snapshot(scratch.file("source")));
  EXPECT_EQ(::umount2(scratch.file("disk").c_str(), MNT_DETACH), 0);
}

TEST(FilesCopyNeedsRoot, OwnersAndSetuidArrive) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/f"), "x");
  ASSERT_EQ(::chown(scratch.file("source/f").c_str(), 4321, 1234), 0);
  ASSERT_EQ(::chmod(scratch.file("source/f").c_str(), 06755), 0);
  stdfs::create_symlink("f", scratch.file("source/l"));
  ASSERT_EQ(::lchown(scratch.file("source/l").c_str(), 55, 66), 0);
  ASSERT_EQ(::chown(scratch.file("source").c_str(), 77, 88), 0);
  ASSERT_TRUE(
      is_ok(CopyTest(scratch.file("source/"), scratch.file("target")).start().run_to_end()));
  EXPECT_EQ(snapshot(scratch.file("target"), false), snapshot(scratch.file("source"), false));
}

TEST(FilesCopyNeedsRoot, AMountInsideTheDestinationTakesNewFilesAndRefusesToOverwrite) {
  const ScratchDirectory scratch;
  write_file(scratch.file("source/disk/new"), "x");
  write_file(scratch.file("source/disk/there"), "newer");
  stdfs::create_directories(scratch.file("target/disk"));
  ASSERT_EQ(::mount("none", scratch.file("target/disk").c_str(), "tmpfs", 0, "size=1M"), 0);
  write_file(scratch.file("target/disk/there"), "old");
  CopyTest copy(scratch.file("source/"), scratch.file("target"));
  LocalExecution& execution = copy.start();
  EXPECT_TRUE(is_ok(execution.run_to_end()));
  EXPECT_EQ(read_all(scratch.file("target/disk/new")), "x");
  EXPECT_EQ(read_all(scratch.file("target/disk/there")), "old");
  EXPECT_THAT(execution.item("disk/there")->row.message,
              HasSubstr("mounted inside the destination"));
  EXPECT_EQ(::umount2(scratch.file("target/disk").c_str(), MNT_DETACH), 0);
}

TEST(FilesRecords, OwnNamesAreToldFromThoseOfUsers) {
  const ExecutionId id("01890000-0000-7000-8000-0123456789ab");
  EXPECT_EQ(temporary_name(id, 3, ItemId(17)), ".dunlin-456789ab-3-17");
  EXPECT_EQ(undo_folder_name(id), ".dunlin-undo-456789ab");
  EXPECT_EQ(execution_in_name(".dunlin-456789ab-3-17"), "456789ab");
  EXPECT_EQ(execution_in_name(".dunlin-undo-456789ab"), "456789ab");
  for (const char* name :
       {".dunlin", ".dunlin-", ".dunlin-notes", ".dunlin-456789ab-3", ".dunlin-456789ab--17",
        ".dunlin-456789ab-3-", ".dunlin-456789aX-3-17", ".dunlin-undo-456789a",
        ".dunlin-undo-456789ab-1", "x.dunlin-456789ab-3-17"}) {
    EXPECT_EQ(execution_in_name(name), "") << name;
  }
}

TEST(FilesRecords, WitnessAndDetailComeBackAndDamageIsSeen) {
  Witness witness;
  witness.epoch = 7;
  witness.levels = 2;
  witness.placed = fs::FileInfo{};
  witness.placed->type = fs::EntryType::symlink;
  witness.placed->inode = 1ULL << 60;
  witness.placed->mtime = {-5, 999'999'999};
  witness.placed->atime = {1LL << 40, 1};
  witness.changed = {-6, 999'999'998};
  witness.checksum = "md5:00";
  witness.loss = "owner not preserved";
  EXPECT_LT(encode(witness).size(), 80U);
  witness.attributes = 0x0123456789abcdef;
  witness.reopened = "states";
  const std::string bytes = encode(witness);
  const auto back = decode_witness(bytes);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(encode(*back), bytes);
  EXPECT_EQ(back->placed->mtime, witness.placed->mtime);
  EXPECT_EQ(back->placed->atime, witness.placed->atime);
  EXPECT_EQ(back->changed, witness.changed);
  EXPECT_EQ(back->attributes, witness.attributes);
  EXPECT_EQ(back->reopened, witness.reopened);
  EXPECT_FALSE(back->replaced.has_value());
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(decode_witness(std::string_view(bytes).substr(0, length)).ok());
  }
  EXPECT_FALSE(decode_detail(bytes).ok());
}

TEST(FilesRecords, WhatIsPlacedAsItWasListedCostsAFewBytesAndComesBack) {
  Detail detail;
  detail.info.type = fs::EntryType::file;
  detail.info.mode = 0640;
  detail.info.uid = detail.info.gid = 1000;
  detail.info.inode = 30'000'000;
  detail.info.size = 100'000;
  detail.info.mtime = {1'700'000'000, 999'999'999};
  detail.info.atime = {1'790'000'000, 123'456'789};
  const std::string listed = encode(detail);
  EXPECT_LE(listed.size(), 32U);
  Witness witness;
  witness.epoch = 1;
  witness.placed = detail.info;
  witness.placed->inode = 40'000'000;
  witness.changed = {1'790'000'001, 5};
  std::string bytes = encode(witness, listed);
  EXPECT_LE(bytes.size(), 17U);

  // Whatever of it is not as listed, and what stood there before, comes back all the same.
  fs::FileInfo other = detail.info;
  other.type = fs::EntryType::block_device;
  other.special_device = 77;
  other.mode = 04755;
  other.gid = 1;
  other.size = -1;
  other.mtime = {std::numeric_limits<std::int64_t>::min(), 1};
  other.atime = {std::numeric_limits<std::int64_t>::max(), 2};
  for (const fs::FileInfo& placed : {*witness.placed, other}) {
    for (const fs::FileInfo& replaced : {detail.info, other}) {
      witness.placed = placed;
      witness.replaced = witness.source = replaced;
      witness.source->ctime = {-1, 3};
      witness.levels = 3;
      witness.linked = witness.shared = witness.renamed = witness.removing = true;
      witness.chunks = "chunks";
      witness.chunk_bytes = 7;
      witness.final_flags = 16;
      witness.extended_before = "attributes";
      bytes = encode(witness, listed);
      const auto back = decode_witness(bytes, listed);
      ASSERT_TRUE(back.ok());
      EXPECT_EQ(encode(*back), encode(witness));
      EXPECT_EQ(back->placed->special_device, placed.special_device);
      EXPECT_EQ(back->source->ctime, witness.source->ctime);
      EXPECT_FALSE(decode_witness(bytes).ok()) << "without what it refers to";
      for (std::size_t length = 0; length < bytes.size(); ++length)
        EXPECT_FALSE(decode_witness(std::string_view(bytes).substr(0, length), listed).ok());
    }
  }
  for (const fs::Time atime : {detail.info.mtime, other.atime}) {
    for (const ItemId first : {ItemId(), ItemId(9)}) {
      detail.info.atime = atime;
      detail.first = first;
      detail.info.mode = 07777;
      detail.info.gid += 1;
      const std::string again = encode(detail);
      const auto back = decode_detail(again);
      ASSERT_TRUE(back.ok());
      EXPECT_EQ(encode(*back), again);
      EXPECT_EQ(back->info.atime, atime);
      EXPECT_EQ(back->info.type, fs::EntryType::file);
      EXPECT_EQ(back->info.mode, 07777U);
      EXPECT_EQ(back->info.uid, 1000U);
      EXPECT_EQ(back->info.gid, detail.info.gid);
      EXPECT_EQ(back->first, first);
      detail.info.mtime.nanoseconds = 0;
    }
  }
}

}  // namespace
}  // namespace dunlin::files::testing
