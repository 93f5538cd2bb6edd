// The state directory: what lies where, who owns an execution, and what is rebuilt after a loss.
#include "store/state_directory.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>

#include "base/file_io.h"
#include "base/json.h"
#include "sql/sqlite.h"
#include "store/ledger_fixture.h"
#include "store/spawn.h"
#include "support/denied_calls.h"

namespace dunlin::store::test {
namespace {

const ExecutionId kFirst("018bcfe5-6800-7000-8000-0000000000a1");
const ExecutionId kSecond("018bcfe5-6800-7000-8000-0000000000a2");

ExecutionRow row_of(const ExecutionId& id, std::int64_t number) {
  ExecutionRow row = execution_row();
  row.id = id;
  row.number = number;
  return row;
}

/// An environment variable for the time of a scope.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* old = ::getenv(name); old != nullptr) old_ = old;
    if (value != nullptr) {
      ::setenv(name, value, 1);
    } else {
      ::unsetenv(name);
    }
  }
  ~Variable() {
    if (old_) {
      ::setenv(name_, old_->c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> old_;
};

class StateDirectoryTest : public ::testing::Test {
 protected:
  std::unique_ptr<StateDirectory> open() {
    auto opened = StateDirectory::open(path_, clock_);
    EXPECT_TRUE(opened.ok()) << opened.error().text();
    return opened.ok() ? std::move(*opened) : nullptr;
  }
  ErrorType refused() {
    const auto opened = StateDirectory::open(path_, clock_);
    EXPECT_FALSE(opened.ok());
    return opened.ok() ? ErrorType::defect : opened.error().type;
  }
  ScratchFolder folder_;
  std::string path_ = folder_ / "deep/er/state";
  SystemClock clock_;
};

struct stat stat_of(const std::string& path) {
  struct stat found{};
  EXPECT_EQ(::lstat(path.c_str(), &found), 0) << path;
  return found;
}

TEST_F(StateDirectoryTest, IsMadeForItsOwnerAloneWithARealReserve) {
  const auto state = open();
  EXPECT_EQ(stat_of(path_).st_mode & 07777, 0700U);
  EXPECT_EQ(stat_of(path_ + "/executions").st_mode & 07777, 0700U);
  EXPECT_EQ(stat_of(path_ + "/reserve").st_size, 16 << 20);
  EXPECT_GE(stat_of(path_ + "/reserve").st_blocks * 512, 16 << 20)
      << "a sparse file reserves nothing";
  EXPECT_TRUE(state->release_reserve());
  EXPECT_FALSE(state->release_reserve()) << "there is none to give any more";
  EXPECT_TRUE(state->make_reserve().ok());
  EXPECT_EQ(stat_of(path_ + "/reserve").st_size, 16 << 20);
}

/// A verb opens it before it is heard: with a flush in between, or behind the owner's commit,
/// `dunlin pause` would wait for all that the copy has written.
TEST_F(StateDirectoryTest, OpeningOneThatIsThereWaitsForNoDisk) {
  const auto made = open();
  auto writer = sql::Database::open(path_ + "/state.db", {});
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE(writer->run("BEGIN IMMEDIATE").ok());
  testing::with_denied_calls({{SYS_fsync, EIO}, {SYS_fdatasync, EIO}, {SYS_sync, EIO}}, [&] {
    const auto again = open();
    ASSERT_NE(again, nullptr);
    EXPECT_TRUE(again->store().executions().ok());
  });
}

TEST_F(StateDirectoryTest, DefaultsFollowTheConventions) {
  const Variable home("HOME", "/home/u");
  const Variable xdg("XDG_STATE_HOME", "/xdg");
  const Variable own("DUNLIN_STATE", "/own");
  EXPECT_EQ(default_state_path("/given"), "/given");
  EXPECT_EQ(default_state_path(""), "/own");
  const Variable no_own("DUNLIN_STATE", nullptr);
  EXPECT_EQ(default_state_path(""), "/xdg/dunlin");
  const Variable relative("XDG_STATE_HOME", "xdg");
  EXPECT_EQ(default_state_path(""), "/home/u/.local/state/dunlin");
  const Variable no_home("HOME", nullptr);
  EXPECT_EQ(default_state_path(""), "/var/lib/dunlin");
}

TEST_F(StateDirectoryTest, RefusesFileSystemsWithoutTrustworthyLocks) {
  EXPECT_EQ(unsuitable_file_system(0x6969), "nfs");
  EXPECT_EQ(unsuitable_file_system(0xFF534D42), "cifs");
  EXPECT_EQ(unsuitable_file_system(static_cast<std::int32_t>(0xFE534D42)), "cifs")
      << "f_type is signed in places";
  EXPECT_EQ(unsuitable_file_system(0x0BD00BD0), "lustre");
  EXPECT_EQ(unsuitable_file_system(0x47504653), "gpfs");
  EXPECT_EQ(unsuitable_file_system(0x65735546), "fuse");
  EXPECT_EQ(unsuitable_file_system(0x01021997), "9p");
  EXPECT_EQ(unsuitable_file_system(0xEF53), "") << "ext4";
  EXPECT_EQ(unsuitable_file_system(0x58465342), "") << "xfs";
  EXPECT_EQ(unsuitable_file_system(0x01021994), "") << "tmpfs";
}

TEST_F(StateDirectoryTest, RefusesWhatOthersMayWriteAndWhatIsNoDirectory) {
  open().reset();
  ::chmod(path_.c_str(), 0770);
  EXPECT_EQ(refused(), ErrorType::state_unusable);
  ::chmod(path_.c_str(), 0700);
  path_ = folder_ / "file";
  std::ofstream(path_) << "x";
  EXPECT_EQ(refused(), ErrorType::state_unusable);
  path_ += "/below";
  EXPECT_EQ(refused(), ErrorType::state_unusable);
}

TEST_F(StateDirectoryTest, FollowsNoSymlinkInside) {
  open().reset();
  const std::string elsewhere = folder_ / "elsewhere";
  ::mkdir(elsewhere.c_str(), 0700);
  ASSERT_EQ(::symlink(elsewhere.c_str(), (path_ + "/executions/" + kFirst.value).c_str()), 0);
  {
    const auto state = open();
    EXPECT_FALSE(state->create_ledger(row_of(kFirst, 1)).ok());
    EXPECT_FALSE(state->acquire(kFirst).ok());
    EXPECT_FALSE(state->ledgers_on_disk().ok());
  }
  EXPECT_TRUE(std::filesystem::is_empty(elsewhere));
  std::filesystem::rename(path_ + "/state.db", folder_ / "moved.db");
  ASSERT_EQ(::symlink((folder_ / "moved.db").c_str(), (path_ + "/state.db").c_str()), 0);
  EXPECT_EQ(refused(), ErrorType::state_unusable);
}

TEST_F(StateDirectoryTest, TheRunDirectoryIsShortAndPrivate) {
  const std::string runtime = folder_ / "runtime";
  ::mkdir(runtime.c_str(), 0700);
  const auto state = open();
  {
    const Variable xdg("XDG_RUNTIME_DIR", runtime.c_str());
    const auto run = state->run_directory();
    ASSERT_TRUE(run.ok()) << run.error().text();
    EXPECT_TRUE(run->starts_with(runtime + "/dunlin/"));
    EXPECT_EQ(*state->run_directory(), *run);
    EXPECT_EQ(stat_of(*run).st_mode & 07777, 0700U);
  }
  const Variable none("XDG_RUNTIME_DIR", nullptr);
  EXPECT_TRUE(state->run_directory()->ends_with("/state/run"));
}

TEST_F(StateDirectoryTest, MakesFindsAndDeletesLedgers) {
  const auto state = open();
  {
    const Status created = state->create_ledger(row_of(kFirst, 1));
    ASSERT_TRUE(created.ok()) << created.error().text();
    const auto made = state->open_ledger(kFirst);
    ASSERT_TRUE(made.ok()) << made.error().text();
    must_apply(**made, {SetPhase{"loading"}});
    EXPECT_EQ(state->create_ledger(row_of(kFirst, 1)).error().type, ErrorType::invalid_state);
  }
  ::mkdir((path_ + "/executions/" + kSecond.value).c_str(),
          0700);  // died before its ledger was there
  ::mkdir((path_ + "/executions/not-an-id").c_str(), 0700);
  EXPECT_EQ(*state->ledgers_on_disk(), (std::vector<ExecutionId>{kFirst}));
  EXPECT_EQ((*state->open_ledger(kFirst, true))->execution()->phase, "loading");
  EXPECT_EQ(state->open_ledger(kSecond).error().type, ErrorType::not_found);
  EXPECT_EQ(state->open_ledger(ExecutionId("../executions")).error().type, ErrorType::not_found);
  EXPECT_EQ(state->create_ledger(row_of(ExecutionId("../x"), 1)).error().type, ErrorType::defect);
  ASSERT_TRUE(state->rebuild_summaries().ok());
  {
    const auto lock = state->acquire(kFirst);
    ASSERT_TRUE(lock.ok());
    EXPECT_EQ(state->delete_execution(kFirst).error().type, ErrorType::lock_held);
  }
  EXPECT_TRUE(state->delete_execution(kFirst).ok());
  EXPECT_TRUE(state->ledgers_on_disk()->empty());
  EXPECT_TRUE(state->store().executions()->empty());
  EXPECT_FALSE(std::filesystem::exists(path_ + "/executions/" + kFirst.value));
  EXPECT_EQ(state->delete_execution(kFirst).error().type, ErrorType::not_found);
}

TEST_F(StateDirectoryTest, ALedgerIsThereAsAWholeOrNotAtAll) {
  const auto state = open();
  // Died while the ledger was made, once for this execution and once, long ago, for another.
  const std::string making = path_ + "/executions/.making-";
  for (const ExecutionId& id : {kFirst, kSecond}) {
    ::mkdir((making + id.value).c_str(), 0700);
    std::ofstream(making + id.value + "/ledger.db") << "half";
  }
  const struct timespec long_ago[2] = {{1, 0}, {1, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (making + kSecond.value).c_str(), long_ago, 0), 0);
  EXPECT_TRUE(state->ledgers_on_disk()->empty());
  ASSERT_TRUE(state->rebuild_summaries().ok());
  const Status created = state->create_ledger(row_of(kFirst, 1));
  ASSERT_TRUE(created.ok()) << created.error().text();
  const auto made = state->open_ledger(kFirst);
  ASSERT_TRUE(made.ok()) << made.error().text();
  EXPECT_TRUE((*made)->check().ok());
  EXPECT_EQ(*state->ledgers_on_disk(), (std::vector<ExecutionId>{kFirst}));
  EXPECT_FALSE(std::filesystem::exists(making + kFirst.value));
  EXPECT_TRUE(std::filesystem::exists(making + kSecond.value));
  ASSERT_TRUE(state->delete_execution(kFirst).ok());
  EXPECT_FALSE(std::filesystem::exists(making + kSecond.value)) << "removed in passing";
}

// ---- Ownership --------------------------------------------------------------------------------

TEST_F(StateDirectoryTest, OneOwnerAtATimeEvenWithinAProcess) {
  const auto state = open();
  ASSERT_TRUE(state->create_ledger(row_of(kFirst, 1)).ok());
  EXPECT_FALSE(*state->owned(kFirst)) << "there is no owner file yet";
  auto lock = state->acquire(kFirst);
  ASSERT_TRUE(lock.ok()) << lock.error().text();
  EXPECT_TRUE(lock->still_held());
  EXPECT_TRUE(*state->owned(kFirst));
  const auto second = state->acquire(kFirst);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().type, ErrorType::lock_held);
  EXPECT_NE(second.error().message.find("process " + std::to_string(::getpid())), std::string::npos)
      << second.error().message;
  const auto owner = parse_json(*read_file(path_ + "/executions/" + kFirst.value + "/owner"));
  EXPECT_EQ(integer_or(*owner, "pid", 0), ::getpid());
  {
    const OwnerLock moved = std::move(*lock);
    EXPECT_TRUE(moved.still_held());
    EXPECT_FALSE(lock->still_held());
  }
  EXPECT_FALSE(*state->owned(kFirst));
  EXPECT_TRUE(state->acquire(kFirst).ok());
  EXPECT_EQ(state->acquire(kSecond).error().type, ErrorType::not_found);
}

/// The child's part: takes the lock, says so, and keeps it until it is killed; asked by a line of a
/// file, it says whether it still holds it.
TEST(StateDirectoryChild, DISABLED_Owns) {
  const char* path = std::getenv("DUNLIN_TEST_STATE");
  ASSERT_NE(path, nullptr);
  const SystemClock clock;
  const auto state = StateDirectory::open(path, clock);
  ASSERT_TRUE(state.ok());
  const auto lock = (*state)->acquire(kFirst);
  const auto ledger = (*state)->open_ledger(kFirst);
  ASSERT_TRUE(ledger.ok());
  const std::int64_t epoch = lock.ok() ? *(*ledger)->take_over("{}") : -1;
  const auto say = [](std::string line) {
    line += "\n";
    return ::write(STDOUT_FILENO, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  };
  ASSERT_TRUE(say(lock.ok() ? "owner" : "refused"));
  const std::int64_t deadline_ms = clock.monotonic_ms() + 60'000;
  while (lock.ok() && clock.monotonic_ms() < deadline_ms) {
    ::usleep(1000);
    if (lock->still_held()) continue;
    const std::vector<Mutation> late{SetPhase{"written by the old owner"}};
    const auto applied = (*ledger)->apply(epoch, late);
    ASSERT_TRUE(say(applied.ok() && !applied->at(0).ok() &&
                            applied->at(0).error().type == ErrorType::stale_owner
                        ? "fenced"
                        : "NOT FENCED"));
    return;
  }
}

constexpr const char* kOwns = "StateDirectoryChild.DISABLED_Owns";

TEST_F(StateDirectoryTest, TwoProcessesContendAndTheDeadLoseTheLock) {
  const auto state = open();
  ASSERT_TRUE(state->create_ledger(row_of(kFirst, 1)).ok());
  Child owner(kOwns, {"DUNLIN_TEST_STATE=" + path_});
  ASSERT_EQ(owner.read_line(), "owner");
  EXPECT_TRUE(*state->owned(kFirst));
  Child loser(kOwns, {"DUNLIN_TEST_STATE=" + path_});
  EXPECT_EQ(loser.read_line(), "refused");
  const auto refused = state->acquire(kFirst);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("process " + std::to_string(owner.pid())),
            std::string::npos)
      << refused.error().message;
  owner.signal(SIGKILL);
  owner.wait();
  EXPECT_FALSE(*state->owned(kFirst));
  EXPECT_TRUE(state->acquire(kFirst).ok());
}

TEST_F(StateDirectoryTest, AStoppedOwnerKeepsTheLockAndAForcedTakeOverFencesIt) {
  const auto state = open();
  ASSERT_TRUE(state->create_ledger(row_of(kFirst, 1)).ok());
  Child owner(kOwns, {"DUNLIN_TEST_STATE=" + path_});
  ASSERT_EQ(owner.read_line(), "owner");
  owner.signal(SIGSTOP);
  EXPECT_EQ(state->acquire(kFirst).error().type, ErrorType::lock_held)
      << "a stopped process is alive";
  EXPECT_TRUE(*state->owned(kFirst));

  const auto lock = state->acquire(kFirst, true);
  ASSERT_TRUE(lock.ok()) << lock.error().text();
  EXPECT_TRUE(lock->still_held());
  EXPECT_EQ(state->acquire(kFirst).error().type, ErrorType::lock_held) << "it is ours now";
  const auto ledger = state->open_ledger(kFirst);
  EXPECT_EQ(*(*ledger)->take_over("{}"), 2);
  owner.signal(SIGCONT);
  EXPECT_EQ(owner.read_line(), "fenced");
  EXPECT_EQ((*ledger)->execution()->phase, "");
  EXPECT_TRUE(lock->still_held());
  for (const auto& entry :
       std::filesystem::directory_iterator(path_ + "/executions/" + kFirst.value)) {
    EXPECT_FALSE(entry.path().filename().string().starts_with("owner."))
        << "the new file was renamed";
  }
}

TEST_F(StateDirectoryTest, ATakerMarksTheOldOwnersFileBeforeItReplacesIt) {
  const auto state = open();
  ASSERT_TRUE(state->create_ledger(row_of(kFirst, 1)).ok());
  const std::string path = path_ + "/executions/" + kFirst.value + "/owner";
  {
    const auto old_owner = state->acquire(kFirst);
    ASSERT_TRUE(old_owner.ok());
    const UniqueFd old_file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    const auto new_owner = state->acquire(kFirst, true);
    ASSERT_TRUE(new_owner.ok());
    EXPECT_FALSE(old_owner->still_held());
    char mark = 0;
    ASSERT_EQ(::pread(old_file.get(), &mark, 1, 0), 1);
    EXPECT_EQ(mark, '!') << "what a continued owner sees without a system call";
    EXPECT_TRUE(new_owner->still_held());
  }
  // A taker that died between the mark and the rename: the old owner stops, the next one is whole.
  auto old_owner = state->acquire(kFirst);
  ASSERT_TRUE(old_owner.ok());
  {
    const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    ASSERT_EQ(::pwrite(file.get(), "!", 1, 0), 1);
  }
  EXPECT_FALSE(old_owner->still_held());
  old_owner = Error(ErrorType::stale_owner, "it ends");
  const auto next = state->acquire(kFirst);
  ASSERT_TRUE(next.ok()) << next.error().text();
  EXPECT_TRUE(next->still_held());
}

// ---- Rebuilding -------------------------------------------------------------------------------

class StateRebuild : public StateDirectoryTest {
 protected:
  void SetUp() override {
    const auto state = open();
    for (const auto& [id, number] : {std::pair(kFirst, 4), std::pair(kSecond, 6)}) {
      const Status created = state->create_ledger(row_of(id, number));
      ASSERT_TRUE(created.ok()) << created.error().text();
      const auto ledger = state->open_ledger(id);
      ASSERT_TRUE(ledger.ok()) << ledger.error().text();
      AppendWork work;
      work.tasks = {task(1)};
      work.batches = {batch(1, 1, 1, 3)};
      must_apply(**ledger, {work, SetStatus{}});
    }
    ASSERT_TRUE(state->rebuild_summaries().ok());
  }
  void expect_both() {
    const auto state = open();
    ASSERT_NE(state, nullptr);
    const auto all = state->store().executions();
    ASSERT_EQ(all->size(), 2U);
    EXPECT_EQ(all->at(0).id, kFirst);
    EXPECT_EQ(all->at(0).number, 4) << "numbers stand in the ledger";
    EXPECT_EQ(all->at(1).number, 6);
    EXPECT_EQ(all->at(0).status, ExecutionStatus::running);
    EXPECT_EQ(all->at(0).counters.total_items, 3);
    EXPECT_EQ(all->at(0).claims, (std::vector<std::string>{"file:///dst"}));
    ExecutionSummary next;
    next.id = ExecutionId("018bcfe5-6800-7000-8000-0000000000a3");
    EXPECT_EQ(*state->store().put_execution(next), 7);
    EXPECT_TRUE(state->store().delete_execution(next.id).ok());
  }
  void remove_store() {
    for (const char* suffix : {"", "-wal", "-shm"})
      ::unlink((path_ + "/state.db" + suffix).c_str());
  }
  int kept_aside() {
    int found = 0;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      const std::string name = entry.path().filename().string();
      found += name.starts_with("state.db.corrupt-") && !name.ends_with("-wal");
    }
    return found;
  }
};

TEST_F(StateRebuild, ADeletedStateDbIsRebuilt) {
  remove_store();
  expect_both();
  EXPECT_EQ(kept_aside(), 0);
}

TEST_F(StateRebuild, AStateDbThatIsNoDatabaseIsKeptAsideAndRebuilt) {
  remove_store();
  std::ofstream(path_ + "/state.db") << std::string(9000, 'x');
  expect_both();
  EXPECT_EQ(kept_aside(), 1);
}

TEST_F(StateRebuild, ATruncatedStateDbIsKeptAsideAndRebuilt) {
  {
    auto database = sql::Database::open(path_ + "/state.db");
    ASSERT_TRUE(database->checkpoint_wal().ok());
  }
  ASSERT_EQ(::truncate((path_ + "/state.db").c_str(), 6000), 0);
  expect_both();
  EXPECT_EQ(kept_aside(), 1);
}

TEST_F(StateRebuild, ANewerStateDbIsLeftAlone) {
  {
    auto database = sql::Database::open(path_ + "/state.db");
    ASSERT_TRUE(database->set_user_version(12).ok());
    ASSERT_TRUE(database->exec("UPDATE meta SET value = '12'").ok());
  }
  EXPECT_EQ(refused(), ErrorType::state_version);
  EXPECT_EQ(kept_aside(), 0);
}

TEST_F(StateRebuild, OnlyWhatDiffersIsRewrittenAndADamagedLedgerHidesNoOther) {
  {
    const auto state = open();
    must_apply(**state->open_ledger(kFirst), {SetPhase{"verifying"}});
    ExecutionSummary wrong = *state->store().execution(kSecond);
    wrong.status = ExecutionStatus::failed;
    ASSERT_TRUE(state->store().put_execution(wrong).ok());
    ASSERT_TRUE(state->rebuild_summaries().ok());
    EXPECT_EQ(state->store().execution(kFirst)->phase, "verifying");
    EXPECT_EQ(state->store().execution(kSecond)->status, ExecutionStatus::running);
  }
  const std::string ledger = path_ + "/executions/" + kFirst.value + "/ledger.db";
  for (const char* suffix : {"-wal", "-shm"}) ::unlink((ledger + suffix).c_str());
  std::ofstream(ledger) << std::string(9000, 'x');
  remove_store();
  const auto state = open();
  ASSERT_NE(state, nullptr);
  const auto all = state->store().executions();
  ASSERT_EQ(all->size(), 1U);
  EXPECT_EQ(all->at(0).id, kSecond);
}

// ---- A full disk ------------------------------------------------------------------------------

class StateOnFullDiskNeedsRoot : public StateDirectoryTest {
 protected:
  void SetUp() override {
    ASSERT_EQ(::geteuid(), 0U) << "not run: needs root";
    if (::mount("tmpfs", folder_.path().c_str(), "tmpfs", 0, "size=90m") != 0) {
      GTEST_SKIP() << "tmpfs cannot be mounted here";
    }
    mounted_ = true;
  }
  void TearDown() override {
    if (mounted_) ::umount2(folder_.path().c_str(), MNT_DETACH);
  }
  /// Takes all the space that is left.
  void fill() {
    std::ofstream ballast(folder_ / "ballast", std::ios::app | std::ios::binary);
    const std::string block(4096, 'x');
    while (ballast.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
  }
  bool mounted_ = false;
};

TEST_F(StateOnFullDiskNeedsRoot, TheReserveLetsACancelBeRecorded) {
  {
    const auto state = open();
    ASSERT_TRUE(state->create_ledger(row_of(kFirst, 1)).ok());
    ASSERT_TRUE(state->rebuild_summaries().ok());
  }
  ASSERT_TRUE(std::filesystem::exists(path_ + "/reserve"));
  fill();
  const auto state = open();  // gives the reserve up: not even the log of state.db has room
  ASSERT_NE(state, nullptr);
  ControlRow cancel;
  cancel.execution = kFirst;
  cancel.verb = "cancel";
  EXPECT_TRUE(state->store().add_control(cancel).ok());
  EXPECT_FALSE(std::filesystem::exists(path_ + "/reserve"));
  EXPECT_EQ(state->make_reserve().error().type, ErrorType::state_write_failed)
      << "not from the last space";
  {
    const auto again = open();
    ASSERT_NE(again, nullptr);
    EXPECT_FALSE(std::filesystem::exists(path_ + "/reserve")) << "nor when it is opened";
  }
  ::unlink((folder_ / "ballast").c_str());
  EXPECT_TRUE(state->make_reserve().ok());
}

}  // namespace
}  // namespace dunlin::store::test
