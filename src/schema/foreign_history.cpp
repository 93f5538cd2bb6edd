#include "schema/foreign_history.h"

#include <vector>

#include "base/text.h"

namespace dunlin::schema {

namespace {

using sql::Call;

constexpr std::string_view kMigrations = "schema_migrations";
constexpr std::string_view kGoose = "goose_db_version";
constexpr std::string_view kFlyway = "flyway_schema_history";
constexpr std::string_view kDiesel = "__diesel_schema_migrations";

bool is_true(std::string_view text) {
  return text == "t" || text == "1" || text == "true" || text == "\x01";
}

/// golang-migrate: one row, with `dirty`; dbmate: a row for each, `version` alone.
Result<ForeignHistory> read_schema_migrations(Target& target, const Call& call) {
  ForeignHistory history;
  history.table = kMigrations;
  DUNLIN_ASSIGN(const auto rows,
                target.connection().query("SELECT * FROM schema_migrations", call));
  int version = -1;
  int dirty = -1;
  for (int i = 0; i < rows->columns(); ++i) {
    if (rows->name(i) == "version") version = i;
    if (rows->name(i) == "dirty") dirty = i;
  }
  history.tool = dirty >= 0 ? "golang-migrate" : "dbmate";
  while (true) {
    DUNLIN_ASSIGN(const bool more, rows->next());
    if (!more) return history;
    if (version < 0) continue;
    const Version one = version_of(rows->text(version));
    if (dirty < 0) {
      history.applied.insert(one);
      continue;
    }
    history.up_to = one;
    history.up_to_was_applied = true;
    if (is_true(rows->text(dirty))) history.broken = one.text();
  }
}

/// A row for each time that one was applied or taken back.
Result<ForeignHistory> read_goose(Target& target, const Call& call) {
  ForeignHistory history;
  history.tool = "goose";
  history.table = kGoose;
  DUNLIN_ASSIGN(
      const auto rows,
      target.connection().query("SELECT version_id, CASE WHEN is_applied THEN 1 ELSE 0 END FROM "
                                "goose_db_version ORDER BY id",
                                call));
  while (true) {
    DUNLIN_ASSIGN(const bool more, rows->next());
    if (!more) break;
    const Version one = version_of(rows->text(0));
    if (is_true(rows->text(1))) {
      history.applied.insert(one);
    } else {
      history.applied.erase(one);
    }
  }
  history.applied.erase(Version("0"));  // it begins with this one
  return history;
}

Result<ForeignHistory> read_diesel(Target& target, const Call& call) {
  ForeignHistory history;
  history.tool = "diesel";
  history.table = kDiesel;
  DUNLIN_ASSIGN(const auto rows,
                target.connection().query("SELECT version FROM __diesel_schema_migrations", call));
  while (true) {
    DUNLIN_ASSIGN(const bool more, rows->next());
    if (!more) return history;
    history.applied.insert(version_of(rows->text(0)));
  }
}

Result<ForeignHistory> read_flyway(Target& target, const Call& call) {
  ForeignHistory history;
  history.tool = "Flyway";
  history.table = kFlyway;
  DUNLIN_ASSIGN(const auto rows,
                target.connection().query("SELECT version, type, CASE WHEN success THEN 1 ELSE 0 "
                                          "END FROM flyway_schema_history ORDER BY installed_rank",
                                          call));
  while (true) {
    DUNLIN_ASSIGN(const bool more, rows->next());
    if (!more) return history;
    if (rows->is_null(0)) continue;  // a repeatable one, or the making of the schema
    const Version one = version_of(rows->text(0));
    const std::string type(rows->text(1));
    if (!is_true(rows->text(2))) {
      history.broken = one.text();
    } else if (type.starts_with("UNDO")) {
      history.applied.erase(one);
    } else if (type == "BASELINE") {
      history.up_to = one;
    } else {
      history.applied.insert(one);
    }
  }
}

}  // namespace

Result<std::optional<ForeignHistory>> foreign_history(Target& target, const Call& call) {
  using Reader = Result<ForeignHistory> (*)(Target&, const Call&);
  struct Known {
    std::string_view table;
    Reader read;
  };
  constexpr Known kKnown[] = {{kMigrations, &read_schema_migrations},
                              {kGoose, &read_goose},
                              {kFlyway, &read_flyway},
                              {kDiesel, &read_diesel}};
  for (const Known& one : kKnown) {
    DUNLIN_ASSIGN(const bool there, target.has_table(one.table, call));
    if (!there) continue;
    DUNLIN_ASSIGN(ForeignHistory history, one.read(target, call));
    return std::optional(std::move(history));
  }
  return std::optional<ForeignHistory>();
}

}  // namespace dunlin::schema
