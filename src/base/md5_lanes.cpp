// The compression function of RFC 1321 over vectors of 32-bit words, and the lanes' turns.
#include "base/md5_lanes.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <numeric>

#include "base/check.h"

namespace dunlin {
namespace {

constexpr std::size_t kMd5BlockBytes = 64;
constexpr std::size_t kMd5LanesMax = 16;
constexpr std::array<std::uint32_t, 4> kMd5Initial{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};

/// floor(2^32 × |sin(n + 1)|), RFC 1321, 3.4.
constexpr std::array<std::uint32_t, 64> kMd5Sines{
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

/// Of each round the four turns to the left.
constexpr std::array<std::array<int, 4>, 4> kMd5Turns{
    {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}}};

/// Word `w` of lane `l` at [w][l]: as the vectors want it.
struct Md5States {
  alignas(64) std::array<std::array<std::uint32_t, kMd5LanesMax>, 4> words;
};

using Md5Sources = std::array<const char*, kMd5LanesMax>;

template <int kLanes>
struct Md5Vector {
  using Word [[gnu::vector_size(4 * kLanes)]] = std::uint32_t;
};

/// `blocks` blocks of each lane, `from` moving on with them. Always inlined, so that it becomes
/// code for the processor its caller was made for.
template <int kLanes>
[[gnu::always_inline]] inline void md5_compress(Md5States& states, Md5Sources& from,
                                                std::size_t blocks) {
  using Word = typename Md5Vector<kLanes>::Word;
  std::array<Word, 4> state;
  for (std::size_t w = 0; w < 4; ++w) std::memcpy(&state[w], states.words[w].data(), sizeof(Word));
  for (; blocks > 0; --blocks) {
    alignas(64) std::array<std::array<std::uint32_t, kLanes>, 16> turned;
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      std::array<std::uint32_t, 16> words;
      std::memcpy(words.data(), from[lane], kMd5BlockBytes);
      for (std::size_t w = 0; w < 16; ++w) turned[w][lane] = words[w];
      from[lane] += kMd5BlockBytes;
    }
    Word a = state[0];
    Word b = state[1];
    Word c = state[2];
    Word d = state[3];
#pragma GCC unroll 64
    for (std::size_t step = 0; step < 64; ++step) {
      const std::size_t round = step / 16;
      Word mixed;
      std::size_t w = step;
      if (round == 0) {
        mixed = d ^ (b & (c ^ d));
      } else if (round == 1) {
        mixed = c ^ (d & (b ^ c));
        w = 5 * step + 1;
      } else if (round == 2) {
        mixed = b ^ c ^ d;
        w = 3 * step + 5;
      } else {
        mixed = c ^ (b | ~d);
        w = 7 * step;
      }
      Word data;
      std::memcpy(&data, turned[w % 16].data(), sizeof(Word));
      const Word sum = a + mixed + data + kMd5Sines[step];
      const int turn = kMd5Turns[round][step % 4];
      a = d;
      d = c;
      c = b;
      b = b + ((sum << turn) | (sum >> (32 - turn)));
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
  }
  for (std::size_t w = 0; w < 4; ++w) std::memcpy(states.words[w].data(), &state[w], sizeof(Word));
}

using Md5Compress = void (*)(Md5States&, Md5Sources&, std::size_t);

void md5_compress_4(Md5States& states, Md5Sources& from, std::size_t blocks) {
  md5_compress<4>(states, from, blocks);
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] void md5_compress_8(Md5States& states, Md5Sources& from,
                                            std::size_t blocks) {
  md5_compress<8>(states, from, blocks);
}

[[gnu::target("avx512f")]] void md5_compress_16(Md5States& states, Md5Sources& from,
                                                std::size_t blocks) {
  md5_compress<16>(states, from, blocks);
}
#endif

Md5Compress md5_compress_of(int lanes) {
#if defined(__x86_64__)
  if (lanes == 16) return md5_compress_16;
  if (lanes == 8) return md5_compress_8;
#endif
  DUNLIN_CHECK(lanes == 4, "this processor has no such lanes");
  return md5_compress_4;
}

/// A message in a lane: its whole blocks, then what is left of it with its padding and length.
struct Md5Turn {
  std::size_t message = 0;
  bool taken = false;
  bool padding = false;
  std::size_t blocks = 0;  ///< left of this part
  std::array<char, 2 * kMd5BlockBytes> end;
};

class Md5Lanes {
 public:
  Md5Lanes(std::span<const std::string_view> messages, int lanes)
      : messages_(messages),
        lanes_(static_cast<std::size_t>(lanes)),
        compress_(md5_compress_of(lanes)),
        order_(messages.size()),
        digests_(messages.size()) {
    // The long ones first, so that no lane is left alone with one at the end.
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::sort(order_.begin(), order_.end(), [this](std::size_t one, std::size_t other) {
      return messages_[one].size() > messages_[other].size();
    });
  }

