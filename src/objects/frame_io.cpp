// FrameIo: frames on a socket, with an idle time-out and prompt cancellation; see wire.h.
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/binary.h"
#include "objects/wire.h"

namespace dunlin::objects {
namespace {

/// Cancellation is looked at this often; the contract allows 100 ms.
constexpr int kSliceMs = 50;
constexpr std::size_t kReadBytes = 256U << 10U;

Error cut(std::string what) {
  return {ErrorType::connection_reset, "the object server " + std::move(what)};
}

}  // namespace

Status FrameIo::wait(short events, const CancelToken& cancel) const {
  for (auto waited = std::chrono::milliseconds(0); waited < idle_timeout_;
       waited += std::chrono::milliseconds(kSliceMs)) {
    DUNLIN_TRY(cancel.check());
    pollfd entry{fd_, events, 0};
    const int ready = ::poll(&entry, 1, kSliceMs);
    if (ready > 0) return success();
    if (ready < 0 && errno != EINTR) return error_from_errno(errno, "poll the object server");
  }
  return Error(ErrorType::network_timeout, "the object server did not answer in time");
}

Status FrameIo::send_bytes(std::string_view bytes, const CancelToken& cancel) const {
  while (!bytes.empty()) {
    const ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      DUNLIN_TRY(wait(POLLOUT, cancel));
    } else if (errno != EINTR) {
      return cut("closed the connection");
    }
  }
  return success();
}

Status FrameIo::send(std::string_view content, const CancelToken& cancel) {
  DUNLIN_CHECK(content.size() <= kMaxFrameBytes, "a frame larger than the protocol allows");
  ByteWriter header;
  header.u32(static_cast<std::uint32_t>(content.size()));
  DUNLIN_TRY(send_bytes(header.view(), cancel));
  return send_bytes(content, cancel);
}

Status FrameIo::receive_bytes(std::string& into, std::size_t count,
                              const CancelToken& cancel) const {
  into.clear();
  while (into.size() < count) {
    DUNLIN_TRY(wait(POLLIN, cancel));
    const std::size_t before = into.size();
    into.resize(before + std::min(count - before, kReadBytes));
    const ssize_t got = ::recv(fd_, into.data() + before, into.size() - before, MSG_DONTWAIT);
    into.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) return cut("closed the connection");
    if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
      return cut("cut the connection");
    }
  }
  return success();
}

Result<std::string> FrameIo::receive(const CancelToken& cancel) {
  std::string bytes;
  DUNLIN_TRY(receive_bytes(bytes, sizeof(std::uint32_t), cancel));
  const std::uint32_t size = ByteReader(bytes).u32();
  if (size > kMaxFrameBytes) return cut("sent more than the protocol allows");
  DUNLIN_TRY(receive_bytes(bytes, size, cancel));
  return bytes;
}

}  // namespace dunlin::objects
