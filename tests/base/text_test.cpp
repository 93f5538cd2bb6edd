#include "base/text.h"

#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "base/file_io.h"
#include "support/scratch.h"

namespace dunlin {
namespace {

using std::string_literals::operator""s;

TEST(Utf8, TellsWellFormedFromIllFormed) {
  for (const auto& good :
       {"", "abc", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\xa6\x86", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
  }
  const std::vector<std::string> bad = {
      "\xff",
      "\x80",
      "\xc3",
      "\xc0\xaf",
      "\xe0\x80\xaf",
      "\xed\xa0\x80",
      "\xf0\x80\x80\xaf",
      "\xf4\x90\x80\x80",
      "\xf5\x80\x80\x80",
      "a\xe2\x82",
      "\xc3(",
  };
  for (const std::string& text : bad) EXPECT_FALSE(is_utf8(text)) << hex(text);
}

TEST(EscapeBytes, TheRuleCaseByCase) {
  EXPECT_EQ(escape_bytes("plain \xc3\xa9 \xf0\x9f\xa6\x86"), "plain \xc3\xa9 \xf0\x9f\xa6\x86");
  EXPECT_EQ(escape_bytes("a\\b"), "a\\\\b");
  EXPECT_EQ(escape_bytes("\n\r\t\x1b\x7f"), "\\x0a\\x0d\\x09\\x1b\\x7f");
  EXPECT_EQ(escape_bytes("nul\0end"s), "nul\\x00end");
  EXPECT_EQ(escape_bytes("\xc2\x85"), "\\xc2\\x85");                 // next line (C1)
  EXPECT_EQ(escape_bytes("\xe2\x80\xa8"), "\\xe2\\x80\\xa8");        // line separator
  EXPECT_EQ(escape_bytes("\xe2\x80\xaegnp"), "\\xe2\\x80\\xaegnp");  // right-to-left override
  EXPECT_EQ(escape_bytes("\xe2\x81\xa6"), "\\xe2\\x81\\xa6");        // isolate
  EXPECT_EQ(escape_bytes("\xd8\x9c"), "\\xd8\\x9c");                 // Arabic letter mark
  EXPECT_EQ(escape_bytes("a\xff\xe2\x82z"), "a\\xff\\xe2\\x82z");
}

TEST(EscapeBytes, OnlyItsOwnEscapesAreUndone) {
  EXPECT_EQ(unescape_bytes("\\xFF\\x0a\\\\"), "\xff\n\\");
  for (const auto* bad : {"\\", "\\n", "\\x", "\\x1", "\\xg0", "a\\"})
    EXPECT_EQ(unescape_bytes(bad), std::nullopt) << bad;
}

RC_GTEST_PROP(EscapeBytesProperty, RoundTripOnOnePrintableLine, (const std::string& bytes)) {
  const std::string shown = escape_bytes(bytes);
  RC_ASSERT(unescape_bytes(shown) == bytes);
  RC_ASSERT(is_utf8(shown));
  RC_ASSERT(printable(shown) == shown);
}

RC_GTEST_PROP(EscapeBytesProperty, PrintableIsIdempotent, (const std::string& bytes)) {
  RC_ASSERT(printable(printable(bytes)) == printable(bytes));
}

TEST(EscapeInvalidUtf8, KeepsWhatJsonCanCarry) {
  EXPECT_EQ(escape_invalid_utf8("a\n\\\xff"), "a\n\\\\xff");
}

TEST(Hex, BothWays) {
  EXPECT_EQ(hex("\x00\xffz"s), "00ff7a");
  EXPECT_EQ(unhex("00Ff7A"), "\x00\xffz"s);
  EXPECT_EQ(unhex("0"), std::nullopt);
  EXPECT_EQ(unhex("0g"), std::nullopt);
}

RC_GTEST_PROP(HexProperty, RoundTrip, (const std::string& bytes)) {
  RC_ASSERT(unhex(hex(bytes)) == bytes);
}

// RFC 4648, section 10.
TEST(Base64, VectorsOfTheStandard) {
  const std::vector<std::pair<std::string, std::string>> vectors = {
      {"", ""},
      {"f", "Zg=="},
      {"fo", "Zm8="},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="},
      {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"},
  };
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(base64_encode(bytes), text);
    EXPECT_EQ(base64_decode(text), bytes);
  }
}

TEST(Base64, RefusesWhatItWouldNotHaveWritten) {
  for (const auto* bad :
       {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "====", "Z===", "Zg==Zg==", "Zm 9", "Zm9\n", "Zm9-"}) {
    EXPECT_EQ(base64_decode(bad), std::nullopt) << bad;
  }
}

RC_GTEST_PROP(Base64Property, RoundTrip, (const std::string& bytes)) {
  RC_ASSERT(base64_decode(base64_encode(bytes)) == bytes);
}

TEST(NearestWord, FindsWhatWasMeant) {
  const std::vector<std::string> keys = {"source", "destination", "conflict", "checksum",
                                         "io_limit"};
  EXPECT_EQ(nearest_word("sorce", keys), "source");
  EXPECT_EQ(nearest_word("suorce", keys), "source");  // neighbours swapped: one slip
  EXPECT_EQ(nearest_word("Destination", keys), "destination");
  EXPECT_EQ(nearest_word("io-limit", keys), "io_limit");
  EXPECT_EQ(nearest_word("schedule", keys), std::nullopt);
  EXPECT_EQ(nearest_word("", keys), std::nullopt);
  EXPECT_EQ(nearest_word("x", {"y", "z"}), std::nullopt);
  EXPECT_EQ(nearest_word(std::string(100'000, 'a'), keys), std::nullopt);
  constexpr std::string_view kWords[] = {"up", "down"};
  EXPECT_EQ(nearest_word("dwon", kWords), "down");
}

TEST(ShellQuote, QuotesOnlyWhatNeedsIt) {
  EXPECT_EQ(shell_quote("/a/b-c_d.e=1"), "/a/b-c_d.e=1");
  EXPECT_EQ(shell_quote(""), "''");
  EXPECT_EQ(shell_quote("two words"), "'two words'");
  EXPECT_EQ(shell_quote("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_quote("~"), "'~'");
  EXPECT_EQ(shell_quote("a\nb"), "$'a\\x0ab'");
  EXPECT_EQ(shell_join({"dunlin", "run", "my plan"}), "dunlin run 'my plan'");
}

// The one judge of quoting is a shell. NUL cannot stand in an argument.
TEST(ShellQuote, BashGivesTheBytesBack) {
  const testing::ScratchDirectory scratch;
  const std::string script = scratch.file("script");
  for (const std::string& word : {"$(x)`y`\"\\"s, "a\n'\xff\\x41"s, "\x01\x7f'0"s,
                                  "!history *?[a]"s, "-n"s, "\xe2\x80\xae"s}) {
    ASSERT_TRUE(write_file_durably(script, "printf %s " + shell_quote(word)).ok());
    const std::string command = "bash " + script;
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), &::pclose);
    ASSERT_NE(pipe, nullptr);
    char buffer[256];
    const std::size_t size = std::fread(buffer, 1, sizeof buffer, pipe.get());
    EXPECT_EQ(std::string(buffer, size), word);
  }
}

}  // namespace
}  // namespace dunlin
