// SocketBackend; see socket_backend.h.
#include "objects/socket_backend.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "base/text.h"

namespace dunlin::objects {
namespace {

constexpr std::size_t kMaxIdle = 64;
constexpr std::int64_t kMaxPutBytes = 64LL << 20;

/// A connection on which the server has said something unasked, or hung up, is of no use.
bool usable(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, 0) == 0;
}

Error bad_answer() {
  return {ErrorType::connection_reset, "the object server gave an answer of another shape"};
}

}  // namespace

SocketBackend::SocketBackend(std::string socket_path, std::string bucket,
                             std::chrono::milliseconds idle_timeout)
    : socket_path_(std::move(socket_path)),
      bucket_(std::move(bucket)),
      idle_timeout_(idle_timeout) {}

Limits SocketBackend::limits() const {
  Limits limits;
  limits.max_put_bytes = kMaxPutBytes;
  return limits;
}

Result<UniqueFd> SocketBackend::connection() {
  {
    const std::lock_guard lock(mutex_);
    while (!idle_.empty()) {
      UniqueFd fd = std::move(idle_.back());
      idle_.pop_back();
      if (usable(fd.get())) return fd;
    }
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path_.size() >= sizeof(address.sun_path)) {
    return Error(ErrorType::invalid_input,
                 "the socket path '" + escape_bytes(socket_path_) +
                     "' is longer than a Unix socket's may be (107 bytes)");
  }
  std::memcpy(address.sun_path, socket_path_.data(), socket_path_.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return error_from_errno(errno, "create a socket");
  // On a Unix socket connect answers at once; EAGAIN means that the server's backlog is full.
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    const int code = errno;
    Error error(code == EAGAIN ? ErrorType::throttled : ErrorType::endpoint_unreachable,
                "no object server answers at '" + escape_bytes(socket_path_) + "'");
    error.native = {"errno", std::to_string(code)};
    return error;
  }
  return fd;
}

void SocketBackend::give_back(UniqueFd fd) {
  const std::lock_guard lock(mutex_);
  if (idle_.size() < kMaxIdle) idle_.push_back(std::move(fd));
}

Result<Reply> SocketBackend::call(Request request, const CancelToken& cancel) {
  DUNLIN_TRY(cancel.check());
  if (request.body.size() > static_cast<std::size_t>(kMaxPutBytes)) {
    return Error(ErrorType::unsupported_item, "more than 64 MiB in one request");
  }
  request.bucket = bucket_;
  const std::string context =
      std::string(to_string(request.call)) + " '" + escape_bytes(request.key) + "'";
  const auto lost = [&](Error error, bool sent) {
    error.possibly_applied = sent && changes_something(request.call);
    return std::move(error).with_context(context);
  };
  DUNLIN_ASSIGN(UniqueFd fd, connection());
  FrameIo io(fd.get(), idle_timeout_);
  // An incomplete frame is not applied (wire.h), so until send has ended nothing can have happened.
  if (Status sent = io.send(encode(request), cancel); !sent.ok()) {
    return lost(std::move(sent).error(), false);
  }
  auto frame = io.receive(cancel);
  if (!frame.ok()) return lost(std::move(frame).error(), true);
  auto reply = decode_reply(*frame);
  if (!reply.ok()) return lost(bad_answer(), true);
  give_back(std::move(fd));
  if (reply->error) return std::move(*reply->error).with_context(context);
  return reply;
}

Result<std::string> SocketBackend::identity(const CancelToken& cancel) {
  Request request;
  request.call = Call::identity;
  DUNLIN_ASSIGN(auto reply, call(std::move(request), cancel));
  return reply.text;
}

Result<ListPage> SocketBackend::list(std::string_view prefix, std::string_view after,
                                     std::int32_t limit, const CancelToken& cancel) {
  Request request;
  request.call = Call::list;
  request.key = prefix;
  request.text = after;
  request.count = limit;
  DUNLIN_ASSIGN(auto reply, call(std::move(request), cancel));
  return ListPage{std::move(reply.objects), std::move(reply.text)};
}

Result<std::optional<ObjectInfo>> SocketBackend::head(std::string_view key,
                                                      const CancelToken& cancel) {
  Request request;
  request.call = Call::head;
  request.key = key;
  DUNLIN_ASSIGN(auto reply, call(std::move(request), cancel));
  if (reply.objects.empty()) return std::optional<ObjectInfo>();
  return std::optional<ObjectInfo>(std::move(reply.objects.front()));
}

