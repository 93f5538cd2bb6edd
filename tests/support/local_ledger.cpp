// LocalLedger as bytes; see local_ledger.h.
#include "support/local_ledger.h"

#include "base/binary.h"

namespace dunlin::testing {

using engine::ItemRow;
using engine::ItemStatus;
using store::BatchStatus;
using store::Pass;

namespace {

void put(ByteWriter& out, const std::optional<Error>& error) {
  out.u8(error ? 1 : 0);
  if (error) out.varint(static_cast<std::uint64_t>(error->type)).bytes(error->message);
}

std::optional<Error> get_error(ByteReader& in) {
  if (in.u8() == 0) return std::nullopt;
  const auto type = static_cast<ErrorType>(in.varint());
  return Error(type, std::string(in.bytes()));
}

void put(ByteWriter& out, const ItemRow& row) {
  out.zigzag(row.id.value)
      .zigzag(row.directory.value)
      .bytes(row.name)
      .zigzag(row.size)
      .bytes(row.detail);
  out.zigzag(row.batch.value)
      .bytes(row.directory_path)
      .u8(static_cast<std::uint8_t>(row.status))
      .zigzag(row.attempt);
  out.bytes(row.intent)
      .bytes(row.checksum)
      .u8(static_cast<std::uint8_t>(row.proof))
      .bytes(row.action);
  out.zigzag(row.transferred_bytes).zigzag(row.ended_ms).bytes(row.message).bytes(row.undo);
}

ItemRow get_item(ByteReader& in) {
  ItemRow row;
  row.id.value = in.zigzag();
  row.directory.value = in.zigzag();
  row.name = in.bytes();
  row.size = in.zigzag();
  row.detail = in.bytes();
  row.batch.value = in.zigzag();
  row.directory_path = in.bytes();
  row.status = static_cast<ItemStatus>(in.u8());
  row.attempt = static_cast<std::int32_t>(in.zigzag());
  row.intent = in.bytes();
  row.checksum = in.bytes();
  row.proof = static_cast<store::Proof>(in.u8());
  row.action = in.bytes();
  row.transferred_bytes = in.zigzag();
  row.ended_ms = in.zigzag();
  row.message = in.bytes();
  row.undo = in.bytes();
  return row;
}

void put(ByteWriter& out, const store::BatchRow& row) {
  out.zigzag(row.id.value).zigzag(row.task.value).bytes(row.task_type).zigzag(row.stage);
  out.u8(static_cast<std::uint8_t>(row.status))
      .u8(static_cast<std::uint8_t>(row.pass))
      .zigzag(row.token);
  out.zigzag(row.attempt).zigzag(row.first_item.value).zigzag(row.item_count).zigzag(row.bytes);
  out.u8(row.verified ? 1 : 0).bytes(row.payload);
}

store::BatchRow get_batch(ByteReader& in) {
  store::BatchRow row;
  row.id.value = in.zigzag();
  row.task.value = in.zigzag();
  row.task_type = in.bytes();
  row.stage = static_cast<std::int32_t>(in.zigzag());
  row.status = static_cast<BatchStatus>(in.u8());
  row.pass = static_cast<Pass>(in.u8());
  row.token = in.zigzag();
  row.attempt = static_cast<std::int32_t>(in.zigzag());
  row.first_item.value = in.zigzag();
  row.item_count = in.zigzag();
  row.bytes = in.zigzag();
  row.verified = in.u8() != 0;
  row.payload = in.bytes();
  return row;
}

}  // namespace

std::string LocalLedger::encode() const {
  ByteWriter out;
  out.varint(tasks.size());
  for (const auto& task : tasks) {
    out.zigzag(task.id.value)
        .bytes(task.task_type)
        .zigzag(task.stage)
        .u8(task.barrier ? 1 : 0)
        .bytes(task.description);
    out.bytes(task.parameters_json).u8(static_cast<std::uint8_t>(task.count_as));
  }
  out.varint(directories.size());
  for (const auto& [id, row] : directories) {
    out.zigzag(id)
        .zigzag(row.parent.value)
        .bytes(row.name)
        .bytes(row.detail)
        .u8(row.open ? 1 : 0)
        .bytes(row.path);
  }
  out.varint(batches.size());
  for (const auto& [id, batch] : batches) {
    put(out, batch.row);
    out.varint(batch.depends_on.size());
    for (const auto before : batch.depends_on) out.zigzag(before.value);
    put(out, batch.error);
  }
  out.varint(items.size());
  for (const auto& [id, item] : items) {
    put(out, item.row);
    put(out, item.error);
  }
  out.varint(first_items.size());
  for (const auto& [key, item] : first_items) out.bytes(key).zigzag(item);
  out.bytes(roots);
  out.bytes(cursor).u8(enumeration_complete ? 1 : 0).u8(committing ? 1 : 0).zigzag(epoch);
  out.zigzag(last_task)
      .zigzag(last_batch)
      .zigzag(last_item)
      .zigzag(last_directory)
      .zigzag(last_token);
  return out.take();
}

Result<LocalLedger> LocalLedger::decode(std::string_view bytes) {
  ByteReader in(bytes);
  LocalLedger ledger;
  for (std::size_t n = in.count(); n > 0 && in.ok(); --n) {
    store::TaskRow task;
    task.id.value = in.zigzag();
    task.task_type = in.bytes();
    task.stage = static_cast<std::int32_t>(in.zigzag());
    task.barrier = in.u8() != 0;
    task.description = in.bytes();
    task.parameters_json = in.bytes();
    task.count_as = static_cast<store::CountAs>(in.u8());
    ledger.tasks.push_back(std::move(task));
  }
  for (std::size_t n = in.count(); n > 0 && in.ok(); --n) {
    store::DirectoryRow row;
    row.id.value = in.zigzag();
    row.parent.value = in.zigzag();
    row.name = in.bytes();
    row.detail = in.bytes();
    row.open = in.u8() != 0;
    row.path = in.bytes();
    ledger.directories.emplace(row.id.value, std::move(row));
  }
  for (std::size_t n = in.count(); n > 0 && in.ok(); --n) {
    LocalBatch batch;
    batch.row = get_batch(in);
    for (std::size_t m = in.count(); m > 0 && in.ok(); --m)
      batch.depends_on.emplace_back(in.zigzag());
    batch.error = get_error(in);
    ledger.batches.emplace(batch.row.id.value, std::move(batch));
  }
  for (std::size_t n = in.count(); n > 0 && in.ok(); --n) {
    LocalItem item;
    item.row = get_item(in);
    item.error = get_error(in);
    ledger.items.emplace(item.row.id.value, std::move(item));
  }
  for (std::size_t n = in.count(); n > 0 && in.ok(); --n) {
    const std::string key(in.bytes());
    ledger.first_items.emplace(key, in.zigzag());
  }
  ledger.roots = in.bytes();
  ledger.cursor = in.bytes();
  ledger.enumeration_complete = in.u8() != 0;
  ledger.committing = in.u8() != 0;
  for (std::int64_t* value : {&ledger.epoch, &ledger.last_task, &ledger.last_batch,
                              &ledger.last_item, &ledger.last_directory, &ledger.last_token}) {
    *value = in.zigzag();
  }
  DUNLIN_TRY(in.finish("local ledger"));
  return ledger;
}

}  // namespace dunlin::testing
