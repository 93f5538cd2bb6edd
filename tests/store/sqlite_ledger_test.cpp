// SqliteLedger against the conformance suite, on a file and in memory.
#include "store/sqlite_ledger.h"

#include "store/ledger_conformance.h"

namespace dunlin::store::test {
namespace {

struct FileFactory {
  ScratchFolder folder;
  std::unique_ptr<Ledger> make(const ExecutionRow& row, const Clock& clock) {
    auto made = SqliteLedger::create(folder / "ledger.db", row, clock);
    EXPECT_TRUE(made.ok()) << made.error().text();
    return made.ok() ? std::move(*made) : nullptr;
  }
};

struct MemoryFactory {
  std::unique_ptr<Ledger> make(const ExecutionRow& row, const Clock& clock) {
    auto made = SqliteLedger::create_in_memory(row, clock);
    EXPECT_TRUE(made.ok()) << made.error().text();
    return made.ok() ? std::move(*made) : nullptr;
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(File, LedgerConformance, FileFactory);
INSTANTIATE_TYPED_TEST_SUITE_P(Memory, LedgerConformance, MemoryFactory);

}  // namespace
}  // namespace dunlin::store::test
