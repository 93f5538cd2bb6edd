// See audit_key.h.
#include "store/audit_key.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

#include <fmt/format.h>
#include <openssl/crypto.h>

#include "base/binary.h"
#include "base/check.h"
#include "base/file_io.h"
#include "base/hmac.h"
#include "base/text.h"

namespace dunlin::store {
namespace {

constexpr std::size_t kSecretBytes = 32;
constexpr std::size_t kSealBytes = kSealIdBytes + 32;
constexpr std::size_t kLongestFile = 4096;
constexpr std::string_view kElsewhere =
    "name another file with --audit-key-file or DUNLIN_AUDIT_KEY_FILE";

std::string env(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Error unusable_key(const std::string& path, std::string_view why, std::string remediation) {
  Error error(ErrorType::invalid_input,
              fmt::format("the audit key '{}' {}", escape_bytes(path), why));
  error.remediation = std::move(remediation);
  return error;
}

Error cannot(int code, std::string_view what, const std::string& path) {
  Error error = error_from_errno(code, fmt::format("{} '{}'", what, escape_bytes(path)), true);
  error.remediation = kElsewhere;
  return error;
}

/// The folder and those above it, 0700.
Status make_folders(const std::string& folder) {
  if (folder.empty() || ::mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST) return success();
  if (errno != ENOENT) return cannot(errno, "make the folder of the audit key", folder);
  DUNLIN_TRY(make_folders(folder.substr(0, folder.rfind('/'))));
  if (::mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST) return success();
  return cannot(errno, "make the folder of the audit key", folder);
}

/// Under its name once it is whole and on the device, and never in place of another: link(2) gives
/// way to whoever was first.
Status make_key(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash);
  if (slash != std::string::npos) DUNLIN_TRY(make_folders(folder));
  DUNLIN_ASSIGN(const std::string mark, random_bytes(8));
  const std::string temporary = fmt::format("{}.making-{}", path, hex(mark));
  const int fd =
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return cannot(errno, "make the audit key", path);
  const auto fill = [&]() -> Status {
    const UniqueFd file(fd);
    DUNLIN_ASSIGN(const std::string secret, random_bytes(kSecretBytes));
    DUNLIN_TRY(write_all(file.get(), hex(secret) + "\n", temporary));
    DUNLIN_TRY(fsync_file(file.get(), temporary));
    if (::link(temporary.c_str(), path.c_str()) != 0 && errno != EEXIST)
      return cannot(errno, "make the audit key", path);
    return success();
  };
  const Status filled = fill();
  ::unlink(temporary.c_str());
  DUNLIN_TRY(filled);
  return fsync_directory(folder);
}

}  // namespace

AuditKeyPlace audit_key_place(std::string_view option, std::string_view configured) {
  if (!option.empty()) return {std::string(option), true};
  if (std::string path = env("DUNLIN_AUDIT_KEY_FILE"); !path.empty()) return {path, true};
  if (!configured.empty()) return {std::string(configured), true};
  // The specification of base directories: a relative value is to be ignored.
  if (const std::string folder = env("XDG_CONFIG_HOME"); folder.starts_with('/'))
    return {folder + "/dunlin/audit.key", false};
  if (const std::string home = env("HOME"); home.starts_with('/') && home != "/")
    return {home + "/.config/dunlin/audit.key", false};
  return {"/etc/dunlin/audit.key", false};
}

AuditKey::AuditKey(std::string secret) : secret_(std::move(secret)) {
  DUNLIN_CHECK(secret_.size() == kSecretBytes, "an audit key has 32 bytes");
  const Result<std::string> digest = hmac_sha256(secret_, "dunlin audit key");
  if (digest.ok()) id_ = digest->substr(0, kSealIdBytes);
}

AuditKey::~AuditKey() {
  ::OPENSSL_cleanse(secret_.data(), secret_.size());
}

Result<AuditKey> AuditKey::load(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0 && errno == ENOENT)
    return Error(ErrorType::not_found,
                 fmt::format("there is no audit key '{}'", escape_bytes(path)));
  if (fd < 0) return cannot(errno, "open the audit key", path);
  const UniqueFd file(fd);
  struct stat found{};
  if (::fstat(file.get(), &found) != 0) return cannot(errno, "stat the audit key", path);
  if (!S_ISREG(found.st_mode))
    return unusable_key(path, "is no plain file", std::string(kElsewhere));
  if (found.st_uid != ::geteuid() && found.st_uid != 0) {
    return unusable_key(
        path, fmt::format("belongs to uid {}, who can read and replace it", found.st_uid),
        fmt::format("`chown {} {}`, or {}", ::geteuid(), shell_quote(path), kElsewhere));
  }
  if ((found.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return unusable_key(
        path, fmt::format("has mode {:04o}: others may read it", found.st_mode & 07777U),
        fmt::format("`chmod 600 {}`; if anybody may have read it, give another file its name: "
                    "entries are then sealed with a new key",
                    shell_quote(path)));
  }
  std::string text(kLongestFile, '\0');
  DUNLIN_ASSIGN(const std::size_t size, read_up_to(file.get(), text.data(), text.size(), path));
  text.resize(size);
  while (text.ends_with('\n') || text.ends_with('\r') || text.ends_with(' ')) text.pop_back();
  std::optional<std::string> secret = unhex(text);
  const std::size_t digits = text.size();
  ::OPENSSL_cleanse(text.data(), text.size());
  if (!secret || secret->size() != kSecretBytes) {
    return unusable_key(
        path,
        fmt::format("holds no key: it has {} characters, a key has {} hexadecimal digits", digits,
                    2 * kSecretBytes),
        fmt::format("bring it back from its backup, or {} (where there is no file one is made; "
                    "what was sealed with the old key can then not be proven)",
                    kElsewhere));
  }
  return AuditKey(*std::move(secret));
}

Result<AuditKey> AuditKey::load_or_make(const std::string& path) {
  Result<AuditKey> key = load(path);
  if (key.ok() || key.error().type != ErrorType::not_found) return key;
  DUNLIN_TRY(make_key(path));
  return load(path);
}

std::string AuditKey::name() const {
  return hex(id_);
}

Result<std::string> AuditKey::seal(Sealed what, const ExecutionId& execution, std::int64_t sequence,
                                   std::string_view hash) const {
  ByteWriter message;
  message.bytes("dunlin audit seal").u8(static_cast<std::uint8_t>(what));
  message.bytes(execution.value).zigzag(sequence).bytes(hash);
  DUNLIN_ASSIGN(const std::string code, hmac_sha256(secret_, message.view()));
  return id_ + code;
}

Result<SealState> look_at_seal(std::span<const AuditKey> keys, Sealed what,
                               const ExecutionId& execution, std::int64_t sequence,
                               std::string_view hash, std::string_view seal) {
  if (seal.empty()) return SealState::none;
  if (seal.size() != kSealBytes) return SealState::wrong;
  for (const AuditKey& key : keys) {
    DUNLIN_ASSIGN(const std::string genuine, key.seal(what, execution, sequence, hash));
    if (equal_in_constant_time(genuine, seal)) return SealState::right;
    if (seal.starts_with(std::string_view(genuine).substr(0, kSealIdBytes)))
      return SealState::wrong;
  }
  return SealState::other_key;
}

std::string key_of_seal(std::string_view seal) {
  return hex(seal.substr(0, kSealIdBytes));
}

}  // namespace dunlin::store
