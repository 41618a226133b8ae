#include "core/storage.h"

#include <array>
#include <charconv>
#include <memory>
#include <string>
#include <string_view>

#include "core/allocator.h"
#include "core/cuda.h"
#include "core/error.h"
#include "core/holders.h"
#include "core/recording.h"

namespace tilegrad {
namespace {

void* allocate_on(Device device, size_t bytes) {
  if (device.type == DeviceType::cpu) return cpu_memory::allocate(bytes);
  const cuda::OnDevice on(device);
  return cuda::allocate(bytes);
}

void release_on(Device device, void* data, size_t bytes) {
  holders::remove(data, bytes);
  if (device.type == DeviceType::cpu) return cpu_memory::release(data, bytes);
  const cuda::OnDevice on(device);
  cuda::release(data, bytes);
}

}  // namespace

DeviceMemory::DeviceMemory(Device device, size_t bytes)
    : device_(device), bytes_(bytes), data_(bytes ? static_cast<char*>(allocate_on(device, bytes)) : nullptr) {
  holders::add_working_memory(data_, bytes_, device_);
}

DeviceMemory::~DeviceMemory() {
  if (data_) release_on(device_, data_, bytes_);
}

const char* name(Device device) {
  if (device.type == DeviceType::cpu) return "cpu";
  static const auto* const names = [] {
    auto* const made = new std::array<std::string, cuda::kMostDevices>{"cuda"};
    for (size_t i = 1; i < made->size(); ++i) (*made)[i] = "cuda:" + std::to_string(i);
    return made;
  }();
  return (*names)[static_cast<size_t>(device.index)].c_str();
}

Device parse_device(const char* text) {
  const std::string_view given = text;
  if (given == "cpu") return {};
  int index = 0;
  if (given.starts_with("cuda:")) {
    const std::string_view digits = given.substr(5);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    if (error != std::errc() || end != digits.data() + digits.size() || index >= cuda::kMostDevices) index = -1;
  } else if (given != "cuda") {
    index = -1;
  }
  if (index < 0)
    fail_without_op(ErrorKind::device, "device '%s' is none of 'cpu', 'cuda' and 'cuda:0' to 'cuda:15'", text);
  if (!cuda::why_not().empty()) {
    fail_without_op(ErrorKind::device, "device '%s' is not available: %s", text, cuda::why_not().c_str());
  }
  if (index >= cuda::device_count()) {
    fail_without_op(ErrorKind::device,
                    "device '%s' is not available: the last that the NVIDIA driver sees is 'cuda:%d'", text,
                    cuda::device_count() - 1);
  }
  return {DeviceType::cuda, static_cast<int8_t>(index)};
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
