// A source and a destination bucket in memory, and an ObjectsRun between them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "base/rng.h"
#include "base/text.h"
#include "objects/memory_backend.h"
#include "objects/objects_run.h"
#include "support/local_contexts.h"

namespace dunlin::objects {

inline std::string random_bytes(std::size_t size, std::uint64_t seed) {
  Rng rng(seed);
  std::string bytes(size, '\0');
  for (auto& byte : bytes) byte = static_cast<char>(rng.next());
  return bytes;
}

/// Key -> content and metadata (dunlin's own taken out unless it is our copies that are looked at).
struct Seen {
  std::string bytes;
  Metadata metadata;
  friend bool operator==(const Seen&, const Seen&) = default;
};

inline std::map<std::string, Seen> everything(Backend& backend) {
  const CancelToken never;
  std::map<std::string, Seen> seen;
  std::string after;
  do {
    auto page = backend.list("", after, 1000, never);
    EXPECT_TRUE(page.ok()) << page.error().text();
    if (!page.ok()) return seen;
    for (const auto& object : page->objects) {
      Seen& entry = seen[object.key];
      for (std::int64_t offset = 0; offset == 0 || offset < object.size;) {
        auto data = backend.get(object.key, offset, 8 << 20, object.etag, never);
        EXPECT_TRUE(data.ok()) << data.error().text();
        if (!data.ok()) return seen;
        entry.bytes += data->bytes;
        entry.metadata = data->info.metadata;
        offset += std::max<std::int64_t>(1, static_cast<std::int64_t>(data->bytes.size()));
      }
      std::erase_if(entry.metadata, [](const auto& m) { return m.first.starts_with("dunlin-"); });
    }
    after = page->next;
  } while (!after.empty());
  return seen;
}

class ObjectsTest : public ::testing::Test {
 protected:
  using Options = dunlin::testing::LocalExecution::Options;

  ObjectsTest() {
    auto source = std::make_unique<MemoryBackend>(clock_, "memory#source");
    auto destination = std::make_unique<MemoryBackend>(clock_, "memory#destination");
    source_ = source.get();
    destination_ = destination.get();
    held_source_ = std::move(source);
    held_destination_ = std::move(destination);
    plan_.source = {"/socket", "source", ""};
    plan_.destination = {"/socket", "destination", ""};
    plan_.multipart_threshold = 100;
    plan_.part_size = 40;
    options_.settings.retry.initial_delay_ms = 0;
  }

  void put(MemoryBackend* bucket, const std::string& key, const std::string& bytes,
           const Metadata& metadata = {}) {
    const auto info = bucket->put(key, bytes, {}, metadata, never_);
    ASSERT_TRUE(info.ok()) << info.error().text();
    clock_.advance_ms(1000);
  }
  /// Small, large, empty; the same on each call.
  void fill_source() {
    put(source_, "empty", "");
    put(source_, "large", random_bytes(250, 1), {{"colour", "red"}});
    put(source_, "p/small", "some content", {{"colour", "blue"}});
  }
  [[nodiscard]] std::string content(Backend* bucket, const std::string& key) {
    const auto data = bucket->get(key, 0, 1 << 20, "", never_);
    return data.ok() ? data->bytes : "(" + std::string(to_string(data.error().type)) + ")";
  }
  [[nodiscard]] std::size_t open_uploads() {
    const auto uploads = destination_->list_uploads("", never_);
    return uploads.ok() ? uploads->size() : 999;
  }

  /// Opens the run; once per test, after plan_ and options_ are set.
  dunlin::testing::LocalExecution& execution() {
    if (!execution_) {
      run_ = std::make_unique<ObjectsRun>(plan_, std::move(held_source_),
                                          std::move(held_destination_));
      execution_ = std::make_unique<dunlin::testing::LocalExecution>(*run_, options_);
    }
    return *execution_;
  }
  void run_to_end() {
    const Status status = execution().run_to_end();
    ASSERT_TRUE(status.ok()) << status.error().text();
  }
  [[nodiscard]] const dunlin::testing::LocalItem& item(const std::string& name) {
    const auto* found = execution().item(name);
    static const dunlin::testing::LocalItem kNone;
    EXPECT_NE(found, nullptr) << name;
    return found == nullptr ? kNone : *found;
  }
  [[nodiscard]] std::int64_t completed() {
    return execution().count(engine::ItemStatus::completed);
  }
  /// Same keys, contents and metadata; nothing left over.
  void expect_same() {
    EXPECT_EQ(everything(*source_), everything(*destination_));
    EXPECT_EQ(open_uploads(), 0U);
  }

  const CancelToken never_;
  ManualClock clock_;
  MemoryBackend* source_ = nullptr;
  MemoryBackend* destination_ = nullptr;
  ObjectsPlan plan_;
  Options options_;
  std::unique_ptr<ObjectsRun> run_;

 private:
  std::unique_ptr<Backend> held_source_;
  std::unique_ptr<Backend> held_destination_;
  std::unique_ptr<dunlin::testing::LocalExecution> execution_;
};

/// A hook that meets the nth call of one name.
inline FaultHook at(Call call, std::int64_t nth, Fault fault) {
  return [=](Call now, std::string_view, std::int64_t n) {
    return now == call && n == nth ? fault : Fault::none;
  };
}

}  // namespace dunlin::objects
