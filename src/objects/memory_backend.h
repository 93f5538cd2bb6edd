// MemoryBackend: a bucket in this process's memory, with the semantics of S3 and faults on demand.
//
// For tests, and served to other processes by tests/support/bin/memory_object_server.
// Deterministic: same calls and same clock, same answers (upload ids count up, an ETag is the MD5
// of the content, that of a multipart object the MD5 of the parts' MD5s with "-<count>", as in S3).
// Safe from any thread.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <set>

#include "base/clock.h"
#include "objects/backend.h"

namespace dunlin::objects {

enum class Fault : std::uint8_t {
  none,
  refuse,        ///< 500: nothing applied
  throttle,      ///< 503 SlowDown: nothing applied
  lose_request,  ///< nothing applied, and the caller cannot know
  lose_reply,    ///< applied, and the caller cannot know
  short_body,    ///< get: half of the range, without an error
  any_version,   ///< get: If-Match is ignored, as by a store that does not know it
  corrupt,       ///< put, put_part, copy: one stored bit differs, the answer is as if nothing had
                 ///< happened
};
[[nodiscard]] std::optional<Fault> fault_from_name(std::string_view name);

/// Asked before each call; `nth` counts the calls of that name from 1. Called without a lock held,
/// so that it may itself change the backend.
using FaultHook = std::function<Fault(Call call, std::string_view key, std::int64_t nth)>;

class MemoryBackend final : public Backend {
 public:
  explicit MemoryBackend(const Clock& clock, std::string identity = "memory");

  /// Replaces the hook and starts counting anew.
  void set_fault_hook(FaultHook hook);

  [[nodiscard]] Limits limits() const override;
  [[nodiscard]] Result<std::string> identity(const CancelToken& cancel) override;
  [[nodiscard]] Result<ListPage> list(std::string_view prefix, std::string_view after,
                                      std::int32_t limit, const CancelToken& cancel) override;
  [[nodiscard]] Result<std::optional<ObjectInfo>> head(std::string_view key,
                                                       const CancelToken& cancel) override;
  [[nodiscard]] Result<ObjectData> get(std::string_view key, std::int64_t offset,
                                       std::int64_t length, std::string_view if_match,
                                       const CancelToken& cancel) override;
  [[nodiscard]] Result<ObjectInfo> put(std::string_view key, std::string_view bytes,
                                       const WriteCondition& condition, const Metadata& metadata,
                                       const CancelToken& cancel) override;
  [[nodiscard]] Result<ObjectInfo> copy(std::string_view from, std::string_view if_match,
                                        std::string_view to, const WriteCondition& condition,
                                        const Metadata& metadata,
                                        const CancelToken& cancel) override;
  [[nodiscard]] Result<std::string> begin_upload(std::string_view key, const Metadata& metadata,
                                                 const CancelToken& cancel) override;
  [[nodiscard]] Result<PartInfo> put_part(std::string_view key, std::string_view upload_id,
                                          std::int32_t number, std::string_view bytes,
                                          const CancelToken& cancel) override;
  [[nodiscard]] Result<std::vector<PartInfo>> list_parts(std::string_view key,
                                                         std::string_view upload_id,
                                                         const CancelToken& cancel) override;
  [[nodiscard]] Result<ObjectInfo> complete_upload(std::string_view key, std::string_view upload_id,
                                                   const std::vector<PartInfo>& parts,
                                                   const WriteCondition& condition,
                                                   const CancelToken& cancel) override;
  [[nodiscard]] Status abort_upload(std::string_view key, std::string_view upload_id,
                                    const CancelToken& cancel) override;
  [[nodiscard]] Result<std::vector<UploadInfo>> list_uploads(std::string_view prefix,
                                                             const CancelToken& cancel) override;
  [[nodiscard]] Status remove(std::string_view key, std::string_view if_match,
                              const CancelToken& cancel) override;

 private:
  struct Object {
    ObjectInfo info;
    std::string bytes;
  };
  struct Part {
    PartInfo info;
    std::string bytes;
  };
  struct Upload {
    UploadInfo info;
    std::map<std::int32_t, Part> parts;
  };
  struct Joined {
    std::string bytes;
    std::string etag;
  };

  template <typename T, typename Apply>
  Result<T> guarded(Call call, std::string_view key, const CancelToken& cancel, Apply apply);
  [[nodiscard]] Fault next_fault(Call call, std::string_view key);
  [[nodiscard]] Status check_condition(std::string_view key, const WriteCondition& condition) const;
  [[nodiscard]] Result<Upload*> find_upload(std::string_view key, std::string_view upload_id);
  [[nodiscard]] Result<Joined> join(const Upload& upload, const std::vector<PartInfo>& parts) const;
  [[nodiscard]] Result<const Object*> find_version(std::string_view key,
                                                   std::string_view if_match) const;
  [[nodiscard]] Result<ObjectInfo> put_new(std::string_view key, std::string_view bytes,
                                           const Metadata& metadata, Fault fault);
  [[nodiscard]] ObjectInfo store(ObjectInfo info, std::string bytes);

  const Clock& clock_;
  const std::string identity_;
  std::mutex mutex_;
  FaultHook hook_;
  std::array<std::int64_t, kCallCount> calls_{};
  std::map<std::string, Object, std::less<>> objects_;
  std::map<std::string, Upload, std::less<>> uploads_;  ///< by id
  std::int64_t last_upload_ = 0;
};

}  // namespace dunlin::objects
