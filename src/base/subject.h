// What an operation is done to, for messages: text, or what becomes text only when a message is
// made. Most operations succeed, and nobody reads what they would have said.
#pragma once

#include <string>
#include <string_view>

namespace dunlin {

/// A parameter only: what it was made of must outlive it. Any thread.
class Subject {
 public:
  // NOLINTBEGIN(google-explicit-constructor): text is the usual case
  Subject(std::string_view text) : name_(text) {}
  Subject(const std::string& text) : name_(text) {}
  Subject(const char* text) : name_(text) {}
  // NOLINTEND(google-explicit-constructor)
  /// `owner.shown(name)`.
  template <typename Owner>
  Subject(const Owner& owner, std::string_view name)
      : name_(name), owner_(&owner), show_([](const void* one, std::string_view of) {
          return static_cast<const Owner*>(one)->shown(of);
        }) {}

  [[nodiscard]] std::string text() const {
    return show_ != nullptr ? show_(owner_, name_) : std::string(name_);
  }

 private:
  std::string_view name_;
  const void* owner_ = nullptr;
  std::string (*show_)(const void* owner, std::string_view name) = nullptr;
};

}  // namespace dunlin
