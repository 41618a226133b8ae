#include "core/storage.h"

#include <memory>
#include <string_view>

#include "core/allocator.h"
#include "core/cuda.h"
#include "core/error.h"
#include "core/holders.h"
#include "core/recording.h"

namespace tilegrad {
namespace {

void* allocate_on(Device device, size_t bytes) {
  return device.type == DeviceType::cuda ? cuda::allocate(bytes) : cpu_memory::allocate(bytes);
}

void release_on(Device device, void* data, size_t bytes) {
  holders::remove(data, bytes);
  device.type == DeviceType::cuda ? cuda::release(data, bytes) : cpu_memory::release(data, bytes);
}

}  // namespace

DeviceMemory::DeviceMemory(Device device, size_t bytes)
    : device_(device), bytes_(bytes), data_(bytes ? static_cast<char*>(allocate_on(device, bytes)) : nullptr) {
  holders::add_working_memory(data_, bytes_, device_);
}

DeviceMemory::~DeviceMemory() {
  if (data_) release_on(device_, data_, bytes_);
}

const char* name(Device device) { return device.type == DeviceType::cpu ? "cpu" : "cuda"; }

Device parse_device(const char* text) {
  const std::string_view given = text;
  if (given == "cpu") return {};
  if (given == "cuda" || given == "cuda:0") {
    if (cuda::why_not().empty()) return cuda::kDevice;
    fail(ErrorKind::device, "device '%s' is not available: %s", text, cuda::why_not().c_str());
  }
  fail(ErrorKind::device, "device '%s' is none of 'cpu', 'cuda' and 'cuda:0'", text);
}

Storage* Storage::allocate(size_t bytes, Device device) {
  std::unique_ptr<Storage> storage(new Storage);
  storage->data_ = allocate_on(device, bytes);
  storage->bytes_ = bytes;
  storage->device_ = device;
  Recording::storage_made(storage.get());
  return storage.release();
}

Storage* Storage::borrow(void* data, size_t bytes, Device device, void* owner, void (*let_go)(void*)) {
  Storage* storage = new Storage;
  storage->data_ = data;
  storage->bytes_ = bytes;
  storage->device_ = device;
  storage->owner_ = owner;
  storage->let_go_ = let_go;
  Recording::host_memory_seen(storage);
  return storage;
}

void Storage::destroy() {
  if (recording_) Recording::storage_dies(this);
  if (let_go_) {
    let_go_(owner_);
  } else {
    release_on(device_, data_, bytes_);
  }
  delete this;
}

}  // namespace tilegrad
