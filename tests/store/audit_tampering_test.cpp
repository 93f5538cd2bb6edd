// The proof that the audit log stands as it was written: entries changed, removed, swapped, the
// tail cut, by somebody who writes the state directory as he likes and does not have the key.
#include <map>
#include <numeric>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/rng.h"
#include "base/text.h"
#include "sql/sqlite.h"
#include "store/audit_key.h"
#include "store/ledger_codec.h"
#include "store/ledger_fixture.h"
#include "store/state_directory.h"

namespace dunlin::store {
namespace {

using namespace test;
using ::testing::HasSubstr;

constexpr int kPlaces = 200;
constexpr std::int64_t kBatches = 200;
constexpr std::int64_t kEntries = kBatches + 3;  // taken over, started, completed

/// A connection of somebody else's, who flushes nothing.
sql::Database open_raw(const std::string& path) {
  sql::OpenOptions options;
  options.create = false;
  options.foreign_keys = false;
  options.synchronous_full = false;
  auto opened = sql::Database::open(path, options);
  EXPECT_TRUE(opened.ok()) << opened.error().text();
  return std::move(*opened);
}

/// An audit entry as it stands in the file.
struct Row {
  AuditRow entry;
  std::string hash;
  std::string seal;
};

/// What somebody does who has the file and not the key.
class Attacker {
 public:
  Attacker(const std::string& ledger, const std::string& state_db)
      : ledger_(open_raw(ledger)), state_db_(state_db) {
    auto row = ledger_.prepare(
        "SELECT sequence, time_ms, actor, action, detail_json, hash, seal FROM audit ORDER BY "
        "sequence");
    while (*row->step()) {
      Row one;
      one.entry.sequence = row->column_int64(0);
      one.entry.time_ms = row->column_int64(1);
      one.entry.actor = row->column_string(2);
      one.entry.action = row->column_string(3);
      one.entry.detail_json = row->column_string(4);
      one.hash = row->column_blob(5);
      one.seal = row->column_blob(6);
      rows.push_back(std::move(one));
    }
  }

  std::vector<Row> rows;

  /// Numbers and hashes of all as they have to be.
  void compute_anew() {
    auto hasher = Hasher::create(HashKind::sha256);
    std::string head(32, '\0');
    for (std::size_t i = 0; i < rows.size(); ++i) {
      rows[i].entry.sequence = static_cast<std::int64_t>(i) + 1;
      head = audit_hash(*hasher, head, rows[i].entry);
      rows[i].hash = head;
    }
  }
  /// Writes them back; `state_too`: and says in the ledger's own row that there are no others.
  void write(bool state_too) {
    run(ledger_, "BEGIN IMMEDIATE");
    run(ledger_, "DELETE FROM audit");
    for (const Row& row : rows) {
      const Status inserted = ledger_.run(
          "INSERT INTO audit VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)", row.entry.sequence,
          row.entry.time_ms, row.entry.actor, row.entry.action, row.entry.detail_json,
          sql::Blob{row.hash},
          row.seal.empty() ? std::optional<sql::Blob>() : std::optional(sql::Blob{row.seal}));
      EXPECT_TRUE(inserted.ok()) << inserted.error().text();
    }
    if (state_too) {
      const std::string head = rows.empty() ? std::string(32, '\0') : rows.back().hash;
      EXPECT_TRUE(ledger_
                      .run("UPDATE state SET audit_entries = ?1, audit_head = ?2",
                           static_cast<std::int64_t>(rows.size()), sql::Blob{head})
                      .ok());
    }
    run(ledger_, "COMMIT");
  }
  /// The anchor as it would have to be for these rows, with the seal that there is.
  void move_anchor() {
    sql::Database state = open_raw(state_db_);
    EXPECT_TRUE(state
                    .run("UPDATE audit_anchor SET sequence = ?1, hash = ?2",
                         rows.back().entry.sequence, hex(rows.back().hash))
                    .ok());
  }

 private:
  static void run(sql::Database& database, std::string_view sql) {
    const Status status = database.exec(sql);
    EXPECT_TRUE(status.ok()) << status.error().text();
  }
  sql::Database ledger_;
  std::string state_db_;
};

class AuditTampering : public ::testing::Test {
 protected:
  void SetUp() override {
    key_path_ = folder_ / "key/audit.key";
    auto opened = StateDirectory::open(folder_ / "state", clock_);
    ASSERT_TRUE(opened.ok()) << opened.error().text();
    state_ = std::move(*opened);
    state_->use_audit_key({key_path_, true});
    id_ = execution_row().id;
    const Status created = state_->create_ledger(execution_row());
    ASSERT_TRUE(created.ok()) << created.error().text();
    auto made = state_->open_ledger(id_);
    ASSERT_TRUE(made.ok()) << made.error().text();
    record(**made);
    ASSERT_TRUE(state_->anchor_audit(id_, **made).ok());
    made->reset();
    file_ = state_->execution_path(id_) + "/ledger.db";
    keys_.push_back(*AuditKey::load(key_path_));
    keep();
  }

