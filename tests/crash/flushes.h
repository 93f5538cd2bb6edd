// Flushes before what relies on them: a run under strace, checked in a model of what a power cut
// would leave (disk.h). Kill -9 cannot show a missing flush, since the page cache survives it.
#pragma once

#include "loop.h"

namespace dunlin::crash {

struct FlushTally {
  std::string scenario;
  int publishes = 0;      ///< renames of temporaries, also of an old version to where it is kept
  int outcomes = 0;       ///< items that the ledger holds as completed
  int ledger_writes = 0;  ///< transactions of the ledger
  int ledger_flushes = 0;
  int flushes = 0;              ///< fsync and fdatasync outside of the ledger
  int file_system_flushes = 0;  ///< syncfs
  bool not_traced = false;      ///< nothing was shown: strace cannot trace here
  std::vector<std::string> failures;
};

/// Runs each scenario and checks, whenever something happens that relies on a flush, that the flush
/// has ended:
///
/// - a temporary is made: after a power cut the ledger would still hold its batch as executing,
///   so that recovery finds the name;
/// - a temporary gets its final name: content and metadata of the file are flushed, and the ledger
///   after a power cut holds the batch's intents;
/// - a transaction of the ledger is written that has an item completed or rolled back (written, not
/// flushed: the
///   kernel may put it on the device at once): every name that the item's renames changed, every
///   directory above it, and for `directory_times` mode and times are flushed;
/// - the same for a database: the target after a power cut, opened and rolled back by SQLite
///   itself, holds the record of that batch or migration, or no longer;
/// - the user is told "completed" or "rolled_back": so does the ledger after a power cut.
///
/// Undisturbed, rolled back, and killed (at a crash point, or before an fdatasync of SQLite) and
/// resumed, where the model goes on: what the dead process wrote is in the page
/// cache and not yet safe, so that it is seen whether recovery relies on it. Files on the scratch
/// folder's file system and in memory, where they are flushed one by one and not by syncfs
/// (fs/file_system.cpp).
///
/// Which item a transaction completes is read from the ledger itself: its file and log are put
/// together again from the traced writes. So nothing hangs on crash points or threads. Not checked:
/// content of symlinks and special files where each file is flushed by itself (Linux has no call
/// for it), and objects, whose server is another process.
///
/// The scenarios are files, records, records-single and schema. `jobs` runs at a time.
[[nodiscard]] std::vector<FlushTally> check_flushes(const Options& options,
                                                    const std::vector<std::string>& scenarios,
                                                    int jobs);

}  // namespace dunlin::crash
