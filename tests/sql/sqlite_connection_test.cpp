// A SQLite file as a Connection: what every connection must do, and what is its own.
#include "sql/sqlite_connection.h"

#include <thread>

#include "sql/connection_subjects.h"

namespace dunlin::sql {
namespace {

class SqliteSubject final : public OfSqlite {
 public:
  [[nodiscard]] Result<std::unique_ptr<Connection>> connect() override {
    return connect_sqlite(file(), true);
  }
};

INSTANTIATE_TEST_SUITE_P(Sqlite, ConnectionConformance,
                         ::testing::Values([] { return std::make_shared<SqliteSubject>(); }));

TEST(SqliteConnectionTest, SaysWhereInTheStatementTheFaultIs) {
  const dunlin::testing::ScratchDirectory scratch;
  const auto connection = connect_sqlite(scratch.file("db"), true);
  ASSERT_TRUE(connection.ok());
  EXPECT_EQ((*connection)->server().version_number / 10000, 3);
  ASSERT_FALSE((*connection)->run("SELECT '\xC3\xA9\xC3\xA9', nobody", Call{}).ok());
  EXPECT_EQ((*connection)->error_position(), 14);
}

TEST(SqliteConnectionTest, AFileThatIsMissingIsMadeOnlyWhereThatIsWanted) {
  const dunlin::testing::ScratchDirectory scratch;
  EXPECT_EQ(connect_sqlite(scratch.file("db"), false).error().type, ErrorType::not_found);
  EXPECT_TRUE(connect_sqlite(scratch.file("db"), true).ok());
}

}  // namespace
}  // namespace dunlin::sql
