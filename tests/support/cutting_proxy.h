// A TCP proxy in front of a server's socket file that loses what a network loses: a request, the
// answer to one, or all connections at once. Its thread ends with it.
//
// What goes from client to server until the server answers counts as one request, the first words
// of a connection included; requests of all connections are counted together, from 1.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace dunlin::testing {

class CuttingProxy {
 public:
  enum class Loss : std::uint8_t {
    none,
    request,  ///< the server does not get it, and sees that its client has gone
    reply,    ///< the server has done what it was asked, and nobody hears of it
  };

  /// To the socket file of a server, which need not be there yet. Throws std::runtime_error when no
  /// port is free.
  explicit CuttingProxy(std::string server_socket);
  ~CuttingProxy();
  CuttingProxy(const CuttingProxy&) = delete;
  CuttingProxy& operator=(const CuttingProxy&) = delete;

  /// Of 127.0.0.1.
  [[nodiscard]] int port() const { return port_; }

  /// Begins to count anew; both ends of the connection whose `request`th it is are closed then, the
  /// others stay. Any thread, as all that follow.
  void lose(Loss what, int request);
  /// Passes everything on and counts anew.
  void pass() { lose(Loss::none, 0); }
  [[nodiscard]] int requests() const { return requests_; }
  [[nodiscard]] bool has_lost() const { return has_lost_; }
  /// Closes every connection that there is; how many.
  int cut_all();

 private:
  struct Pair {
    int client = -1;
    int server = -1;
    bool asking = false;  ///< the last bytes came from the client
    bool lose_reply = false;
  };
  void work();
  void take();
  [[nodiscard]] bool from_client(Pair& pair);
  [[nodiscard]] bool from_server(Pair& pair);
  static void close_both(Pair& pair);

  const std::string server_socket_;
  int listener_ = -1;
  int port_ = 0;
  std::mutex mutex_;
  std::vector<Pair> pairs_;
  Loss what_ = Loss::none;
  int at_ = 0;
  std::atomic<int> requests_{0};
  std::atomic<bool> has_lost_{false};
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

}  // namespace dunlin::testing
