// The first signal pauses, a second SIGINT stops, and none is lost.
#include "cli/signals.h"

#include <atomic>
#include <csignal>

#include <gtest/gtest.h>

#include "support/process.h"

namespace dunlin::cli {
namespace {

using testing::eventually;

TEST(SignalsAlone, TheFirstPausesASecondInterruptStops) {
  std::atomic<int> paused{0};
  std::atomic<int> stopped{0};
  SignalWatch watch;
  watch.start([&](int signal) { paused = signal; }, [&] { ++stopped; });
  std::raise(SIGTERM);
  EXPECT_TRUE(eventually([&] { return paused == SIGTERM; }));
  std::raise(SIGTERM);
  std::raise(SIGHUP);
  std::raise(SIGINT);
  EXPECT_TRUE(eventually([&] { return stopped == 1; }));
  watch.end();
  EXPECT_EQ(stopped, 1) << "only an interrupt is impatience";
}

TEST(SignalsAlone, OneThatComesBeforeTheStartIsKept) {
  std::atomic<int> paused{0};
  SignalWatch watch;
  std::raise(SIGINT);
  watch.start([&](int signal) { paused = signal; }, [] {});
  EXPECT_TRUE(eventually([&] { return paused == SIGINT; }));
}

TEST(SignalsAlone, APauseThatTakesLongDoesNotHideTheSecondInterrupt) {
  std::atomic<bool> stopped{false};
  SignalWatch watch;
  watch.start([&](int) { static_cast<void>(eventually([&] { return stopped.load(); })); },
              [&] { stopped = true; });
  std::raise(SIGINT);
  std::raise(SIGINT);
  EXPECT_TRUE(eventually([&] { return stopped.load(); }));
  watch.end();
}

TEST(SignalsAlone, TheFormerHandlersComeBack) {
  struct sigaction before{};
  struct sigaction after{};
  ::sigaction(SIGINT, nullptr, &before);
  {
    const SignalWatch watch;
  }
  ::sigaction(SIGINT, nullptr, &after);
  EXPECT_EQ(before.sa_handler, after.sa_handler);
}

}  // namespace
}  // namespace dunlin::cli
