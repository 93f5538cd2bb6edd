// The contract of objects::Backend as tests, run against every implementation.
//
// A fixture gives an empty bucket and a second handle on it. To add a backend: derive from
// BackendUnderTest and instantiate BackendConformance with it (backends_test.cpp).
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/text.h"
#include "objects/backend.h"

namespace dunlin::objects {

class BackendUnderTest {
 public:
  virtual ~BackendUnderTest() = default;
  [[nodiscard]] virtual Backend& backend() = 0;
};
using MakeBackend = std::unique_ptr<BackendUnderTest> (*)();

class BackendConformance : public ::testing::TestWithParam<MakeBackend> {
 protected:
  void SetUp() override { under_test_ = GetParam()(); }
  [[nodiscard]] Backend& backend() { return under_test_->backend(); }

  ObjectInfo put(const std::string& key, const std::string& bytes) {
    auto info = backend().put(key, bytes, {}, {}, never_);
    EXPECT_TRUE(info.ok()) << info.error().text();
    return info.ok() ? *info : ObjectInfo();
  }
  std::string content(const std::string& key) {
    const auto data = backend().get(key, 0, 1 << 20, "", never_);
    return data.ok() ? data->bytes : "(" + std::string(to_string(data.error().type)) + ")";
  }
  PartInfo part(const std::string& key, const std::string& id, int number,
                const std::string& bytes) {
    auto info = backend().put_part(key, id, number, bytes, never_);
    EXPECT_TRUE(info.ok()) << info.error().text();
    return info.ok() ? *info : PartInfo();
  }
  std::string begin(const std::string& key, const Metadata& metadata = {}) {
    auto id = backend().begin_upload(key, metadata, never_);
    EXPECT_TRUE(id.ok()) << id.error().text();
    return id.ok() ? *id : "";
  }

