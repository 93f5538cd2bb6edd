#include "schema/ordering.h"

#include <algorithm>
#include <map>

#include "base/text.h"

namespace dunlin::schema {

namespace {

/// Who is waited for is walked back until one comes up for the second time.
std::string circle_in(const std::map<Version, std::set<Version>>& waits) {
  std::vector<Version> way = {waits.begin()->first};
  while (true) {
    const Version next = *waits.at(way.back()).begin();
    const auto seen = std::find(way.begin(), way.end(), next);
    if (seen != way.end()) {
      std::string text;
      for (auto one = seen; one != way.end(); ++one)
        text += printable(one->text()) + " depends on ";
      return text + printable(next.text());
    }
    way.push_back(next);
  }
}

}  // namespace

Status set_ranks(Migrations& migrations, const std::set<Version>& elsewhere) {
  std::size_t rank = 0;
  const bool nobody_waits = std::all_of(migrations.begin(), migrations.end(), [](const auto& one) {
    return one.second.depends_on.empty();
  });
  if (nobody_waits) {
    for (auto& [version, migration] : migrations) migration.rank = ++rank;
    return success();
  }
  std::map<Version, std::set<Version>> waits;             // for what
  std::map<Version, std::vector<Version>> is_waited_for;  // by whom
  std::set<Version> ready;
  std::string missing;
  for (const auto& [version, migration] : migrations) {
    for (const Version& on : migration.depends_on) {
      if (elsewhere.contains(on)) continue;
      if (!migrations.contains(on)) {
        missing += (missing.empty() ? "" : "; ") + printable(migration.up.file) + ": depends on " +
                   printable(on.text()) + ", which is not there";
        continue;
      }
      waits[version].insert(on);
      is_waited_for[on].push_back(version);
    }
    if (!waits.contains(version)) ready.insert(ready.end(), version);
  }
  if (!missing.empty()) return Error(ErrorType::invalid_input, missing);
  while (!ready.empty()) {
    const Version next = *ready.begin();
    ready.erase(ready.begin());
    migrations.at(next).rank = ++rank;
    for (const Version& other : is_waited_for[next]) {
      const auto left = waits.find(other);
      left->second.erase(next);
      if (!left->second.empty()) continue;
      waits.erase(left);
      ready.insert(other);
    }
  }
  if (waits.empty()) return success();
  return Error(ErrorType::invalid_input,
               "migrations wait for each other in a circle: " + circle_in(waits) +
                   "; take one of these `-- dunlin:depends_on` out");
}

std::vector<const Migration*> in_order(const Migrations& migrations) {
  std::vector<const Migration*> order(migrations.size());
  for (const auto& [version, migration] : migrations) order[migration.rank - 1] = &migration;
  return order;
}

std::set<Version> with_dependencies(const Migrations& migrations, const std::set<Version>& wanted) {
  std::set<Version> all;
  std::vector<Version> open(wanted.begin(), wanted.end());
  while (!open.empty()) {
    const Version next = std::move(open.back());
    open.pop_back();
    const auto found = migrations.find(next);
    if (found == migrations.end() || !all.insert(next).second) continue;
    open.insert(open.end(), found->second.depends_on.begin(), found->second.depends_on.end());
  }
  return all;
}

}  // namespace dunlin::schema
