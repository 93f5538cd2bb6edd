// Enumeration of the records kind: tables become tasks, ranges of their keys become batches of one
// item each.
//
// Streams: keys are walked in order, never kept; the cursor is (table, its tasks, last key). A
// table that is missing at the target gets a `create_table` batch, and its `load_table` batches
// depend on that one. One thread at a time.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/run.h"
#include "records/plan.h"
#include "sql/catalogue.h"

namespace dunlin::records {

inline constexpr std::string_view kCreateTable = "create_table";
inline constexpr std::string_view kLoadTable = "load_table";

/// The plan's entities, or every table of the source in bytewise order.
[[nodiscard]] Result<std::vector<Entity>> entities_of(const RecordsPlan& plan,
                                                      sql::Database& source);

class Enumeration {
 public:
  Enumeration(const RecordsPlan& plan, engine::EnumerateContext& context)
      : plan_(plan), context_(context) {}

  /// Takes the cursor up and looks which target tables there are; before anything is executed in
  /// this process.
  [[nodiscard]] Status begin(sql::Database& source);
  /// The next work to journal; at most some hundred thousand keys are walked in one call.
  [[nodiscard]] Result<engine::EnumerateContext::Chunk> next(sql::Database& source);

 private:
  using Chunk = engine::EnumerateContext::Chunk;
  struct Cursor {
    std::string table;     ///< source table being walked; empty: the very start
    TaskId load_task;      ///< 0: not made yet
    BatchId create_batch;  ///< 0: the table was there
    std::string key;       ///< last key of the last batch
    bool table_done = false;
  };

  [[nodiscard]] Status decode_cursor();
  [[nodiscard]] std::string encode_cursor() const;
  void start_table(const Entity& entity, bool missing, Chunk& chunk);
  [[nodiscard]] Status walk_table(sql::Database& source, const Entity& entity, Chunk& chunk);
  void add_batch(const Entity& entity, std::string_view first, std::string high, std::int64_t bytes,
                 Chunk& chunk);
  [[nodiscard]] bool full(const Chunk& chunk) const;

  const RecordsPlan& plan_;
  engine::EnumerateContext& context_;
  std::vector<Entity> entities_;
  std::vector<bool> missing_;  ///< at the target, by entity
  std::size_t next_ = 0;
  Cursor cursor_;
  std::int64_t walked_ = 0;  ///< keys in this chunk
};

}  // namespace dunlin::records