Result<ObjectData> SocketBackend::get(std::string_view key, std::int64_t offset,
                                      std::int64_t length, std::string_view if_match,
                                      const CancelToken& cancel) {
  Request request;
  request.call = Call::get;
  request.key = key;
  request.text = if_match;
  request.offset = offset;
  request.count = length;
  DUNLIN_ASSIGN(auto reply, call(std::move(request), cancel));
  if (reply.objects.size() != 1) return bad_answer();
  return ObjectData{std::move(reply.objects.front()), std::move(reply.body)};
}

Result<ObjectInfo> SocketBackend::put(std::string_view key, std::string_view bytes,
                                      const WriteCondition& condition, const Metadata& metadata,
                                      const CancelToken& cancel) {
  Request request;
  request.call = Call::put;
  request.key = key;
  request.condition = condition;
  request.metadata = metadata;
  request.body = bytes;
  DUNLIN_ASSIGN(auto reply, call(std::move(request), cancel));
  if (reply.objects.size() != 1) return bad_answer();
  return std::move(reply.objects.front());
}

Result<ObjectInfo> SocketBackend::copy(std::string_view from, std::string_view if_match,
                                       std::string_view to, const WriteCondition& condition,
                                       const Metadata& metadata, const CancelToken& cancel) {
  Request request;
  request.call = Call::copy;
  request.key = to;
  request.from = from;
  request.text = if_match;
  request.condition = condition;
  request.metadata = metadata;
  DUNLIN_ASSIGN(auto reply, call(std::move(request), cancel));
  if (reply.objects.size() != 1) return bad_answer();
  return std::move(reply.objects.front());
}

Result<std::string> SocketBackend::begin_upload(std::string_view key, const Metadata& metadata,
                                                const CancelToken& cancel) {
  Request request;
  request.call = Call::begin_upload;
  request.key = key;
  request.metadata = metadata;
  DUNLIN_ASSIGN(auto reply, call(std::move(request), cancel));
  return reply.text;
}

Result<PartInfo> SocketBackend::put_part(std::string_view key, std::string_view upload_id,
                                         std::int32_t number, std::string_view bytes,
                                         const CancelToken& cancel) {
  Request request;
  request.call = Call::put_part;
  request.key = key;
  request.text = upload_id;
  request.count = number;
  request.body = bytes;
  DUNLIN_ASSIGN(auto reply, call(std::move(request), cancel));
  if (reply.parts.size() != 1) return bad_answer();
  return std::move(reply.parts.front());
}

Result<std::vector<PartInfo>> SocketBackend::list_parts(std::string_view key,
                                                        std::string_view upload_id,
                                                        const CancelToken& cancel) {
  Request request;
  request.call = Call::list_parts;
  request.key = key;
  request.text = upload_id;
  DUNLIN_ASSIGN(auto reply, call(std::move(request), cancel));
  return std::move(reply.parts);
}

Result<ObjectInfo> SocketBackend::complete_upload(std::string_view key, std::string_view upload_id,
                                                  const std::vector<PartInfo>& parts,
                                                  const WriteCondition& condition,
                                                  const CancelToken& cancel) {
  Request request;
  request.call = Call::complete_upload;
  request.key = key;
  request.text = upload_id;
  request.parts = parts;
  request.condition = condition;
  DUNLIN_ASSIGN(auto reply, call(std::move(request), cancel));
  if (reply.objects.size() != 1) return bad_answer();
  return std::move(reply.objects.front());
}

Status SocketBackend::abort_upload(std::string_view key, std::string_view upload_id,
                                   const CancelToken& cancel) {
  Request request;
  request.call = Call::abort_upload;
  request.key = key;
  request.text = upload_id;
  DUNLIN_TRY(call(std::move(request), cancel));
  return success();
}

Result<std::vector<UploadInfo>> SocketBackend::list_uploads(std::string_view prefix,
                                                            const CancelToken& cancel) {
  Request request;
  request.call = Call::list_uploads;
  request.key = prefix;
  DUNLIN_ASSIGN(auto reply, call(std::move(request), cancel));
  return std::move(reply.uploads);
}

Status SocketBackend::remove(std::string_view key, std::string_view if_match,
                             const CancelToken& cancel) {
  Request request;
  request.call = Call::remove;
  request.key = key;
  request.text = if_match;
  DUNLIN_TRY(call(std::move(request), cancel));
  return success();
}

}  // namespace dunlin::objects
