// Backends: the conformance suite over each, faults on demand, and the socket's own ways to fail.
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include <gtest/gtest.h>

#include "base/binary.h"
#include "objects/backend_conformance.h"
#include "objects/memory_backend.h"
#include "objects/socket_backend.h"
#include "support/object_server.h"

namespace dunlin::objects {
namespace {

using dunlin::testing::ObjectServerProcess;

class InMemory final : public BackendUnderTest {
 public:
  Backend& backend() override { return backend_; }

 private:
  SystemClock clock_;
  MemoryBackend backend_{clock_};
};

class OverSocket final : public BackendUnderTest {
 public:
  Backend& backend() override { return backend_; }

 private:
  ObjectServerProcess server_;
  SocketBackend backend_{server_.socket_path(), "destination"};
};

template <typename T>
std::unique_ptr<BackendUnderTest> make() {
  return std::make_unique<T>();
}

INSTANTIATE_TEST_SUITE_P(Memory, BackendConformance, ::testing::Values(&make<InMemory>));
INSTANTIATE_TEST_SUITE_P(Socket, BackendConformance, ::testing::Values(&make<OverSocket>));

const CancelToken kNever;

TEST(MemoryBackend, FaultsHitTheCallMeant) {
  const SystemClock clock;
  MemoryBackend backend(clock);
  backend.set_fault_hook([](Call call, std::string_view key, std::int64_t nth) {
    if (call != Call::put || key != "key") return Fault::none;
    if (nth == 1) return Fault::refuse;
    if (nth == 2) return Fault::throttle;
    if (nth == 3) return Fault::lose_request;
    return nth == 4 ? Fault::lose_reply : Fault::none;
  });
  const auto put = [&] { return backend.put("key", "x", WriteCondition::absent(), {}, kNever); };
  EXPECT_ERROR(put(), ErrorType::temporary_failure);
  const auto throttled = put();
  EXPECT_ERROR(throttled, ErrorType::throttled);
  EXPECT_TRUE(throttled.error().retriable());
  EXPECT_GT(throttled.error().retry_after_ms, 0);
  const auto lost = put();
  EXPECT_ERROR(lost, ErrorType::connection_reset);
  EXPECT_TRUE(lost.error().possibly_applied);
  EXPECT_FALSE(backend.head("key", kNever)->has_value());
  EXPECT_TRUE(put().error().possibly_applied);
  EXPECT_TRUE(backend.head("key", kNever)->has_value());
  EXPECT_ERROR(put(), ErrorType::destination_exists);
}

TEST(MemoryBackend, ALostAnswerOfAReadLeavesNothingOpen) {
  const SystemClock clock;
  MemoryBackend backend(clock);
  backend.set_fault_hook([](Call, std::string_view, std::int64_t) { return Fault::lose_reply; });
  EXPECT_FALSE(backend.head("key", kNever).error().possibly_applied);
}

TEST(SocketBackend, ALostAnswerIsPossiblyApplied) {
  const ObjectServerProcess server(
      {"--fault", "put:1:lose_reply", "--fault", "put:2:lose_request"});
  SocketBackend backend(server.socket_path(), "destination");
  const auto one = backend.put("1", "x", {}, {}, kNever);
  EXPECT_ERROR(one, ErrorType::connection_reset);
  EXPECT_TRUE(one.error().possibly_applied);
  const auto two = backend.put("2", "x", {}, {}, kNever);
  EXPECT_TRUE(two.error().possibly_applied);
  EXPECT_TRUE(backend.head("1", kNever)->has_value());
  EXPECT_FALSE(backend.head("2", kNever)->has_value());
}

TEST(SocketBackend, NobodyThereIsUnreachableAndNothingWasApplied) {
  SocketBackend backend("/nonexistent/socket", "destination");
  const auto put = backend.put("key", "x", {}, {}, kNever);
  EXPECT_ERROR(put, ErrorType::endpoint_unreachable);
  EXPECT_FALSE(put.error().possibly_applied);
}

TEST(SocketBackend, AnUnknownBucketIsNotAnEmptyOne) {
  const ObjectServerProcess server;
  SocketBackend backend(server.socket_path(), "buckte");
  EXPECT_ERROR(backend.list("", "", 10, kNever), ErrorType::not_found);
  EXPECT_ERROR(backend.head("key", kNever), ErrorType::not_found);
}

TEST(SocketBackend, AStoppedServerEndsInATimeOutOrCancellationAndIsUsableAfterwards) {
  const ObjectServerProcess server;
  SocketBackend backend(server.socket_path(), "destination", std::chrono::milliseconds(300));
  ASSERT_TRUE(backend.put("key", "x", {}, {}, kNever).ok());
  ASSERT_EQ(::kill(server.pid(), SIGSTOP), 0);
  const auto put = backend.put("key", "y", {}, {}, kNever);
  EXPECT_ERROR(put, ErrorType::network_timeout);
  EXPECT_TRUE(put.error().possibly_applied);

  CancelSource source;
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    source.request(CancelReason::pause);
  });
  const auto started = std::chrono::steady_clock::now();
  EXPECT_ERROR(backend.head("key", source.token()), ErrorType::interrupted);
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::milliseconds(250));
  canceller.join();
  ASSERT_EQ(::kill(server.pid(), SIGCONT), 0);
  EXPECT_TRUE(backend.head("key", kNever).ok());
}

