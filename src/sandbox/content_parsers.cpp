// Parsers; see content_parsers.h.
#include "sandbox/content_parsers.h"

#include <unistd.h>

#include <cerrno>
#include <memory>

#include <magic.h>

namespace dunlin::sandbox {
namespace {

using Magic = std::shared_ptr<magic_set>;

std::string read_start(int fd) {
  std::string bytes(kLookedAtBytes, '\0');
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = TEMP_FAILURE_RETRY(
        ::pread(fd, bytes.data() + filled, bytes.size() - filled, static_cast<off_t>(filled)));
    if (got <= 0) break;
    filled += static_cast<std::size_t>(got);
  }
  bytes.resize(filled);
  return bytes;
}

std::string mime_type(const Magic& magic, int fd) {
  const std::string bytes = read_start(fd);
  if (bytes.empty()) return "inode/x-empty";  // as file(1) says, where the library alone would not
  const char* type = ::magic_buffer(magic.get(), bytes.data(), bytes.size());
  return type == nullptr ? "" : type;
}

}  // namespace

Result<Parsers> content_parsers() {
  // Archives are not looked into: what they hold is no type of their own.
  const Magic magic(::magic_open(MAGIC_MIME_TYPE | MAGIC_NO_CHECK_COMPRESS), [](magic_set* open) {
    if (open != nullptr) ::magic_close(open);
  });
  if (!magic || ::magic_load(magic.get(), nullptr) != 0)
    return Error(ErrorType::not_found, std::string("libmagic has no database: ") +
                                           (magic ? ::magic_error(magic.get()) : "no memory"));
  // The first question makes what is made once, files of the locale among it.
  static_cast<void>(::magic_buffer(magic.get(), "warm", 4));
  return Parsers{{kMimeType, [magic](int fd) { return mime_type(magic, fd); }}};
}

int content_parser_main() {
  const auto parsers = content_parsers();
  return parsers.ok() ? serve_parsers(*parsers) : refuse_to_serve(parsers.error().message);
}

}  // namespace dunlin::sandbox
