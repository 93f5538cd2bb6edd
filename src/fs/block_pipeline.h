// BlockPipeline: the blocks of one large file on their way, several of them at once.
//
// A device is only kept busy by several calls at a time, and a slow hash (MD5: 0.87 GB/s a core)
// must not stand between two of them. So some threads read and write, each hash has a thread of its
// own that sees the blocks in their order, and the calling thread hears of each block, in order,
// when everything has been done with it. Blocking calls on threads rather than io_uring: at 1 MiB a
// call the two cost the same, and containers forbid io_uring (docs/adr/0010).
//
// The threads live as long as run(), which starts and joins them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "fs/direct_io.h"

namespace dunlin::fs {

/// One block. `got` is less than `wanted` at the end of a file only.
struct Block {
  std::int64_t offset = 0;
  std::size_t wanted = 0;
  std::size_t got = 0;
  bool hole = false;          ///< the source says so
  std::byte* data = nullptr;  ///< BlockPipeline::kBlockBytes, aligned for direct I/O
};

class BlockPipeline {
 public:
  static constexpr std::int64_t kBlockBytes = 1 << 20;  ///< the most that Permits gives at once

  struct Steps {
    /// The next block in order (offset, wanted, hole), false: there is none. One thread at a time.
    std::function<bool(Block&)> next;
    /// Reads it and sets `got`. Several threads at once.
    std::function<Status(Block&)> fill;
    /// What is to be done with it beside the hashes; may be empty. Several threads at once, in any
    /// order; `spare` is another buffer of kBlockBytes.
    std::function<Status(const Block&, std::byte* spare)> use;
    /// Each sees every block, in order, on a thread of its own.
    std::vector<std::function<void(std::span<const std::byte>)>> lanes;
    /// In order, on the calling thread, after all of the above. False: nothing more is wanted.
    std::function<Result<bool>(const Block&)> done;
  };
  struct Size {
    int threads = 4;
    int blocks = 8;  ///< in flight
  };
  /// With `use` each thread has a block more.
  [[nodiscard]] static Size size_within(int blocks, bool with_use);

  BlockPipeline(Steps steps, Size size);
  ~BlockPipeline();
  BlockPipeline(const BlockPipeline&) = delete;
  BlockPipeline& operator=(const BlockPipeline&) = delete;

  /// Until there is no next block, one came back short (it is still done), done() has had enough or
  /// a step failed: the error of the earliest block. Once.
  [[nodiscard]] Status run();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dunlin::fs
