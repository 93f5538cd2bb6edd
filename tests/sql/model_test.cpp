// The model without a server: order of tables, keys, names, canonical form, differences.
#include "base/json.h"
#include "base/text.h"
#include "sql/model/order.h"
#include "sql/model/types.h"
#include "sql/model_databases.h"

namespace dunlin::sql::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Table table_named(const std::string& name, std::vector<std::string> refers_to = {}) {
  Table table;
  table.name = {"", name};
  for (const std::string& other : refers_to) {
    ForeignKey key;
    key.name = name + "_" + other;
    key.referenced = {"", other};
    table.foreign_keys.push_back(key);
  }
  return table;
}

std::vector<std::string> names_of(const std::vector<Name>& names) {
  std::vector<std::string> out;
  for (const Name& name : names) out.push_back(name.name);
  return out;
}

TEST(ModelOrderTest, WhatIsReferredToComesFirst) {
  Catalogue catalogue;
  catalogue.tables = {table_named("a", {"c"}), table_named("b"), table_named("c", {"d"}),
                      table_named("d", {"elsewhere"})};
  const TableOrder order = order_tables(catalogue);
  EXPECT_THAT(names_of(order.tables), ElementsAre("d", "c", "a", "b"));
  EXPECT_TRUE(order.cycles.empty());
}

TEST(ModelOrderTest, RingsAreToldAndStandTogether) {  // records trap 30
  Catalogue catalogue;
  catalogue.tables = {table_named("after", {"x"}),      table_named("self", {"self"}),
                      table_named("x", {"y"}),          table_named("y", {"z"}),
                      table_named("z", {"x", "first"}), table_named("first")};
  catalogue.sort();
  const TableOrder order = order_tables(catalogue);
  EXPECT_THAT(names_of(order.tables), ElementsAre("first", "x", "y", "z", "after", "self"));
  ASSERT_EQ(order.cycles.size(), 1U);
  EXPECT_THAT(names_of(order.cycles[0]), ElementsAre("x", "y", "z"));
  EXPECT_THAT(names_of(order.self_referencing), ElementsAre("self"));
}