  /// An execution as the engine records it: taken over, started, its batches one by one, ended.
  static void record(Ledger& ledger) {
    const auto epoch = ledger.take_over(R"({"uid": 1000, "pid": 4711, "host": "here"})");
    ASSERT_TRUE(epoch.ok());
    AppendWork work;
    work.tasks = {task(1)};
    for (std::int64_t i = 1; i <= kBatches; ++i) work.batches.push_back(batch(i, 1, 2 * i - 1, 2));
    work.complete = true;
    must_apply(ledger, {work, SetStatus{}}, *epoch);
    std::vector<Mutation> all;
    for (std::int64_t i = 1; i <= kBatches; ++i) {
      all.emplace_back(start({{i, 1}}));
      all.emplace_back(end(i, 1, BatchResult::done, {completed(2 * i - 1), completed(2 * i)}));
    }
    must_apply(ledger, std::move(all), *epoch);
    SetStatus completed_now;
    completed_now.to = ExecutionStatus::completed;
    must_apply(ledger, {completed_now}, *epoch);
  }

  /// The ledger as it is now (its log folded in), and back to it; the same for the anchor.
  void keep() {
    anchor_ = *state_->store().audit_anchor(id_);
    {
      const auto ledger = SqliteLedger::open(file_, false, clock_);
      ASSERT_TRUE(ledger.ok());
      ASSERT_TRUE((*ledger)->checkpoint_wal().ok());
    }
    std::filesystem::copy_file(file_, file_ + ".kept");
  }
  void bring_back() {
    for (const char* end : {"-wal", "-shm"}) std::filesystem::remove(file_ + end);
    std::filesystem::copy_file(file_ + ".kept", file_,
                               std::filesystem::copy_options::overwrite_existing);
    sql::Database state = open_raw(state_file());
    EXPECT_TRUE(state
                    .run("UPDATE audit_anchor SET sequence = ?1, hash = ?2, seal = ?3",
                         anchor_.sequence, anchor_.hash, anchor_.seal)
                    .ok());
  }
  [[nodiscard]] std::string state_file() const { return state_->path() + "/state.db"; }

  AuditProof prove() {
    auto proof = state_->prove_audit(id_, keys_);
    EXPECT_TRUE(proof.ok()) << proof.error().text();
    return proof.ok() ? *std::move(proof) : AuditProof{};
  }
  AuditProof prove_without_key() {
    auto proof = state_->prove_audit(id_, {});
    EXPECT_TRUE(proof.ok()) << proof.error().text();
    return proof.ok() ? *std::move(proof) : AuditProof{};
  }
  Attacker attacker() { return {file_, state_file()}; }

