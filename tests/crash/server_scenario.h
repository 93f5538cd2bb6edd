// A scenario with a server of its own, which the loop may kill while dunlin works.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "scenario.h"
#include "support/cutting_proxy.h"

namespace dunlin::crash {

class ServerScenario : public Scenario {
 public:
  ServerScenario(std::string server, SchemaWay way) : server_name_(std::move(server)), way_(way) {}
  std::string name() const override;
  void make_source(const std::string& folder) override;
  std::vector<std::string> preparation() const override;
  std::vector<std::string> command() const override { return migrate("60"); }
  std::vector<std::string> impatient_command() const override { return migrate("1"); }
  std::vector<std::string> publishing_points() const override {
    return {"schema.commit.after", "schema.lock.after", "engine.execute.before",
            "engine.execute.after"};
  }

  /// All of its processes by SIGKILL, and the same data served again.
  virtual void kill_server() = 0;
  virtual void start_server() = 0;
  /// Those that dunlin has there, the oldest first.
  [[nodiscard]] virtual std::vector<std::string> sessions() = 0;
  /// From another session; returns when it is gone.
  virtual void end_session(const std::string& session) = 0;
  [[nodiscard]] virtual testing::CuttingProxy& proxy() = 0;
  /// Whether command() goes through it.
  void go_through_proxy(bool yes) { is_proxied_ = yes; }

 protected:
  [[nodiscard]] virtual std::string url() const = 0;
  [[nodiscard]] virtual std::string proxied_url() const = 0;
  virtual void write_migrations() = 0;
  [[nodiscard]] SchemaWay way() const { return way_; }
  void write(const std::string& name, const std::string& up, const std::string& down) const;

 private:
  [[nodiscard]] std::vector<std::string> migrate(const std::string& lock_timeout_s) const;
  const std::string server_name_;
  const SchemaWay way_;
  std::string migrations_;
  bool is_proxied_ = false;
};

}  // namespace dunlin::crash
