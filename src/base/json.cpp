// Parsing through nlohmann's SAX interface: its DOM parser would accept duplicate keys, any depth,
// and take quadratic time for objects with many keys, because ordered_json looks each new key up
// linearly.
#include "base/json.h"

#include <iterator>
#include <limits>
#include <unordered_set>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"

namespace dunlin {
namespace {

/// Walks over the text and tells how far the lexer has come: SAX events carry no position.
class CountingIterator {
 public:
  using iterator_category = std::forward_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator() = default;
  CountingIterator(const char* at, std::size_t* consumed) : at_(at), consumed_(consumed) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    ++at_;
    ++*consumed_;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(const CountingIterator& a, const CountingIterator& b) {
    return a.at_ == b.at_;
  }

 private:
  const char* at_ = nullptr;
  std::size_t* consumed_ = nullptr;
};

std::string place(std::string_view text, std::size_t offset) {
  int line = 1;
  int column = 1;
  for (const char c : text.substr(0, offset)) {
    if (c == '\n') {
      ++line;
      column = 1;
    } else if ((static_cast<unsigned char>(c) & 0xc0U) !=
               0x80U) {  // columns are characters, not bytes
      ++column;
    }
  }
  return fmt::format("{}:{}", line, column);
}

/// "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error ...": keeps the
/// last part.
std::string reason_of(std::string_view what) {
  const std::size_t column = what.find(", column ");
  const std::size_t colon = what.find(": ", column == std::string_view::npos ? 0 : column);
  if (column != std::string_view::npos && colon != std::string_view::npos)
    return std::string(what.substr(colon + 2));
  const std::size_t bracket = what.find("] ");
  return std::string(bracket == std::string_view::npos ? what : what.substr(bracket + 2));
}

class Builder final : public nlohmann::json_sax<Json> {
 public:
  explicit Builder(int max_depth) : max_depth_(max_depth) {}

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t& /*text*/) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t& /*value*/) override { return fail("binary values are no JSON"); }
  bool start_object(std::size_t /*size*/) override { return open(Json::object()); }
  bool start_array(std::size_t /*size*/) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& value) override {
    if (!is_new(value))
      return fail(fmt::format("the key \"{}\" is given twice", escape_bytes(value)));
    key_ = std::move(value);
    return true;
  }
  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& e) override {
    error_position_ = position;
    return fail(reason_of(e.what()));
  }

  [[nodiscard]] Json take() { return std::move(root_); }
  [[nodiscard]] const std::string& failure() const { return failure_; }
  /// Bytes read when the parser itself failed; 0 when the builder refused.
  [[nodiscard]] std::size_t error_position() const { return error_position_; }

 private:
  struct Frame {
    Json* node;
    std::unordered_set<std::string> keys;  ///< filled once a linear search gets slow
  };

  bool fail(std::string why) {
    failure_ = std::move(why);
    return false;
  }

  // Pointers to open containers stay good: only the innermost one grows.
  Json* attach(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& parent = *open_.back().node;
    if (parent.is_array()) {
      auto& items = parent.get_ref<Json::array_t&>();
      items.push_back(std::move(value));
      return &items.back();
    }
    auto& members = static_cast<Json::object_t::Container&>(parent.get_ref<Json::object_t&>());
    members.emplace_back(std::move(key_), std::move(value));
    return &members.back().second;
  }

  bool add(Json value) {
    attach(std::move(value));
    return true;
  }

  bool open(Json container) {
    if (static_cast<int>(open_.size()) >= max_depth_)
      return fail(fmt::format("nested deeper than {}", max_depth_));
    open_.push_back({attach(std::move(container)), {}});
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  bool is_new(const std::string& name) {
    constexpr std::size_t kLinear = 16;
    Frame& frame = open_.back();
    const auto& members = frame.node->get_ref<const Json::object_t&>();
    if (members.size() < kLinear) {
      for (const auto& member : members) {
        if (member.first == name) return false;
      }
      return true;
    }
    if (frame.keys.empty()) {
      for (const auto& member : members) frame.keys.insert(member.first);
    }
    return frame.keys.insert(name).second;
  }

  int max_depth_;
  Json root_;
  std::vector<Frame> open_;
  std::string key_;
  std::string failure_;
  std::size_t error_position_ = 0;
};

}  // namespace

Result<Json> parse_json(std::string_view text, std::string_view name, JsonLimits limits) {
  const std::string label = printable(name);
  if (text.size() > limits.max_bytes) {
    return Error(ErrorType::invalid_input,
                 fmt::format("{}: larger than {} bytes", label, limits.max_bytes));
  }
  Builder builder(limits.max_depth);
  std::size_t consumed = 0;
  bool good = false;
  try {
    good = Json::sax_parse(CountingIterator(text.data(), &consumed),
                           CountingIterator(text.data() + text.size(), &consumed), &builder);
  } catch (const std::exception& e) {
    return Error(ErrorType::invalid_input, fmt::format("{}: {}", label, printable(e.what())));
  }
  if (good) return builder.take();
  // The lexer reads one character ahead of what it reports.
  const std::size_t position = builder.error_position() > 0 ? builder.error_position() : consumed;
  return Error(ErrorType::invalid_input,
               fmt::format("{}:{}: {}", label, place(text, position > 0 ? position - 1 : 0),
                           printable(builder.failure())));
}

std::string dump_json(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

void put_path(Json& object, std::string_view key, std::string_view bytes) {
  if (!object.is_object()) object = Json::object();
  const std::string name(key);
  const std::string exact = name + "_b64";
  if (is_utf8(bytes)) {
    object[name] = std::string(bytes);
    object.erase(exact);
  } else {
    object[name] = escape_invalid_utf8(bytes);
    object[exact] = base64_encode(bytes);
  }
}

Result<std::string> get_path(const Json& object, std::string_view key) {
  const std::string exact = std::string(key) + "_b64";
  if (const Json* encoded = find_member(object, exact)) {
    if (encoded->is_string()) {
      if (auto bytes = base64_decode(encoded->get_ref<const std::string&>()))
        return *std::move(bytes);
    }
    return Error(ErrorType::invalid_input, "\"" + escape_bytes(exact) + "\" is no base64");
  }
  const Json* plain = find_member(object, key);
  if (plain != nullptr && plain->is_string()) return plain->get_ref<const std::string&>();
  return Error(ErrorType::invalid_input, "\"" + escape_bytes(key) + "\" is missing or no string");
}

const Json* find_member(const Json& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  for (const auto& member : object.get_ref<const Json::object_t&>()) {
    if (member.first == key) return &member.second;
  }
  return nullptr;
}

std::string string_or(const Json& object, std::string_view key, std::string_view fallback) {
  const Json* member = find_member(object, key);
  return member != nullptr && member->is_string() ? member->get_ref<const std::string&>()
                                                  : std::string(fallback);
}

std::int64_t integer_or(const Json& object, std::string_view key, std::int64_t fallback) {
  const Json* member = find_member(object, key);
  if (member == nullptr || !member->is_number_integer()) return fallback;
  if (member->is_number_unsigned()) {
    const auto value = member->get<std::uint64_t>();
    constexpr auto kLargest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    return value <= kLargest ? static_cast<std::int64_t>(value) : fallback;
  }
  return member->get<std::int64_t>();
}

bool boolean_or(const Json& object, std::string_view key, bool fallback) {
  const Json* member = find_member(object, key);
  return member != nullptr && member->is_boolean() ? member->get<bool>() : fallback;
}

std::string json_pointer_token(std::string_view key) {
  std::string out;
  for (const char c : key) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace dunlin
