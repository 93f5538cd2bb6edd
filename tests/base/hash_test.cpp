#include "base/hash.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "base/md5_lanes.h"

namespace dunlin {
namespace {

std::string digest(HashKind kind, std::string_view bytes) {
  return hex(*hash_bytes(kind, bytes));
}

// RFC 1321 A.5, FIPS 180-4, and xxhsum of xxHash 0.8.
TEST(Hash, KnownVectors) {
  EXPECT_EQ(digest(HashKind::md5, ""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(digest(HashKind::md5, "abc"), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(digest(HashKind::sha256, ""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(digest(HashKind::sha256, "abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(digest(HashKind::xxh3, ""), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(digest(HashKind::xxh3, "abc"), "06b05ab6733a618578af5f94892f3950");
}

TEST(Hash, NamesAndSizes) {
  for (const HashKind kind : {HashKind::md5, HashKind::sha256, HashKind::xxh3}) {
    EXPECT_EQ(hash_kind_from_name(to_string(kind)), kind);
    EXPECT_EQ(hash_bytes(kind, "x")->size(), digest_size(kind));
  }
  EXPECT_EQ(hash_kind_from_name("sha1"), std::nullopt);
  EXPECT_EQ(hash_kind_from_name("SHA256"), std::nullopt);
  // These numbers are in ledgers.
  EXPECT_EQ(static_cast<int>(HashKind::md5), 1);
  EXPECT_EQ(static_cast<int>(HashKind::sha256), 2);
  EXPECT_EQ(static_cast<int>(HashKind::xxh3), 3);
}

RC_GTEST_PROP(HashProperty, PortionsAndReuseChangeNothing,
              (const std::string& first, const std::string& second)) {
  for (const HashKind kind : {HashKind::md5, HashKind::sha256, HashKind::xxh3}) {
    auto hasher = Hasher::create(kind);
    RC_ASSERT(hasher.ok());
    hasher->update(second);
    static_cast<void>(hasher->finish());
    hasher->reset();
    hasher->update(first);
    hasher->update(nullptr, 0);
    hasher->update(second);
    RC_ASSERT(hasher->finish() == *hash_bytes(kind, first + second));
  }
}

/// As many lanes as there may be here.
std::vector<int> widths() {
  std::vector<int> all;
  for (int lanes = 4; lanes <= md5_lanes_of_this_processor(); lanes *= 2) all.push_back(lanes);
  return all;
}

void expect_each_as_alone(const std::vector<std::string>& messages) {
  const std::vector<std::string_view> views(messages.begin(), messages.end());
  for (const int lanes : widths()) {
    SCOPED_TRACE(lanes);
    const auto digests = md5_of_each(views, lanes);
    ASSERT_EQ(digests.size(), messages.size());
    for (std::size_t n = 0; n < messages.size(); ++n)
      EXPECT_EQ(digests[n], *hash_bytes(HashKind::md5, messages[n])) << messages[n].size();
  }
}

/// Against OpenSSL. The padding ends in the block of the last byte up to 55 bytes of it.
TEST(Md5OfEach, OfEveryLengthAroundTheEndsOfBlocks) {
  std::vector<std::string> messages;
  for (std::size_t size = 0; size <= 260; ++size) {
    messages.emplace_back(size, static_cast<char>('a' + size % 26));
    if (size % 16 == 15)
      expect_each_as_alone(messages);  // fewer than, as many as, and more than lanes
  }
  expect_each_as_alone(messages);
  expect_each_as_alone({});
}

RC_GTEST_PROP(Md5OfEachProperty, OfAnyMessagesInAnyOrder,
              (const std::vector<std::string>& messages)) {
  std::vector<std::string> all = messages;
  if (!all.empty()) all.push_back(std::string(*rc::gen::inRange(1, 70000), 'x'));
  std::rotate(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2), all.end());
  const std::vector<std::string_view> views(all.begin(), all.end());
  for (const int lanes : widths()) {
    const auto digests = md5_of_each(views, lanes);
    RC_ASSERT(digests.size() == all.size());
    for (std::size_t n = 0; n < all.size(); ++n)
      RC_ASSERT(digests[n] == *hash_bytes(HashKind::md5, all[n]));
  }
}

TEST(HashDeathTest, FinishTwiceWithoutResetIsADefect) {
  auto hasher = Hasher::create(HashKind::sha256);
  static_cast<void>(hasher->finish());
  EXPECT_DEATH(static_cast<void>(hasher->finish()), "without reset");
}

}  // namespace
}  // namespace dunlin
