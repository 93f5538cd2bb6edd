// From yaml-cpp's events to Json. Its node tree is not used: it hides duplicate keys and shares
// aliased nodes, and only events let us stop a hostile text at the first node too many.
#include "base/yaml.h"

#include <charconv>
#include <cmath>
#include <exception>
#include <functional>
#include <istream>
#include <sstream>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "base/text.h"
#include "base/yaml_explain.h"

namespace dunlin {

/// A tree of places beside the tree of values: children by (parent, key), so that memory stays
/// linear in the text (whole pointers as keys would not be).
struct YamlDocument::Positions {
  struct Child {
    std::uint32_t parent;
    std::string token;
    friend bool operator==(const Child&, const Child&) = default;
  };
  struct ChildHash {
    std::size_t operator()(const Child& child) const noexcept {
      return std::hash<std::string>{}(child.token) * 31 + child.parent;
    }
  };
  std::vector<YamlPosition> nodes{YamlPosition{}};  ///< node 0 is the root
  std::unordered_map<Child, std::uint32_t, ChildHash> children;
};

YamlDocument::YamlDocument(Json root, std::string file)
    : root_(std::move(root)), file_(std::move(file)), positions_(std::make_unique<Positions>()) {}
YamlDocument::YamlDocument(YamlDocument&&) noexcept = default;
YamlDocument& YamlDocument::operator=(YamlDocument&&) noexcept = default;
YamlDocument::~YamlDocument() = default;

YamlPosition YamlDocument::position(std::string_view json_pointer) const {
  std::uint32_t node = 0;
  while (json_pointer.starts_with('/')) {
    const std::size_t end = std::min(json_pointer.find('/', 1), json_pointer.size());
    std::string token;
    for (std::size_t i = 1; i < end; ++i) {
      const bool escaped = json_pointer[i] == '~' && i + 1 < end;
      if (escaped) ++i;
      token += !escaped ? json_pointer[i] : json_pointer[i] == '1' ? '/' : '~';
    }
    const auto child = positions_->children.find({node, std::move(token)});
    if (child == positions_->children.end()) break;
    node = child->second;
    json_pointer.remove_prefix(end);
  }
  return positions_->nodes[node];
}

std::string YamlDocument::where(std::string_view json_pointer) const {
  const YamlPosition at = position(json_pointer);
  if (at.line == 0) return printable(file_);
  return fmt::format("{}:{}:{}", printable(file_), at.line, at.column);
}

Error YamlDocument::error_at(std::string_view json_pointer, std::string_view message,
                             ErrorType type) const {
  return {type, where(json_pointer) + ": " + printable(message)};
}

namespace {

/// Ends yaml-cpp's parser from within an event; caught in parse_yaml.
struct Refusal final : std::exception {
  Refusal(const YAML::Mark& at, std::string text) : mark(at), why(std::move(text)) {}
  [[nodiscard]] const char* what() const noexcept override { return why.c_str(); }
  YAML::Mark mark;
  std::string why;
};

YamlPosition position_of(const YAML::Mark& mark) {
  return {mark.line + 1, mark.column + 1};
}

bool all_digits(std::string_view text, std::string_view digits) {
  return !text.empty() && text.find_first_not_of(digits) == std::string_view::npos;
}
constexpr std::string_view kDecimal = "0123456789";

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  for (const std::string_view word : words) {
    if (word == text) return true;
  }
  return false;
}

bool is_null_word(std::string_view text) {
  return text.empty() || is_one_of(text, {"~", "null", "Null", "NULL"});
}

/// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
bool is_core_float(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  const auto take_digits = [&text] {
    const std::size_t count = std::min(text.find_first_not_of(kDecimal), text.size());
    text.remove_prefix(count);
    return count;
  };
  std::size_t digits = take_digits();
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    const std::size_t fraction = take_digits();
    if (digits == 0 && fraction == 0) return false;
    digits += fraction;
  }
  if (digits == 0) return false;
  if (text.empty()) return true;
  if (text[0] != 'e' && text[0] != 'E') return false;
  text.remove_prefix(1);
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return all_digits(text, kDecimal);
}

bool is_core_integer(std::string_view text) {
  if (text.starts_with("0x")) return all_digits(text.substr(2), "0123456789abcdefABCDEF");
  if (text.starts_with("0o")) return all_digits(text.substr(2), "01234567");
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return all_digits(text, kDecimal);
}

