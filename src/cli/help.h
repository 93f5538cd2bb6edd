// Help texts, made from the tree of verbs.
#pragma once

#include <string>

#include "cli/verbs.h"

namespace dunlin::cli {

/// What `--help` prints at that place of the tree; `width` columns (0: 100).
[[nodiscard]] std::string help_text(const Verbs& verbs, const CLI::App& app, std::size_t width);

/// dunlin(1): the same as a manual page, as roff.
[[nodiscard]] std::string manual_page(const Verbs& verbs, const std::string& version);

/// docs/cli.md: every verb, as Markdown.
[[nodiscard]] std::string reference_markdown(const Verbs& verbs);

}  // namespace dunlin::cli
