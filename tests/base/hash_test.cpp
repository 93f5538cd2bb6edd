#include "base/hash.h"

#include <string>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

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

TEST(HashDeathTest, FinishTwiceWithoutResetIsADefect) {
  auto hasher = Hasher::create(HashKind::sha256);
  static_cast<void>(hasher->finish());
  EXPECT_DEATH(static_cast<void>(hasher->finish()), "without reset");
}

}  // namespace
}  // namespace dunlin
