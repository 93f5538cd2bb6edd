#include "sql/script/client_command.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"
#include "sql/script/scanner.h"

namespace dunlin::sql {
namespace {

template <std::size_t Size>
bool is_one_of(std::string_view word, const std::array<std::string_view, Size>& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// Words without effect on the database, and those that dumps write round themselves.
constexpr std::array<std::string_view, 11> kPassedOver = {
    "echo",       "qecho", "warn", "timing", "pset",      "restrict",
    "unrestrict", "x",     "t",    "a",      "errverbose"};
/// Variables that say how psql behaves, where we behave in one way; all others are put into
/// statements (`:name`), which we do not do.
constexpr std::array<std::string_view, 14> kVariables = {
    "ON_ERROR_STOP", "ON_ERROR_ROLLBACK", "QUIET",    "ECHO",        "ECHO_HIDDEN", "VERBOSITY",
    "SHOW_CONTEXT",  "HISTFILE",          "HISTSIZE", "HISTCONTROL", "PROMPT1",     "PROMPT2",
    "PROMPT3",       "COMP_KEYWORD_CASE"};

/// psql's words: by spaces, with '' round what holds some.
std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  std::size_t at = 0;
  while (true) {
    at = line.find_first_not_of(" \t\r", at);
    if (at == std::string_view::npos) return words;
    std::string word;
    bool quoted = false;
    for (; at < line.size(); ++at) {
      const char c = line[at];
      if (c == '\'' && quoted && at + 1 < line.size() && line[at + 1] == '\'') {
        word.push_back(line[++at]);
      } else if (c == '\'') {
        quoted = !quoted;
      } else if (!quoted && (c == ' ' || c == '\t' || c == '\r')) {
        break;
      } else {
        word.push_back(c);
      }
    }
    words.push_back(std::move(word));
  }
}

Error refused(std::string_view name, std::string_view why) {
  return Error(ErrorType::invalid_input, fmt::format("psql's `\\{}` {}", printable(name), why));
}

constexpr std::string_view kBlank = " \t\r";

/// What psql would do with a character of a name that stands in no quotes; empty: nothing.
std::string_view meaning_of(char c, char next) {
  if (kBlank.find(c) != std::string_view::npos)
    return "takes one file; put quotes ('...') round a name with blanks";
  if (c == '`' || c == '"')
    return "takes a name in single quotes, or in none; no command is run for it";
  const bool names_one = std::isalpha(static_cast<unsigned char>(next)) != 0 ||
                         std::string_view("_'\"{").find(next) != std::string_view::npos;
  if (c == ':' && names_one)
    return "with a variable in the name of its file is not supported; write the name";
  return {};
}

/// The name of a file as psql reads one argument: in single quotes where it holds blanks, with what
/// it would put in for it refused by name. Semicolons at its end are none of it.
Result<std::string> file_named(std::string_view name, std::string_view rest) {
  const auto trimmed = [](std::string_view text) {
    text.remove_prefix(std::min(text.find_first_not_of(kBlank), text.size()));
    return text.substr(0, text.find_last_not_of(kBlank) + 1);
  };
  rest = trimmed(rest);
  while (rest.ends_with(';')) rest = trimmed(rest.substr(0, rest.size() - 1));
  std::string file;
  bool quoted = false;
  for (std::size_t at = 0; at < rest.size(); ++at) {
    const char c = rest[at];
    const char next = at + 1 < rest.size() ? rest[at + 1] : '\0';
    if (c == '\\')
      return refused(name, "with a backslash in the name of its file is not supported");
    if (c == '\'' && !(quoted && next == '\'')) {
      quoted = !quoted;
      continue;
    }
    if (c == '\'') ++at;  // it stands twice
    const std::string_view meaning = quoted ? std::string_view() : meaning_of(c, next);
    if (!meaning.empty()) return refused(name, meaning);
    file.push_back(c);
  }
  if (quoted) return refused(name, "takes a file whose name has no end: a quote (') is missing");
  if (file.empty()) return refused(name, "takes one file");
  if (file == "-" || file.starts_with('~'))
    return refused(name, "of the standard input or a home directory is not supported");
  return file;
}

}  // namespace

Result<ClientCommand> client_command(std::string_view line) {
  if (line.starts_with('\\')) line.remove_prefix(1);
  std::size_t end = 0;
  while (end < line.size() && ((line[end] >= 'a' && line[end] <= 'z') || line[end] == '_')) ++end;
  if (end == 0 && !line.empty()) end = 1;  // \! \? \.
  const std::string_view name = line.substr(0, end);
  const std::vector<std::string> words = words_of(line.substr(end));
  if (is_one_of(name, kPassedOver)) return ClientCommand{};
  if (name == "set" || name == "unset") {
    if (!words.empty() && is_one_of(std::string_view(words[0]), kVariables)) return ClientCommand{};
    return refused(name,
                   "of a variable that statements would be changed by is not supported; write "
                   "its value where it is used");
  }
  if (name == "encoding") {
    if (words.size() == 1 &&
        (is_word(words[0], "UTF8") || is_word(words[0], "UTF-8") || is_word(words[0], "UNICODE")))
      return ClientCommand{};
    return refused(name, "of anything but UTF8 is not supported; write the file in UTF-8");
  }
  const bool relative = name == "ir" || name == "include_relative";
  if (relative || name == "i" || name == "include") {
    DUNLIN_ASSIGN(std::string file, file_named(name, line.substr(end)));
    return ClientCommand{relative ? ClientAction::include_relative : ClientAction::include,
                         std::move(file)};
  }
  if (name == "!") return refused(name, "would run a command of the shell; it is never run");
  if (name == ".") return refused(name, "ends the data of a COPY, and there is none");
  if (name == "c" || name == "connect")
    return refused(name,
                   "would change the database in the midst of a script; name the other one as "
                   "a target of its own");
  if (name == "copy")
    return refused(name,
                   "reads or writes files beside the database; write COPY ... FROM STDIN with "
                   "its data, or load them in a migration of rows");
  return refused(name, "is not supported in a script; remove the line, or write it as SQL");
}

}  // namespace dunlin::sql