TEST(ModelOrderTest, AChainOfAHundredThousandTablesIsNoRecursion) {
  std::vector<std::vector<std::size_t>> needs(100'000);
  for (std::size_t i = 0; i + 1 < needs.size(); ++i) needs[i] = {i + 1};
  const auto order = order_by_needs(needs);
  ASSERT_EQ(order.size(), needs.size());
  EXPECT_EQ(order.front().front(), needs.size() - 1);
}

Table keyed_table(bool nullable) {
  Table table;
  table.name = {"", "t"};
  for (const char* const name : {"a", "b", "c"}) {
    Column column;
    column.name = name;
    column.nullable = nullable;
    table.columns.push_back(column);
  }
  return table;
}

Index unique_index(const std::string& name, std::vector<std::string> columns) {
  Index index;
  index.name = name;
  index.unique = true;
  for (const std::string& column : columns) {
    index.parts.emplace_back();
    index.parts.back().column = column;
  }
  return index;
}

TEST(ModelRowKeyTest, TheNarrowestKeyThatTellsAllRowsApart) {  // records trap 13
  Table table = keyed_table(false);
  EXPECT_FALSE(row_key(table, Dialect::postgresql).has_value());
  table.indexes = {unique_index("wide", {"a", "b"}), unique_index("slim", {"c"}),
                   unique_index("partial", {"a"})};
  table.indexes[2].predicate = "a > 0";
  EXPECT_EQ(row_key(table, Dialect::postgresql)->name, "slim");
  table.indexes[1].parts[0].prefix = 3;
  EXPECT_EQ(row_key(table, Dialect::mysql)->name, "wide");
  table.columns[0].nullable = true;
  EXPECT_FALSE(row_key(table, Dialect::mysql).has_value()) << "NULLs are not told apart";
}

TEST(ModelRowKeyTest, APrimaryKeyOfSqliteMayHoldNulls) {
  Table table = keyed_table(true);
  table.columns[0].type = type_from_text(Dialect::sqlite, "TEXT");
  table.primary_key = Key{};
  table.primary_key->parts.emplace_back();
  table.primary_key->parts[0].column = "a";
  EXPECT_FALSE(row_key(table, Dialect::sqlite).has_value());
  table.columns[0].type = type_from_text(Dialect::sqlite, "integer");
  EXPECT_TRUE(row_key(table, Dialect::sqlite).has_value()) << "it is the rowid";
}

TEST(ModelNameTest, LongNamesAreCutBetweenCharactersWithAHashOfTheWhole) {  // trap 47
  const std::string euro = "\xE2\x82\xAC";
  std::string name;
  for (int i = 0; i < 30; ++i) name += euro;  // 90 bytes, 30 characters
  EXPECT_EQ(*short_name(name, Dialect::mysql), name);
  EXPECT_EQ(*short_name(name, Dialect::sqlite), name);
  const std::string cut = *short_name(name, Dialect::postgresql);
  EXPECT_EQ(cut.size(), 63U);
  EXPECT_EQ(cut, *short_name(name, Dialect::postgresql));
  EXPECT_NE(cut, *short_name(name + "x", Dialect::postgresql));
  EXPECT_EQ(cut.substr(0, 54), name.substr(0, 54));
  EXPECT_TRUE(is_utf8(*short_name("x" + name, Dialect::postgresql)));
  EXPECT_EQ(*short_name(std::string(63, 'x'), Dialect::postgresql), std::string(63, 'x'));
  EXPECT_EQ(short_name(std::string(65, 'x'), Dialect::mysql)->size(), 64U);
  EXPECT_EQ(short_name("", Dialect::mysql).error().type, ErrorType::invalid_name);
}

TEST(ModelTypeTest, WhatTheServersWordsMean) {
  const Type stamp = type_from_text(Dialect::postgresql, "timestamp(3) with time zone");
  EXPECT_EQ(stamp.kind, TypeKind::timestamp);
  EXPECT_EQ(stamp.precision, 3);
  EXPECT_TRUE(stamp.with_time_zone);
  const Type list = type_from_text(Dialect::postgresql, "character varying(10)[]");
  EXPECT_EQ(list.kind, TypeKind::text);
  EXPECT_TRUE(list.array);
  EXPECT_EQ(list.length, 10);
  EXPECT_EQ(type_from_text(Dialect::postgresql, "numeric(5,-2)").scale, -2);
  EXPECT_EQ(type_from_text(Dialect::postgresql, "app.\"Mood\"").name, "app.\"Mood\"");
  const Type big = type_from_text(Dialect::mysql, "bigint(20) unsigned zerofill");
  EXPECT_EQ(big.size_bits, 64);
  EXPECT_TRUE(big.is_unsigned);
  EXPECT_EQ(type_from_text(Dialect::mysql, "datetime").precision, 0);
  EXPECT_THAT(type_from_text(Dialect::mysql, "set('a,b','c)''d')").labels,
              ElementsAre("a,b", "c)'d"));
  EXPECT_EQ(type_from_text(Dialect::sqlite, "FLOATING POINT").kind, TypeKind::integer)
      << "POINT holds INT: sqlite.org/datatype3.html";
}

Catalogue one_table() {
  Catalogue catalogue;
  catalogue.tables = {keyed_table(true)};
  catalogue.tables[0].indexes = {unique_index("i", {"a"})};
  return catalogue;
}

TEST(ModelDifferencesTest, AreToldByObjectAndName) {
  const Catalogue before = one_table();
  Catalogue after = before;
  after.tables[0].columns[1].nullable = false;
  after.tables[0].columns[2].name = "d";
  after.tables[0].indexes.clear();
  after.tables.push_back(table_named("whole", {"t"}));
  after.tables[0].size = {5, 5};
  EXPECT_EQ(lines_of(differences(before, after)),
            "column t.b: changed: not_null: none → yes\n"
            "column t.c: dropped\n"
            "column t.d: added\n"
            "index t.i: dropped\n"
            "table whole: added\n");
  EXPECT_TRUE(differences(before, before).empty());
}

TEST(ModelDifferencesTest, TheOrderOfColumnsIsADifferenceAColumnMoreIsNot) {
  const Catalogue before = one_table();
  Catalogue after = before;
  after.tables[0].columns.insert(after.tables[0].columns.begin(), Column{});
  after.tables[0].columns[0].name = "new";
  EXPECT_EQ(lines_of(differences(before, after)), "column t.new: added\n");
  std::swap(after.tables[0].columns[1], after.tables[0].columns[2]);
  EXPECT_THAT(lines_of(differences(before, after)), HasSubstr("table t: changed: column_order"));
}

TEST(ModelDifferencesTest, TypesAreToldInTheServersWords) {
  const Catalogue before = one_table();
  Catalogue after = before;
  after.tables[0].columns[0].type = type_from_text(Dialect::postgresql, "bigint");
  EXPECT_THAT(lines_of(differences(before, after)), HasSubstr("column t.a: changed: type: "));
  EXPECT_THAT(lines_of(differences(before, after)), HasSubstr("→ bigint"));
}

TEST(ModelJsonTest, SizesAreNoPartOfTheSchemaAndEverythingElseIs) {
  const Catalogue before = one_table();
  Catalogue after = before;
  after.tables[0].size = {7, 7};
  EXPECT_TRUE(before == after);
  EXPECT_EQ(*fingerprint(before), *fingerprint(after));
  after.tables[0].comment = "x";
  EXPECT_FALSE(before == after);
  EXPECT_NE(*fingerprint(before), *fingerprint(after));
  // An old reading, kept as text, compares with a new one.
  const auto kept = parse_json(dump_json(to_json(before)));
  ASSERT_TRUE(kept.ok());
  EXPECT_EQ(lines_of(differences(*kept, to_json(after))), "table t: changed: comment: none → x\n");
}

}  // namespace
}  // namespace dunlin::sql::model