bool is_core_infinite(std::string_view text) {
  if (is_one_of(text, {".nan", ".NaN", ".NAN"})) return true;
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return is_one_of(text, {".inf", ".Inf", ".INF"});
}

Json integer_value(const YAML::Mark& mark, std::string_view text) {
  std::string_view digits = text;
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0o")) {
    base = text[1] == 'x' ? 16 : 8;
    digits.remove_prefix(2);
  }
  if (digits.starts_with('+')) digits.remove_prefix(1);
  const char* const end = digits.data() + digits.size();
  std::int64_t value = 0;
  if (std::from_chars(digits.data(), end, value, base).ec == std::errc()) return value;
  std::uint64_t large = 0;
  if (!digits.starts_with('-') &&
      std::from_chars(digits.data(), end, large, base).ec == std::errc())
    return large;
  throw Refusal(mark, fmt::format("the number {} does not fit into 64 bits, and no key wants such "
                                  "a one; quote it if it is text",
                                  text));
}

Json float_value(const YAML::Mark& mark, std::string_view text) {
  const std::string_view digits = text.starts_with('+') ? text.substr(1) : text;
  double value = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (parsed.ec != std::errc() || !std::isfinite(value)) {
    throw Refusal(
        mark,
        fmt::format("the number {} is not finite or out of range; quote it if it is text", text));
  }
  return value;
}

/// A plain scalar by the core schema (YAML 1.2.2, 10.3.2).
Json plain_value(const YAML::Mark& mark, const std::string& text) {
  if (is_null_word(text)) return nullptr;
  if (is_one_of(text, {"true", "True", "TRUE"})) return true;
  if (is_one_of(text, {"false", "False", "FALSE"})) return false;
  if (is_core_integer(text)) return integer_value(mark, text);
  if (is_core_float(text)) return float_value(mark, text);
  if (is_core_infinite(text))
    throw Refusal(mark, fmt::format("{} is not finite; quote it if it is text", text));
  return text;
}

Refusal unknown_tag(const YAML::Mark& mark, std::string_view tag) {
  return {mark,
          fmt::format("the tag {0} cannot be used here; if it is text, put it in quotes: \"{0}\"",
                      escape_bytes(tag))};
}

Json tagged_value(const YAML::Mark& mark, std::string_view tag, const std::string& text) {
  if (tag == "?" || tag.empty()) return plain_value(mark, text);
  constexpr std::string_view kCore = "tag:yaml.org,2002:";
  if (tag == "!") return text;
  const std::string_view name =
      tag.starts_with(kCore) ? tag.substr(kCore.size()) : std::string_view{};
  if (name == "str") return text;
  Json value = is_one_of(name, {"null", "bool", "int", "float"}) ? plain_value(mark, text) : Json();
  if (name == "null" && value.is_null()) return value;
  if (name == "bool" && value.is_boolean()) return value;
  if (name == "int" && value.is_number_integer()) return value;
  if (name == "float" && value.is_number()) return value.get<double>();
  throw unknown_tag(mark, tag);
}

}  // namespace

