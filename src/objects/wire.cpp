// Encoding of requests and answers, and the server's side of a call; see wire.h.
#include "objects/wire.h"

#include <algorithm>

#include "base/binary.h"

namespace dunlin::objects {
namespace {

constexpr std::uint8_t kVersion = 1;

void put(ByteWriter& out, const Metadata& metadata) {
  out.varint(metadata.size());
  for (const auto& [name, value] : metadata) out.bytes(name).bytes(value);
}

Metadata get_metadata(ByteReader& in) {
  Metadata metadata;
  for (std::size_t n = in.count(2); n > 0 && in.ok(); --n) {
    std::string name(in.bytes());
    metadata[std::move(name)] = in.bytes();
  }
  return metadata;
}

void put(ByteWriter& out, const std::vector<PartInfo>& parts) {
  out.varint(parts.size());
  for (const auto& part : parts) {
    out.zigzag(part.number).zigzag(part.size).bytes(part.etag).bytes(part.md5);
  }
}

std::vector<PartInfo> get_parts(ByteReader& in) {
  std::vector<PartInfo> parts(in.count(4));
  for (auto& part : parts) {
    part.number = static_cast<std::int32_t>(in.zigzag());
    part.size = in.zigzag();
    part.etag = in.bytes();
    part.md5 = in.bytes();
  }
  return parts;
}

void put(ByteWriter& out, const ObjectInfo& object) {
  out.bytes(object.key).zigzag(object.size).bytes(object.etag).zigzag(object.modified_ms);
  out.bytes(object.md5);
  put(out, object.metadata);
}

ObjectInfo get_object(ByteReader& in) {
  ObjectInfo object;
  object.key = in.bytes();
  object.size = in.zigzag();
  object.etag = in.bytes();
  object.modified_ms = in.zigzag();
  object.md5 = in.bytes();
  object.metadata = get_metadata(in);
  return object;
}

void put(ByteWriter& out, const UploadInfo& upload) {
  out.bytes(upload.key).bytes(upload.id).zigzag(upload.begun_ms);
  put(out, upload.metadata);
}

UploadInfo get_upload(ByteReader& in) {
  UploadInfo upload;
  upload.key = in.bytes();
  upload.id = in.bytes();
  upload.begun_ms = in.zigzag();
  upload.metadata = get_metadata(in);
  return upload;
}

/// Types travel by name, so that both sides may have been built from different registries.
void put(ByteWriter& out, const Error& error) {
  out.bytes(to_string(error.type)).bytes(error.message).bytes(error.native.domain);
  out.bytes(error.native.code).u8(error.possibly_applied ? 1 : 0).zigzag(error.retry_after_ms);
}

Error get_error(ByteReader& in) {
  Error error;
  error.type = error_type_from_name(in.bytes()).value_or(ErrorType::temporary_failure);
  error.message = in.bytes();
  error.native.domain = in.bytes();
  error.native.code = in.bytes();
  error.possibly_applied = in.u8() != 0;
  error.retry_after_ms = in.zigzag();
  return error;
}

void check_version(ByteReader& in) {
  if (in.u8() != kVersion) in.fail();
}

}  // namespace

std::string encode(const Request& request) {
  ByteWriter out;
  out.u8(kVersion).u8(static_cast<std::uint8_t>(request.call)).bytes(request.bucket);
  out.bytes(request.key)
      .bytes(request.text)
      .bytes(request.from)
      .zigzag(request.offset)
      .zigzag(request.count);
  out.u8(static_cast<std::uint8_t>(request.condition.kind)).bytes(request.condition.etag);
  put(out, request.metadata);
  put(out, request.parts);
  out.bytes(request.body);
  return out.take();
}

Result<Request> decode_request(std::string_view frame) {
  ByteReader in(frame);
  Request request;
  check_version(in);
  const std::uint8_t call = in.u8();
  if (call >= kCallCount) in.fail();
  request.call = static_cast<Call>(call);
  request.bucket = in.bytes();
  request.key = in.bytes();
  request.text = in.bytes();
  request.from = in.bytes();
  request.offset = in.zigzag();
  request.count = in.zigzag();
  const std::uint8_t kind = in.u8();
  if (kind > static_cast<std::uint8_t>(WriteCondition::Kind::if_match)) in.fail();
  request.condition.kind = static_cast<WriteCondition::Kind>(kind);
  request.condition.etag = in.bytes();
  request.metadata = get_metadata(in);
  request.parts = get_parts(in);
  request.body = in.bytes();
  DUNLIN_TRY(in.finish("object request", ErrorType::invalid_input));
  return request;
}

std::string encode(const Reply& reply) {
  ByteWriter out;
  out.u8(kVersion).u8(reply.error ? 1 : 0);
  if (reply.error) {
    put(out, *reply.error);
    return out.take();
  }
  out.bytes(reply.text).varint(reply.objects.size());
  for (const auto& object : reply.objects) put(out, object);
  out.varint(reply.uploads.size());
  for (const auto& upload : reply.uploads) put(out, upload);
  put(out, reply.parts);
  out.bytes(reply.body);
  return out.take();
}

Result<Reply> decode_reply(std::string_view frame) {
  ByteReader in(frame);
  Reply reply;
  check_version(in);
  if (in.u8() != 0) {
    reply.error = get_error(in);
  } else {
    reply.text = in.bytes();
    for (std::size_t n = in.count(6); n > 0 && in.ok(); --n)
      reply.objects.push_back(get_object(in));
    for (std::size_t n = in.count(4); n > 0 && in.ok(); --n)
      reply.uploads.push_back(get_upload(in));
    reply.parts = get_parts(in);
    reply.body = in.bytes();
  }
  DUNLIN_TRY(in.finish("object reply", ErrorType::invalid_input));
  return reply;
}

namespace {

Status serve_reads(Backend& backend, const Request& request, const CancelToken& cancel,
                   Reply& reply) {
  switch (request.call) {
    case Call::identity: {
      DUNLIN_ASSIGN(reply.text, backend.identity(cancel));
      return success();
    }
    case Call::list: {
      const auto limit =
          static_cast<std::int32_t>(std::clamp<std::int64_t>(request.count, 1, 1000));
      DUNLIN_ASSIGN(auto page, backend.list(request.key, request.text, limit, cancel));
      reply.objects = std::move(page.objects);
      reply.text = std::move(page.next);
      return success();
    }
    case Call::head: {
      DUNLIN_ASSIGN(auto found, backend.head(request.key, cancel));
      if (found) reply.objects.push_back(std::move(*found));
      return success();
    }
    case Call::get: {
      DUNLIN_ASSIGN(auto data,
                    backend.get(request.key, request.offset, request.count, request.text, cancel));
      reply.objects.push_back(std::move(data.info));
      reply.body = std::move(data.bytes);
      return success();
    }
    case Call::list_parts: {
      DUNLIN_ASSIGN(reply.parts, backend.list_parts(request.key, request.text, cancel));
      return success();
    }
    case Call::list_uploads: {
      DUNLIN_ASSIGN(reply.uploads, backend.list_uploads(request.key, cancel));
      return success();
    }
    default:
      return Error(ErrorType::invalid_input, "no such call");
  }
}

Status serve_writes(Backend& backend, const Request& request, const CancelToken& cancel,
                    Reply& reply) {
  switch (request.call) {
    case Call::put: {
      DUNLIN_ASSIGN(auto info, backend.put(request.key, request.body, request.condition,
                                           request.metadata, cancel));
      reply.objects.push_back(std::move(info));
      return success();
    }
    case Call::copy: {
      DUNLIN_ASSIGN(auto info, backend.copy(request.from, request.text, request.key,
                                            request.condition, request.metadata, cancel));
      reply.objects.push_back(std::move(info));
      return success();
    }
    case Call::begin_upload: {
      DUNLIN_ASSIGN(reply.text, backend.begin_upload(request.key, request.metadata, cancel));
      return success();
    }
    case Call::put_part: {
      const auto number =
          static_cast<std::int32_t>(std::clamp<std::int64_t>(request.count, 0, 1 << 20));
      DUNLIN_ASSIGN(auto part,
                    backend.put_part(request.key, request.text, number, request.body, cancel));
      reply.parts.push_back(std::move(part));
      return success();
    }
    case Call::complete_upload: {
      DUNLIN_ASSIGN(auto info, backend.complete_upload(request.key, request.text, request.parts,
                                                       request.condition, cancel));
      reply.objects.push_back(std::move(info));
      return success();
    }
    case Call::abort_upload:
      return backend.abort_upload(request.key, request.text, cancel);
    case Call::remove:
      return backend.remove(request.key, request.text, cancel);
    default:
      return Error(ErrorType::invalid_input, "no such call");
  }
}

}  // namespace

Reply serve(Backend& backend, const Request& request, const CancelToken& cancel) {
  Reply reply;
  Status status = changes_something(request.call) ? serve_writes(backend, request, cancel, reply)
                                                  : serve_reads(backend, request, cancel, reply);
  if (!status.ok()) {
    reply = Reply();
    reply.error = std::move(status).error();
  }
  return reply;
}

}  // namespace dunlin::objects
