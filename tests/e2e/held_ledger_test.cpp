// An owner that was stopped (SIGSTOP, a suspended job) in the midst of a write holds its ledger,
// for a moment of it against readers, too.
#include <fcntl.h>

#include <csignal>

#include "base/unique_fd.h"
#include "e2e/world.h"

namespace dunlin::e2e {
namespace {

namespace fs = std::filesystem;
class HeldLedger : public World {
 protected:
  /// The one execution that there is.
  [[nodiscard]] std::string ledger() const {
    for (const auto& entry : fs::directory_iterator(state() + "/executions"))
      return entry.path().string() + "/ledger.db";
    return "";
  }
};

/// SQLite's lock of a writer that waits for readers: who has the file open goes on, nobody else
/// gets in (https://sqlite.org/lockingv3.html, PENDING).
bool keep_readers_out(int fd) {
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_start = 0x40000000;
  lock.l_len = 1;
  return ::fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

/// That moment is too short to be hit: here the test holds the lock, as long as the owner lives.
TEST_F(HeldLedger, TheOwnerIsEndedByStopAllTheSame) {
  for (const std::string which : {"1", "--all"}) {
    fs::remove_all(state());
    fs::remove_all(path("dst"));
    make_tree("src", 60, 50'000);
    Process owner(dunlin({"copy", path("src"), path("dst"), "--io-limit", "200KB/s"}));
    ASSERT_TRUE(is_under_way());
    owner.signal(SIGSTOP);
    UniqueFd held(::open(ledger().c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_TRUE(held.valid());
    ASSERT_TRUE(eventually([&] { return keep_readers_out(held.get()); }));
    Process stop(dunlin({"stop", "--now", which}));
    EXPECT_EQ(owner.wait(), 128 + SIGKILL) << which;
    held.reset();
    EXPECT_EQ(stop.wait(), 0) << stop.err();
    EXPECT_EQ(run({"limits", "last", "--io", "none"}).code, 0);
    EXPECT_EQ(run({"resume", "last"}).code, 0);
    EXPECT_EQ(difference("src", "dst/src"), "");
  }
}

}  // namespace
}  // namespace dunlin::e2e
