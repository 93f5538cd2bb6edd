// Pre-flight of the records kind; see preflight.h.
#include "records/preflight.h"

#include "base/text.h"
#include "records/enumeration.h"
#include "sql/catalogue.h"
#include "sql/sqlite_address.h"

namespace dunlin::records {

namespace {

using engine::Problem;

class Inspection {
 public:
  Inspection(sql::Database& source, sql::Database* target) : source_(source), target_(target) {}

  Status encoding() {
    if (target_ == nullptr) return success();
    DUNLIN_ASSIGN(const std::optional<std::string> here, source_.query_text("PRAGMA encoding"));
    DUNLIN_ASSIGN(const std::optional<std::string> there, target_->query_text("PRAGMA encoding"));
    DUNLIN_ASSIGN(const std::optional<std::int64_t> objects,
                  target_->query_int64("SELECT count(*) FROM sqlite_master"));
    if (here != there && objects.value_or(0) > 0) {
      add("text is stored as " + here.value_or("?") + " in the source and as " +
          there.value_or("?") + " in the target: text that is not valid would change");
    }
    return success();
  }

  Status entity(const Entity& entity) {
    DUNLIN_ASSIGN(const std::optional<sql::TableInfo> from,
                  sql::read_table(source_, entity.source));
    if (!from) {
      add("the source has no table '" + printable(entity.source) + "'", ErrorType::not_found);
      return success();
    }
    if (from->key.empty()) {
      add("the columns of '" + printable(entity.source) + "' hide every name of the rowid",
          ErrorType::unsupported_item);
      return success();
    }
    if (target_ == nullptr) return success();
    DUNLIN_ASSIGN(const std::optional<sql::TableInfo> to, sql::read_table(*target_, entity.target));
    if (to) {
      shape(*from, *to);
      return success();
    }
    DUNLIN_ASSIGN(
        const std::optional<std::string> other,
        target_->query_text("SELECT type FROM sqlite_master WHERE name = ?1 COLLATE NOCASE",
                            entity.target));
    if (other)
      add("'" + printable(entity.target) + "' is a " + *other + " in the target, not a table");
    return success();
  }

  std::vector<Problem> take() { return std::move(problems_); }
  void add(std::string message, ErrorType type = ErrorType::schema_mismatch, bool critical = true) {
    problems_.push_back({Error(type, std::move(message)), critical, false});
  }

 private:
  void shape(const sql::TableInfo& from, const sql::TableInfo& to) {
    const std::string table = "table '" + printable(to.name) + "'";
    if (!sql::same_identifier(sql::joined(from.key), sql::joined(to.key)) ||
        from.hidden_rowid != to.hidden_rowid) {
      add(table + " has another primary key than in the source: (" +
          printable(sql::joined(to.key)) + ") instead of (" + printable(sql::joined(from.key)) +
          ")");
    }
    for (const sql::ColumnInfo& column : from.columns) {
      if (!column.generated) compare(table, column, to);
    }
    if (to.triggers > 0) {
      add(table + " has " + std::to_string(to.triggers) +
              " trigger(s), which run for every row loaded",
          ErrorType::schema_mismatch, false);
    }
  }

  void compare(const std::string& table, const sql::ColumnInfo& column, const sql::TableInfo& to) {
    for (const sql::ColumnInfo& other : to.columns) {
      if (!sql::same_identifier(other.name, column.name)) continue;
      const std::string name = table + ", column '" + printable(column.name) + "'";
      if (other.generated) add(name + " is generated in the target and cannot be written");
      if (other.affinity != column.affinity && other.affinity != sql::Affinity::blob) {
        add(name + " would convert values: " + std::string(to_string(column.affinity)) +
            " in the source, " + std::string(to_string(other.affinity)) + " in the target");
      }
      return;
    }
    add(table + " has no column '" + printable(column.name) + "'");
  }

  sql::Database& source_;
  sql::Database* target_;
  std::vector<Problem> problems_;
};

}  // namespace

Result<engine::Analysis> analyse(engine::RunContext& context, const RecordsPlan& plan) {
  DUNLIN_ASSIGN(sql::Database source, sql::open_foreign(plan.source_path, true));
  source.set_cancel(context.cancel());
  DUNLIN_ASSIGN(const std::vector<Entity> entities, entities_of(plan, source));
  Json tables = Json::array();
  std::int64_t rows = 0;
  for (const Entity& entity : entities) {
    DUNLIN_ASSIGN(
        const std::optional<std::int64_t> count,
        source.query_int64("SELECT count(*) FROM " + sql::quote_identifier(entity.source)));
    tables.push_back({{"entity", printable(entity.source)}, {"records", count.value_or(0)}});
    rows += count.value_or(0);
  }
  DUNLIN_ASSIGN(const std::optional<std::int64_t> pages, source.query_int64("PRAGMA page_count"));
  DUNLIN_ASSIGN(const std::optional<std::int64_t> page_bytes,
                source.query_int64("PRAGMA page_size"));
  engine::Analysis analysis;
  analysis.bytes = pages.value_or(0) * page_bytes.value_or(0);
  analysis.details = Json{{"total_source_records", rows}, {"by_entity", std::move(tables)}};
  return analysis;
}

Result<std::vector<Problem>> preflight(engine::RunContext& context, const RecordsPlan& plan) {
  std::vector<Problem> problems;
  Result<sql::Database> source = sql::open_foreign(plan.source_path, true);
  if (!source.ok()) {
    problems.push_back({std::move(source).error().with_context("opening the source"), true, false});
    return problems;
  }
  source->set_cancel(context.cancel());
  Result<std::optional<sql::Database>> target = sql::open_existing(plan.target_path);
  if (!target.ok()) {
    problems.push_back({std::move(target).error().with_context("opening the target"), true, false});
    return problems;
  }
  Inspection inspection(source.value(), target.value() ? &*target.value() : nullptr);
  DUNLIN_TRY(inspection.encoding());
  DUNLIN_ASSIGN(const std::vector<Entity> entities, entities_of(plan, source.value()));
  for (const Entity& entity : entities) DUNLIN_TRY(inspection.entity(entity));
  problems = inspection.take();
  target = std::optional<sql::Database>{};  // the probe wants the write lock
  const auto how = context.settings().is_dry_run() ? sql::Probe::rights : sql::Probe::lock;
  if (Status writable = sql::probe_sqlite_write(plan.target_path, how); !writable.ok()) {
    problems.push_back(
        {std::move(writable).error().with_context("trying to write to the target"), true, false});
  }
  return problems;
}

Status match_encoding(const RecordsPlan& plan, sql::Database& target) {
  DUNLIN_ASSIGN(const std::optional<std::int64_t> pages, target.query_int64("PRAGMA page_count"));
  if (pages.value_or(0) > 0) return success();
  DUNLIN_ASSIGN(sql::Database source, sql::open_foreign(plan.source_path, true));
  DUNLIN_ASSIGN(const std::optional<std::string> encoding, source.query_text("PRAGMA encoding"));
  return target.exec("PRAGMA encoding = '" + encoding.value_or("UTF-8") + "'");
}

}  // namespace dunlin::records