class YamlBuilder final : public YAML::EventHandler {
 public:
  YamlBuilder(YamlDocument& document, std::string_view text, const YamlLimits& limits)
      : document_(document), text_(text), limits_(limits) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0)
      throw Refusal(mark,
                    "more than one document; only one is expected: put what follows the line --- "
                    "into a file of its own");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (expects_key()) throw Refusal(mark, "a key is empty or null; quote it if it is text");
    add(mark, nullptr, anchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    // yaml-cpp 0.7 makes single bytes of the escapes \N and \_.
    if (!is_utf8(value))
      throw Refusal(mark, R"(the escapes \N and \_ are not understood; write \u0085 and \u00a0)");
    if (tag == "!" && !quote_is_closed(text_, static_cast<std::size_t>(std::max(mark.pos, 0))))
      throw Refusal(mark,
                    "the quote that begins here is not closed; write a second one at its end");
    if (!expects_key()) return add(mark, tagged_value(mark, tag, value), anchor);
    if (anchor != YAML::NullAnchor) throw Refusal(mark, "an anchor on a key cannot be used");
    if (value == "<<" && tag == "?") {
      throw Refusal(mark,
                    "merge keys (<<) are YAML 1.1 and not understood; repeat the keys, or use an "
                    "alias as value");
    }
    set_key(mark, value);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (expects_key()) throw Refusal(mark, "an alias cannot be a key");
    if (++aliases_ > limits_.max_aliases)
      throw Refusal(mark, fmt::format("more than {} aliases", limits_.max_aliases));
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw Refusal(mark, "an alias inside of what it names");
    const std::size_t size = found->second.nodes;
    count_nodes(mark, size);
    if (open_.size() + static_cast<std::size_t>(found->second.depth) >
        static_cast<std::size_t>(limits_.max_depth)) {
      throw too_deep(mark);
    }
    note_height(found->second.depth);
    attach(mark, found->second.value);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    open(mark, tag, "tag:yaml.org,2002:seq", anchor, Json::array());
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    open(mark, tag, "tag:yaml.org,2002:map", anchor, Json::object());
  }
  void OnMapEnd() override { close(); }

 private:
  struct Frame {
    Json* value = nullptr;
    std::uint32_t place = 0;
    YAML::anchor_t anchor = YAML::NullAnchor;
    std::size_t nodes_before = 0;
    int height = 1;  ///< levels of containers, this one included
    bool has_key = false;
    std::string key;
    YAML::Mark key_mark;
    std::unordered_set<std::string> keys;
  };
  struct Anchored {
    Json value;
    std::size_t nodes = 1;
    int depth = 0;
  };

  [[nodiscard]] bool expects_key() const {
    return !open_.empty() && open_.back().value->is_object() && !open_.back().has_key;
  }

  Refusal too_deep(const YAML::Mark& mark) const {
    return {mark, fmt::format("nested deeper than {}; nothing needs that: look for brackets that "
                              "are too many",
                              limits_.max_depth)};
  }

  void count_nodes(const YAML::Mark& mark, std::size_t more) {
    nodes_ += more;
    if (nodes_ > limits_.max_nodes)
      throw Refusal(mark,
                    fmt::format("more than {} values, those of aliases counted each time; write "
                                "fewer, or take the aliases (*NAME) out",
                                limits_.max_nodes));
  }

  void note_height(int below) {
    if (!open_.empty()) open_.back().height = std::max(open_.back().height, below + 1);
  }

  [[nodiscard]] std::string first_place(const Frame& frame, const std::string& key) const {
    const auto& positions = *document_.positions_;
    const auto child = positions.children.find({frame.place, key});
    if (child == positions.children.end()) return "";
    return fmt::format(", first on line {}", positions.nodes[child->second].line);
  }

  void set_key(const YAML::Mark& mark, const std::string& key) {
    Frame& frame = open_.back();
    if (!frame.keys.insert(key).second) {
      throw Refusal(mark,
                    fmt::format("the key \"{}\" is given twice{}; join the two, or take one out",
                                escape_bytes(key), first_place(frame, key)));
    }
    frame.has_key = true;
    frame.key = key;
    frame.key_mark = mark;
  }

  std::uint32_t new_place(std::uint32_t parent, std::string token, const YAML::Mark& mark) {
    auto& positions = *document_.positions_;
    const auto index = static_cast<std::uint32_t>(positions.nodes.size());
    positions.nodes.push_back(position_of(mark));
    positions.children.emplace(YamlDocument::Positions::Child{parent, std::move(token)}, index);
    return index;
  }

  /// Puts a value where it belongs and returns it with its place. Pointers to open containers stay
  /// good: only the innermost one grows.
  std::pair<Json*, std::uint32_t> attach(const YAML::Mark& mark, Json value) {
    if (open_.empty()) {
      document_.positions_->nodes[0] = position_of(mark);
      document_.root_ = std::move(value);
      return {&document_.root_, 0};
    }
    Frame& frame = open_.back();
    if (frame.value->is_array()) {
      auto& items = frame.value->get_ref<Json::array_t&>();
      const std::uint32_t place = new_place(frame.place, std::to_string(items.size()), mark);
      items.push_back(std::move(value));
      return {&items.back(), place};
    }
    const std::uint32_t place = new_place(frame.place, frame.key, frame.key_mark);
    auto& members =
        static_cast<Json::object_t::Container&>(frame.value->get_ref<Json::object_t&>());
    members.emplace_back(std::move(frame.key), std::move(value));
    frame.has_key = false;
    return {&members.back().second, place};
  }

  void add(const YAML::Mark& mark, Json value, YAML::anchor_t anchor) {
    count_nodes(mark, 1);
    if (anchor != YAML::NullAnchor) anchors_[anchor] = {value, 1, 0};
    attach(mark, std::move(value));
  }

  void open(const YAML::Mark& mark, const std::string& tag, std::string_view core_tag,
            YAML::anchor_t anchor, Json container) {
    if (expects_key()) throw Refusal(mark, "a key must be a single word or text");
    if (!is_one_of(tag, {"", "?", "!"}) && tag != core_tag) {
      throw unknown_tag(mark, tag);
    }
    if (open_.size() >= static_cast<std::size_t>(limits_.max_depth)) throw too_deep(mark);
    const std::size_t before = nodes_;
    count_nodes(mark, 1);
    const auto [value, place] = attach(mark, std::move(container));
    Frame frame;
    frame.value = value;
    frame.place = place;
    frame.anchor = anchor;
    frame.nodes_before = before;
    open_.push_back(std::move(frame));
  }

  void close() {
    const Frame frame = std::move(open_.back());
    open_.pop_back();
    note_height(frame.height);
    if (frame.anchor == YAML::NullAnchor) return;
    const std::size_t size = nodes_ - frame.nodes_before;
    count_nodes(frame.key_mark, size);  // the copy kept for aliases is memory too
    anchors_[frame.anchor] = {*frame.value, size, frame.height};
  }

  YamlDocument& document_;
  std::string_view text_;
  const YamlLimits& limits_;
  std::vector<Frame> open_;
  std::unordered_map<YAML::anchor_t, Anchored> anchors_;
  std::size_t nodes_ = 0;
  std::size_t aliases_ = 0;
  int documents_ = 0;
};

