// Moves across file systems: what is written, replaced or taken back meanwhile costs nobody
// anything.
#include <sys/xattr.h>

#include <functional>

#include "files/move_fixture.h"
#include "files/records.h"

namespace dunlin::files::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(FilesMoveAcross, WithoutAVerificationItIsRefusedBeforeAnythingHappens) {
  const Places at(true);
  write_file(at.source("/file"), "stays");
  CopyTest move = at.move({{"verify", "none"}});
  LocalExecution& execution = move.start();
  const auto problems = move.run().preflight(execution.context());
  ASSERT_TRUE(problems.ok());
  ASSERT_EQ(problems->size(), 1U);
  EXPECT_THAT(problems->front().error.message, HasSubstr("different file systems"));
  EXPECT_THAT(problems->front().error.remediation, HasSubstr("--verify"));
}

TEST(FilesMoveAcross, ASourceWrittenAfterItWasCopiedIsNotRemovedAndItsCopyIs) {
  const Places at(true);
  write_file(at.source("/written"), "before");
  write_file(at.source("/quiet"), "as it was");
  write_file(at.target("/written"), "an older one", 1'100'000'000);
  CopyTest move = at.move();
  LocalExecution::Options options;
  int writes = 0;
  options.on_intents = [&](const auto&) {
    rewrite_in_place(at.source("/written"), "AFTER" + std::to_string(writes++ % 10));
    return success();  // before each look at it, with other content each time
  };
  LocalExecution& execution = move.start(options);
  static_cast<void>(execution.run_to_end());
  EXPECT_EQ(error_of(execution, "written"), ErrorType::source_changed);
  EXPECT_THAT(read_all(at.source("/written")), HasSubstr("AFTER"));
  EXPECT_EQ(read_all(at.target("/written")), "an older one");
  EXPECT_EQ(read_all(at.target("/quiet")), "as it was");
  EXPECT_FALSE(stdfs::exists(at.source("/quiet")));
}

/// Size, time and content are what they were: only the time of change tells, and what was added
/// would go with the source.
TEST(FilesMoveAcross, AnAttributeGivenAfterItWasCopiedIsNotLost) {
  const Places at(true);
  write_file(at.source("/tagged"), "content");
  CopyTest move = at.move();
  LocalExecution::Options options;
  int given = 0;
  options.on_intents = [&](const auto&) {
    const std::string value = std::to_string(given++);
    EXPECT_EQ(::setxattr(at.source("/tagged").c_str(), "user.tag", value.data(), value.size(), 0),
              0);
    return success();  // before each look at it
  };
  LocalExecution& execution = move.start(options);
  static_cast<void>(execution.run_to_end());
  EXPECT_EQ(error_of(execution, "tagged"), ErrorType::source_changed);
  EXPECT_THAT(xattrs_of(at.source("/tagged")), HasSubstr("user.tag"));
  EXPECT_FALSE(stdfs::exists(at.target("/tagged")));
}

/// What appears under the source's name between the last look and the removal.
TEST(FilesMoveAcross, AFileThatTakesTheNameInTheLastInstantIsNotRemoved) {
  const Places at(true);
  write_file(at.source("/saved"), "copied");
  CopyTest move = at.move();
  LocalExecution::Options options;
  int swapped = 0;
  int fences = 0;
  options.on_fence = [&] {
    // Of each try the second one after its copy stands: after the look, before it is set aside.
    fences = stdfs::exists(at.target("/saved")) ? fences + 1 : 0;
    if (fences == 2) {
      ++swapped;
      write_file(at.source_side.file("new"), "saved anew");
      stdfs::rename(at.source_side.file("new"), at.source("/saved"));
    }
    return success();
  };
  LocalExecution& execution = move.start(options);
  static_cast<void>(execution.run_to_end());
  ASSERT_GT(swapped, 1) << "each try";
  EXPECT_EQ(read_all(at.source("/saved")), "saved anew");
  EXPECT_EQ(error_of(execution, "saved"), ErrorType::source_changed);
  EXPECT_FALSE(stdfs::exists(at.target("/saved")));
  EXPECT_THAT(own_names(at.source()), IsEmpty());
}

/// Grants everything, and does something before each permit for which it is time.
class Meanwhile final : public Permits {
 public:
  Meanwhile(std::function<bool()> is_time, std::function<void()> act)
      : is_time_(std::move(is_time)), act_(std::move(act)) {}
  Status acquire(std::int64_t, std::int64_t, const CancelToken& cancel) override {
    if (is_time_()) {
      act_();
      ++done_;
    }
    return cancel.check();
  }
  int done() const { return done_; }

 private:
  std::function<bool()> is_time_;
  std::function<void()> act_;
  int done_ = 0;
};

/// Another batch, which was faster, takes back a name of the file whose content is brought back.
TEST(FilesMoveAcross, NamesOfASetThatGoMeanwhileDisturbNoRollback) {
  for (const bool the_one_that_is_read : {true, false}) {
    SCOPED_TRACE(the_one_that_is_read);
    const Places at(true);
    write_file(at.source("/a"), std::string(100'000, 'x'));
    for (const char* other : {"/b", "/c", "/d", "/e", "/f"})
      stdfs::create_hard_link(at.source("/a"), at.source() + other);
    const auto source = snapshot(at.source());
    std::string first;
    std::vector<std::string> others;
    // The temporary at the source is there: it is being filled.
    const auto is_time = [&] {
      return !others.empty() && !own_names(at.source()).empty() && !stdfs::exists(at.source(first));
    };
    Meanwhile faster(is_time, [&] {
      if (the_one_that_is_read) {  // its source stands by then
        struct stat raw{};
        ASSERT_EQ(::lstat(at.target(first).c_str(), &raw), 0);
        stdfs::copy_file(at.target(first), at.source(first));
        const timespec times[2] = {raw.st_atim, raw.st_mtim};
        ASSERT_EQ(::utimensat(AT_FDCWD, at.source(first).c_str(), times, 0), 0);
      }
      stdfs::remove(at.target(the_one_that_is_read ? first : others.back()));
      if (!the_one_that_is_read) others.pop_back();
    });
    CopyTest move = at.move();
    LocalExecution::Options options;
    options.permits = &faster;
    LocalExecution& execution = move.start(options);
    ASSERT_TRUE(is_ok(execution.run_to_end()));
    for (const auto& [name, state] : source) {
      if (name.size() != 2) continue;  // the root
      const auto detail = decode_detail(execution.item(name.substr(1))->row.detail);
      ASSERT_TRUE(detail.ok());
      if (detail->first.valid())
        others.push_back(name);
      else
        first = name;
    }
    ASSERT_TRUE(is_ok(execution.undo()));
    EXPECT_EQ(execution.count(ItemStatus::completed), 0);
    EXPECT_GT(faster.done(), 0);
    EXPECT_EQ(snapshot(at.source()), source);
    EXPECT_FALSE(stdfs::exists(at.target()));
  }
}

/// Nobody has to come back to a rollback that was paused, or to a file that it left alone.
TEST(FilesMoveAcross, ARollbackThatEndsInItsMidstLeavesNothingHalfMadeAtTheSource) {
  for (const bool paused : {true, false}) {
    SCOPED_TRACE(paused ? "paused" : "changed meanwhile");
    const Places at(true);
    write_file(at.source("/file"), std::string(3 << 20, 'x'));
    write_file(at.source("/other"), "beside it");
    LocalExecution* execution = nullptr;
    bool once = false;
    const auto is_time = [&] { return !once && !own_names(at.source()).empty(); };
    Meanwhile interference(is_time, [&] {
      once = true;
      if (paused)
        execution->cancel_source().request(CancelReason::pause);
      else
        write_file(at.target("/file"), "somebody's, by now");
    });
    CopyTest move = at.move();
    LocalExecution::Options options;
    options.permits = &interference;
    execution = &move.start(options);
    ASSERT_TRUE(is_ok(execution->run_to_end()));
    EXPECT_EQ(execution->undo().ok(), !paused);
    ASSERT_TRUE(once);
    EXPECT_THAT(own_names(at.source()), IsEmpty());
    if (paused) {
      EXPECT_TRUE(stdfs::exists(at.target("/file"))) << "its source is not there";
    } else {
      EXPECT_EQ(read_all(at.target("/file")), "somebody's, by now");
      EXPECT_EQ(read_all(at.source("/other")), "beside it");
    }
  }
}

}  // namespace
}  // namespace dunlin::files::testing
