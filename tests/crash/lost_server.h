// What a server or a network does to a migration: the server is killed and started again, its
// sessions are ended by somebody else, requests and answers are lost. dunlin itself lives.
#pragma once

#include <array>
#include <string_view>

#include "loop.h"

namespace dunlin::crash {

enum class Cut : unsigned char {
  server,       ///< killed and started again before dunlin asks again
  server_away,  ///< killed, and started again while dunlin asks
  sessions,     ///< all of dunlin's are ended
  session,      ///< one of them is
  request,      ///< lost on the way to the server, with its connection
  reply,        ///< lost on the way back, with its connection
  wire,         ///< all connections at once
};
inline constexpr std::array<std::string_view, 7> kCutNames{
    "server", "server away", "sessions", "session", "request", "reply", "wire"};

struct LostTally {
  std::string scenario;
  int points = 0;    ///< crash points that the undisturbed run passes
  int requests = 0;  ///< requests of the undisturbed run to its server
  std::array<int, kCutNames.size()> cuts{};
  int random = 0;       ///< of them, at random moments
  int not_reached = 0;  ///< it ended before; it had to end as undisturbed all the same
  int by_itself = 0;    ///< the disturbed `migrate up` ended well
  int by_next = 0;      ///< a further one did
  int in_doubt = 0;     ///< none could: it says exactly what has to be looked at
  std::vector<std::string> failures;
  [[nodiscard]] int all_cuts() const;
};

/// At each crash point (each of its hits with `full`; else one of each of the kind's own, in one of
/// these ways): the server killed, sessions ended. At each request (some without `full`): it or its
/// answer lost. Then `options.random_kills` times at a random moment. After each `migrate up` until
/// it ends well, in every second case with the state directory gone between any two. Nothing may be
/// left to do by hand on PostgreSQL, and in one case of a hundred on MariaDB.
[[nodiscard]] LostTally lose_servers(const Options& options, const std::string& scenario);

}  // namespace dunlin::crash
