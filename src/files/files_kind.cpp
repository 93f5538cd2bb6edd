// The kind files: plans in words and as schema; see files_kind.h.
#include "files/files_kind.h"

#include <algorithm>
#include <iterator>

#include "base/text.h"
#include "engine/test_run.h"
#include "engine/written_plan.h"
#include "files/claims.h"
#include "files/files_run.h"
#include "files/layout.h"
#include "files/meanings.h"
#include "files/paths.h"
#include "files/plan.h"
#include "files/plan_disks.h"
#include "files/plan_places.h"

namespace dunlin::files {
namespace {

using engine::CommandLine;
using engine::Plan;

bool is_plain_path(const std::string& address) {
  return address.find("://") == std::string::npos;
}

/// "/a, /b and 7 more".
std::string several_in_words(const std::vector<std::string>& paths) {
  constexpr std::size_t kShown = 3;
  std::string text;
  for (std::size_t n = 0; n < std::min(paths.size(), kShown); ++n)
    text += (n == 0 ? "" : ", ") + escape_bytes(paths[n]);
  if (paths.size() > kShown) text += " and " + std::to_string(paths.size() - kShown) + " more";
  return text;
}

/// "photos, music on disk backup", of disks that cannot be found now.
std::string on_disks_in_words(const std::vector<std::string>& paths,
                              const std::vector<std::string>& disks) {
  const std::string text = several_in_words(paths);
  const std::string named = several_in_words(disks);
  if (named.empty()) return text;
  return text + (text.empty() ? "disk " : " on disk ") + named;
}

class FilesKind final : public engine::Kind,
                        public engine::WrittenPlans,
                        public engine::TestableKind {
 public:
  FilesKind(fs::Features features, sandbox::ParserCommand parser, fs::DiskPlaces disks)
      : features_(features), parser_(std::move(parser)), disks_(std::move(disks)) {}

  [[nodiscard]] std::string_view name() const override { return "files"; }
  [[nodiscard]] std::string_view item_noun() const override { return "files"; }
  [[nodiscard]] bool accepts(const CommandLine& line) const override {
    return (line.verb == "copy" || line.verb == "move") && line.positional.size() >= 2 &&
           std::all_of(line.positional.begin(), line.positional.end(), is_plain_path);
  }
  [[nodiscard]] Result<Json> plan_for(const CommandLine& line) const override;
  [[nodiscard]] std::vector<std::string> check(const Json& document) const override {
    std::vector<std::string> problems;
    static_cast<void>(decode_plan(document, problems));
    return problems;
  }
  [[nodiscard]] std::vector<std::string> check_places(const Json& document) const override {
    return files::check_places(document);
  }
  [[nodiscard]] std::string why_no_test(const Plan& plan) const override {
    const auto files = decoded(plan);
    return files.ok() && files->links() ? "further names of the source's files take no time that a "
                                          "sample could tell of, and "
                                          "would change the source"
                                        : "";
  }
  [[nodiscard]] std::string why_not_incremental(const Plan& plan) const override {
    const auto files = decoded(plan);
    if (!files.ok()) return "";  // found out when it begins
    if (files->moves()) return "a move leaves nothing at the source that could be left out";
    return files->links() ? "further names of the source's files change with them" : "";
  }
  [[nodiscard]] Result<bool> has_roots_of(const Plan& plan,
                                          const std::string& roots) const override {
    DUNLIN_ASSIGN(FilesPlan files, decoded(plan));
    return Site(std::move(files), features_, parser_).has_roots_of(roots);
  }
  [[nodiscard]] Result<std::vector<engine::Claim>> claims(const Plan& plan) const override;
  [[nodiscard]] std::string describe(const Plan& plan) const override;
  [[nodiscard]] std::vector<engine::Meaning> meanings(const Plan& plan) const override {
    const auto files = decoded(plan);
    return files.ok() ? files::meanings(*files) : std::vector<engine::Meaning>();
  }
  [[nodiscard]] Json schema() const override;
  [[nodiscard]] Result<std::unique_ptr<engine::Run>> open(const Plan& plan) const override {
    std::vector<std::string> problems;
    FilesPlan files = decode_plan(plan.document, problems);
    if (!problems.empty()) return Error(ErrorType::plan_invalid, problems.front());
    DUNLIN_ASSIGN(files, on_disks(std::move(files), disks_));
    if (plan.settings.mode == engine::kTest) {  // the source stays as it is
      files.operation = Operation::copy;
      files.remove_emptied = false;
    }
    return std::unique_ptr<engine::Run>(
        std::make_unique<FilesRun>(std::move(files), features_, parser_));
  }

 private:
  [[nodiscard]] Result<FilesPlan> decoded(const Plan& plan) const {
    std::vector<std::string> problems;
    return on_disks(decode_plan(plan.document, problems), disks_);
  }

  fs::Features features_;
  sandbox::ParserCommand parser_;
  fs::DiskPlaces disks_;
};

Result<Json> FilesKind::plan_for(const CommandLine& line) const {
  if (!accepts(line))
    return Error(ErrorType::invalid_input, "use: dunlin " + line.verb + " SRC… DST");
  const std::vector<std::string> sources(line.positional.begin(), std::prev(line.positional.end()));
  DUNLIN_ASSIGN(Json document, plan_document(line.verb, sources, line.positional.back()));
  static const std::vector<std::string_view> known{"verify",           "hash",
                                                   "conflict",         "preserve",
                                                   "special-files",    "include",
                                                   "exclude",          "min-size",
                                                   "max-size",         "modified-since",
                                                   "file-types",       "one-file-system",
                                                   "files-from",       "from0",
                                                   "checksum",         "usermap",
                                                   "groupmap",         "delete-empty-src-dirs",
                                                   "follow-symlinks",  "copy-links",
                                                   "reflink",          "link",
                                                   "space-reservation"};
  if (line.options.contains("copy-links") && line.options.contains("follow-symlinks"))
    return Error(ErrorType::invalid_input, "-L is --follow-symlinks always: give one of the two");
  if (line.options.contains("from0") && !line.options.contains("files-from"))
    return Error(ErrorType::invalid_input,
                 "--from0 says how --files-from ends its names: give both");
  for (const auto& [option, value] : line.options) {
    if (option == "verify") {
      document["settings"]["verification_level"] = value;
    } else if (option == "hash") {
      document["strategy"]["hash"] = value;
    } else if (option == "preserve") {
      document["strategy"]["preserve"] = value;
    } else if (option == "special-files") {
      document["strategy"]["special_files"] = value;
    } else if (option == "delete-empty-src-dirs") {
      document["strategy"]["remove_emptied_directories"] = true;
    } else if (option == "link") {
      if (line.verb != "copy")
        return Error(ErrorType::invalid_input, "--link makes links and moves nothing: use copy");
      document["strategy"]["operation"] = "hardlink";
    } else if (option == "reflink") {
      document["strategy"]["reflink"] = value;
    } else if (option == "usermap") {
      document["strategy"]["user_map"] = value;
    } else if (option == "groupmap") {
      document["strategy"]["group_map"] = value;
    } else if (option == "conflict") {
      document["strategy"]["conflict_resolution"] = value;
    } else if (option == "space-reservation") {
      document["destination"]["space_reservation"] = value;
    } else if (option == "checksum") {
      document["strategy"]["compare"] = "content";
    } else if (option == "files-from") {
      DUNLIN_TRY(put_files_from(document["source"], value, line.options.contains("from0")));
    } else if (option != "from0") {
      DUNLIN_ASSIGN(const bool selects, put_selection_flag(document["source"], option, value));
      if (selects) continue;
      const auto near = nearest_word(option, known);
      return Error(ErrorType::invalid_input, "--" + escape_bytes(option) +
                                                 " is not supported for files yet" +
                                                 (near ? "; did you mean --" + *near + "?" : ""));
    }
  }
  const auto problems = check(document);
  if (!problems.empty()) return Error(ErrorType::invalid_input, problems.front());
  return document;
}

Result<std::vector<engine::Claim>> FilesKind::claims(const Plan& plan) const {
  DUNLIN_ASSIGN(const FilesPlan files, decoded(plan));
  DUNLIN_ASSIGN(const Layout layout, layout_now(files));
  return claims_of(files, layout);
}

std::string FilesKind::describe(const Plan& plan) const {
  const auto found = decoded(plan);
  std::vector<std::string> problems;
  const FilesPlan files = found.ok() ? *found : decode_plan(plan.document, problems);
  const auto layout = found.ok() ? layout_now(files) : Result<Layout>(found.error());
  const std::string verb = files.moves() ? "move " : files.links() ? "link " : "copy ";
  if (!layout.ok())
    return verb + on_disks_in_words(files.sources, files.disks) + " to " +
           on_disks_in_words({files.destination}, {files.target_disk});
  const std::string links = files.follows(fs::Follow::always)    ? ", symlinks followed"
                            : files.follows(fs::Follow::in_tree) ? ", symlinks within it followed"
                                                                 : "";
  if (layout->several())
    return verb + several_in_words(files.sources) + " to " +
           escape_bytes(joined(layout->destination_root, "")) + links;
  return verb + escape_bytes(joined(layout->source_root, layout->single_name)) + " to " +
         escape_bytes(joined(layout->destination_root, layout->single_target)) + links;
}

Json FilesKind::schema() const {
  const Json text = {{"type", "string"}};
  Json source = {{"type", "object"},
                 {"additionalProperties", false},
                 {"examples", {{{"paths", {"/data/photos/"}}}}},
                 {"anyOf", {{{"required", {"paths"}}}, {{"required", {"disks"}}}}}};
  source["properties"]["disks"] = {
      {"type", "array"},
      {"minItems", 1},
      {"maxItems", kSourcesMax},
      {"description",
       "disks by mount point, label, UUID or device: paths are relative to each of them; without "
       "paths each as a whole"},
      {"items", text}};
  source["properties"]["paths"] = {
      {"type", "array"},
      {"minItems", 1},
      {"maxItems", kSourcesMax},
      {"description",
       "absolute; SRC/ means the contents of SRC, SRC the directory itself; of several each goes "
       "into base_path under its own name, none has a slash at its end"},
      {"examples", {{"/data/photos/"}}},
      {"items", {{"type", {"string", "object"}}}}};
  add_selection_schema(source["properties"]);
  Json destination = {{"type", "object"},
                      {"additionalProperties", false},
                      {"examples", {{{"base_path", "/mnt/new/photos/"}}}},
                      {"anyOf",
                       {{{"required", {"base_path"}}},
                        {{"required", {"base_path_b64"}}},
                        {{"required", {"target_disk"}}}}}};
  destination["properties"]["target_disk"] = {
      {"type", "string"},
      {"description",
       "a disk by mount point, label, UUID or device: base_path is relative to it, and may be "
       "left out"}};
  destination["properties"]["base_path"] = {
      {"type", "string"},
      {"examples", {"/mnt/new/photos/"}},
      {"description", "absolute; a file goes into it when it ends in / or is a directory"}};
  destination["properties"]["base_path_b64"] = {
      {"type", "string"}, {"description", "its exact bytes when they are no UTF-8"}};
  destination["properties"]["space_reservation"] = {
      {"type", {"string", "integer"}},
      {"description", "room to leave free there: a size (10GiB) or a share of the disk (5%)"}};
  Json strategy = {{"type", "object"},
                   {"additionalProperties", false},
                   {"examples", {{{"conflict_resolution", "skip"}}}},
                   {"x-not-built", {"organization_rules", "duplicates"}}};
  strategy["properties"]["operation"] = {{"enum", {"copy", "move", "hardlink", "reflink"}},
                                         {"default", "copy"},
                                         {"description",
                                          "move: a rename within one file system, else a copy "
                                          "after whose proof the source is removed; hardlink: "
                                          "further names of the source's files; reflink: a "
                                          "copy with reflink: always"}};
  strategy["properties"]["reflink"] = {
      {"enum", {"auto", "always", "never"}},
      {"default", "auto"},
      {"description",
       "share the content with the source where the file system can (XFS, btrfs): auto, else copy "
       "it; always, else the item fails; never"}};
  strategy["properties"]["remove_emptied_directories"] = {
      {"type", "boolean"},
      {"default", false},
      {"description", "move: remove source directories that have become empty, SRC itself stays"}};
  strategy["properties"]["conflict_resolution"] = {
      {"enum",
       {"skip", "overwrite", "overwrite_if_newer", "overwrite_if_different", "rename", "keep_both",
        "fail", "ask"}},
      {"default", "overwrite_if_different"},
      {"description",
       "rename: what stands there gets a numbered name, 'a (2).txt'; keep_both: the newcomer "
       "does"}};
  strategy["properties"]["compare"] = {
      {"enum", {"attributes", "content"}},
      {"default", "attributes"},
      {"description",
       "how overwrite_if_different tells: by type, size and time, or by reading both sides"}};
  strategy["properties"]["hash"] = {
      {"type", "string"},
      {"default", "md5"},
      {"examples", {"md5,sha256"}},
      {"description", "md5, sha256, xxh3, or several separated by commas"}};
  strategy["properties"]["preserve_metadata"] = {
      {"type", "boolean"},
      {"default", true},
      {"description", "false: neither times, mode, owner, attributes, ACLs nor flags"}};
  strategy["properties"]["preserve"] = {
      {"type", "string"},
      {"default", "all"},
      {"examples", {"times,mode"}},
      {"description",
       "times, mode, owner, xattr, acl, flags, links, holes with commas between: these only; with "
       "no- before each: all but these; all, none"}};
  for (const char* key : {"user_map", "group_map"}) {
    strategy["properties"][key] = {
        {"type", "string"},
        {"description",
         "rules FROM:TO with commas between, the first that fits; FROM a name, a number, a range "
         "1000-1999 or *, TO a name or a number"}};
  }
  strategy["properties"]["special_files"] = {{"enum", {"copy", "skip"}},
                                             {"default", "copy"},
                                             {"description", "FIFOs, sockets and device nodes"}};
  return {
      {"properties", {{"source", source}, {"destination", destination}, {"strategy", strategy}}},
      {"required", {"source", "destination"}}};
}

}  // namespace

std::unique_ptr<engine::Kind> make_files_kind(fs::Features features, sandbox::ParserCommand parser,
                                              fs::DiskPlaces disks) {
  return std::make_unique<FilesKind>(features, std::move(parser), std::move(disks));
}

}  // namespace dunlin::files
