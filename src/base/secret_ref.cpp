#include "base/secret_ref.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

#include "base/file_io.h"
#include "base/logging.h"
#include "base/text.h"

namespace dunlin {
namespace {

constexpr std::string_view kEnvironment = "env:";
constexpr std::string_view kFile = "file:";
constexpr std::int64_t kLargestSecret = 64 << 10;

Error unusable(std::string message, std::string remedy) {
  Error error(ErrorType::invalid_input, std::move(message));
  error.remediation = std::move(remedy);
  return error;
}

bool is_variable(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !name.empty() && (name.front() < '0' || name.front() > '9') &&
         std::all_of(name.begin(), name.end(), fits);
}

void warn_of_readers(const std::string& path) {
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0 || (found.st_mode & (S_IRWXG | S_IRWXO)) == 0) return;
  log_warn("others may read the secret in '{}': run `chmod 600 {}`", escape_bytes(path),
           shell_quote(path));
}

}  // namespace

Result<SecretRef> SecretRef::parse(std::string_view text, std::string_view what) {
  if (text.starts_with(kEnvironment) && is_variable(text.substr(kEnvironment.size())))
    return SecretRef(From::environment, std::string(text.substr(kEnvironment.size())));
  if (text.starts_with(kFile) && text.size() > kFile.size() &&
      text.find('\0') == std::string_view::npos)
    return SecretRef(From::file, std::string(text.substr(kFile.size())));
  return unusable(fmt::format("{} takes env:NAME or file:PATH, never the secret itself, which "
                              "others could see",
                              what),
                  fmt::format("put it into a file that only you may read (chmod 600), then: {} "
                              "file:PATH",
                              what));
}

std::string SecretRef::text() const {
  return std::string(from_ == From::environment ? kEnvironment : kFile) + name_;
}

Result<SecretRef> SecretRef::absolute() const {
  if (from_ == From::environment) return *this;
  std::error_code code;
  const std::filesystem::path path = std::filesystem::absolute(name_, code);
  if (code) return error_from_errno(code.value(), "resolve '" + escape_bytes(name_) + "'");
  return SecretRef(From::file, path.native());
}

Result<Secret> SecretRef::resolve() const {
  if (from_ == From::environment) {
    const char* value = std::getenv(name_.c_str());
    if (value != nullptr && *value != '\0') return Secret(value);
    return unusable(fmt::format("the variable {} is not set, and {} refers to it", name_, text()),
                    fmt::format("export {}, or refer to a file: file:PATH", name_));
  }
  const std::string shown = "'" + escape_bytes(name_) + "'";
  auto content = read_file(name_, kLargestSecret);
  if (!content.ok())
    return unusable(
        fmt::format("the secret in {} cannot be read: {}", shown, content.error().text()),
        "name a file that you may read, with nothing but the secret in it");
  const std::size_t end = content->find_last_not_of(" \t\r\n");
  if (end == std::string::npos)
    return unusable(fmt::format("there is no secret in {}: it is empty", shown),
                    "write the secret into it, and nothing else");
  warn_of_readers(name_);
  return Secret(content->substr(0, end + 1));
}

}  // namespace dunlin
