// YAML for plans and configuration: becomes Json, with the place of every key kept for error
// messages.
//
// Typed by the YAML 1.2 core schema: plain `null ~ true false 12 0x1F 0o17 1.5` are typed (also in
// Null/NULL forms), `yes no on off` are strings, anything quoted is a string. JSON is YAML, so
// .json plans come through here too. Thread rule: plain values.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace dunlin {

struct YamlLimits {
  std::size_t max_bytes = 16U << 20U;
  int max_depth = 64;
  std::size_t max_nodes =
      1'000'000;  ///< after aliases are expanded: the "billion laughs" stop here
  std::size_t max_aliases = 10'000;
};

/// From 1; 0 means unknown.
struct YamlPosition {
  int line = 0;
  int column = 0;
};

class YamlDocument {
 public:
  YamlDocument(Json root, std::string file);
  YamlDocument(YamlDocument&&) noexcept;
  YamlDocument& operator=(YamlDocument&&) noexcept;
  ~YamlDocument();

  [[nodiscard]] const Json& root() const { return root_; }
  [[nodiscard]] const std::string& file() const { return file_; }
  /// The place of a JSON pointer (RFC 6901: "/tasks/0/source"): of the key for a member, of the
  /// item in a sequence. Inside an expanded alias, and for what is not there, the nearest thing
  /// around it.
  [[nodiscard]] YamlPosition position(std::string_view json_pointer) const;
  /// "plan.yaml:12:3"
  [[nodiscard]] std::string where(std::string_view json_pointer) const;
  /// "plan.yaml:12:3: message"
  [[nodiscard]] Error error_at(std::string_view json_pointer, std::string_view message,
                               ErrorType type = ErrorType::plan_invalid) const;

 private:
  friend class YamlBuilder;
  struct Positions;
  Json root_;
  std::string file_;
  std::unique_ptr<Positions> positions_;
};

/// Parses exactly one document (none is null). `file` is only named in errors.
/// ErrorType::plan_invalid with "FILE:LINE:COLUMN: why" for: a syntax error, a key given twice, a
/// key that is no scalar, an unknown tag, a number that does not fit or is not finite, a merge key
/// (YAML 1.1), bytes that are no UTF-8, and each limit. Nothing throws.
[[nodiscard]] Result<YamlDocument> parse_yaml(std::string_view text, std::string_view file,
                                              YamlLimits limits = {});

}  // namespace dunlin