  const CancelToken never_;
  std::unique_ptr<BackendUnderTest> under_test_;
};

#define EXPECT_ERROR(result, kind)                                                           \
  do {                                                                                       \
    const auto& expect_error_result = (result);                                              \
    ASSERT_FALSE(expect_error_result.ok());                                                  \
    EXPECT_EQ(expect_error_result.error().type, kind) << expect_error_result.error().text(); \
  } while (false)

TEST_P(BackendConformance, PutIsReadBackWithItsMetadata) {
  const Metadata metadata{{"colour", "blue"}, {"note", "caf\xc3\xa9"}};
  const auto put = backend().put("a/b", "content", {}, metadata, never_);
  ASSERT_TRUE(put.ok()) << put.error().text();
  EXPECT_EQ(put->size, 7);
  EXPECT_EQ(put->md5, *hash_bytes(HashKind::md5, "content"));
  const auto head = backend().head("a/b", never_);
  ASSERT_TRUE(head.ok() && *head);
  EXPECT_EQ((*head)->key, "a/b");
  EXPECT_EQ((*head)->etag, put->etag);
  EXPECT_EQ((*head)->metadata, metadata);
  EXPECT_GT((*head)->modified_ms, 0);
  const auto data = backend().get("a/b", 0, 100, put->etag, never_);
  ASSERT_TRUE(data.ok());
  EXPECT_EQ(data->bytes, "content");
  EXPECT_EQ(data->info.metadata, metadata);
}

TEST_P(BackendConformance, ZeroBytesAreAnObjectLikeAnyOther) {
  const auto info = put("empty", "");
  EXPECT_EQ(info.size, 0);
  const auto data = backend().get("empty", 0, 0, info.etag, never_);
  ASSERT_TRUE(data.ok()) << data.error().text();
  EXPECT_EQ(data->bytes, "");
  EXPECT_EQ(data->info.size, 0);
}

TEST_P(BackendConformance, RangesAreCutOffAtTheEnd) {
  put("digits", "0123456789");
  EXPECT_EQ(backend().get("digits", 3, 4, "", never_)->bytes, "3456");
  EXPECT_EQ(backend().get("digits", 8, 100, "", never_)->bytes, "89");
  EXPECT_EQ(backend().get("digits", 10, 1, "", never_)->bytes, "");
  EXPECT_EQ(backend().get("digits", 8, 100, "", never_)->info.size, 10);
}

TEST_P(BackendConformance, AbsenceIsAValueForHeadAndAnErrorForGet) {
  const auto head = backend().head("nowhere", never_);
  ASSERT_TRUE(head.ok());
  EXPECT_FALSE(head->has_value());
  EXPECT_ERROR(backend().get("nowhere", 0, 1, "", never_), ErrorType::source_vanished);
}

TEST_P(BackendConformance, ARangeOfAnotherVersionIsRefused) {
  const auto old = put("key", "old");
  put("key", "new");
  EXPECT_ERROR(backend().get("key", 0, 3, old.etag, never_), ErrorType::source_changed);
}

TEST_P(BackendConformance, ConditionalPuts) {
  ASSERT_TRUE(backend().put("key", "one", WriteCondition::absent(), {}, never_).ok());
  EXPECT_ERROR(backend().put("key", "two", WriteCondition::absent(), {}, never_),
               ErrorType::destination_exists);
  EXPECT_EQ(content("key"), "one");
  const auto standing = backend().head("key", never_);
  ASSERT_TRUE(
      backend().put("key", "three", WriteCondition::match((*standing)->etag), {}, never_).ok());
  EXPECT_ERROR(backend().put("key", "four", WriteCondition::match((*standing)->etag), {}, never_),
               ErrorType::destination_changed);
  EXPECT_ERROR(backend().put("none", "x", WriteCondition::match("etag"), {}, never_),
               ErrorType::destination_changed);
  EXPECT_EQ(content("key"), "three");
}

TEST_P(BackendConformance, RemoveOnlyTheVersionMeant) {
  const auto old = put("key", "old");
  const auto now = put("key", "new");
  EXPECT_ERROR(backend().remove("key", old.etag, never_), ErrorType::destination_changed);
  EXPECT_TRUE(backend().remove("key", now.etag, never_).ok());
  EXPECT_FALSE(backend().head("key", never_)->has_value());
  EXPECT_ERROR(backend().remove("key", now.etag, never_), ErrorType::destination_changed);
}

TEST_P(BackendConformance, ListsInByteOrderPageByPage) {
  const std::vector<std::string> keys = {"a",   "a-", "a.b",      "a//",
                                         "a/b", "a0", "\xc3\xa9", "\xf0\x9f\xa6\x86"};
  for (const auto& key : keys) put(key, key);
  std::vector<std::string> seen;
  std::string after;
  do {
    const auto page = backend().list("", after, 3, never_);
    ASSERT_TRUE(page.ok()) << page.error().text();
    EXPECT_LE(page->objects.size(), 3U);
    for (const auto& object : page->objects) {
      seen.push_back(object.key);
      EXPECT_EQ(object.size, static_cast<std::int64_t>(object.key.size()));
      EXPECT_FALSE(object.etag.empty());
    }
    after = page->next;
  } while (!after.empty());
  EXPECT_EQ(seen, keys);
}

TEST_P(BackendConformance, ListsWhatBeginsWithThePrefixAndIsGreater) {
  for (const char* key : {"a", "a/1", "a/2", "a/3", "b"}) put(key, "");
  const auto page = backend().list("a/", "a/1", 10, never_);
  ASSERT_TRUE(page.ok());
  ASSERT_EQ(page->objects.size(), 2U);
  EXPECT_EQ(page->objects[0].key, "a/2");
  EXPECT_EQ(page->objects[1].key, "a/3");
  EXPECT_TRUE(page->next.empty());
}

TEST_P(BackendConformance, KeysAreTakenLiterally) {
  const std::vector<std::string> keys = {"//",
                                         "/lead",
                                         "a/../b",
                                         ".",
                                         "..",
                                         "t/",
                                         "a\\b",
                                         "%2e%2e",
                                         "new\nline",
                                         "?x=1&y#z",
                                         " a ",
                                         "\x01\x7f",
                                         std::string(1024, 'k')};
  for (const auto& key : keys) put(key, "of " + hex(key));
  for (const auto& key : keys) EXPECT_EQ(content(key), "of " + hex(key)) << escape_bytes(key);
  EXPECT_EQ(backend().list("", "", 100, never_)->objects.size(), keys.size());
}

TEST_P(BackendConformance, KeysThatNoStoreHoldsAreRefused) {
  for (const std::string& key : {std::string(), std::string(1025, 'k'), std::string("\xff")}) {
    EXPECT_ERROR(backend().put(key, "x", {}, {}, never_), ErrorType::invalid_name);
    EXPECT_ERROR(backend().begin_upload(key, {}, never_), ErrorType::invalid_name);
  }
}

TEST_P(BackendConformance, CopiesAVersionWithinTheBucketUnderConditions) {
  const auto old = put("from", "content");
  const Metadata metadata{{"m", "1"}};
  const auto copied =
      backend().copy("from", old.etag, "to", WriteCondition::absent(), metadata, never_);
  ASSERT_TRUE(copied.ok()) << copied.error().text();
  EXPECT_EQ(copied->size, 7);
  EXPECT_EQ(copied->metadata, metadata);
  EXPECT_EQ(content("to"), "content");
  EXPECT_ERROR(backend().copy("from", old.etag, "to", WriteCondition::absent(), {}, never_),
               ErrorType::destination_exists);
  EXPECT_ERROR(backend().copy("from", old.etag, "to", WriteCondition::match("x"), {}, never_),
               ErrorType::destination_changed);
  EXPECT_ERROR(backend().copy("nowhere", old.etag, "new", {}, {}, never_),
               ErrorType::source_vanished);
  put("from", "changed");
  EXPECT_ERROR(backend().copy("from", old.etag, "new", {}, {}, never_), ErrorType::source_changed);
  EXPECT_TRUE(
      backend().copy("from", "", "to", WriteCondition::match(copied->etag), {}, never_).ok());
  EXPECT_EQ(content("to"), "changed");
}

TEST_P(BackendConformance, AnUploadIsInvisibleUntilItIsComplete) {
  const std::string id = begin("big", {{"m", "1"}});
  const auto one = part("big", id, 1, "first,");
  const auto two = part("big", id, 2, "second");
  EXPECT_FALSE(backend().head("big", never_)->has_value());
  const auto done =
      backend().complete_upload("big", id, {one, two}, WriteCondition::absent(), never_);
  ASSERT_TRUE(done.ok()) << done.error().text();
  EXPECT_EQ(done->size, 12);
  EXPECT_EQ(content("big"), "first,second");
  EXPECT_EQ((*backend().head("big", never_))->metadata, (Metadata{{"m", "1"}}));
  EXPECT_EQ((*backend().head("big", never_))->etag, done->etag);
  EXPECT_TRUE(backend().list_uploads("", never_)->empty());
}

TEST_P(BackendConformance, AMultipartETagIsNoHashOfTheContent) {
  const std::string id = begin("big");
  const auto one = part("big", id, 1, "content");
  const auto done = backend().complete_upload("big", id, {one}, {}, never_);
  ASSERT_TRUE(done.ok());
  EXPECT_TRUE(done->md5.empty());
  EXPECT_NE(done->etag, hex(*hash_bytes(HashKind::md5, "content")));
  EXPECT_EQ(one.md5, *hash_bytes(HashKind::md5, "content"));
}

TEST_P(BackendConformance, APartGivenAgainReplacesTheFirst) {
  const std::string id = begin("big");
  const auto wrong = part("big", id, 1, "wrong");
  const auto right = part("big", id, 1, "right");
  const auto parts = backend().list_parts("big", id, never_);
  ASSERT_TRUE(parts.ok());
  ASSERT_EQ(parts->size(), 1U);
  EXPECT_EQ(parts->front().etag, right.etag);
  EXPECT_FALSE(backend().complete_upload("big", id, {wrong}, {}, never_).ok());
  EXPECT_TRUE(backend().complete_upload("big", id, {right}, {}, never_).ok());
  EXPECT_EQ(content("big"), "right");
}

TEST_P(BackendConformance, CompleteIsConditional) {
  const auto old = put("big", "old");
  const std::string id = begin("big");
  const auto one = part("big", id, 1, "new");
  EXPECT_ERROR(backend().complete_upload("big", id, {one}, WriteCondition::absent(), never_),
               ErrorType::destination_exists);
  EXPECT_ERROR(backend().complete_upload("big", id, {one}, WriteCondition::match("other"), never_),
               ErrorType::destination_changed);
  EXPECT_EQ(content("big"), "old");
  ASSERT_EQ(backend().list_uploads("big", never_)->size(),
            1U);  // a failed condition leaves it open
  EXPECT_TRUE(
      backend().complete_upload("big", id, {one}, WriteCondition::match(old.etag), never_).ok());
  EXPECT_EQ(content("big"), "new");
}

TEST_P(BackendConformance, PartsOutOfOrderOrNoneAreRefused) {
  const std::string id = begin("big");
  const auto one = part("big", id, 1, "1");
  const auto two = part("big", id, 2, "2");
  EXPECT_FALSE(backend().complete_upload("big", id, {two, one}, {}, never_).ok());
  EXPECT_FALSE(backend().complete_upload("big", id, {one, one}, {}, never_).ok());
  EXPECT_FALSE(backend().complete_upload("big", id, {}, {}, never_).ok());
  EXPECT_FALSE(backend().head("big", never_)->has_value());
}

TEST_P(BackendConformance, AbortIsRepeatableAndEndsTheUpload) {
  const std::string id = begin("big");
  const auto one = part("big", id, 1, "1");
  EXPECT_TRUE(backend().abort_upload("big", id, never_).ok());
  EXPECT_TRUE(backend().abort_upload("big", id, never_).ok());
  const auto late = backend().complete_upload("big", id, {one}, {}, never_);
  EXPECT_ERROR(late, ErrorType::temporary_failure);
  EXPECT_EQ(late.error().native.code, "NoSuchUpload");
  EXPECT_ERROR(backend().put_part("big", id, 2, "2", never_), ErrorType::temporary_failure);
  EXPECT_FALSE(backend().head("big", never_)->has_value());
}

TEST_P(BackendConformance, UploadsAreListedWithTheirMetadata) {
  const std::string one = begin("p/1", {{"who", "me"}});
  const std::string two = begin("p/1");
  begin("q/1");
  const auto uploads = backend().list_uploads("p/", never_);
  ASSERT_TRUE(uploads.ok());
  ASSERT_EQ(uploads->size(), 2U);
  EXPECT_EQ(uploads->at(0).id, one);
  EXPECT_EQ(uploads->at(0).key, "p/1");
  EXPECT_EQ(uploads->at(0).metadata, (Metadata{{"who", "me"}}));
  EXPECT_EQ(uploads->at(1).id, two);
}

TEST_P(BackendConformance, TooMuchMetadataIsRefused) {
  EXPECT_ERROR(backend().put("key", "x", {}, {{"n", std::string(3000, 'v')}}, never_),
               ErrorType::unsupported_item);
}

TEST_P(BackendConformance, LargeBodiesArriveWhole) {
  std::string bytes(5'000'000, '\0');
  for (std::size_t n = 0; n < bytes.size(); ++n) bytes[n] = static_cast<char>(n * 31 >> 3);
  put("large", bytes);
  const auto data = backend().get("large", 0, 5'000'000, "", never_);
  ASSERT_TRUE(data.ok()) << data.error().text();
  EXPECT_TRUE(data->bytes == bytes);
}

TEST_P(BackendConformance, MoreThanARequestHoldsIsRefused) {
  const std::string bytes(static_cast<std::size_t>(backend().limits().max_put_bytes) + 1, 'x');
  EXPECT_ERROR(backend().put("large", bytes, {}, {}, never_), ErrorType::unsupported_item);
}

TEST_P(BackendConformance, ACancelledCallDoesNothing) {
  CancelSource source;
  source.request(CancelReason::pause);
  EXPECT_ERROR(backend().put("key", "x", {}, {}, source.token()), ErrorType::interrupted);
  EXPECT_FALSE(backend().head("key", never_)->has_value());
}

TEST_P(BackendConformance, ManyThreadsAtOnce) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([this, t] {
      for (int n = 0; n < 50; ++n) {
        const std::string key = std::to_string(t) + "/" + std::to_string(n);
        ASSERT_TRUE(backend().put(key, key, WriteCondition::absent(), {}, never_).ok());
        ASSERT_EQ(backend().get(key, 0, 100, "", never_)->bytes, key);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(backend().list("", "", 1000, never_)->objects.size(), 400U);
}

}  // namespace dunlin::objects
