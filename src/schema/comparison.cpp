#include "schema/comparison.h"

#include "base/text.h"

namespace dunlin::schema {

namespace {

std::string_view words_for(Change change) {
  switch (change) {
    case Change::none:
      return "";
    case Change::bytes:
      return "only in comments, line ends, white space at their ends or encoding";
    case Change::text:
      return "only in white space";
    case Change::statements:
      return "in its statements";
    case Change::algorithm:
      return "by a checksum that this version does not know";
  }
  return "";
}

}  // namespace

std::string_view name_of(Change change) {
  switch (change) {
    case Change::none:
      return "none";
    case Change::bytes:
      return "bytes";
    case Change::text:
      return "text";
    case Change::statements:
      return "statements";
    case Change::algorithm:
      return "algorithm";
  }
  return "";
}

bool is_to_be_repeated(const Migration& migration, const Applied& applied) {
  return migration.version.is_repeatable() &&
         is_another(change_between(applied.checksum, migration.checksum));
}

Misfits compare(const Migrations& migrations, const std::map<Version, Applied>& applied) {
  Misfits misfits;
  const Migration* last = nullptr;       // applied, as far as files go
  const Applied* last_of_all = nullptr;  // by number
  FindInOrder files(migrations);
  for (const auto& [version, row] : applied) {
    const Migration* const file = files.find(version);
    if (!version.is_repeatable()) last_of_all = &row;
    if (file == nullptr) {
      if (!version.is_repeatable())
        misfits.missing.push_back("'" + printable(row.id) +
                                  "' is applied, but its file is missing");
      continue;
    }
    if (version.is_repeatable()) continue;
    if (last == nullptr || last->rank < file->rank) last = file;
    const Change change = change_between(row.checksum, file->checksum);
    if (change == Change::none) continue;
    auto& list = is_another(change) ? misfits.changed : misfits.retouched;
    list.push_back({"'" + printable(file->up.file) + "' was changed after it had been applied, " +
                        std::string(words_for(change)),
                    file, change});
  }
  FindInOrder rows(applied);
  for (const auto& [version, migration] : migrations) {
    if (version.is_repeatable() || rows.find(version) != nullptr) continue;
    const bool before_last = last != nullptr && migration.rank < last->rank;
    const bool before_missing = last_of_all != nullptr &&
                                !migrations.contains(version_of(last_of_all->id)) &&
                                version < version_of(last_of_all->id);
    if (!before_last && !before_missing) continue;
    misfits.out_of_order.push_back(
        "'" + printable(migration.id) + "' is not applied, but is older than '" +
        printable(before_last ? last->id : last_of_all->id) + "', which is");
  }
  return misfits;
}

std::string difference_of(const Migrations& migrations, const Version& version,
                          const std::optional<Applied>& row) {
  if (!row) return "is not in the history";
  const auto file = migrations.find(version);
  if (file == migrations.end()) return "its file is missing";
  const Change change = change_between(row->checksum, file->second.checksum);
  return is_another(change) ? "its file was changed after it had been applied" : "";
}

}  // namespace dunlin::schema
