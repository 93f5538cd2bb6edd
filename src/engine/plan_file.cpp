// See plan_file.h: what a person named is opened, read as YAML or JSON and decoded; each problem
// gets its line.
#include "engine/plan_file.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include <fmt/format.h>

#include "base/document.h"
#include "base/file_io.h"
#include "base/redact.h"
#include "base/text.h"
#include "base/units.h"
#include "engine/plan.h"
#include "engine/plan_words.h"

namespace dunlin::engine {

namespace {

constexpr std::int64_t kLargestPlan = 16 << 20;

/// Plans in a directory, for somebody who has named another file; a few, sorted.
std::vector<std::string> plans_in(const std::string& directory) {
  constexpr std::size_t kMost = 10'000;  // of entries looked at
  std::vector<std::string> found;
  std::error_code code;
  std::filesystem::directory_iterator entries(directory.empty() ? "." : directory, code);
  for (std::size_t n = 0; !code && n < kMost && entries != std::filesystem::end(entries); ++n) {
    const std::string name = entries->path().filename().native();
    for (const std::string_view ending : {".yaml", ".yml", ".json"})
      if (name.ends_with(ending)) found.push_back(name);
    entries.increment(code);
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::string beside(const std::string& path, const std::string& name) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? name : path.substr(0, slash + 1) + name;
}

Error refused(ErrorType type, std::string message, std::string remedy) {
  Error error(type, std::move(message));
  error.remediation = std::move(remedy);
  return error;
}

Error not_there(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const auto names = plans_in(slash == std::string::npos ? "" : path.substr(0, slash + 1));
  const auto near = nearest_word(path.substr(slash == std::string::npos ? 0 : slash + 1), names);
  return refused(
      ErrorType::not_found,
      fmt::format("there is no file '{}'{}", escape_bytes(path),
                  near ? "; did you mean " + escape_bytes(beside(path, *near)) + "?" : ""),
      "name a plan file, or the id of a stored plan (`dunlin plan list`)");
}

/// Why the file cannot be a plan, before it is opened: what is large is not read.
std::optional<Error> unfit(const std::string& path) {
  const std::string shown = "'" + escape_bytes(path) + "'";
  struct stat about{};
  if (::stat(path.c_str(), &about) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return not_there(path);
    return std::nullopt;  // opening it says why
  }
  if (S_ISDIR(about.st_mode)) {
    const auto names = plans_in(path);
    const std::string folder = path.ends_with('/') ? path : path + "/";
    return refused(ErrorType::invalid_input, shown + " is a directory, not a plan",
                   names.empty() ? "name a plan file"
                                 : "name a plan file in it, such as " + folder + names.front());
  }
  if (S_ISREG(about.st_mode) && about.st_size > kLargestPlan)
    return refused(ErrorType::invalid_input,
                   fmt::format("{} is {} large, and a plan is text of at most {}", shown,
                               format_bytes(about.st_size), format_bytes(kLargestPlan)),
                   "look whether this is the file that you meant");
  return std::nullopt;
}

/// What stands in the line with the mistake may be a password, also a part of one: the mistake is
/// looked for once more where there are none.
PlacedMessage told_without_secrets(const std::string& text, const std::string& path,
                                   const Error& error) {
  const std::string masked = mask_secrets(text, SecretsIn::document, 'x');
  if (masked == text) return placed_message(error, path);
  const auto again = parse_document(masked, path);
  if (!again.ok()) return placed_message(again.error(), path);
  PlacedMessage told = placed_message(error, path);
  told.why =
      "what stands here cannot be read; it is not repeated, since it may be a secret; put "
      "it in quotes";
  return told;
}

}  // namespace

Result<PlanReading> read_plan_file(const std::string& path, const KindRegistry& kinds) {
  if (auto why = unfit(path)) return *std::move(why);
  auto text = read_file(path, kLargestPlan);
  if (!text.ok()) {
    Error error = std::move(text).error();
    if (error.type == ErrorType::permission_denied)
      return refused(ErrorType::invalid_input,
                     fmt::format("you may not read '{}'", escape_bytes(path)),
                     "look at its permissions: ls -l " + shell_quote(path));
    return error;
  }
  PlanReading out;
  out.file = path;
  auto document = parse_document(*text, path);
  if (!document.ok()) {
    const PlacedMessage told = told_without_secrets(*text, path, document.error());
    out.problems.push_back({"", told.why, "", told.at.line, told.at.column});
    return out;
  }
  DecodedPlan decoded = decode_document(document->root(), kinds, true);
  for (auto& problem : decoded.problems) {
    const YamlPosition at = document->position(problem.pointer);
    problem.line = std::max(at.line, 1);
    problem.column = std::max(at.column, 1);
  }
  out.problems = std::move(decoded.problems);
  std::stable_sort(out.problems.begin(), out.problems.end(),
                   [](const PlanProblem& one, const PlanProblem& other) {
                     return std::pair(one.line, one.column) < std::pair(other.line, other.column);
                   });
  if (out.problems.empty()) out.plan = std::move(decoded.plan);
  return out;
}

Error PlanReading::error() const {
  std::vector<std::string> lines;
  for (const auto& problem : problems) {
    const std::string key = problem.key();
    lines.push_back(fmt::format(
        "{}{}: {}{}{}", printable(file),
        problem.line > 0 ? fmt::format(":{}:{}", problem.line, problem.column) : std::string(), key,
        key.empty() ? "" : ": ", printable(redact(problem.message))));
  }
  const std::string shown = shell_quote(file);
  return refused(ErrorType::plan_invalid, fmt::format("{}", fmt::join(lines, "\n")),
                 lines.size() == 1
                     ? fmt::format("correct this line, then `dunlin plan check {}`", shown)
                     : fmt::format("correct these {} lines, then `dunlin plan check {}`",
                                   lines.size(), shown));
}

Result<Plan> load_plan_file(const std::string& path, const KindRegistry& kinds) {
  DUNLIN_ASSIGN(PlanReading reading, read_plan_file(path, kinds));
  if (!reading.plan) return reading.error();
  return *std::move(reading.plan);
}

}  // namespace dunlin::engine
