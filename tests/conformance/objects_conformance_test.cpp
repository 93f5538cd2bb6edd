// Objects: from one bucket in memory to another, which outlives every Run as a server does.
#include <tuple>

#include "base/text.h"
#include "objects/memory_backend.h"
#include "objects/objects_run.h"
#include "support/workload_conformance.h"

namespace dunlin::testing {

namespace {

using namespace objects;  // NOLINT(google-build-using-namespace): a test of that kind

/// A Run owns its backends; the bucket behind this one is shared.
class SharedBackend final : public Backend {
 public:
  explicit SharedBackend(std::shared_ptr<MemoryBackend> bucket) : bucket_(std::move(bucket)) {}
  Limits limits() const override { return bucket_->limits(); }
  Result<std::string> identity(const CancelToken& c) override { return bucket_->identity(c); }
  Result<ListPage> list(std::string_view prefix, std::string_view after, std::int32_t limit,
                        const CancelToken& c) override {
    return bucket_->list(prefix, after, limit, c);
  }
  Result<std::optional<ObjectInfo>> head(std::string_view key, const CancelToken& c) override {
    return bucket_->head(key, c);
  }
  Result<ObjectData> get(std::string_view key, std::int64_t offset, std::int64_t length,
                         std::string_view if_match, const CancelToken& c) override {
    return bucket_->get(key, offset, length, if_match, c);
  }
  Result<ObjectInfo> put(std::string_view key, std::string_view bytes,
                         const WriteCondition& condition, const Metadata& metadata,
                         const CancelToken& c) override {
    return bucket_->put(key, bytes, condition, metadata, c);
  }
  Result<ObjectInfo> copy(std::string_view from, std::string_view if_match, std::string_view to,
                          const WriteCondition& condition, const Metadata& metadata,
                          const CancelToken& c) override {
    return bucket_->copy(from, if_match, to, condition, metadata, c);
  }
  Result<std::string> begin_upload(std::string_view key, const Metadata& metadata,
                                   const CancelToken& c) override {
    return bucket_->begin_upload(key, metadata, c);
  }
  Result<PartInfo> put_part(std::string_view key, std::string_view id, std::int32_t number,
                            std::string_view bytes, const CancelToken& c) override {
    return bucket_->put_part(key, id, number, bytes, c);
  }
  Result<std::vector<PartInfo>> list_parts(std::string_view key, std::string_view id,
                                           const CancelToken& c) override {
    return bucket_->list_parts(key, id, c);
  }
  Result<ObjectInfo> complete_upload(std::string_view key, std::string_view id,
                                     const std::vector<PartInfo>& parts,
                                     const WriteCondition& condition,
                                     const CancelToken& c) override {
    return bucket_->complete_upload(key, id, parts, condition, c);
  }
  Status abort_upload(std::string_view key, std::string_view id, const CancelToken& c) override {
    return bucket_->abort_upload(key, id, c);
  }
  Result<std::vector<UploadInfo>> list_uploads(std::string_view prefix,
                                               const CancelToken& c) override {
    return bucket_->list_uploads(prefix, c);
  }
  Status remove(std::string_view key, std::string_view if_match, const CancelToken& c) override {
    return bucket_->remove(key, if_match, c);
  }

 private:
  const std::shared_ptr<MemoryBackend> bucket_;
};

class ObjectsSubject final : public WorkloadSubject {
 public:
  void make_source(std::int64_t items) override {
    for (std::int64_t n = 1; n <= items; ++n) {
      // Every third one is large enough for parts.
      const std::size_t size = n % 3 == 0 ? 250 : static_cast<std::size_t>(n);
      put(source_, "dir/object " + std::to_string(n),
          std::string(size, static_cast<char>('a' + n % 26)));
    }
    put(destination_, "not ours", "stays");
    theirs_["not ours"] = "stays";
  }
  void make_hostile_source() override {
    for (const char* key : {"../up", "//", "/lead", "a//b", "trailing/", "\xe2\x80\xae turned",
                            "new\nline", " ", "%2e%2e", ".", ".dunlin-12345678-1-1"}) {
      put(source_, key, std::string("of ") + key);
    }
  }
  std::unique_ptr<engine::Run> open() override {
    ObjectsPlan plan;
    plan.source = {"/socket", "source", ""};
    plan.destination = {"/socket", "destination", ""};
    plan.multipart_threshold = 100;
    plan.part_size = 40;
    return std::make_unique<ObjectsRun>(plan, std::make_unique<SharedBackend>(source_),
                                        std::make_unique<SharedBackend>(destination_));
  }
  Contents source() override { return everything(*source_, nullptr); }
  Contents destination() override { return everything(*destination_, nullptr); }
  Contents expected() override {
    Contents all = source();
    all.insert(theirs_.begin(), theirs_.end());
    return all;
  }
  std::vector<std::string> leftovers() override {
    std::vector<std::string> names;
    std::ignore = everything(*destination_, &names);
    const auto uploads = destination_->list_uploads("", never_);
    EXPECT_TRUE(uploads.ok());
    for (const auto& upload : *uploads) names.push_back("upload of " + upload.key);
    return names;
  }
  std::optional<bool> holds(const engine::ItemRow& item) override {
    const std::string key =
        (item.directory_path.empty() ? "" : item.directory_path + "/") + item.name;
    const Contents from = source();
    const auto wanted = from.find(key);
    if (wanted == from.end()) return std::nullopt;
    const Contents now = destination();
    const auto found = now.find(key);
    return found != now.end() && found->second == wanted->second;
  }
  void damage() override { put(destination_, "dir/object 2", "another's"); }

 private:
  void put(const std::shared_ptr<MemoryBackend>& bucket, const std::string& key,
           const std::string& bytes) {
    const auto info = bucket->put(key, bytes, {}, {}, never_);
    ASSERT_TRUE(info.ok()) << info.error().text();
    clock_.advance_ms(1000);
  }
  [[nodiscard]] Contents everything(Backend& bucket, std::vector<std::string>* own) const {
    Contents all;
    std::string after;
    do {
      const auto page = bucket.list("", after, 1000, never_);
      EXPECT_TRUE(page.ok());
      if (!page.ok()) return all;
      for (const auto& object : page->objects) {
        const bool ours = object.key.starts_with(".dunlin") && object.key != ".dunlin-12345678-1-1";
        if (ours && own != nullptr) own->push_back(object.key);
        if (ours) continue;
        const auto data = bucket.get(object.key, 0, 1 << 20, "", never_);
        EXPECT_TRUE(data.ok());
        if (data.ok()) all[object.key] = data->bytes;
      }
      after = page->next;
    } while (!after.empty());
    return all;
  }

  const CancelToken never_;
  ManualClock clock_;
  std::shared_ptr<MemoryBackend> source_ = std::make_shared<MemoryBackend>(clock_, "memory#source");
  std::shared_ptr<MemoryBackend> destination_ =
      std::make_shared<MemoryBackend>(clock_, "memory#destination");
  Contents theirs_;
};

}  // namespace

INSTANTIATE_TYPED_TEST_SUITE_P(Objects, WorkloadConformance, ObjectsSubject);

}  // namespace dunlin::testing
