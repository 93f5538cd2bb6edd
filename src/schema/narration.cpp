#include "schema/narration.h"

#include <fmt/format.h>

#include "base/text.h"

namespace dunlin::schema {

namespace {

constexpr std::size_t kIdsShown = 50;
constexpr std::int64_t kStatementsShown = 20;

/// "AddUserRoles" of "20251119150000_AddUserRoles".
std::string name_of(const std::string& id) {
  const std::size_t digits = id.find_first_not_of("0123456789");
  if (digits == std::string::npos || digits + 1 >= id.size() || id[digits] != '_')
    return printable(id);
  return printable(std::string_view(id).substr(digits + 1));
}

}  // namespace

void Narration::lock_wanted(engine::RunContext& context) const {
  tell(context, "Acquiring migration lock...");
}

void Narration::lock_taken(engine::RunContext& context) {
  begin_ms_ = context.clock().monotonic_ms();
  std::string text = "✓ Lock acquired\n";
  if (!ids_.empty()) {
    text += fmt::format("\n{}:\n", words_.list);
    for (std::size_t i = 0; i < ids_.size() && i < kIdsShown; ++i)
      text += fmt::format("  {}. {}\n", i + 1, printable(ids_[i]));
    if (ids_.size() > kIdsShown) text += fmt::format("  and {} more\n", ids_.size() - kIdsShown);
  }
  text.pop_back();
  tell(context, text);
}

void Narration::begin(engine::RunContext& context, const std::string& id) {
  ++begun_;
  statements_ = 0;
  const std::string_view word = words_.begin;
  if (ids_.empty()) return tell(context, fmt::format("\n{} migration: {}", word, name_of(id)));
  tell(context, fmt::format("\n{} migration {}/{}: {}", word, begun_, ids_.size(), name_of(id)));
}

void Narration::statement(engine::RunContext& context, const Script& script, const Step& step) {
  ++statements_;
  if (statements_ <= kStatementsShown) return tell(context, "  ✓ " + beginning_of(script, step));
  if (statements_ == kStatementsShown + 1) tell(context, "  ... and so on");
}

void Narration::done(engine::RunContext&) {
  ++done_;
}

void Narration::not_wanted(engine::RunContext& context) const {
  tell(context, fmt::format("  already {}", words_.done));
}

void Narration::end(engine::RunContext& context) {
  if (done_ == 0) return;
  const double seconds = static_cast<double>(context.clock().monotonic_ms() - begin_ms_) / 1000.0;
  tell(context, fmt::format("\n✓ {} {} {} successfully\nTime: {:.3f}s\n", done_,
                            done_ == 1 ? "migration" : "migrations", words_.done, seconds));
}

}  // namespace dunlin::schema
