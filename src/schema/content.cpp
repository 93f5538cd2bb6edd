#include "schema/content.h"

#include <charconv>
#include <memory>

#include <fmt/format.h>
#include <zstd.h>

#include "base/text.h"

namespace dunlin::schema {

namespace {

/// Below it a row is no longer than a page of any server anyway (docs/dependencies.md has what was
/// measured).
constexpr std::size_t kWorthIt_bytes = 1024;
constexpr int kLevel = 3;
constexpr std::string_view kZstd = "zstd:";
constexpr std::string_view kPlain = "plain:";

std::string head_of(std::string_view method, std::size_t size) {
  return fmt::format("{}{}{}{}:", kContentMark, kContentForm, method, size);
}

/// One frame that states its size and has a checksum; empty: it cannot be had.
std::string frame_of(std::string_view sql) {
  const std::unique_ptr<ZSTD_CCtx, std::size_t (*)(ZSTD_CCtx*)> context(ZSTD_createCCtx(),
                                                                        &ZSTD_freeCCtx);
  if (!context) return {};
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, kLevel);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
  std::string frame(ZSTD_compressBound(sql.size()), '\0');
  const std::size_t size =
      ZSTD_compress2(context.get(), frame.data(), frame.size(), sql.data(), sql.size());
  frame.resize(ZSTD_isError(size) != 0U ? 0 : size);
  return frame;
}

Error damaged(const std::string& why) {
  Error error(ErrorType::state_corrupt,
              "the SQL that the log of migrations has kept is damaged: " + why);
  error.remediation =
      "put the row of __MigrationsHistoryLog back from a backup of the database; or write the way "
      "back into a new migration";
  return error;
}

Error unknown_form(std::string_view rest) {
  constexpr std::size_t kShown = 16;
  Error error(ErrorType::state_version,
              fmt::format("the SQL is kept in a form that this version of dunlin does not know "
                          "({}{}): a newer one has written it",
                          kContentMark, printable(rest.substr(0, kShown))));
  error.remediation = kNewerVersion;
  return error;
}

Result<std::string> from_frame(std::string_view text, std::size_t size) {
  const std::optional<std::string> frame = base64_decode(text);
  if (!frame) return damaged("it is no base64");
  const unsigned long long stated = ZSTD_getFrameContentSize(frame->data(), frame->size());
  if (stated != size) return damaged("it does not have the size that it says");
  std::string sql(size, '\0');
  const std::size_t got = ZSTD_decompress(sql.data(), sql.size(), frame->data(), frame->size());
  if (ZSTD_isError(got) != 0U) return damaged(ZSTD_getErrorName(got));
  if (got != size) return damaged("it does not have the size that it says");
  return sql;
}

}  // namespace

std::string kept_content(std::string_view sql) {
  const bool is_mistakable = sql.starts_with(kContentMark);
  if (sql.size() >= kWorthIt_bytes && sql.size() <= kContentMax_bytes) {
    const std::string frame = frame_of(sql);
    const std::size_t size = frame.size() / 3 * 4;
    if (!frame.empty() && size < sql.size() / 4 * 3)
      return head_of(kZstd, sql.size()) + base64_encode(frame);
  }
  if (is_mistakable) return head_of(kPlain, sql.size()).append(sql);
  return std::string(sql);
}

Result<std::string> content_of(std::string_view kept) {
  if (!kept.starts_with(kContentMark)) return std::string(kept);
  const std::string_view form = kept.substr(kContentMark.size());
  if (!form.starts_with(kContentForm)) return unknown_form(form);
  std::string_view rest = form.substr(kContentForm.size());
  const bool is_plain = rest.starts_with(kPlain);
  if (!is_plain && !rest.starts_with(kZstd)) return unknown_form(form);
  rest.remove_prefix((is_plain ? kPlain : kZstd).size());
  std::size_t size = 0;
  const auto [end, code] = std::from_chars(rest.data(), rest.data() + rest.size(), size);
  const auto digits = static_cast<std::size_t>(end - rest.data());
  if (code != std::errc() || digits == rest.size() || *end != ':')
    return damaged("it does not say its size");
  if (size > kContentMax_bytes)
    return damaged(fmt::format("it says that it has {} bytes, and no migration has", size));
  rest.remove_prefix(digits + 1);
  if (!is_plain) return from_frame(rest, size);
  if (rest.size() != size) return damaged("it does not have the size that it says");
  return std::string(rest);
}

}  // namespace dunlin::schema
