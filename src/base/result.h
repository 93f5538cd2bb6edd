// Result<T>: a value or an Error, never both; Status: nothing or an Error.
//
// Every fallible function returns one. [[nodiscard]] makes a dropped error a compile error; the
// deliberate drop is written `.ignore("why")`, so that it can be searched for. No thread rule:
// plain values.
#pragma once

#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/error.h"

namespace dunlin {

template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  // NOLINTNEXTLINE(google-explicit-constructor): `return value;`
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  // NOLINTNEXTLINE(google-explicit-constructor): `return error;`
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  [[nodiscard]] T& value() & {
    DUNLIN_CHECK(ok(), error().text());
    return std::get<0>(state_);
  }
  [[nodiscard]] const T& value() const& {
    DUNLIN_CHECK(ok(), error().text());
    return std::get<0>(state_);
  }
  [[nodiscard]] T&& value() && {
    DUNLIN_CHECK(ok(), error().text());
    return std::get<0>(std::move(state_));
  }
  [[nodiscard]] T& operator*() & { return value(); }
  [[nodiscard]] const T& operator*() const& { return value(); }
  [[nodiscard]] T&& operator*() && { return std::move(*this).value(); }
  [[nodiscard]] T* operator->() { return &value(); }
  [[nodiscard]] const T* operator->() const { return &value(); }

  [[nodiscard]] const Error& error() const& { return std::get<1>(state_); }
  [[nodiscard]] Error&& error() && { return std::get<1>(std::move(state_)); }

  /// The same result with a line of context on its error.
  [[nodiscard]] Result with_context(std::string what) && {
    if (!ok()) std::get<1>(state_).with_context(std::move(what));
    return std::move(*this);
  }
  /// Drops value and error alike; `why` is for the reader.
  void ignore([[maybe_unused]] std::string_view why) const {}

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  void value() const { DUNLIN_CHECK(ok(), error_->text()); }
  [[nodiscard]] const Error& error() const& { return *error_; }
  [[nodiscard]] Error&& error() && { return std::move(*error_); }
  [[nodiscard]] Result with_context(std::string what) && {
    if (error_) error_->with_context(std::move(what));
    return std::move(*this);
  }
  void ignore([[maybe_unused]] std::string_view why) const {}

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;
inline Status success() {
  return {};
}

}  // namespace dunlin

#define DUNLIN_CONCAT_INNER(a, b) a##b
#define DUNLIN_CONCAT(a, b) DUNLIN_CONCAT_INNER(a, b)

/// Returns from the enclosing function with the error of `expression`, if it has one.
#define DUNLIN_TRY(expression)                                            \
  do {                                                                    \
    if (auto dunlin_try_result = (expression); !dunlin_try_result.ok()) { \
      return std::move(dunlin_try_result).error();                        \
    }                                                                     \
  } while (false)

/// `DUNLIN_ASSIGN(auto x, f());`: x is the value, or the enclosing function returns the error.
#define DUNLIN_ASSIGN(declaration, expression)                         \
  auto DUNLIN_CONCAT(dunlin_result_, __LINE__) = (expression);         \
  if (!DUNLIN_CONCAT(dunlin_result_, __LINE__).ok()) {                 \
    return std::move(DUNLIN_CONCAT(dunlin_result_, __LINE__)).error(); \
  }                                                                    \
  declaration = std::move(DUNLIN_CONCAT(dunlin_result_, __LINE__)).value()
