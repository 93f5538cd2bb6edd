// Objects in a server that outlives dunlin: small ones, multipart ones, odd keys, older versions at
// the destination.
#include <algorithm>

#include "base/check.h"
#include "base/hash.h"
#include "objects/socket_backend.h"
#include "scenario.h"
#include "support/object_server.h"

namespace dunlin::crash {
namespace {

using objects::SocketBackend;
using objects::WriteCondition;

std::string bytes_of(std::size_t size, unsigned seed) {
  std::string bytes(size, '\0');
  unsigned state = seed + 17;
  for (char& byte : bytes) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<char>(state >> 24);
  }
  return bytes;
}

std::string digest(const std::string& bytes) {
  auto hasher = Hasher::create(HashKind::sha256);
  DUNLIN_CHECK(hasher.ok(), "sha256");
  hasher->update(bytes);
  return hex(hasher->finish());
}

class ObjectsScenario final : public Scenario {
 public:
  std::string name() const override { return "objects"; }
  void make_source(const std::string&) override {}

  void reset_destination() override {
    server_ = std::make_unique<testing::ObjectServerProcess>();
    SocketBackend source(server_->socket_path(), "source");
    SocketBackend destination(server_->socket_path(), "destination");
    for (unsigned i = 0; i < 24; ++i) {
      put(source, "in/dir-" + std::to_string(i % 3) + "/object-" + std::to_string(i),
          bytes_of(i * 997, i));
    }
    put(source, "in/large-1", bytes_of(100'000, 100));
    put(source, "in/large-2", bytes_of(70'001, 101));
    put(source, "in//odd/../key ", bytes_of(10, 102));
    put(destination, "out/dir-1/object-4", bytes_of(50, 200));  // older: overwritten
    put(destination, "out/large-2", bytes_of(70'001, 201));     // same size, other content
    put(destination, "out/theirs", bytes_of(5, 202));
    put(destination, "elsewhere/untouched", bytes_of(5, 203));
  }
  std::vector<std::string> command() const override {
    return {"copy",
            server_->address("source", "in/"),
            server_->address("destination", "out/"),
            "--batch-size",
            "7",
            "--multipart-threshold",
            "40000",
            "--part-size",
            "16000",
            "--conflict",
            "overwrite_if_different",
            "--concurrency",
            "4"};
  }
  std::string state() override {
    SocketBackend destination(server_->socket_path(), "destination");
    std::vector<std::string> lines;
    std::string after;
    do {
      auto page = destination.list("", after, 1000, CancelToken());
      DUNLIN_CHECK(page.ok(), page.error().text());
      for (const auto& object : page->objects) {
        auto data = destination.get(object.key, 0, object.size, "", CancelToken());
        DUNLIN_CHECK(data.ok(), data.error().text());
        // Old versions are kept under a prefix that carries the execution, and differ in nothing
        // else.
        const std::size_t kept = object.key.find(".dunlin-undo-");
        const std::string key =
            kept == std::string::npos ? object.key : object.key.substr(0, kept) + "(kept for undo)";
        lines.push_back(key + " " + std::to_string(object.size) + " " + digest(data->bytes));
      }
      after = page->next;
    } while (!after.empty());
    std::sort(lines.begin(), lines.end());
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    return text;
  }
  std::vector<std::string> leftovers() override {
    std::vector<std::string> found;
    SocketBackend destination(server_->socket_path(), "destination");
    auto uploads = destination.list_uploads("", CancelToken());
    DUNLIN_CHECK(uploads.ok(), uploads.error().text());
    for (const auto& upload : *uploads) found.push_back("open upload of " + upload.key);
    return found;
  }
  std::vector<std::string> publishing_points() const override {
    return {"objects.put.before",     "objects.put.after",       "objects.complete.before",
            "objects.complete.after", "objects.upload_id.after", "objects.part.after",
            "engine.intent.after",    "engine.execute.after"};
  }

 private:
  static void put(SocketBackend& backend, const std::string& key, const std::string& bytes) {
    const auto stored = backend.put(key, bytes, WriteCondition{}, {}, CancelToken());
    DUNLIN_CHECK(stored.ok(), stored.error().text());
  }
  std::unique_ptr<testing::ObjectServerProcess> server_;
};

}  // namespace

std::unique_ptr<Scenario> make_objects_scenario() {
  return std::make_unique<ObjectsScenario>();
}

}  // namespace dunlin::crash