  std::vector<std::string> run() {
    for (std::size_t lane = 0; lane < lanes_; ++lane) take(lane);
    while (true) {
      std::size_t blocks = 0;
      const char* any = nullptr;
      for (std::size_t lane = 0; lane < lanes_; ++lane) {
        if (!turns_[lane].taken) continue;
        blocks = any == nullptr ? turns_[lane].blocks : std::min(blocks, turns_[lane].blocks);
        any = from_[lane];
      }
      if (any == nullptr) return std::move(digests_);
      for (std::size_t lane = 0; lane < lanes_; ++lane) {
        if (!turns_[lane].taken) from_[lane] = any;  // an idle lane reads what another one does
      }
      compress_(states_, from_, blocks);
      for (std::size_t lane = 0; lane < lanes_; ++lane) {
        if (!turns_[lane].taken) continue;
        turns_[lane].blocks -= blocks;
        if (turns_[lane].blocks == 0) go_on(lane);
      }
    }
  }

 private:
  void take(std::size_t lane) {
    Md5Turn& turn = turns_[lane];
    turn.taken = next_ < order_.size();
    if (!turn.taken) return;
    turn.message = order_[next_++];
    turn.padding = false;
    const std::string_view message = messages_[turn.message];
    turn.blocks = message.size() / kMd5BlockBytes;
    from_[lane] = message.data();
    for (std::size_t w = 0; w < 4; ++w) states_.words[w][lane] = kMd5Initial[w];
    if (turn.blocks == 0) go_on(lane);
  }

  void go_on(std::size_t lane) {
    Md5Turn& turn = turns_[lane];
    if (!turn.padding) {
      pad(turn);
      from_[lane] = turn.end.data();
      return;
    }
    std::array<std::uint32_t, 4> digest;
    for (std::size_t w = 0; w < 4; ++w) digest[w] = states_.words[w][lane];
    digests_[turn.message].assign(reinterpret_cast<const char*>(digest.data()), sizeof digest);
    take(lane);
  }

  /// 0x80, zeros, and the length in bits, to the end of a block.
  void pad(Md5Turn& turn) {
    const std::string_view message = messages_[turn.message];
    const std::string_view rest = message.substr(message.size() / kMd5BlockBytes * kMd5BlockBytes);
    turn.end.fill('\0');
    std::copy(rest.begin(), rest.end(), turn.end.begin());
    turn.end[rest.size()] = '\x80';
    const std::uint64_t bits = std::uint64_t{message.size()} * 8;
    turn.padding = true;
    turn.blocks = rest.size() + 1 + sizeof bits <= kMd5BlockBytes ? 1 : 2;
    std::memcpy(&turn.end[turn.blocks * kMd5BlockBytes - sizeof bits], &bits, sizeof bits);
  }

  std::span<const std::string_view> messages_;
  std::size_t lanes_;
  Md5Compress compress_;
  std::vector<std::size_t> order_;
  std::size_t next_ = 0;
  std::vector<std::string> digests_;
  Md5States states_{};
  Md5Sources from_{};
  std::array<Md5Turn, kMd5LanesMax> turns_;
};

}  // namespace

int md5_lanes_of_this_processor() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return 16;
  if (__builtin_cpu_supports("avx2")) return 8;
#endif
  return 4;
}

std::vector<std::string> md5_of_each(std::span<const std::string_view> messages, int lanes) {
  static_assert(std::endian::native == std::endian::little, "MD5's words are little-endian");
  return Md5Lanes(messages, lanes).run();
}

std::vector<std::string> md5_of_each(std::span<const std::string_view> messages) {
  static const int lanes = md5_lanes_of_this_processor();
  return md5_of_each(messages, lanes);
}

}  // namespace dunlin
