// memory_object_server SOCKET [--bucket NAME]... [--preload N,SIZE,SEED] [--fault
// CALL:NTH:FAULT]...
//
// An object store in memory on a Unix socket, so that it outlives the dunlin under test. The
// buckets "source" and "destination" always exist; --preload fills "source"; --fault hits the NTH
// call of that name in any bucket after the preload ("complete_upload:1:lose_reply"). Ends on
// SIGTERM or SIGINT, and when the process that started it ends.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>

#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "support/object_server.h"

namespace {

using dunlin::Error;
using dunlin::ErrorType;
using dunlin::Status;
using dunlin::objects::Call;
using dunlin::objects::Fault;

using Faults = std::map<std::pair<Call, std::int64_t>, Fault>;

struct Options {
  std::string socket_path;
  std::vector<std::string> buckets{"source", "destination"};
  std::vector<std::int64_t> preload;
  Faults faults;
};

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

Status parse(int argc, char** argv, Options& options) {
  const Error usage(ErrorType::invalid_input,
                    "usage: memory_object_server SOCKET [--bucket NAME]... [--preload N,SIZE,SEED] "
                    "[--fault CALL:NTH:FAULT]...");
  if (argc < 2 || argc % 2 != 0) return usage;
  options.socket_path = argv[1];
  for (int n = 2; n < argc; n += 2) {
    const std::string name = argv[n];
    const std::string value = argv[n + 1];
    if (name == "--bucket") {
      options.buckets.push_back(value);
    } else if (name == "--preload") {
      for (const auto& part : split(value, ','))
        options.preload.push_back(std::atoll(part.c_str()));
      if (options.preload.size() != 3) return usage;
    } else if (name == "--fault") {
      const auto parts = split(value, ':');
      if (parts.size() != 3) return usage;
      const auto call = dunlin::objects::call_from_name(parts[0]);
      const auto fault = dunlin::objects::fault_from_name(parts[2]);
      if (!call || !fault) return usage;
      options.faults[{*call, std::atoll(parts[1].c_str())}] = *fault;
    } else {
      return usage;
    }
  }
  return dunlin::success();
}

Status serve(const Options& options, int stop_fd) {
  const dunlin::SystemClock clock;
  dunlin::testing::ObjectServer server(clock, options.buckets);
  if (!options.preload.empty()) {
    DUNLIN_TRY(dunlin::testing::fill(*server.bucket("source"), options.preload[0],
                                     options.preload[1],
                                     static_cast<std::uint64_t>(options.preload[2])));
  }
  std::map<Call, std::int64_t> counts;
  for (const auto& name : options.buckets) {
    server.bucket(name)->set_fault_hook([&](Call call, std::string_view, std::int64_t) {
      const auto at = options.faults.find({call, ++counts[call]});
      return at == options.faults.end() ? Fault::none : at->second;
    });
  }
  DUNLIN_TRY(server.listen(options.socket_path));
  return server.run(stop_fd);
}

}  // namespace

int main(int argc, char** argv) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  const dunlin::UniqueFd stop(::signalfd(-1, &signals, SFD_CLOEXEC));
  Options options;
  Status status = parse(argc, argv, options);
  if (status.ok()) status = serve(options, stop.get());
  if (status.ok()) return 0;
  std::fprintf(stderr, "memory_object_server: %s\n", status.error().text().c_str());
  return 2;
}
