// What migrations do on Debian's PostgreSQL they do on PostgreSQL 18. Many processes and PgBouncer
// are left out: the locks are the same, and they take long.
#include "base/crash_point.h"
#include "support/other_postgresql.h"

namespace dunlin::schema {
namespace {

TEST(OnPostgresql18, MigrationsGoUp) {
  testing::expect_on_postgresql(18, "PostgresqlUp.*", 20);
}
TEST(OnPostgresql18, MigrationsGoDown) {
  testing::expect_on_postgresql(18, "MigrationVersions/1.*", 10);
}
TEST(OnPostgresql18, WhoDiesIsRecoveredFrom) {
  // Without crash points there is less to die of.
  constexpr int kLeast = DUNLIN_CRASH_POINTS ? 6 : 3;
  testing::expect_on_postgresql(18, "PostgresqlRecovery.*-*ManyProcesses*", kLeast);
}

}  // namespace
}  // namespace dunlin::schema
