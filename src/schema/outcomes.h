// What became of an item, as it is reported to the engine. Pure; any thread.
#pragma once

#include <string>
#include <utility>

#include "engine/run.h"

namespace dunlin::schema {

[[nodiscard]] inline engine::ItemOutcome outcome(ItemId item, engine::ItemStatus status,
                                                 std::string action, std::string message = {}) {
  engine::ItemOutcome result;
  result.item = item;
  result.status = status;
  result.action = std::move(action);
  result.message = std::move(message);
  return result;
}

[[nodiscard]] inline engine::ItemOutcome failed(ItemId item, Error error) {
  engine::ItemOutcome result = outcome(item, engine::ItemStatus::failed, {});
  result.error = std::move(error);
  return result;
}

}  // namespace dunlin::schema
