// manifest: the checksums of what an execution has written, as md5sum, sha256sum and xxhsum check
// them, long after and without dunlin.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <functional>

#include <fmt/format.h>

#include "base/file_io.h"
#include "base/hash.h"
#include "base/text.h"
#include "base/units.h"
#include "cli/exit_code.h"
#include "cli/session.h"
#include "cli/verb_families.h"
#include "engine/plan.h"

namespace dunlin::cli {
namespace {

constexpr std::size_t kPage = 1000;

struct ManifestFlags {
  Text execution;
  Text hash;
  Text file;
};

/// "md5:<hex> xxh3:<hex>" holds "<hex>" for each kind.
std::string digest_in(std::string_view checksum, std::string_view kind) {
  const std::string mark = std::string(kind) + ":";
  for (std::size_t begin = 0; begin < checksum.size();) {
    const std::size_t end = std::min(checksum.find(' ', begin), checksum.size());
    const std::string_view one = checksum.substr(begin, end - begin);
    if (one.starts_with(mark)) return std::string(one.substr(mark.size()));
    begin = end + 1;
  }
  return {};
}

/// A line as coreutils writes and reads it: one with a backslash, newline or carriage return in its
/// name starts with a backslash, and they are escaped.
std::string manifest_line(const std::string& digest, const std::string& path) {
  std::string name;
  for (const char c : path) {
    switch (c) {
      case '\\':
        name += "\\\\";
        break;
      case '\n':
        name += "\\n";
        break;
      case '\r':
        name += "\\r";
        break;
      default:
        name += c;
    }
  }
  return fmt::format("{}{}  {}\n", name == path ? "" : "\\", digest, name);
}

struct Counts {
  std::int64_t listed = 0;
  std::int64_t without = 0;  ///< plain files that have no checksum of this kind
};

Result<Counts> each_line(const store::Ledger& ledger, const engine::Run& run, std::string_view kind,
                         const std::function<Status(const std::string&)>& write) {
  Counts counts;
  store::ItemFilter filter;
  filter.limit = kPage;
  while (true) {
    DUNLIN_ASSIGN(const auto items, ledger.items(filter));
    std::string lines;
    for (const auto& item : items) {
      const auto path = run.manifest_path(item);
      if (!path) continue;
      const std::string digest = digest_in(item.checksum, kind);
      if (digest.empty()) {
        ++counts.without;
      } else {
        ++counts.listed;
        lines += manifest_line(digest, *path);
      }
    }
    if (!lines.empty()) DUNLIN_TRY(write(lines));
    if (items.size() < kPage) return counts;
    filter.after = items.back().id;
  }
}

/// Under its name once it is whole and on the device.
Result<Counts> into_file(
    const std::string& path,
    const std::function<Result<Counts>(const std::function<Status(const std::string&)>&)>&
        produce) {
  const std::string temporary = fmt::format("{}.tmp-{}", path, ::getpid());
  const auto attempt = [&]() -> Result<Counts> {
    DUNLIN_ASSIGN(const UniqueFd file,
                  open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644));
    DUNLIN_ASSIGN(const Counts counts, produce([&](const std::string& lines) {
                    return write_all(file.get(), lines, temporary);
                  }));
    if (::fsync(file.get()) != 0)
      return error_from_errno(errno, "flush '" + escape_bytes(temporary) + "'", true);
    if (std::rename(temporary.c_str(), path.c_str()) != 0)
      return error_from_errno(errno, "write '" + escape_bytes(path) + "'", true);
    return counts;
  };
  auto done = attempt();
  if (!done.ok()) ::unlink(temporary.c_str());
  return done;
}

Result<std::string> hash_asked_for(const std::string& text) {
  const std::string name = text.empty() ? "md5" : text;
  if (hash_kind_from_name(name)) return name;
  return Error(ErrorType::invalid_input,
               fmt::format("--hash takes md5, sha256 or xxh3, not '{}'", escape_bytes(name)));
}

Result<int> manifest(Session& session, const ManifestFlags& flags) {
  DUNLIN_ASSIGN(const std::string kind, hash_asked_for(*flags.hash));
  DUNLIN_ASSIGN(const auto snapshot, session.snapshot(*flags.execution));
  DUNLIN_ASSIGN(engine::Engine * engine, session.engine());
  DUNLIN_ASSIGN(const auto ledger, engine->open_ledger(snapshot.row.id));
  DUNLIN_ASSIGN(const Json document, parse_json(snapshot.row.plan_json, "plan"));
  DUNLIN_ASSIGN(const engine::Plan plan, engine::decode_plan(document, session.kinds()));
  DUNLIN_ASSIGN(const auto run, session.kinds().find(plan.kind)->open(plan));
  if (!snapshot.row.roots.empty()) run->started_with(snapshot.row.roots);
  // An error before the file gets its name: an older list is not replaced by an empty one.
  const auto produce =
      [&](const std::function<Status(const std::string&)>& write) -> Result<Counts> {
    DUNLIN_ASSIGN(const Counts found, each_line(*ledger, *run, kind, write));
    if (found.listed > 0) return found;
    return Error(ErrorType::invalid_input,
                 fmt::format("execution {} has recorded no {} checksums of files; they are when it "
                             "runs with --hash {}",
                             snapshot.row.number, kind, kind));
  };
  const bool to_output = flags.file->empty() || *flags.file == "-";
  if (to_output && session.options().json) {
    return Error(ErrorType::invalid_input,
                 fmt::format("a manifest is no JSON; `dunlin items {} --json` has the checksums, "
                             "and -o FILE writes the manifest",
                             snapshot.row.number));
  }
  Result<Counts> counts = to_output ? produce([&](const std::string& lines) {
    session.result(lines);
    return success();
  })
                                    : into_file(*flags.file, produce);
  DUNLIN_TRY(counts);
  if (!to_output) {
    session.print(fmt::format("written: {} ({} files); check it at the destination with {}\n",
                              escape_bytes(*flags.file), format_count(counts->listed),
                              kind == "xxh3" ? "xxh128sum -c" : kind + "sum -c"));
  }
  if (counts->without > 0) {
    session.err().write(fmt::format("dunlin: {} files have no {} checksum and are not listed\n",
                                    format_count(counts->without), kind));
  }
  return kDone;
}

}  // namespace

void add_manifest_verb(Verbs& verbs) {
  auto flags = std::make_shared<ManifestFlags>();
  CLI::App& app =
      verbs.add("manifest", "Lists the checksums of the files written, for md5sum -c and the like.",
                "dunlin manifest last -o MD5SUMS\n"
                "dunlin manifest 3 --hash sha256 > SHA256SUMS\n"
                "cd /mnt/backup/photos && md5sum -c --quiet ~/MD5SUMS",
                [flags](Session& session) { return manifest(session, *flags); });
  flags->execution =
      add_place(app, "EXEC", "the execution: its number in `dunlin ps`, its id, or last");
  flags->hash = add_text(app, "--hash", "KIND", "md5 (the default), sha256 or xxh3");
  flags->file = add_text(app, "-o,--output", "FILE", "into this file");
}

}  // namespace dunlin::cli
