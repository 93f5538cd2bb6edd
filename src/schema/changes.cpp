#include "schema/changes.h"

#include <fmt/format.h>

#include "base/hash.h"
#include "base/text.h"
#include "schema/content.h"

namespace dunlin::schema {

namespace {

/// Whoever changed more than so many has something else to look at than each of them.
constexpr std::size_t kShownAtOnce = 5;

std::string digest_of(std::string_view sql) {
  const Result<std::string> digest = hash_bytes(HashKind::sha256, sql);
  return digest.ok() ? hex(digest.value()) : std::string("not known");
}

std::string at_places(std::vector<std::string> words, const Places& places, bool with_files) {
  if (!places.databases.empty())
    words.insert(words.end(), {"--db", places.databases.front().text()});
  if (with_files)
    for (const std::string& directory : places.directories)
      words.insert(words.end(), {"--dir", directory});
  return shell_join(words);
}

std::string name_of(Direction direction) {
  return direction == Direction::up ? "up" : "down";
}

}  // namespace

Result<std::string> recorded_sql(Target& target, const std::string& id, Direction direction,
                                 const sql::Call& call) {
  std::optional<std::string> kept;
  if (direction == Direction::up) {
    DUNLIN_ASSIGN(kept, History::kept_up_of(target, id, call));
  } else {
    DUNLIN_ASSIGN(std::optional<Record> record, History(target, Owner{}, "").record_of(id, call));
    if (record) kept = std::move(record->kept_down);
  }
  if (!kept) {
    Error error(ErrorType::not_found, fmt::format("the log has no SQL of '{}' to go {}",
                                                  printable(id), name_of(direction)));
    error.remediation = direction == Direction::up
                            ? "`dunlin migrate status --db URL --dir DIR` shows what is applied"
                            : "it is irreversible: write a new migration that takes it back";
    return error;
  }
  Result<std::string> sql = content_of(*kept);
  if (!sql.ok()) return std::move(sql).error().with_context("reading '" + printable(id) + "'");
  return sql;
}

std::string show_command(const Version& version, const Places& places, bool difference) {
  std::vector<std::string> words = {"dunlin", "migrate", "show", version.text()};
  if (difference) words.emplace_back("--diff");
  return at_places(std::move(words), places, difference);
}

std::string repair_command(const Version& version, const Places& places) {
  return at_places({"dunlin", "migrate", "repair", version.text()}, places, true);
}

std::string shown_difference(const Migration& migration, Direction direction,
                             std::string_view recorded, const DifferenceLimits& limits,
                             const Places& places) {
  const Script& script = direction == Direction::up ? migration.up : migration.down;
  std::string text =
      fmt::format("--- {} ({}, as it was applied)\n+++ {}\n", printable(migration.id),
                  name_of(direction), printable(script.file));
  const auto found = difference_of_texts(recorded, script.sql, limits);
  if (!found)
    return text + fmt::format(
                      "too much of it is different to be shown: {} bytes with the SHA-256 "
                      "{} were applied, {} bytes with {} are in the file; what was "
                      "applied: {}\n",
                      recorded.size(), digest_of(recorded), script.sql.size(),
                      digest_of(script.sql), show_command(migration.version, places, false));
  if (found->text.empty())
    return text + "the SQL is the same, but its checksum is not: it was taken in another way\n";
  text += found->text;
  if (found->left_out > 0)
    text +=
        fmt::format("{} more {}: {}\n", found->left_out, found->left_out == 1 ? "line" : "lines",
                    show_command(migration.version, places, true));
  return text;
}

std::vector<std::string> shown_differences(Target& target, const std::vector<Changed>& changed,
                                           const Places& places, const sql::Call& call) {
  std::vector<std::string> shown;
  for (const Changed& one : changed) {
    if (shown.size() == kShownAtOnce) return shown;
    const Migration& migration = *one.migration;
    const Result<std::string> recorded = recorded_sql(target, migration.id, Direction::up, call);
    shown.push_back(recorded.ok()
                        ? shown_difference(migration, Direction::up, recorded.value(), {}, places)
                        : printable(recorded.error().text()) + "\n");
  }
  return shown;
}

}  // namespace dunlin::schema
