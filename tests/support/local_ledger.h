// LocalLedger: what LocalExecution (local_contexts.h) keeps in memory in place of a ledger, and as
// the bytes that a process killed by a test leaves behind. Values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/run.h"

namespace dunlin::testing {

/// One item as the ledger would hold it, plus what verify() said.
struct LocalItem {
  store::ItemRow row;
  std::optional<Error> error;       ///< of its last failed or pending outcome
  bool equal = false;               ///< report_equal in the last verification
  std::optional<Error> difference;  ///< report_difference in the last verification
};

struct LocalBatch {
  store::BatchRow row;
  std::vector<BatchId> depends_on;
  std::optional<Error> error;  ///< of the batch as a whole
};

/// What a crash leaves: the whole in-memory ledger.
struct LocalLedger {
  std::vector<store::TaskRow> tasks;
  std::map<std::int64_t, store::DirectoryRow> directories;
  std::map<std::int64_t, LocalBatch> batches;
  std::map<std::int64_t, LocalItem> items;
  std::map<std::string, std::int64_t> first_items;
  std::string roots;  ///< their identity, where the execution keeps it
  std::string cursor;
  bool enumeration_complete = false;
  bool committing = false;
  std::int64_t epoch = 1;
  std::int64_t last_task = 0, last_batch = 0, last_item = 0, last_directory = 0, last_token = 0;

  [[nodiscard]] std::string encode() const;
  [[nodiscard]] static Result<LocalLedger> decode(std::string_view bytes);
};

}  // namespace dunlin::testing
