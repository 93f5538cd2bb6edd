// See owner_map.h.
#include "files/owner_map.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

#include <grp.h>
#include <pwd.h>

#include "base/text.h"

namespace dunlin::files {
namespace {

constexpr std::size_t kEntryBytes = 64 << 10;  // of one user or group with all its members
/// (uid_t)-1 means "leave it" to chown(2).
constexpr std::uint32_t kLast = std::numeric_limits<std::uint32_t>::max() - 1;

std::optional<std::uint32_t> number_of(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || number > kLast)
    return std::nullopt;
  return number;
}

std::optional<std::uint32_t> user_named(const std::string& name) {
  std::vector<char> buffer(kEntryBytes);
  passwd entry{};
  passwd* found = nullptr;
  ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  return found != nullptr ? std::optional(found->pw_uid) : std::nullopt;
}

std::optional<std::uint32_t> group_named(const std::string& name) {
  std::vector<char> buffer(kEntryBytes);
  group entry{};
  group* found = nullptr;
  ::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  return found != nullptr ? std::optional(found->gr_gid) : std::nullopt;
}

using Named = std::optional<std::uint32_t> (*)(const std::string&);

std::optional<std::uint32_t> id_of(std::string_view text, Named named) {
  if (const auto number = number_of(text)) return number;
  return text.empty() ? std::nullopt : named(std::string(text));
}

std::optional<std::pair<std::uint32_t, std::uint32_t>> range_of(std::string_view text,
                                                                Named named) {
  if (text == "*") return std::pair(std::uint32_t{0}, kLast);
  if (const std::size_t dash = text.find('-'); dash != std::string_view::npos) {
    const auto first = number_of(text.substr(0, dash));
    const auto last = number_of(text.substr(dash + 1));
    if (first && last && *first <= *last) return std::pair(*first, *last);
  }
  const auto one = id_of(text, named);
  return one ? std::optional(std::pair(*one, *one)) : std::nullopt;
}

template <typename Rule>
Status parse(std::string_view text, Named named, std::string_view noun, std::vector<Rule>& rules) {
  rules.clear();
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    const std::string_view rule = text.substr(begin, comma - begin);
    begin = comma + 1;
    const std::size_t colon = std::min(rule.find(':'), rule.size());
    const auto from = range_of(rule.substr(0, colon), named);
    const auto to = colon < rule.size() ? id_of(rule.substr(colon + 1), named) : std::nullopt;
    if (!from || !to) {
      return Error(ErrorType::invalid_input,
                   "\"" + escape_bytes(rule) + "\" is no rule FROM:TO with " + std::string(noun) +
                       " of this machine, numbers, a range 1000-1999 or * for all others");
    }
    rules.push_back({from->first, from->second, *to});
  }
  return success();
}

template <typename Rule>
std::uint32_t apply(const std::vector<Rule>& rules, std::uint32_t id) {
  const auto fits = std::find_if(rules.begin(), rules.end(), [&](const Rule& rule) {
    return rule.first <= id && id <= rule.last;
  });
  return fits == rules.end() ? id : fits->to;
}

}  // namespace

Status OwnerMap::set_users(std::string_view rules) {
  return parse(rules, user_named, "users", users_);
}

Status OwnerMap::set_groups(std::string_view rules) {
  return parse(rules, group_named, "groups", groups_);
}

fs::FileInfo OwnerMap::mapped(fs::FileInfo info) const {
  info.uid = apply(users_, info.uid);
  info.gid = apply(groups_, info.gid);
  return info;
}

}  // namespace dunlin::files
