// ChunkRecorder; see chunk_recorder.h.
#include "fs/chunk_recorder.h"

#include <chrono>
#include <system_error>
#include <utility>

#include "base/crash_point.h"

namespace dunlin::fs {
namespace {

constexpr std::size_t kWaitingMax = 8;
constexpr std::chrono::milliseconds kRecorderWait{200};  ///< kWaitMax of block_pipeline.cpp

}  // namespace

ChunkRecorder::ChunkRecorder(Record record, const CancelToken& cancel)
    : record_(std::move(record)), cancel_(cancel) {
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error&) {
    // Then the copy waits for each.
  }
}

ChunkRecorder::~ChunkRecorder() {
  {
    const std::lock_guard lock(mutex_);
    waiting_.clear();
    ending_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Status ChunkRecorder::record_one(const std::string& hashes) {
  DUNLIN_TRY(cancel_.check());
  DUNLIN_CRASH_POINT("fs.chunk.before");
  DUNLIN_TRY(record_(hashes));
  DUNLIN_CRASH_POINT("fs.chunk.after");
  return success();
}

void ChunkRecorder::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    while (!ending_ && !error_ && waiting_.empty()) changed_.wait_for(lock, kRecorderWait);
    if (error_ || waiting_.empty()) return;
    const std::string next = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    Status recorded = record_one(next);
    lock.lock();
    if (!recorded.ok()) error_ = std::move(recorded).error();
    changed_.notify_all();
  }
}

Status ChunkRecorder::add(std::string hashes) {
  std::unique_lock lock(mutex_);
  while (!error_ && waiting_.size() >= kWaitingMax) changed_.wait_for(lock, kRecorderWait);
  if (error_) return *error_;
  if (!thread_.joinable()) return record_one(hashes);
  waiting_.push_back(std::move(hashes));
  changed_.notify_all();
  return success();
}

Status ChunkRecorder::finish() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  if (error_) return *error_;
  return success();
}

}  // namespace dunlin::fs
