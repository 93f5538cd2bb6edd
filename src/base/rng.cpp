// xoshiro256** and SplitMix64, after the authors' public-domain reference code.
#include "base/rng.h"

#include <bit>

#include "base/check.h"

namespace dunlin {

Rng::Rng(std::uint64_t seed) : state_{} {
  for (std::uint64_t& word : state_) {
    seed += 0x9e3779b97f4a7c15ULL;
    std::uint64_t z = seed;
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
    word = z ^ (z >> 31U);
  }
}

std::uint64_t Rng::next() {
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t t = state_[1] << 17U;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

std::uint64_t Rng::below(std::uint64_t n) {
  DUNLIN_CHECK(n > 0, "a number below zero is asked for");
  // The lowest 2^64 mod n values are drawn again: the rest divides evenly.
  const std::uint64_t unfair = (0 - n) % n;
  for (;;) {
    const std::uint64_t value = next();
    if (value >= unfair) return value % n;
  }
}

std::int64_t Rng::between(std::int64_t low, std::int64_t high) {
  DUNLIN_CHECK(low <= high, "an empty range");
  const std::uint64_t width =
      static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low) + 1;
  const std::uint64_t offset = width == 0 ? next() : below(width);
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + offset);
}

double Rng::uniform() {
  return static_cast<double>(next() >> 11U) * 0x1.0p-53;
}

}  // namespace dunlin
