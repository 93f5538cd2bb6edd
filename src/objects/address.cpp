// Addresses and the copy rule for prefixes; see address.h.
#include "objects/address.h"

#include <algorithm>

#include "base/text.h"

namespace dunlin::objects {
namespace {

constexpr std::string_view kScheme = "mem:";
constexpr std::string_view kOwnMark = ".dunlin-";

std::string escape_socket(std::string_view path) {
  std::string text;
  for (const char c : path) {
    if (c == '%' || c == '#') {
      text += c == '%' ? "%25" : "%23";
    } else {
      text += c;
    }
  }
  return text;
}

std::optional<std::string> unescape_socket(std::string_view text) {
  std::string path;
  for (std::size_t n = 0; n < text.size(); ++n) {
    if (text[n] != '%') {
      path += text[n];
      continue;
    }
    const auto code = text.substr(n, 3);
    if (code != "%25" && code != "%23") return std::nullopt;
    path += code == "%25" ? '%' : '#';
    n += 2;
  }
  return path;
}

bool is_prefix(std::string_view prefix) {
  return prefix.empty() || prefix.ends_with('/');
}

/// "a/b" -> "a/", "b" -> "".
std::string parent(std::string_view key) {
  const auto slash = key.rfind('/');
  return std::string(slash == std::string_view::npos ? "" : key.substr(0, slash + 1));
}

}  // namespace

std::string Address::text() const {
  return std::string(kScheme) + escape_socket(socket_path) + "#" + bucket + "/" + prefix;
}

bool is_object_address(std::string_view text) {
  return text.starts_with(kScheme);
}

Result<Address> parse_address(std::string_view text) {
  const bool service = text.starts_with("s3://") || text.starts_with("az://") ||
                       text.starts_with("dw://") || text.starts_with("gs://");
  const Error error(
      ErrorType::invalid_input,
      "'" + escape_bytes(text) + "' is " +
          (service ? "at a service that this version does not have yet; there is only "
                     "mem:SOCKET#BUCKET/PREFIX, a store of its own"
                   : "no object address; write mem:SOCKET#BUCKET/PREFIX (in SOCKET, # "
                     "is %23)"));
  const auto hash = text.find('#');
  if (!is_object_address(text) || hash == std::string_view::npos) return error;
  auto socket_path = unescape_socket(text.substr(kScheme.size(), hash - kScheme.size()));
  const auto rest = text.substr(hash + 1);
  const auto slash = std::min(rest.find('/'), rest.size());
  Address address;
  address.bucket = rest.substr(0, slash);
  address.prefix = rest.substr(std::min(slash + 1, rest.size()));
  if (!socket_path || socket_path->empty() || address.bucket.empty() || !is_utf8(address.bucket) ||
      !is_utf8(address.prefix)) {
    return error;
  }
  address.socket_path = std::move(*socket_path);
  return address;
}

KeyMap::KeyMap(const Address& source, const Address& destination)
    : destination_(destination.prefix) {
  if (is_prefix(source.prefix)) {
    source_base_ = source.prefix;
    list_prefix_ = source.prefix;
  } else {
    source_base_ = parent(source.prefix);
    list_prefix_ = source.prefix + "/";
    exact_source_ = source.prefix;
  }
  destination_root_ = is_prefix(destination_) ? destination_ : destination_ + "/";
  scratch_base_ = is_prefix(destination_) ? destination_ : parent(destination_);
}

std::optional<std::string> KeyMap::exact_source_key() const {
  if (exact_source_.empty()) return std::nullopt;
  return exact_source_;
}

std::string KeyMap::name(std::string_view source_key) const {
  return std::string(source_key.substr(source_base_.size()));
}

std::string KeyMap::destination_key(std::string_view name, bool onto) const {
  return onto ? destination_ : destination_root_ + std::string(name);
}

bool KeyMap::destination_may_be_key() const {
  return !is_prefix(destination_);
}

std::string KeyMap::undo_prefix(const ExecutionId& execution) const {
  return scratch_base_ + std::string(kOwnMark) + "undo-" + short_id(execution) + "/";
}

bool is_own_state(std::string_view key) {
  constexpr std::size_t kIdDigits = 8;
  for (const std::string_view what : {"undo-", "probe-"}) {
    const std::string mark = std::string(kOwnMark) + std::string(what);
    for (std::size_t at = key.find(mark); at != std::string_view::npos;
         at = key.find(mark, at + 1)) {
      const auto id = key.substr(at + mark.size(), kIdDigits);
      const auto end = at + mark.size() + kIdDigits;
      const bool component = at == 0 || key[at - 1] == '/';
      const bool digits = id.size() == kIdDigits &&
                          id.find_first_not_of("0123456789abcdef") == std::string_view::npos;
      if (component && digits && (end == key.size() || key[end] == '/')) return true;
    }
  }
  return false;
}

}  // namespace dunlin::objects
