// What the ledger costs per item: journaling, outcomes, size on disk, and a ledger in memory.
//
// Run it on a local file system: DUNLIN_BENCH_DIR names the folder (default: the temporary one). A
// group is what the engine commits at once; see README of src/store for the figures that were
// measured.
#include <filesystem>

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <stdlib.h>

#include "store/sqlite_ledger.h"

namespace {

using namespace dunlin;
using namespace dunlin::store;

constexpr std::int64_t kBatchItems = 1000;

ExecutionRow row() {
  ExecutionRow row;
  row.id = ExecutionId("018bcfe5-6800-7000-8000-0000000000aa");
  row.kind = "files";
  row.created_ms = SystemClock().wall_ms();
  return row;
}

class Folder {
 public:
  Folder() {
    const char* base = ::getenv("DUNLIN_BENCH_DIR");
    path_ =
        (base != nullptr ? std::filesystem::path(base) : std::filesystem::temp_directory_path()) /
        "dunlin-bench-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string ledger() const { return path_ + "/ledger.db"; }

 private:
  std::string path_;
};

void must(Ledger& ledger, const std::vector<Mutation>& mutations) {
  const auto applied = ledger.apply(0, mutations);
  if (!applied.ok()) std::abort();
  for (const Status& one : *applied) {
    if (!one.ok()) std::abort();
  }
}

/// Batches of files with names of 16 bytes and 30 bytes of detail, a directory for each.
AppendWork work(std::int64_t first_batch, std::int64_t batches) {
  AppendWork work;
  if (first_batch == 1) {
    NewTask task;
    task.id = TaskId(1);
    task.task_type = "batch_file_operation";
    work.tasks.push_back(task);
  }
  for (std::int64_t b = first_batch; b < first_batch + batches; ++b) {
    NewDirectory directory;
    directory.id = DirectoryId(b);
    directory.parent = DirectoryId(b == 1 ? 0 : 1);
    directory.name = b == 1 ? "" : fmt::format("directory-{}", b);
    work.directories.push_back(directory);
    NewBatch batch;
    batch.id = BatchId(b);
    batch.task = TaskId(1);
    for (std::int64_t i = 0; i < kBatchItems; ++i) {
      NewItem item;
      item.id = ItemId((b - 1) * kBatchItems + i + 1);
      item.directory = DirectoryId(b);
      item.name = fmt::format("IMG_{:08}.jpg", i * 7919 % 100000000);
      item.size = 1000 + i * 977 % 4000000;
      item.detail.assign(30, static_cast<char>(i));
      batch.items.push_back(std::move(item));
    }
    work.batches.push_back(std::move(batch));
  }
  return work;
}

std::vector<ItemOutcome> outcomes(std::int64_t batch) {
  std::vector<ItemOutcome> list;
  for (std::int64_t i = 0; i < kBatchItems; ++i) {
    ItemOutcome one;
    one.item = ItemId((batch - 1) * kBatchItems + i + 1);
    one.transferred_bytes = 1000 + i * 977 % 4000000;
    one.checksum = fmt::format("md5:{:032x}",
                               static_cast<std::uint64_t>(one.item.value) * 0x9E3779B97F4A7C15U);
    one.proof = Proof::device;
    one.action = "created";
    list.push_back(std::move(one));
  }
  return list;
}

void AppendOnFile(benchmark::State& state) {
  const SystemClock clock;
  const std::int64_t group = state.range(0);
  Folder folder;
  auto ledger = std::move(SqliteLedger::create(folder.ledger(), row(), clock)).value();
  std::int64_t next = 1;
  for (auto _ : state) {
    state.PauseTiming();
    const std::vector<Mutation> mutations{work(next, group)};
    next += group;
    state.ResumeTiming();
    must(*ledger, mutations);
  }
  state.SetItemsProcessed(state.iterations() * group * kBatchItems);
}
BENCHMARK(AppendOnFile)
    ->Arg(1)
    ->Arg(10)
    ->Iterations(100)
    ->Unit(benchmark::kMillisecond)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

/// Start, outcomes, end: everything a batch writes after it was journaled; `group` batches in one
/// commit.
void BatchesOnFile(benchmark::State& state) {
  const SystemClock clock;
  const std::int64_t group = state.range(0);
  const std::int64_t total = 200;
  Folder folder;
  auto ledger = std::move(SqliteLedger::create(folder.ledger(), row(), clock)).value();
  must(*ledger, {work(1, total)});
  std::int64_t next = 1;
  for (auto _ : state) {
    state.PauseTiming();
    std::vector<Mutation> starts;
    std::vector<Mutation> ends;
    for (std::int64_t b = next; b < next + group; ++b) {
      StartBatches start;
      start.starts.push_back({BatchId(b), 1});
      starts.emplace_back(start);
      EndBatch end;
      end.batch = BatchId(b);
      end.token = 1;
      ends.emplace_back(RecordOutcomes{BatchId(b), 1, outcomes(b)});
      ends.emplace_back(end);
    }
    next += group;
    state.ResumeTiming();
    must(*ledger, starts);
    must(*ledger, ends);
  }
  state.SetItemsProcessed(state.iterations() * group * kBatchItems);
}
BENCHMARK(BatchesOnFile)
    ->Arg(1)
    ->Iterations(200)
    ->Unit(benchmark::kMillisecond)
    ->MeasureProcessCPUTime()
    ->UseRealTime();
BENCHMARK(BatchesOnFile)
    ->Arg(10)
    ->Iterations(20)
    ->Unit(benchmark::kMillisecond)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

/// 200,000 files from listing to done; `bytes_per_item` is the whole file divided by them.
void SizeOnDisk(benchmark::State& state) {
  const SystemClock clock;
  for (auto _ : state) {
    Folder folder;
    auto ledger = std::move(SqliteLedger::create(folder.ledger(), row(), clock)).value();
    for (std::int64_t b = 1; b <= 200; ++b) {
      must(*ledger, {work(b, 1)});
      StartBatches start;
      start.starts.push_back({BatchId(b), 1});
      EndBatch end;
      end.batch = BatchId(b);
      end.token = 1;
      RecordIntents intents{BatchId(b), 1, {}};
      for (std::int64_t i = 0; i < kBatchItems; ++i)
        intents.intents.push_back({ItemId((b - 1) * kBatchItems + i + 1), "0123456789"});
      must(*ledger, {start, intents});
      must(*ledger, {RecordOutcomes{BatchId(b), 1, outcomes(b)}, end});
    }
    if (!ledger->checkpoint_wal().ok()) std::abort();
    state.counters["bytes_per_item"] =
        static_cast<double>(std::filesystem::file_size(folder.ledger())) /
        static_cast<double>(200 * kBatchItems);
  }
  state.SetItemsProcessed(state.iterations() * 200 * kBatchItems);
}
BENCHMARK(SizeOnDisk)
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

void CreateInMemory(benchmark::State& state) {
  const ManualClock clock;
  for (auto _ : state) benchmark::DoNotOptimize(SqliteLedger::create_in_memory(row(), clock));
}
BENCHMARK(CreateInMemory)->Unit(benchmark::kMicrosecond);

/// One simulated run: 20 batches of 5 items, each mutation applied by itself (some 100 of them),
/// and asked about.
void SimulatedRun(benchmark::State& state) {
  const ManualClock clock;
  std::int64_t mutations = 0;
  for (auto _ : state) {
    auto ledger = std::move(SqliteLedger::create_in_memory(row(), clock)).value();
    AppendWork append;
    NewTask task;
    task.id = TaskId(1);
    task.task_type = "t";
    append.tasks.push_back(task);
    for (std::int64_t b = 1; b <= 20; ++b) {
      NewBatch batch;
      batch.id = BatchId(b);
      batch.task = TaskId(1);
      for (std::int64_t i = 1; i <= 5; ++i) {
        NewItem item;
        item.id = ItemId((b - 1) * 5 + i);
        batch.items.push_back(item);
      }
      append.batches.push_back(batch);
    }
    must(*ledger, {append});
    for (std::int64_t b = 1; b <= 20; ++b) {
      benchmark::DoNotOptimize(ledger->ready({}));
      StartBatches start;
      start.starts.push_back({BatchId(b), 1});
      must(*ledger, {start});
      benchmark::DoNotOptimize(ledger->items_of(BatchId(b), true));
      EndBatch end;
      end.batch = BatchId(b);
      end.token = 1;
      for (std::int64_t i = 1; i <= 5; ++i) {
        ItemOutcome one;
        one.item = ItemId((b - 1) * 5 + i);
        one.action = "created";
        must(*ledger, {RecordOutcomes{BatchId(b), 1, {one}}});
      }
      must(*ledger, {end});
      benchmark::DoNotOptimize(ledger->execution());
      mutations += 7;
    }
  }
  state.counters["mutations/s"] =
      benchmark::Counter(static_cast<double>(mutations), benchmark::Counter::kIsRate);
}
BENCHMARK(SimulatedRun)->Unit(benchmark::kMillisecond);

}  // namespace