TEST(SocketBackend, ARestartedServerIsAnotherRoot) {
  std::string before;
  {
    const ObjectServerProcess server;
    before = *SocketBackend(server.socket_path(), "source").identity(kNever);
    EXPECT_EQ(*SocketBackend(server.socket_path(), "source").identity(kNever), before);
    EXPECT_NE(*SocketBackend(server.socket_path(), "destination").identity(kNever), before);
  }
  const ObjectServerProcess server;
  EXPECT_NE(*SocketBackend(server.socket_path(), "source").identity(kNever), before);
}

/// Raw bytes to a server, as a hostile or dying client would send them.
class RawClient {
 public:
  explicit RawClient(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    EXPECT_EQ(::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  void send(std::string_view bytes) {
    EXPECT_EQ(::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  /// True when the server has hung up.
  bool closed() {
    char byte = 0;
    return ::recv(fd_.get(), &byte, 1, 0) <= 0;
  }

 private:
  UniqueFd fd_;
};

std::string frame(std::string_view content) {
  ByteWriter out;
  out.u32(static_cast<std::uint32_t>(content.size())).raw(content);
  return out.take();
}

TEST(ObjectServer, SurvivesAClientThatDiesAtAnyByteAndAppliesNothingHalf) {
  const ObjectServerProcess server;
  Request request;
  request.call = Call::put;
  request.bucket = "destination";
  request.key = "key";
  request.body = "body";
  const std::string bytes = frame(encode(request));
  SocketBackend backend(server.socket_path(), "destination");
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    RawClient(server.socket_path()).send(std::string_view(bytes).substr(0, n));
    ASSERT_FALSE(backend.head("key", kNever)->has_value()) << "after " << n << " bytes";
  }
  RawClient whole(server.socket_path());
  whole.send(bytes);
  EXPECT_FALSE(whole.closed());  // the answer has come
  EXPECT_TRUE(backend.head("key", kNever)->has_value());
}

TEST(ObjectServer, HangsUpOnWhatIsNoRequest) {
  const ObjectServerProcess server;
  for (const std::string& bytes :
       {std::string("\xff\xff\xff\xff", 4), frame(""), frame("GET / HTTP/1.1\r\n\r\n"),
        frame(std::string(1000, '\x01'))}) {
    RawClient client(server.socket_path());
    client.send(bytes);
    EXPECT_TRUE(client.closed()) << hex(bytes);
  }
  EXPECT_TRUE(SocketBackend(server.socket_path(), "source").identity(kNever).ok());
}

TEST(ObjectServer, PreloadIsTheSameForTheSameSeed) {
  const ObjectServerProcess one({"--preload", "25,100,7"});
  const ObjectServerProcess two({"--preload", "25,100,7"});
  SocketBackend first(one.socket_path(), "source");
  SocketBackend second(two.socket_path(), "source");
  const auto mine = first.list("", "", 100, kNever);
  const auto theirs = second.list("", "", 100, kNever);
  ASSERT_TRUE(mine.ok() && theirs.ok());
  ASSERT_EQ(mine->objects.size(), 25U);
  for (std::size_t n = 0; n < 25; ++n) {
    EXPECT_EQ(mine->objects[n].key, theirs->objects[n].key);
    EXPECT_EQ(mine->objects[n].md5, theirs->objects[n].md5);
    EXPECT_EQ(mine->objects[n].size, 100);
  }
}

TEST(Wire, EveryTruncationOfARequestOrAnswerIsRefused) {
  Request request;
  request.call = Call::complete_upload;
  request.bucket = "b";
  request.key = "k";
  request.text = "upload";
  request.condition = WriteCondition::match("etag");
  request.metadata = {{"name", "value"}};
  request.parts = {{1, 5, "e", "m"}};
  request.body = "body";
  const std::string bytes = encode(request);
  const auto back = decode_request(bytes);
  ASSERT_TRUE(back.ok()) << back.error().text();
  EXPECT_EQ(back->call, request.call);
  EXPECT_EQ(back->condition.etag, "etag");
  EXPECT_EQ(back->metadata, request.metadata);
  EXPECT_EQ(back->parts.front().size, 5);
  EXPECT_EQ(back->body, "body");
  Reply reply;
  reply.objects.push_back({"k", 1, "e", 2, "m", {{"a", "b"}}});
  reply.uploads.push_back({"k", "id", 3, {}});
  reply.body = "x";
  const std::string answer = encode(reply);
  ASSERT_TRUE(decode_reply(answer).ok());
  for (std::size_t n = 0; n < bytes.size(); ++n)
    EXPECT_FALSE(decode_request(bytes.substr(0, n)).ok());
  for (std::size_t n = 0; n < answer.size(); ++n)
    EXPECT_FALSE(decode_reply(answer.substr(0, n)).ok());
}

TEST(Wire, AnErrorTravelsWhole) {
  Reply reply;
  reply.error = Error(ErrorType::throttled, "busy");
  reply.error->native = {"object_store", "SlowDown"};
  reply.error->possibly_applied = true;
  reply.error->retry_after_ms = 70;
  const auto back = decode_reply(encode(reply));
  ASSERT_TRUE(back.ok() && back->error);
  EXPECT_EQ(back->error->type, ErrorType::throttled);
  EXPECT_EQ(back->error->message, "busy");
  EXPECT_EQ(back->error->native.code, "SlowDown");
  EXPECT_TRUE(back->error->possibly_applied);
  EXPECT_EQ(back->error->retry_after_ms, 70);
}

}  // namespace
}  // namespace dunlin::objects
