// Crash points: named places on the durable path where the crash loop kills the process (SIGKILL)
// to prove recovery.
//
// Compiled in where the build's crash_point_setting.h (cmake/DunlinOptions.cmake) says so: presets
// dev, crash and the sanitizers; nothing at all in release. A header and not a definition for every
// command line, so that ccache shares the objects without crash points between release and crash.
// Names are
// "<layer>.<step>.<before|after>" and appear in the table of each kind's README, which the crash
// loop walks.
//
// Environment, read once: DUNLIN_CRASH_AT="name:n" kills at the n-th hit (from 1) of `name`;
// DUNLIN_CRASH_LOG=FILE appends one line "name" per hit (O_APPEND, one write), so that a clean run
// lists all (name, hits) pairs; DUNLIN_CRASH_STOP="name:n" raises SIGSTOP there instead, for tests
// of a stopped owner; DUNLIN_CRASH_SLEEP="name:ms" sleeps at every hit, so that random kills and
// control verbs meet a run in progress.
#pragma once

#include <crash_point_setting.h>  // DUNLIN_CRASH_POINTS: 1 or 0

namespace dunlin {
/// Counts the hit and dies when it is the chosen one. Safe from any thread.
void crash_point_hit(const char* name);
}  // namespace dunlin

#if DUNLIN_CRASH_POINTS
#define DUNLIN_CRASH_POINT(name) ::dunlin::crash_point_hit(name)
#else
#define DUNLIN_CRASH_POINT(name) static_cast<void>(0)
#endif
