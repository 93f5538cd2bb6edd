// SocketBackend: a bucket of an object server on a Unix socket (wire.h).
//
// The store for tests that kill dunlin: it lives in another process and so survives. Opens nothing
// before the first call; keeps one connection per call in flight. Safe from any thread.
#pragma once

#include <memory>
#include <mutex>

#include "base/unique_fd.h"
#include "objects/wire.h"

namespace dunlin::objects {

class SocketBackend final : public Backend {
 public:
  /// Time-outs of conventions.md: 60 s without a byte in either direction.
  SocketBackend(std::string socket_path, std::string bucket,
                std::chrono::milliseconds idle_timeout = std::chrono::seconds(60));

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
  [[nodiscard]] Result<Reply> call(Request request, const CancelToken& cancel);
  [[nodiscard]] Result<UniqueFd> connection();
  void give_back(UniqueFd fd);

  const std::string socket_path_;
  const std::string bucket_;
  const std::chrono::milliseconds idle_timeout_;
  std::mutex mutex_;
  std::vector<UniqueFd> idle_;
};

}  // namespace dunlin::objects