namespace {

Error refusal(std::string_view file, const YAML::Mark& mark, std::string_view why) {
  std::string place = printable(file);
  if (!mark.is_null()) {
    const YamlPosition at = position_of(mark);
    place += fmt::format(":{}:{}", at.line, at.column);
  }
  return {ErrorType::plan_invalid, place + ": " + printable(why)};
}

/// The first byte that YAML does not allow, as an error; yaml-cpp would guess UTF-16 from such
/// bytes.
std::optional<Error> bad_bytes(std::string_view text, std::string_view file) {
  const auto bad = [&](const YamlPosition& at, const std::string& why) {
    return Error(ErrorType::plan_invalid,
                 fmt::format("{}:{}:{}: {}", printable(file), at.line, at.column, why));
  };
  if (looks_like_utf16(text))
    return bad({1, 1}, "the text is UTF-16; save it as UTF-8 (iconv -f UTF-16 -t UTF-8)");
  YamlPosition at{1, 0};
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    ++at.column;
    if (byte == '\n') at = {at.line + 1, 0};
    if ((byte < 0x20U && byte != '\t' && byte != '\n' && byte != '\r'))
      return bad(at, fmt::format("the control character \\x{:02x} is not allowed; take it out, or "
                                 "name a file that holds text",
                                 byte));
  }
  if (const YamlPosition place = first_no_utf8(text); place.line > 0)
    return bad(
        place,
        "the text is no UTF-8 from here on, maybe Latin-1; save it as UTF-8 (iconv -f LATIN1 "
        "-t UTF-8)");
  return std::nullopt;
}

Error complaint(std::string_view file, std::string_view text, const YAML::Exception& e) {
  const YamlPosition at = e.mark.is_null() ? YamlPosition{1, 1} : position_of(e.mark);
  const YamlComplaint told = explain_yaml(text, at, e.msg);
  return {ErrorType::plan_invalid, fmt::format("{}:{}:{}: {}", printable(file), told.at.line,
                                               told.at.column, printable(told.why))};
}

}  // namespace

Result<YamlDocument> parse_yaml(std::string_view text, std::string_view file, YamlLimits limits) {
  if (text.size() > limits.max_bytes) {
    return Error(ErrorType::plan_invalid,
                 fmt::format("{}: larger than {} bytes", printable(file), limits.max_bytes));
  }
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // a byte order mark
  if (auto bad = bad_bytes(text, file)) return *std::move(bad);
  YamlDocument document(nullptr, std::string(file));
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    YamlBuilder builder(document, text, limits);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Refusal& e) {
    return refusal(file, e.mark, e.why);
  } catch (const YAML::Exception& e) {
    return complaint(file, text, e);
  } catch (const std::exception& e) {
    return refusal(file, YAML::Mark::null_mark(), e.what());
  }
  return document;
}

}  // namespace dunlin
