// Addresses of objects, and the rule by which keys of the source become keys of the destination.
//
// Values and pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"

namespace dunlin::objects {

/// `mem:SOCKET#BUCKET/PREFIX`: a bucket of an object server on a Unix socket. In SOCKET, `%` is
/// written `%25` and `#` `%23`; PREFIX is taken literally, byte for byte, and may be empty. A file
/// whose name begins with "mem:" is written `./mem:…`, as with rsync.
struct Address {
  std::string socket_path;
  std::string bucket;
  std::string prefix;

  /// The text form again.
  [[nodiscard]] std::string text() const;
  friend bool operator==(const Address&, const Address&) = default;
};

[[nodiscard]] bool is_object_address(std::string_view text);
/// ErrorType::invalid_input says what an address looks like.
[[nodiscard]] Result<Address> parse_address(std::string_view text);

/// conventions.md, "Copy rules", for prefixes. With a source of `P/` (or a whole bucket: rsync
/// treats a module so) what is below it goes below the destination. With a source of `A/B`, the
/// object A/B and everything below A/B/ go there under the name B.
///
/// An item's name is what is put behind the destination: the source key without `source_base`.
class KeyMap {
 public:
  KeyMap(const Address& source, const Address& destination);

  /// The object that the address itself names; nullopt when it can only mean a prefix.
  [[nodiscard]] std::optional<std::string> exact_source_key() const;
  /// Prefix of all other keys of the source.
  [[nodiscard]] const std::string& list_prefix() const { return list_prefix_; }
  [[nodiscard]] std::string name(std::string_view source_key) const;
  [[nodiscard]] std::string source_key(std::string_view name) const {
    return source_base_ + std::string(name);
  }
  /// `onto`: the destination address is itself the new key.
  [[nodiscard]] std::string destination_key(std::string_view name, bool onto) const;
  /// "" or ends with '/': all destination keys begin with it, unless `onto`.
  [[nodiscard]] const std::string& destination_root() const { return destination_root_; }
  /// True when a single object may take the destination address as its key.
  [[nodiscard]] bool destination_may_be_key() const;
  /// "" or ends with '/'; begins whatever this execution writes, undo copies and probes included.
  [[nodiscard]] const std::string& scratch_base() const { return scratch_base_; }
  /// Where this execution keeps old versions: ".dunlin-undo-<last 8>/" in scratch_base.
  [[nodiscard]] std::string undo_prefix(const ExecutionId& execution) const;

 private:
  std::string source_base_;
  std::string list_prefix_;
  std::string exact_source_;
  std::string destination_;
  std::string destination_root_;
  std::string scratch_base_;
};

/// True for keys of dunlin's own (undo copies, probes of any execution): no source contains them.
[[nodiscard]] bool is_own_state(std::string_view key);

}  // namespace dunlin::objects
