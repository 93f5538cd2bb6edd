// The model of a real MariaDB database: read, made again, read again.
#include "sql/model_databases.h"

namespace dunlin::sql::model {
namespace {

const std::vector<std::string> kRichMariadb = {
    "CREATE TABLE parent (id bigint unsigned AUTO_INCREMENT PRIMARY KEY, "
    "a int CHECK (a > 0), j json, e enum('a','b''c','d\\\\e') DEFAULT 'a', s set('x','y'), "
    "t timestamp(3) DEFAULT current_timestamp(3) ON UPDATE current_timestamp(3), "
    "tn timestamp NULL, dt datetime(6), d decimal(10,2) DEFAULT 1.5, "
    "v varchar(20) CHARACTER SET latin1 DEFAULT 'it''s', bin varbinary(7), "
    "g int GENERATED ALWAYS AS (a + 1) VIRTUAL, h int AS (a * 2) STORED INVISIBLE, "
    "b bit(3) DEFAULT b'101', n varchar(5) COLLATE utf8mb4_bin DEFAULT NULL, bl blob DEFAULT "
    "(concat('a', 'b')), "
    "u uuid DEFAULT uuid(), y year, ti tinyint(1) NOT NULL DEFAULT 0, z int(5) unsigned zerofill, "
    "f float, db double(8,3), tx text COMMENT 'it''s \\\\ a comment', m mediumblob, "
    "KEY k (v(5), a DESC) COMMENT 'an index', UNIQUE KEY uu (d, a), FULLTEXT KEY ft (n), KEY "
    "hidden (f) IGNORED, "
    "CONSTRAINT ck CHECK (a < 100 AND v <> 'x\"')) COMMENT='it''s' ROW_FORMAT=DYNAMIC DEFAULT "
    "COLLATE utf8mb4_general_ci",
    "CREATE TABLE child (id int PRIMARY KEY, p bigint unsigned, q bigint unsigned, "
    "CONSTRAINT fkp FOREIGN KEY (p) REFERENCES parent (id) ON DELETE SET NULL ON UPDATE CASCADE, "
    "CONSTRAINT fkq FOREIGN KEY (q) REFERENCES parent (id) ON DELETE CASCADE)",
    "CREATE TABLE counted (a int, id int AUTO_INCREMENT, KEY (id), KEY (a, id)) ENGINE=InnoDB",
    "CREATE TABLE mine (a int, b char(3)) ENGINE=MyISAM CHECKSUM=1 DEFAULT CHARSET=latin1",
    "CREATE TABLE parts (a int, b int) PARTITION BY RANGE (a) "
    "(PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)",
    "CREATE TABLE versioned (a int) WITH SYSTEM VERSIONING",
    "CREATE TABLE versioned_too (a int, b int WITHOUT SYSTEM VERSIONING, "
    "s timestamp(6) GENERATED ALWAYS AS ROW START, e timestamp(6) GENERATED ALWAYS AS ROW END, "
    "PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING",
    "CREATE SEQUENCE numbers START 5 INCREMENT 2 CYCLE",
    "CREATE VIEW late AS SELECT p.id, c.q AS `as` FROM parent p JOIN child c ON c.p = p.id",
    "CREATE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW early AS SELECT * FROM late WHERE id > 1 "
    "WITH CASCADED CHECK OPTION",
    "CREATE TRIGGER second BEFORE INSERT ON parent FOR EACH ROW SET NEW.a = coalesce(NEW.a, 1)",
    "CREATE TRIGGER first BEFORE INSERT ON parent FOR EACH ROW BEGIN SET NEW.f = 1; SET NEW.f = 2; "
    "END",
    "CREATE PROCEDURE pr(IN x int) BEGIN SELECT x; END",
    "CREATE DEFINER=root@localhost FUNCTION fu(x int) RETURNS varchar(20) DETERMINISTIC RETURN "
    "concat('`', x)",
    "SET sql_mode = 'ANSI_QUOTES'",
    "CREATE FUNCTION quotes() RETURNS int DETERMINISTIC RETURN (SELECT count(*) FROM \"parent\")",
    "SET sql_mode = DEFAULT",
    "CREATE EVENT ev ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DO DELETE FROM mine",
    "CREATE TABLE `\xC3\x9C \"q`` '; DROP TABLE y; --` (`select` int PRIMARY KEY, `a.b` "
    "varchar(9), `\xE2\x82\xAC` int, "
    "KEY `i '` (`a.b`))",
    "CREATE TABLE `order` (`group` int, CONSTRAINT `key` FOREIGN KEY (`group`) REFERENCES "
    "`\xC3\x9C \"q`` '; DROP TABLE y; --` (`select`))",
};

TEST(ModelMariadbTest, ARichSchemaReadsEqualAfterItIsMadeAgain) {
  std::vector<Remark> remarks;
  const Catalogue catalogue = expect_round_trip(Dialect::mysql, kRichMariadb, &remarks);
  EXPECT_TRUE(remarks.empty()) << remarks.front().line();
  const Table* const parent = catalogue.find_table({"", "parent"});
  ASSERT_NE(parent, nullptr);
  EXPECT_EQ(parent->find_column("j")->type.kind, TypeKind::json);
  EXPECT_EQ(parent->find_column("ti")->type.kind, TypeKind::boolean);
  EXPECT_TRUE(parent->find_column("id")->type.is_unsigned);
  EXPECT_TRUE(parent->find_column("id")->identity.has_value());
  EXPECT_THAT(parent->find_column("e")->type.labels, ::testing::ElementsAre("a", "b'c", "d\\e"));
  EXPECT_EQ(parent->find_column("v")->collation, "latin1_swedish_ci");
  EXPECT_EQ(parent->find_column("n")->default_expression, std::nullopt);
  EXPECT_EQ(catalogue.find_table({"", "parts"})->partition_by.substr(0, 14), "BY RANGE (`a`)");
}

TEST(ModelMariadbTest, TriggersOfOneEventKeepTheirOrder) {
  EmptyDatabase first(Dialect::mysql);
  first.run_all({"CREATE TABLE t (a int)",
                 "CREATE TRIGGER zz BEFORE INSERT ON t FOR EACH ROW SET NEW.a = NEW.a * 10",
                 "CREATE TRIGGER aa BEFORE INSERT ON t FOR EACH ROW SET NEW.a = NEW.a + 1"});
  EmptyDatabase second(Dialect::mysql);
  second.make(first.read());
  second.run("INSERT INTO t VALUES (1)");
  EXPECT_EQ(*query_text(second.connection(), "SELECT a FROM t", Call{}), "11");
}

TEST(ModelMariadbTest, ARoutineMeansWhatItMeantToTheSessionThatMadeIt) {
  EmptyDatabase first(Dialect::mysql);
  first.run_all({"SET sql_mode = 'PIPES_AS_CONCAT'",
                 "CREATE FUNCTION glue() RETURNS varchar(9) DETERMINISTIC RETURN 'a' || 'b'"});
  EmptyDatabase second(Dialect::mysql);
  const auto before = query_text(second.connection(), "SELECT @@sql_mode", Call{});
  second.make(first.read());
  EXPECT_EQ(*query_text(second.connection(), "SELECT glue()", Call{}), "ab");
  EXPECT_EQ(*query_text(second.connection(), "SELECT @@sql_mode", Call{}), *before);
}

TEST(ModelMariadbTest, WithoutADatabaseTheRefusalSaysSo) {
  const auto connection = open_database(model_mariadb().address(""));
  const auto read = read_catalogue(*connection, {}, Call{});
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().type, ErrorType::not_found);
}

}  // namespace
}  // namespace dunlin::sql::model
