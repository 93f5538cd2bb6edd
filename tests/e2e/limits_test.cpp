// What a process may be refused: sizes of files, numbers of descriptors, whole reads and writes.
#include <sys/resource.h>

#include <string>

#include "e2e/world.h"

namespace dunlin::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Limits : public World {
 protected:
  /// Under `ulimit LIMIT`, in KiB for -f.
  [[nodiscard]] static Finished run_under(const std::string& limit, ProcessOptions options) {
    std::vector<std::string> shell{"/bin/bash", "-c", "ulimit " + limit + "; exec \"$0\" \"$@\""};
    options.words.insert(options.words.begin(), shell.begin(), shell.end());
    return testing::run_process(options);
  }
};

TEST_F(Limits, AFileBeyondTheSizeLimitFailsAloneAndRetryMakesItGood) {
  make_tree("src", 20, 1000);
  write("src/large", std::string(40 << 20, 'x'));
  const Finished limited =
      run_under("-f 32768", dunlin({"copy", path("src") + "/", path("dst")}));  // 32 MiB
  EXPECT_EQ(limited.code, 1) << limited.out << limited.err;
  const Finished errors = run({"errors", "last"});
  EXPECT_THAT(errors.out, HasSubstr("large"));
  EXPECT_THAT(errors.out, HasSubstr("ulimit -f"));
  EXPECT_THAT(leftovers("dst"), IsEmpty());
  EXPECT_EQ(run({"retry", "last"}).code, 0);
  EXPECT_EQ(difference("src", "dst"), "");
}

TEST_F(Limits, ALimitThatTheStateMeetsIsNamed) {
  make_tree("src", 3000, 10);
  for (const char* kib : {"1", "64", "256", "400"}) {
    ProcessOptions options = dunlin({"copy", path("src") + "/", path(std::string("dst") + kib)});
    options.environment["DUNLIN_STATE"] = path(std::string("state") + kib);
    const Finished limited = run_under(std::string("-f ") + kib, options);
    EXPECT_THAT(limited.code, ::testing::AnyOf(2, 4, 7)) << kib << limited.out << limited.err;
    EXPECT_THAT(limited.out + limited.err, HasSubstr("ulimit -f")) << kib;
    EXPECT_THAT(leftovers(std::string("dst") + kib), IsEmpty());
  }
}

/// At most this many may be open at once. Where it does not suffice the execution pauses: what
/// fails for this reason is never an item.
TEST_F(Limits, WithFewDescriptorsItWorksOrPausesAndNamesTheLimit) {
  for (int i = 0; i < 300; ++i) write("src/d" + std::to_string(i) + "/e/f", std::string(100, 'x'));
#ifdef __SANITIZE_ADDRESS__
  // Its runtime asks by a pipe whether memory can be read: without descriptors it takes every
  // object for a broken one.
  const std::vector<int> limits{512, 256, 128, 96};
#else
  const std::vector<int> limits{512, 256, 128, 96, 64, 48, 32, 24};
#endif
  for (const int limit : limits) {
    const std::string to = "dst" + std::to_string(limit);
    const Finished done =
        run_under("-n " + std::to_string(limit), dunlin({"copy", path("src") + "/", path(to)}));
    if (limit >= 96) {
      EXPECT_EQ(done.code, 0) << limit << done.out << done.err;
    }
    if (done.code != 0) {
      EXPECT_THAT(done.code, ::testing::AnyOf(4, 7)) << limit << done.out << done.err;
      EXPECT_THAT(done.out + done.err, HasSubstr("ulimit -n")) << limit;
      if (done.code == 4) {
        EXPECT_EQ(run({"resume", "last"}).code, 0);
      }
    }
    if (done.code != 7) {
      EXPECT_EQ(difference("src", to), "") << limit;
    }
  }
}

TEST_F(Limits, ShortAndInterruptedCallsChangeNothing) {
  make_tree("src", 60, 30'000);
  write("src/large", std::string(3 << 20, 'y'));
  for (int seed = 1; seed <= 3; ++seed) {
    const std::string to = "dst" + std::to_string(seed);
    ProcessOptions options = dunlin({"copy", path("src") + "/", path(to)});
    options.words[0] = options.words[0].substr(0, options.words[0].rfind('/')) + "/short_dunlin";
    options.environment["DUNLIN_TEST_SEED"] = std::to_string(seed);
    const Finished done = testing::run_process(options);
    EXPECT_EQ(done.code, 0) << done.out << done.err;
    EXPECT_THAT(done.err, ::testing::ContainsRegex("[1-9][0-9][0-9]+ calls shortened, [1-9]"));
    EXPECT_EQ(difference("src", to), "");
    EXPECT_THAT(leftovers(to), IsEmpty());
    EXPECT_EQ(run({"verify", "last"}).code, 0);
    EXPECT_EQ(run({"doctor"}).code, 0);
  }
}

}  // namespace
}  // namespace dunlin::e2e
