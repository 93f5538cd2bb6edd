// What a process has read, and need not take apart: it ends with its one command.
//
// Ten thousand small files in memory are 200,000 allocations: giving them back one by one takes a
// tenth of the time of a `migrate status` of them, the kernel takes all of them at once.
#pragma once

#include <utility>

namespace dunlin {

/// By the program's main(), before there are threads: this process serves one command and ends. A
/// process that goes on never says so, and keeps nothing.
void process_ends_with_its_command();

namespace detail {
/// True: it is kept, as one of a few, and still reachable. False: whoever asks takes it apart.
[[nodiscard]] bool keep_until_exit(const void* object);
[[nodiscard]] bool may_keep_until_exit();
}  // namespace detail

/// Ends the life of `object`, whose destructor does nothing but give memory back: in a process that
/// ends with its command at its exit, in others now. Only the first few are kept: who has thousands
/// of them takes them apart. Any thread.
template <typename T>
void leave_to_exit(T object) {
  if (!detail::may_keep_until_exit()) return;
  auto* const kept = new T(std::move(object));
  if (!detail::keep_until_exit(kept)) delete kept;
}

}  // namespace dunlin
