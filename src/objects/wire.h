// The protocol between SocketBackend and an object server: one request, one answer, on a stream.
//
// A frame is a u32 (little-endian) length and that many bytes, at most kMaxFrameBytes; its content
// is encoded by base/binary.h, beginning with the protocol's version. A request applies only when
// the whole frame has arrived, so a client that dies within one has changed nothing. Both sides
// treat the other as hostile: nothing is allocated by an announced length.
//
// encode, decode and serve are pure but for the Backend; any thread. FrameIo: one thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "objects/backend.h"

namespace dunlin::objects {

/// 64 MiB of body (MemoryBackend's largest part) and room for the rest.
inline constexpr std::uint32_t kMaxFrameBytes = (64U << 20U) + (1U << 20U);

/// All calls in one shape; each uses the fields it needs.
struct Request {
  Call call = Call::identity;
  std::string bucket;
  std::string key;   ///< or prefix
  std::string text;  ///< after, if_match or upload id
  std::string from;  ///< the key copied
  std::int64_t offset = 0;
  std::int64_t count = 0;  ///< length, limit or part number
  WriteCondition condition;
  Metadata metadata;
  std::vector<PartInfo> parts;
  std::string_view body;  ///< points into the caller's buffer, or into the frame decoded
};

struct Reply {
  std::optional<Error> error;  ///< then the rest is empty
  std::string text;            ///< identity, next or upload id
  std::vector<ObjectInfo> objects;
  std::vector<UploadInfo> uploads;
  std::vector<PartInfo> parts;
  std::string body;
};

[[nodiscard]] std::string encode(const Request& request);
[[nodiscard]] std::string encode(const Reply& reply);
/// ErrorType::invalid_input for bytes that are no request (answer).
[[nodiscard]] Result<Request> decode_request(std::string_view frame);
[[nodiscard]] Result<Reply> decode_reply(std::string_view frame);

/// Carries the request out; errors of the backend become the reply's.
[[nodiscard]] Reply serve(Backend& backend, const Request& request, const CancelToken& cancel);

/// Blocking frames on a non-blocking socket that the caller owns.
class FrameIo {
 public:
  FrameIo(int fd, std::chrono::milliseconds idle_timeout) : fd_(fd), idle_timeout_(idle_timeout) {}
  /// network_timeout when nothing moved for the idle time-out, connection_reset, interrupted.
  [[nodiscard]] Status send(std::string_view content, const CancelToken& cancel);
  /// As send; an orderly end before a whole frame is connection_reset.
  [[nodiscard]] Result<std::string> receive(const CancelToken& cancel);

 private:
  [[nodiscard]] Status wait(short events, const CancelToken& cancel) const;
  [[nodiscard]] Status send_bytes(std::string_view bytes, const CancelToken& cancel) const;
  [[nodiscard]] Status receive_bytes(std::string& into, std::size_t count,
                                     const CancelToken& cancel) const;

  int fd_;
  std::chrono::milliseconds idle_timeout_;
};

}  // namespace dunlin::objects
