// Rng: a seeded generator whose sequence never changes between versions, for simulation, fault
// injection and jitter.
//
// Source: xoshiro256** 1.0 by D. Blackman and S. Vigna (public domain, prng.di.unimi.it), seeded by
// SplitMix64 as its authors advise. std::mt19937 would do, but the standard's distributions differ
// between libraries, and a seed found by the simulator has to replay anywhere. Not for secrets:
// those come from getrandom. One thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace dunlin {

class Rng {
 public:
  using result_type = std::uint64_t;  // a UniformRandomBitGenerator too

  explicit Rng(std::uint64_t seed);

  /// 64 random bits.
  [[nodiscard]] std::uint64_t next();
  /// Uniform in [0, n), without bias; n > 0.
  [[nodiscard]] std::uint64_t below(std::uint64_t n);
  /// Uniform in [low, high].
  [[nodiscard]] std::int64_t between(std::int64_t low, std::int64_t high);
  /// Uniform in [0, 1) with 53 bits.
  [[nodiscard]] double uniform();
  /// True with probability p.
  [[nodiscard]] bool chance(double p) { return uniform() < p; }
  /// Fisher-Yates over anything with size() and [].
  template <typename Sequence>
  void shuffle(Sequence& items) {
    using std::swap;
    for (std::size_t i = items.size(); i > 1; --i)
      swap(items[i - 1], items[static_cast<std::size_t>(below(i))]);
  }
  /// An independent generator, so that adding draws in one part does not shift those of another.
  [[nodiscard]] Rng fork() { return Rng(next()); }

  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return ~result_type{0}; }
  result_type operator()() { return next(); }

 private:
  std::array<std::uint64_t, 4> state_;
};

}  // namespace dunlin
