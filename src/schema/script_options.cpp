#include "schema/script_options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include <fmt/format.h>

#include "base/text.h"
#include "schema/discovery.h"

namespace dunlin::schema {

namespace {

constexpr std::string_view kOption = "-- dunlin:";
constexpr std::array<std::string_view, 8> kOptionKeys = {
    "transaction", "timeout", "lock_timeout", "irreversible",
    "depends_on",  "tags",    "provider",     "requires"};
constexpr std::array<std::string_view, 5> kProducts = {"postgresql", "mariadb", "mysql", "sqlite",
                                                       "sqlserver"};
constexpr std::int64_t kTimeoutMax_s = 30 * 24 * 3600;

/// Words with commas or blanks between.
std::vector<std::string> list_of(std::string_view text) {
  std::vector<std::string> words;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find_first_of(", \t", begin), text.size());
    if (end > begin) words.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

/// Lower case, and PostgreSQL under each of its names.
std::string product_of(std::string_view word) {
  std::string name(word);
  std::transform(name.begin(), name.end(), name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  });
  return name == "postgres" ? "postgresql" : name;
}

bool is_product(const std::string& name) {
  return std::find(kProducts.begin(), kProducts.end(), name) != kProducts.end();
}

class OptionReader {
 public:
  explicit OptionReader(bool has_files) : has_files_(has_files) {}

  Status set(std::string_view key, std::string_view value) {
    key_ = key;
    const bool yes = value.empty() || value == "true";
    if (key == "transaction" || key == "irreversible") {
      if (!yes && value != "false") return bad("write true or false behind it");
      if (key == "transaction") options.transaction = yes;
      if (key == "irreversible") options.irreversible = yes;
      return success();
    }
    if (key == "timeout") return seconds(value, options.statement_timeout_ms);
    if (key == "lock_timeout") return seconds(value, options.lock_timeout_ms);
    if (key == "depends_on" || key == "tags") {
      auto& list = key == "tags" ? options.tags : options.depends_on;
      const auto words = list_of(value);
      if (words.empty()) return bad("write what behind it");
      list.insert(list.end(), words.begin(), words.end());
      return success();
    }
    if (key == "provider") return providers(value);
    if (key == "requires") return requirement(value);
    if (key == "up" || key == "down") return success();  // where a part begins
    if (key == "begin_file" || key == "end_file") {      // includes.h
      if (has_files_) return success();
      return bad("it is a mark of dunlin's own; write `\\ir FILE` to take a file in");
    }
    const auto near = nearest_word(key, std::span<const std::string_view>(kOptionKeys));
    return bad("there is no such option" +
               (near ? "; write " + std::string(*near) : std::string()));
  }

  ScriptOptions options;

 private:
  [[nodiscard]] Error bad(const std::string& why) const {
    return Error(ErrorType::invalid_input,
                 "`" + printable(std::string(kOption) + std::string(key_)) + "`: " + why);
  }

  Status seconds(std::string_view value, std::int64_t& ms) const {
    std::int64_t number = 0;
    const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (code != std::errc() || end != value.data() + value.size() || number < 0 ||
        number > kTimeoutMax_s)
      return bad("write a number of seconds behind it (0: as long as it takes)");
    ms = number * 1000;
    return success();
  }

  Status providers(std::string_view value) {
    for (const std::string& word : list_of(value)) {
      const std::string name = product_of(word);
      if (!is_product(name))
        return bad("there is no '" + printable(word) +
                   "'; write one or several of postgresql, mysql, mariadb, sqlite, sqlserver");
      options.providers.push_back(name);
    }
    return options.providers.empty() ? Status(bad("write which databases it is for")) : success();
  }

  Status requirement(std::string_view value) {
    const std::size_t sign = value.find(">=");
    Requirement one;
    if (sign != std::string_view::npos) {
      const auto product = list_of(value.substr(0, sign));
      const auto version = list_of(value.substr(sign + 2));
      if (product.size() == 1 && version.size() == 1) {
        one.product = product_of(product.front());
        one.at_least = version.front();
      }
    }
    const Version version = version_of(one.at_least);
    if (!is_product(one.product) || version.empty() || version.is_repeatable())
      return bad("write for example: postgresql >= 16");
    options.requirements.push_back(std::move(one));
    return success();
  }

  bool has_files_;
  std::string_view key_;
};

/// What other tools say in words of their own.
Status options_of_others(std::string_view line, ScriptOptions& options) {
  const bool of_dbmate = line.starts_with("-- migrate:up ") || line.starts_with("-- migrate:down ");
  if (line.starts_with("-- +goose NO TRANSACTION") ||
      (of_dbmate && line.find("transaction:false") != std::string_view::npos))
    options.transaction = false;
  if (!line.starts_with("-- +goose ENVSUB ON")) return success();
  return Error(ErrorType::invalid_input,
               "values of the environment are not put into scripts: write them here");
}

}  // namespace

bool ScriptOptions::is_for(sql::Dialect dialect) const {
  if (providers.empty()) return true;
  return std::any_of(providers.begin(), providers.end(), [&](const std::string& name) {
    switch (dialect) {
      case sql::Dialect::postgresql:
        return name == "postgresql";
      case sql::Dialect::mysql:
        return name == "mysql" || name == "mariadb";
      case sql::Dialect::sqlite:
        return name == "sqlite";
      default:
        return name == "sqlserver";
    }
  });
}

Result<ScriptOptions> script_options(const Script& script) {
  OptionReader reader(script.has_files);
  std::int64_t line = script.first_line;
  const std::string_view text = script.sql;
  for (std::size_t begin = 0; begin < text.size(); ++line) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view one = text.substr(begin, end - begin);
    begin = end + 1;
    if (!one.starts_with("-- ")) continue;
    if (Status others = options_of_others(one, reader.options); !others.ok())
      return in_file(script.file, std::move(others).error(), line);
    if (!one.starts_with(kOption)) continue;
    one.remove_prefix(kOption.size());
    one = one.substr(0, one.find_last_not_of(" \t\r") + 1);
    const std::size_t key_end = std::min(one.find_first_of(": \t"), one.size());
    const std::size_t value = std::min(one.find_first_not_of(": \t", key_end), one.size());
    const std::size_t known = reader.options.requirements.size();
    if (Status set = reader.set(one.substr(0, key_end), one.substr(value)); !set.ok())
      return in_file(script.file, std::move(set).error(), line);
    for (std::size_t i = known; i < reader.options.requirements.size(); ++i)
      reader.options.requirements[i].line = line;
  }
  return std::move(reader.options);
}

std::string unmet(const Requirement& requirement, const sql::ServerInfo& server) {
  if (product_of(server.product) != requirement.product) return {};
  const Version wanted = version_of(requirement.at_least);
  if (!(version_of(server.version) < wanted)) return {};
  return fmt::format("it requires {} {} or newer, and the server is {} {}", requirement.product,
                     wanted.text(), printable(server.product), printable(server.version));
}

Error in_file(const std::string& file, Error error, std::int64_t line) {
  error.message = printable(file) + (line > 0 ? ":" + std::to_string(line) : std::string()) + ": " +
                  error.message;
  return error;
}

}  // namespace dunlin::schema
