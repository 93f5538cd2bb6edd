// What many small files cost at least: copies a tree by the system calls that a durable copy cannot
// do without, on 16 threads, and does nothing else.
//
//     files_floor copy|copy-under-final-names|copy-and-read-back|look SOURCE DESTINATION
//
// No record of what was done, no second look whether a source changed, no attributes, no owners, no
// links, no hash, no message. `copy` is: write all temporaries, flush, rename all, flush. Under
// final names a crash leaves half files that look whole. `look` asks for the size and times of each
// file on both sides. Measured with the peers, it tells how much of a target is left to win at all
// (docs/evidence/profile-small-files.md).
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iostream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t THREADS = 16;        // as many as dunlin's own default has in flight
constexpr std::size_t BUFFER = 1U << 20U;  // all small files fit
constexpr std::size_t ALIGNMENT = 4096;    // of direct reads

[[noreturn]] void fail(const std::string& what) {
  std::cerr << what << ": " << std::strerror(errno) << "\n";
  std::_Exit(1);
}

template <class Result>
Result checked(Result result, const std::string& what) {
  if (result < 0) {
    fail(what);
  }
  return result;
}

struct Directory {
  std::string source;
  std::string destination;
  std::vector<std::string> files = {};
};

int open_directory(const std::string& path) {
  return checked(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), path);
}

void list(const std::string& source, const std::string& destination, bool make,
          std::vector<Directory>& into) {
  if (make && ::mkdir(destination.c_str(), 0755) != 0 && errno != EEXIST) {
    fail(destination);
  }
  Directory directory{.source = source, .destination = destination};
  std::vector<std::string> below;
  DIR* stream = ::opendir(source.c_str());
  if (stream == nullptr) {
    fail(source);
  }
  while (const dirent* entry = ::readdir(stream)) {
    const std::string name = entry->d_name;
    if (entry->d_type == DT_DIR && name != "." && name != "..") {
      below.push_back(name);
    } else if (entry->d_type == DT_REG) {
      directory.files.push_back(name);
    }
  }
  ::closedir(stream);
  into.push_back(std::move(directory));
  for (const std::string& name : below) {
    list(source + "/" + name, destination + "/" + name, make, into);
  }
}

class Floor {
 public:
  explicit Floor(std::vector<Directory> directories) : directories_(std::move(directories)) {}

  /// One directory at a time to each of the threads.
  void each(const std::function<void(const Directory&, int source, int destination,
                                     std::byte* buffer)>& work) {
    std::atomic<std::size_t> next = 0;
    std::vector<std::jthread> threads;
    for (std::size_t count = 0; count < THREADS; ++count) {
      threads.emplace_back([&] {
        auto* const buffer = static_cast<std::byte*>(std::aligned_alloc(ALIGNMENT, BUFFER));
        for (std::size_t at = next++; at < directories_.size(); at = next++) {
          const Directory& directory = directories_[at];
          const int source = open_directory(directory.source);
          const int destination = open_directory(directory.destination);
          work(directory, source, destination, buffer);
          ::close(source);
          ::close(destination);
        }
        std::free(buffer);
      });
    }
  }

 private:
  std::vector<Directory> directories_;
};

std::string temporary(const std::string& name) {
  return "." + name + ".tmp";
}

void copy_one(int source_directory, int destination_directory, const std::string& name,
              const std::string& as, std::byte* buffer) {
  const int source =
      checked(::openat(source_directory, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW), name);
  struct stat status{};
  checked(::fstat(source, &status), name);
  const ssize_t bytes = checked(::read(source, buffer, BUFFER), name);
  const int destination = checked(
      ::openat(destination_directory, as.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600),
      as);
  if (checked(::write(destination, buffer, static_cast<std::size_t>(bytes)), as) != bytes) {
    fail(as);
  }
  checked(::fchmod(destination, status.st_mode & 07777U), as);
  const timespec times[2] = {status.st_atim, status.st_mtim};
  checked(::futimens(destination, times), as);
  ::close(destination);
  ::close(source);
}

void flush(const std::string& folder) {
  const int directory = open_directory(folder);
  checked(::syncfs(directory), folder);
  ::close(directory);
}

void copy(Floor& floor, const std::string& destination, bool temporaries, bool read_back) {
  floor.each([&](const Directory& directory, int from, int to, std::byte* buffer) {
    for (const std::string& name : directory.files) {
      copy_one(from, to, name, temporaries ? temporary(name) : name, buffer);
    }
  });
  flush(destination);
  if (read_back) {
    floor.each([&](const Directory& directory, int, int to, std::byte* buffer) {
      for (const std::string& name : directory.files) {
        const int file =
            checked(::openat(to, temporary(name).c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT), name);
        checked(::read(file, buffer, BUFFER), name);
        ::close(file);
      }
    });
  }
  if (temporaries) {
    floor.each([&](const Directory& directory, int, int to, std::byte*) {
      for (const std::string& name : directory.files) {
        checked(::renameat(to, temporary(name).c_str(), to, name.c_str()), name);
      }
    });
    flush(destination);
  }
  // Making files changed the times of their directories; the deepest were listed last, and no
  // directory's own times are changed by these.
  floor.each([&](const Directory&, int from, int to, std::byte*) {
    struct stat status{};
    checked(::fstat(from, &status), "fstat");
    checked(::fchmod(to, status.st_mode & 07777U), "fchmod");
    const timespec times[2] = {status.st_atim, status.st_mtim};
    checked(::futimens(to, times), "futimens");
  });
}

void look(Floor& floor) {
  std::atomic<std::size_t> different = 0;
  floor.each([&](const Directory& directory, int from, int to, std::byte*) {
    for (const std::string& name : directory.files) {
      struct stat source{};
      struct stat destination{};
      checked(::fstatat(from, name.c_str(), &source, AT_SYMLINK_NOFOLLOW), name);
      checked(::fstatat(to, name.c_str(), &destination, AT_SYMLINK_NOFOLLOW), name);
      different += source.st_size != destination.st_size ||
                           source.st_mtim.tv_sec != destination.st_mtim.tv_sec
                       ? 1
                       : 0;
    }
  });
  if (different > 0) {
    std::cerr << different << " files differ\n";
    std::_Exit(1);
  }
}

}  // namespace

int main(int count, char** words) {
  const std::vector<std::string> arguments(words + 1, words + count);
  if (arguments.size() != 3) {
    std::cerr << "usage: files_floor copy|copy-under-final-names|copy-and-read-back|look SOURCE "
                 "DESTINATION\n";
    return 2;
  }
  const std::string what =
      arguments[0] == "look" && std::filesystem::is_empty(arguments[2]) ? "copy" : arguments[0];
  std::vector<Directory> directories;
  list(arguments[1], arguments[2], what != "look", directories);
  Floor floor(std::move(directories));
  if (what == "look") {
    look(floor);
  } else {
    copy(floor, arguments[2], what != "copy-under-final-names", what == "copy-and-read-back");
  }
  return 0;
}
