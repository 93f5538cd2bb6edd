// The two places where a ScriptedRun leaves its work; see scripted_kind.h.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/binary.h"
#include "base/file_io.h"
#include "support/scripted_kind.h"

namespace dunlin::testing {

namespace {

class MemoryDestination final : public ScriptedDestination {
 public:
  [[nodiscard]] std::string identity() const override { return "memory"; }
  [[nodiscard]] Result<std::optional<std::string>> read(std::string_view name) override {
    const std::lock_guard lock(mutex_);
    const auto found = blobs_.find(name);
    if (found == blobs_.end()) return std::optional<std::string>();
    return std::optional(found->second);
  }
  [[nodiscard]] Status write(std::string_view name, std::string_view bytes) override {
    const std::lock_guard lock(mutex_);
    blobs_.insert_or_assign(std::string(name), std::string(bytes));
    return success();
  }
  [[nodiscard]] Status rename(std::string_view from, std::string_view to) override {
    const std::lock_guard lock(mutex_);
    const auto found = blobs_.find(from);
    if (found == blobs_.end()) return Error(ErrorType::write_error, "nothing to rename");
    std::string bytes = std::move(found->second);
    blobs_.erase(found);
    blobs_.insert_or_assign(std::string(to), std::move(bytes));
    return success();
  }
  [[nodiscard]] Status link(std::string_view from, std::string_view to) override {
    const std::lock_guard lock(mutex_);
    const auto found = blobs_.find(from);
    if (found == blobs_.end()) return Error(ErrorType::write_error, "nothing to link");
    blobs_.try_emplace(std::string(to), found->second);
    return success();
  }
  [[nodiscard]] Status remove(std::string_view name) override {
    const std::lock_guard lock(mutex_);
    if (const auto found = blobs_.find(name); found != blobs_.end()) blobs_.erase(found);
    return success();
  }
  [[nodiscard]] std::vector<std::string> names() override {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> all;
    for (const auto& [name, bytes] : blobs_) all.push_back(name);
    return all;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::string, std::less<>> blobs_;
};

class FolderDestination final : public ScriptedDestination {
 public:
  explicit FolderDestination(std::string path) : path_(std::move(path)) {}

  [[nodiscard]] std::string identity() const override {
    struct stat info{};
    if (::stat(path_.c_str(), &info) != 0) return "missing";
    return std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino);
  }
  [[nodiscard]] Result<std::optional<std::string>> read(std::string_view name) override {
    auto bytes = read_file(at(name));
    if (bytes.ok()) return std::optional(std::move(bytes).value());
    if (bytes.error().type == ErrorType::not_found) return std::optional<std::string>();
    return std::move(bytes).error();
  }
  [[nodiscard]] Status write(std::string_view name, std::string_view bytes) override {
    DUNLIN_ASSIGN(const UniqueFd file, open_file(at(name), O_WRONLY | O_CREAT | O_TRUNC));
    DUNLIN_TRY(write_all(file.get(), bytes, at(name)));
    return fsync_file(file.get(), at(name));
  }
  [[nodiscard]] Status rename(std::string_view from, std::string_view to) override {
    if (::rename(at(from).c_str(), at(to).c_str()) != 0) {
      return error_from_errno(errno, "rename " + at(from), true);
    }
    return fsync_directory(path_);
  }
  [[nodiscard]] Status link(std::string_view from, std::string_view to) override {
    if (::link(at(from).c_str(), at(to).c_str()) != 0 && errno != EEXIST) {
      return error_from_errno(errno, "link " + at(from), true);
    }
    return success();
  }
  [[nodiscard]] Status remove(std::string_view name) override {
    if (::unlink(at(name).c_str()) != 0 && errno != ENOENT) {
      return error_from_errno(errno, "remove " + at(name), true);
    }
    return success();
  }
  [[nodiscard]] std::vector<std::string> names() override {
    std::vector<std::string> all;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(path_, ignored)) {
      all.push_back(entry.path().filename().string());
    }
    return all;
  }

 private:
  [[nodiscard]] std::string at(std::string_view name) const {
    return path_ + "/" + std::string(name);
  }
  const std::string path_;
};

}  // namespace

std::shared_ptr<ScriptedDestination> make_memory_destination() {
  return std::make_shared<MemoryDestination>();
}
std::shared_ptr<ScriptedDestination> make_folder_destination(std::string path) {
  return std::make_shared<FolderDestination>(std::move(path));
}

/// A blob is: execution, then (item, name, content) for each item in it.
std::map<std::string, std::string> scripted_contents(ScriptedDestination& destination,
                                                     std::vector<std::string>* leftovers) {
  std::map<std::string, std::string> seen;
  for (const std::string& name : destination.names()) {
    if (name.starts_with(".dunlin-")) {
      if (leftovers != nullptr) leftovers->push_back(name);
      continue;
    }
    const auto blob = destination.read(name);
    if (!blob.ok() || !*blob) continue;
    ByteReader in(**blob);
    std::string execution(in.bytes());
    while (in.ok() && in.remaining() > 0) {
      [[maybe_unused]] const std::uint64_t item = in.varint();
      std::string item_name(in.bytes());
      std::string content(in.bytes());
      if (in.ok()) seen.insert_or_assign(std::move(item_name), std::move(content));
    }
    if (!in.ok()) seen.insert_or_assign("(damaged) " + name, **blob);
  }
  return seen;
}

}  // namespace dunlin::testing
