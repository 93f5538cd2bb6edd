// Help texts, made from the tree of verbs.
#pragma once

#include <string>

#include "cli/verbs.h"

namespace dunlin::cli {

/// What `--help` prints at that place of the tree; `width` columns (0: 100).
[[nodiscard]] std::string help_text(const Verbs& verbs, const CLI::App& app, std::size_t width);

/// docs/cli.md: every verb, as Markdown.
[[nodiscard]] std::string reference_markdown(const Verbs& verbs);

}  // namespace dunlin::cli
