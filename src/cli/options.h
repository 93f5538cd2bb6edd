// Flags that every verb has.
#pragma once

#include <string>

namespace dunlin::cli {

struct GlobalOptions {
  std::string state;           ///< empty: $DUNLIN_STATE, the configuration, or the default
  std::string config;          ///< empty: the user's and the machine's file
  std::string audit_key_file;  ///< empty: $DUNLIN_AUDIT_KEY_FILE, the configuration, or the default
  std::string as_token;        ///< env:NAME or file:PATH; empty: $DUNLIN_TOKEN, else by user id
  bool json = false;
  bool quiet = false;
  bool no_progress = false;
  std::string log_level;  ///< empty: the configuration's, or warn
  bool yes = false;
};

}  // namespace dunlin::cli