  ScratchFolder folder_;
  SystemClock clock_;
  std::string key_path_;
  std::unique_ptr<StateDirectory> state_;
  ExecutionId id_;
  std::string file_;
  std::vector<AuditKey> keys_;
  AuditAnchor anchor_;
};

TEST_F(AuditTampering, ARecordThatNobodyTouchedIsWhole) {
  const AuditProof proof = prove();
  EXPECT_TRUE(proof.whole()) << (proof.difference         ? proof.difference->text
                                 : proof.unproven.empty() ? ""
                                                          : proof.unproven.front());
  EXPECT_EQ(proof.entries, kEntries);
  EXPECT_EQ(proof.sealed, proof.entries);
  EXPECT_EQ(proof.anchored, proof.entries);
}

/// What is done at one place; the first entry that is then wrong.
struct Deed {
  std::string what;
  std::int64_t first_wrong = 0;
};

Deed do_at(std::vector<Row>& rows, std::size_t at, int kind, Rng& rng) {
  const auto sequence = static_cast<std::int64_t>(at) + 1;
  switch (kind) {
    case 0: {
      AuditRow& entry = rows[at].entry;
      const auto which = rng.below(4);
      if (which == 0) entry.actor = "uid 0 (cli)";
      if (which == 1) entry.action += "x";
      if (which == 2) entry.time_ms += 1;
      if (which == 3) entry.detail_json.insert(1, "\"x\":1,");
      return {"changed", sequence};
    }
    case 1:
      rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(at));
      return {"removed", sequence};
    case 2: {
      const std::size_t other = at + 1 < rows.size() ? at + 1 : at - 1;
      std::swap(rows[at].entry, rows[other].entry);
      std::swap(rows[at].entry.sequence, rows[other].entry.sequence);
      return {"swapped", std::min(sequence, static_cast<std::int64_t>(other) + 1)};
    }
    default:
      rows.resize(at);
      return {"cut", sequence};
  }
}

// What the issue asks for: 200 places, each of the four deeds, as it is and with all numbers,
// hashes and the ledger's own count computed anew; the first wrong entry is named each time. Eleven
// seconds of processor time, for 1,600 rewritten ledgers.
TEST_F(AuditTampering, AnEntryChangedRemovedSwappedOrTheTailCutIsFoundAt200Places) {
  Rng rng(28);
  std::vector<std::size_t> places(static_cast<std::size_t>(kEntries));
  std::iota(places.begin(), places.end(), 0U);
  for (std::size_t i = places.size() - 1; i > 0; --i)
    std::swap(places[i], places[rng.below(i + 1)]);
  places.resize(kPlaces);
  std::map<std::string, int> found;
  for (const std::size_t at : places) {
    for (int kind = 0; kind < 4; ++kind) {
      for (const bool anew : {false, true}) {
        bring_back();
        Deed deed;
        {
          Attacker attack = attacker();
          deed = do_at(attack.rows, at, kind, rng);
          if (anew) attack.compute_anew();
          attack.write(anew);
        }
        const AuditProof proof = prove();
        const std::string where = deed.what + (anew ? ", computed anew" : "") + ", at entry " +
                                  std::to_string(deed.first_wrong);
        ASSERT_TRUE(proof.difference) << where;
        EXPECT_EQ(proof.difference->entry, deed.first_wrong) << where << proof.difference->text;
        ++found[deed.what + (anew ? "+" : "")];
      }
    }
  }
  EXPECT_EQ(found.size(), 8U);
  for (const auto& [what, times] : found) EXPECT_EQ(times, kPlaces) << what;
  bring_back();
  EXPECT_TRUE(prove().whole()) << "as it was it is proven again";
}

TEST_F(AuditTampering, WhoTakesTheSealsOffIsFound) {
  Rng rng(29);
  for (int round = 0; round < 20; ++round) {
    bring_back();
    const std::size_t at = 1 + rng.below(static_cast<std::uint64_t>(kBatches));
    {
      Attacker attack = attacker();
      attack.rows[at].entry.actor = "nobody";
      for (std::size_t i = at; i < attack.rows.size(); ++i) attack.rows[i].seal.clear();
      attack.compute_anew();
      attack.write(true);
      attack.move_anchor();
    }
    const AuditProof proof = prove();
    ASSERT_TRUE(proof.difference);
    EXPECT_EQ(proof.difference->entry, static_cast<std::int64_t>(at) + 1) << proof.difference->text;
  }
  bring_back();
  {
    Attacker attack = attacker();
    for (Row& row : attack.rows) row.seal.clear();
    attack.write(true);
  }
  const AuditProof bare = prove();
  EXPECT_FALSE(bare.whole()) << "no seal at all is never called intact";
}

TEST_F(AuditTampering, AnAnchorMovedBackToTheCutIsFound) {
  {
    Attacker attack = attacker();
    attack.rows.resize(100);
    attack.write(true);
    attack.move_anchor();
  }
  const AuditProof proof = prove();
  ASSERT_TRUE(proof.difference);
  EXPECT_THAT(proof.difference->text, HasSubstr("state.db"));
}

TEST_F(AuditTampering, AnAnchorWithoutItsSealIsFound) {
  {
    Attacker attack = attacker();
    attack.rows.resize(100);
    attack.write(true);
    attack.move_anchor();
    ASSERT_TRUE(open_raw(state_file()).exec("UPDATE audit_anchor SET seal = ''").ok());
  }
  ASSERT_TRUE(prove().difference);
  ASSERT_TRUE(open_raw(state_file()).exec("DELETE FROM audit_anchor").ok());
  EXPECT_FALSE(prove().whole()) << "without an anchor the end is not proven";
}

TEST_F(AuditTampering, OutcomesThatWereChangedAreFoundThroughTheirBatch) {
  {
    sql::Database database = open_raw(file_);
    ASSERT_TRUE(database.exec("UPDATE outcome SET checksum = 'md5:0' WHERE item_id = 77").ok());
  }
  const AuditProof proof = prove();
  ASSERT_TRUE(proof.difference);
  EXPECT_THAT(proof.difference->text, HasSubstr("batch 39"));
}

TEST_F(AuditTampering, WithoutTheKeyTheChainIsProvenAndNotWhoWroteIt) {
  const AuditProof proof = prove_without_key();
  EXPECT_FALSE(proof.difference);
  EXPECT_EQ(proof.entries, kEntries);
  EXPECT_EQ(proof.sealed, 0);
  ASSERT_EQ(proof.unproven.size(), 2U);
  EXPECT_THAT(proof.unproven[0], HasSubstr("entries 1 to 203 are sealed with the key " +
                                           keys_.front().name() + ", which is not here"));
  EXPECT_THAT(proof.unproven[1], HasSubstr("not proven"));
  {
    Attacker attack = attacker();
    attack.rows[9].entry.actor = "nobody";
    attack.compute_anew();
    attack.write(true);
  }
  ASSERT_TRUE(prove_without_key().difference) << "state.db knows another last entry";
}

TEST_F(AuditTampering, EntriesAfterTheAnchorAreNoDifference) {
  {
    auto ledger = state_->open_ledger(id_);
    ASSERT_TRUE(ledger.ok());
    const auto epoch = (*ledger)->take_over("{}");  // and then it was killed
    ASSERT_TRUE(epoch.ok());
  }
  AuditProof proof = prove();
  EXPECT_TRUE(proof.whole()) << "the anchor lags behind, and that is no finding";
  EXPECT_EQ(proof.anchored, proof.entries - 1);
  auto ledger = state_->open_ledger(id_);
  ASSERT_TRUE(state_->anchor_audit(id_, **ledger).ok());
  proof = prove();
  EXPECT_TRUE(proof.whole());
  EXPECT_EQ(proof.anchored, proof.entries);
}

TEST_F(AuditTampering, WhoGoesOnWithACutRecordDoesNotHideTheCut) {
  {
    Attacker attack = attacker();
    attack.rows.resize(attack.rows.size() - 2);
    attack.write(true);
  }
  {
    auto ledger = state_->open_ledger(id_);
    ASSERT_TRUE(ledger.ok());
    for (int i = 0; i < 4; ++i) ASSERT_TRUE((*ledger)->take_over("{}").ok());
    const Status anchored = state_->anchor_audit(id_, **ledger);
    ASSERT_FALSE(anchored.ok());
    EXPECT_EQ(anchored.error().type, ErrorType::state_corrupt);
    EXPECT_THAT(anchored.error().remediation, HasSubstr("dunlin audit verify"));
  }
  const AuditProof proof = prove();
  ASSERT_TRUE(proof.difference);
  EXPECT_EQ(proof.difference->entry, kEntries) << "what state.db knew is another entry";
}

TEST_F(AuditTampering, ALedgerThatIsGoneIsADifferenceAndNotForgotten) {
  std::filesystem::remove_all(state_->execution_path(id_));
  const AuditProof proof = prove();
  ASSERT_TRUE(proof.difference);
  EXPECT_THAT(proof.difference->text, HasSubstr("gone"));
  EXPECT_EQ(state_->store().anchored_executions()->size(), 1U);
}

TEST_F(AuditTampering, AnotherKeySealsWhatComesAfterItAndBothTogetherProveAll) {
  state_->use_audit_key({folder_ / "new/audit.key", true});
  {
    auto ledger = state_->open_ledger(id_);
    ASSERT_TRUE((*ledger)->take_over("{}").ok());
    ASSERT_TRUE(state_->anchor_audit(id_, **ledger).ok());
  }
  AuditProof proof = prove();
  EXPECT_FALSE(proof.difference);
  EXPECT_FALSE(proof.whole());
  EXPECT_EQ(proof.sealed, kEntries);
  keys_.push_back(*AuditKey::load(folder_ / "new/audit.key"));
  EXPECT_TRUE(prove().whole());
}

TEST_F(AuditTampering, ASealedRecordIsNotGoneOnWithWithoutAKey) {
  state_->use_audit_key({"/proc/dunlin/audit.key", false});
  const auto ledger = state_->open_ledger(id_);
  ASSERT_FALSE(ledger.ok());
  EXPECT_THAT(ledger.error().remediation, HasSubstr("--audit-key-file"));
  EXPECT_TRUE(state_->open_ledger(id_, true).ok()) << "it may be looked at";
}

TEST_F(AuditTampering, AKeyInTheStateDirectoryIsRefused) {
  state_->use_audit_key({state_->path() + "/audit.key", true});
  const auto ledger = state_->open_ledger(id_);
  ASSERT_FALSE(ledger.ok());
  EXPECT_THAT(ledger.error().text(), HasSubstr("lies in the state directory"));
}

TEST_F(AuditTampering, EntriesSayWhoTookItOverAndFromWhere) {
  const auto ledger = state_->open_ledger(id_, true);
  const auto entries = (*ledger)->audit(0, 1);
  ASSERT_EQ(entries->size(), 1U);
  EXPECT_EQ(entries->front().action, "execution.taken_over");
  EXPECT_EQ(entries->front().actor, "uid 1000 (process 4711 on here)");
}

}  // namespace
}  // namespace dunlin::store
