// The composition root: the only file that knows every kind.
#include <string>
#include <string_view>
#include <vector>

#include <malloc.h>

#include "base/clock.h"
#include "base/leave_to_exit.h"
#include "base/redact.h"
#include "cli/application.h"
#include "engine/kind.h"
#include "files/files_kind.h"
#include "objects/objects_kind.h"
#include "records/records_kind.h"
#include "sandbox/content_parsers.h"
#include "sandbox/parser_process.h"
#include "schema/schema_kind.h"

namespace {

/// glibc gives up to eight arenas a core to the threads, and what one of them has free serves no
/// other: some 3 MiB of a copy, and more the longer it runs.
constexpr int kArenas = 4;

/// From whoever reads /proc/PID/cmdline (`ps`): as early as a program can, not before.
void hide_secrets(int argc, char** argv) {
  for (int n = 1; n < argc; ++n) {
    const std::string shown = dunlin::mask_secrets(argv[n], dunlin::SecretsIn::value, '*');
    shown.copy(argv[n], shown.size());
  }
}

}  // namespace

int main(int argc, char** argv) {
  ::mallopt(M_ARENA_MAX, kArenas);
  dunlin::process_ends_with_its_command();
  if (argc == 2 && std::string_view(argv[1]) == dunlin::sandbox::kParserWord)
    return dunlin::sandbox::content_parser_main();
  dunlin::engine::KindRegistry kinds;
  // The first kind that accepts a command line takes it: objects know their addresses, files take
  // every other pair of words.
  kinds.add(dunlin::objects::make_objects_kind());
  kinds.add(dunlin::files::make_files_kind());
  kinds.add(dunlin::records::make_records_kind());
  kinds.add(dunlin::schema::make_schema_kind("dunlin " DUNLIN_VERSION));
  const dunlin::SystemClock machine;
  const dunlin::SteadyClock clock(machine);
  const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  hide_secrets(argc, argv);
  return dunlin::cli::Application(kinds, clock, DUNLIN_VERSION).run(words);
}
