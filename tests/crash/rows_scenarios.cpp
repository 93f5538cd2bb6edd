// Rows and schema on SQLite.
#include <filesystem>
#include <fstream>

#include "scenario.h"
#include "sqlite_state.h"

namespace dunlin::crash {
namespace {

namespace fsys = std::filesystem;

void remove_database(const std::string& path) {
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) fsys::remove(path + suffix);
}

/// Tables with a key, with a text key and no rowid, and without any key but with equal rows: there
/// a doubled batch would not be refused by the database, only be seen.
class RecordsScenario final : public Scenario {
 public:
  explicit RecordsScenario(bool single) : single_(single) {}
  std::string name() const override { return single_ ? "records-single" : "records"; }

  void make_source(const std::string& folder) override {
    source_ = folder + "/source.db";
    target_ = folder + "/target.db";
    execute_sql(source_, R"(
      CREATE TABLE keyed(id INTEGER PRIMARY KEY, name TEXT, amount REAL, data BLOB);
      CREATE TABLE texts(code TEXT PRIMARY KEY, value) WITHOUT ROWID;
      CREATE TABLE "no key"(a, "b c");
      CREATE TABLE "empty one"(x);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 260)
        INSERT INTO keyed SELECT i * 3, 'name ' || i, i / 7.0, randomblob(20) FROM n;
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 130)
        INSERT INTO texts SELECT 'code ' || i, CASE i % 3 WHEN 0 THEN NULL WHEN 1 THEN i ELSE x'00ff' END FROM n;
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 210)
        INSERT INTO "no key" SELECT i % 5, 'same' FROM n;)");
  }
  void reset_destination() override {
    remove_database(target_);
    execute_sql(target_, "CREATE TABLE theirs(x); INSERT INTO theirs VALUES (1);");
  }
  std::vector<std::string> command() const override {
    std::vector<std::string> words = {"load",  "sqlite:" + source_, "sqlite:" + target_,
                                      "--all", "--batch-size",      "50"};
    if (single_) words.insert(words.end(), {"--transaction-mode", "single"});
    return words;
  }
  std::vector<std::string> impatient_command() const override {
    std::vector<std::string> words = command();
    words.insert(words.end(), {"--retries", "0"});
    return words;
  }
  std::string state() override { return dump_tables(target_); }
  std::vector<std::string> leftovers() override { return {}; }
  std::vector<std::string> publishing_points() const override {
    return {"records.begin.before", "records.commit.after", "engine.execute.before",
            "engine.execute.after"};
  }

 private:
  const bool single_;
  std::string source_;
  std::string target_;
};

class SchemaScenario final : public Scenario {
 public:
  explicit SchemaScenario(bool down) : down_(down) {}
  std::string name() const override { return down_ ? "schema-down" : "schema"; }

  void make_source(const std::string& folder) override {
    migrations_ = folder + "/migrations";
    target_ = folder + "/app.db";
    fsys::create_directories(migrations_);
    write(
        "001_people.up.sql",
        "CREATE TABLE people(id INTEGER PRIMARY KEY, name TEXT);\nINSERT INTO people(name) VALUES "
        "('a;b'), ('c'); -- two\n");
    write("001_people.down.sql", "DROP TABLE people;");
    write(
        "2_log.up.sql",
        "CREATE TABLE log(what);\nCREATE TRIGGER t AFTER INSERT ON people BEGIN\n  INSERT INTO log "
        "VALUES ('new ' || new.name); INSERT INTO log VALUES ('again');\nEND;\n");
    write("3_more.up.sql",  // VACUUM stands alone: no transaction can hold it
          "INSERT INTO people(name) VALUES ('d');\nVACUUM;\nINSERT INTO people(name) VALUES "
          "('e');\n");
    write("0010_column.up.sql",
          "ALTER TABLE people ADD COLUMN age INTEGER DEFAULT 7;\nCREATE INDEX by_age ON "
          "people(age);\n");
    write("20251119143022_view.up.sql", "CREATE VIEW names AS SELECT name FROM people;\n");
    write("2_log.down.sql", "DROP TRIGGER t;\nDROP TABLE log;\n");
    write("3_more.down.sql", "DELETE FROM people WHERE name IN ('d', 'e');\n");
    write("0010_column.down.sql", "DROP INDEX by_age;\nALTER TABLE people DROP COLUMN age;\n");
    write("20251119143022_view.down.sql", "DROP VIEW names;\n");
  }
  void reset_destination() override { remove_database(target_); }
  std::vector<std::string> preparation() const override {
    return down_ ? migrate("up") : std::vector<std::string>{};
  }
  std::vector<std::string> command() const override {
    std::vector<std::string> words = migrate(down_ ? "down" : "up");
    if (down_) words.insert(words.end(), {"--target", "1"});
    return words;
  }
  std::string state() override {
    return dump_tables(target_) +
           query_sql(target_,
                     "SELECT MigrationId, Checksum FROM __MigrationsHistory ORDER BY rowid");
  }
  std::vector<std::string> leftovers() override {
    const std::string lock = query_sql(target_, "SELECT count(*) FROM __MigrationsLock");
    return lock == "1:0|\n" ? std::vector<std::string>{} : std::vector<std::string>{"a lock row"};
  }
  std::vector<std::string> publishing_points() const override {
    return {"schema.commit.after", "schema.lock.after", "engine.execute.before",
            "engine.execute.after"};
  }

 private:
  [[nodiscard]] std::vector<std::string> migrate(const char* direction) const {
    return {"migrate", direction, "--db", "sqlite:" + target_, "--dir", migrations_};
  }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(migrations_ + "/" + name) << text;
  }
  const bool down_;
  std::string migrations_;
  std::string target_;
};

}  // namespace

std::unique_ptr<Scenario> make_records_scenario(bool single) {
  return std::make_unique<RecordsScenario>(single);
}
std::unique_ptr<Scenario> make_schema_scenario(bool down) {
  return std::make_unique<SchemaScenario>(down);
}

}  // namespace dunlin::crash
