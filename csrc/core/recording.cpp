#include "core/recording.h"

#include <atomic>
#include <cstring>
#include <mutex>

#include "core/allocator.h"
#include "core/cuda.h"

namespace tilegrad {
namespace {

thread_local bool hidden = false;
std::atomic<uint64_t> change_count{0};

// A storage that is being recorded may be let go by another thread.
std::mutex& deaths() {
  static std::mutex* const instance = new std::mutex;
  return *instance;
}

// The memory that an array's elements lie in.
cuda::Region region_of(const Array& array) {
  if (array.numel() == 0) return {array.data(), 0, 0};
  int64_t below = 0, above = 0;
  for (int d = 0; d < array.ndim(); ++d) {
    const int64_t distance = (array.size(d) - 1) * array.stride(d);
    (distance < 0 ? below : above) += distance < 0 ? -distance : distance;
  }
  const size_t first = static_cast<size_t>(below) * array.item_size();
  return {static_cast<char*>(array.data()) - first, static_cast<size_t>(below + above + 1) * array.item_size(), first};
}

}  // namespace

thread_local Recording* Recording::active_ = nullptr;

void set_values_hidden(bool value) { hidden = value; }
bool values_hidden() { return hidden; }

void note_change() { change_count.fetch_add(1, std::memory_order_relaxed); }
uint64_t changes() { return change_count.load(std::memory_order_relaxed); }

void require_values(const char* op) {
  if (!hidden) return;
  fail(ErrorKind::capture,
       "%s: a captured function cannot look at values, because its replays do not run Python; return the tensor and "
       "look at it outside, or use tg.where instead of a branch",
       op);
}

void look_at(std::span<const Operand> operands, const std::function<void(void* const*)>& body) {
  if (operands[0].array->device().type == DeviceType::cpu) {
    void* data[8];
    int count = 0;
    for (const Operand& operand : operands) data[count++] = operand.array->data();
    return body(data);
  }
  const cuda::OnDevice on(operands[0].array->device());
  std::vector<cuda::Region> regions;
  for (const Operand& operand : operands) regions.push_back(region_of(*operand.array));
  cuda::check_later(std::move(regions), body);
}

Recording::Recording() : program_(std::make_shared<Program>()) { active_ = this; }

Recording::~Recording() { discard(); }

void Recording::discard() {
  if (active_ == this) active_ = nullptr;
  const std::lock_guard lock(deaths());
  for (const auto& [storage, slot] : slots_) storage->set_recording(nullptr);
  slots_.clear();
}

void Recording::storage_made(Storage* storage) {
  if (!active_) return;
  storage->set_recording(active_);
  const std::lock_guard lock(deaths());
  active_->add_slot(storage, ProgramSlot::Kind::temporary);
}

void Recording::host_memory_seen(Storage* storage) {
  if (!active_ || storage->device().type != DeviceType::cpu) return;
  const std::lock_guard lock(deaths());
  storage->retain();
  active_->host_memory_.emplace_back(active_->add_slot(storage, ProgramSlot::Kind::outside), StorageRef(storage));
}

void Recording::storage_dies(Storage* storage) {
  const std::lock_guard lock(deaths());
  if (Recording* recording = storage->recording()) recording->slots_.erase(storage);
}

int Recording::add_slot(Storage* storage, ProgramSlot::Kind kind) {
  const int slot = static_cast<int>(program_->slots.size());
  ProgramSlot& added = program_->slots.emplace_back();
  added.kind = kind;
  added.bytes = storage->bytes();
  added.device = storage->device();
  slots_.emplace(storage, slot);
  return slot;
}

int Recording::slot_of(const Array& array) {
  const std::lock_guard lock(deaths());
  const auto found = slots_.find(array.storage());
  if (found != slots_.end()) return found->second;
  const int slot = add_slot(array.storage(), ProgramSlot::Kind::outside);
  program_->slots.back().kept = array.storage_ref();
  return slot;
}

Array Recording::input(const Array& argument) {
  const size_t bytes = region_of(argument).bytes;
  const Pause pause;
  Storage* original = argument.storage();
  original->retain();
  const StorageRef alias(Storage::borrow(argument.data(), bytes, argument.device(), original,
                                         [](void* storage) { static_cast<Storage*>(storage)->release(); }));
  const std::lock_guard lock(deaths());
  const int slot = add_slot(alias.get(), ProgramSlot::Kind::input);
  program_->slots.back().number = program_->inputs++;
  program_->slots[static_cast<size_t>(slot)].kept = argument.storage_ref();
  kept_.push_back(alias);
  return Array(alias, 0, argument.shape(), argument.strides(), argument.dtype());
}

void Recording::append_operands(std::span<const Operand> operands, ProgramItem& item) {
  item.first_operand = static_cast<int>(program_->operands.size());
  item.operands = static_cast<int>(operands.size());
  item.scope = current_scope();
  item.bytes = bytes_moved(operands);
  for (const Operand& operand : operands) {
    if (!operand.array) {
      program_->operands.push_back({-1, operand.access, 0, 0});
      continue;
    }
    const Array& array = *operand.array;
    const int slot = slot_of(array);
    program_->operands.push_back(
        {slot, operand.access, array.offset() * static_cast<int64_t>(array.item_size()), array.numel()});
  }
}

void Recording::give_up(const std::string& why) {
  if (reason_.empty()) reason_ = why;
  hidden = false;  // nothing will be replayed
}

void Recording::note(const Launch& launch) {
  ProgramItem item{};
  item.name = launch.name;
  item.entry = launch.entry;
  item.dtype = launch.dtype;
  item.cost = launch.cost;
  append_operands(launch.operands, item);
  std::vector<std::max_align_t>& room = program_->params;
  item.params = room.size();
  item.params_bytes = launch.params_bytes;
  room.resize(room.size() + (launch.params_bytes + sizeof room[0] - 1) / sizeof room[0]);
  if (launch.params_bytes) {
    std::memcpy(static_cast<void*>(room.data() + item.params), launch.params, launch.params_bytes);
    launch.clear_padding(room.data() + item.params);
  }
  for (const Operand& operand : launch.operands) {
    if (!operand.array) continue;
    if (has_launches_ && !(program_->device() == operand.array->device())) {
      give_up("some of its launches are on the CPU and some on a GPU");
    }
    program_->set_device(operand.array->device());
    has_launches_ = true;
    break;
  }
  if (launch.workspace_bytes && program_->device().type == DeviceType::cpu) {
    item.workspace = static_cast<int>(program_->slots.size());
    ProgramSlot& workspace = program_->slots.emplace_back();
    workspace.bytes = launch.workspace_bytes;
  }
  program_->items.push_back(std::move(item));
}

void Recording::note_host_call(std::span<const Operand> operands, std::function<void(void* const*)> body, int64_t key) {
  ProgramItem item{};
  item.key = key;
  item.name = "host call";
  item.host_call = std::move(body);
  append_operands(operands, item);
  program_->items.push_back(std::move(item));
}

void Recording::note_host_write(const Array& array, const void* written) {
  ProgramSlot& slot = program_->slots[static_cast<size_t>(slot_of(array))];
  if (slot.kind != ProgramSlot::Kind::temporary) return;
  const char* bytes = static_cast<const char*>(written);
  slot.initial.assign(bytes, bytes + array.storage()->bytes());
}

std::shared_ptr<Program> Recording::finish(const std::vector<Array>& outputs) {
  active_ = nullptr;
  program_->find_uses();
  for (const Array& array : outputs) {
    const int slot = slot_of(array);
    ProgramSlot& returned = program_->slots[static_cast<size_t>(slot)];
    if (returned.kind == ProgramSlot::Kind::temporary) returned.kind = ProgramSlot::Kind::output;
    program_->outputs.push_back({slot, array.offset(), array.shape(), array.strides(), array.dtype()});
  }
  const std::lock_guard lock(deaths());
  for (auto& [index, memory] : host_memory_) {
    ProgramSlot& slot = program_->slots[static_cast<size_t>(index)];
    if (slot.is_written || slot.kind == ProgramSlot::Kind::output) {  // it is meant to be seen by the host
      slot.kept = memory;
    } else {
      const char* bytes = static_cast<const char*>(memory->data());
      slot.kind = ProgramSlot::Kind::constant;
      slot.initial.assign(bytes, bytes + memory->bytes());
    }
  }
  for (const auto& [storage, index] : slots_) {
    ProgramSlot& slot = program_->slots[static_cast<size_t>(index)];
    if (slot.kind == ProgramSlot::Kind::temporary) {
      storage->retain();
      slot.kind = ProgramSlot::Kind::outside;
      slot.kept = StorageRef(storage);
    } else if (slot.kind == ProgramSlot::Kind::input) {
      if (slot.is_written) slot.kept->bump_version();
      slot.kept = StorageRef();
    }
    storage->set_recording(nullptr);
  }
  slots_.clear();
  kept_.clear();
  host_memory_.clear();
  program_->plan();
  // The blocks that the recorded call used are of other sizes than the program's one block: kept as well, they would make
  // the process as large as both.
  cpu_memory::trim();
  return program_;
}

}  // namespace tilegrad
