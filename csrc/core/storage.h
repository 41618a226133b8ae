// Storage: one reference-counted block of memory that arrays are views of.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace tilegrad {

enum class DeviceType : uint8_t { cpu, cuda };

struct Device {
  DeviceType type = DeviceType::cpu;
  int8_t index = 0;
  bool operator==(const Device&) const = default;
};

const char* name(Device device);  // "cuda" for the first
// "cpu", "cuda" or "cuda:1"; anything else, and a device that cannot be used here, raises ErrorKind::device.
Device parse_device(const char* text);

class Recording;  // recording.h

class Storage {
 public:
  // Memory of our own, from the device's caching allocator. Counted once, for the caller.
  static Storage* allocate(size_t bytes, Device device);
  // Memory that somebody else owns (NumPy, DLPack): `let_go(owner)` is called when the last array is gone.
  static Storage* borrow(void* data, size_t bytes, Device device, void* owner, void (*let_go)(void*));

  void retain() { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy();
  }

  // Whether the caller's reference is the only one to memory of our own.
  bool is_exclusive() const { return !let_go_ && references_.load(std::memory_order_acquire) == 1; }

  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  Device device() const { return device_; }

  // Counts writes into existing memory, so that autograd can tell whether a value that it kept has changed since.
  uint32_t version() const { return version_.load(std::memory_order_relaxed); }
  void bump_version() { version_.fetch_add(1, std::memory_order_relaxed); }

  // The recording that wants to know when this memory is let go; null for none.
  Recording* recording() const { return recording_; }
  void set_recording(Recording* recording) { recording_ = recording; }

 private:
  Storage() = default;
  void destroy();

  std::atomic<uint32_t> references_{1};
  std::atomic<uint32_t> version_{0};
  void* data_ = nullptr;
  size_t bytes_ = 0;
  Device device_;
  void* owner_ = nullptr;
  void (*let_go_)(void*) = nullptr;
  Recording* recording_ = nullptr;
};

// Uninitialised memory of a device for as long as this lives; none for 0 bytes.
class DeviceMemory {
 public:
  DeviceMemory(Device device, size_t bytes);
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  char* data() const { return data_; }

 private:
  const Device device_;
  const size_t bytes_;
  char* const data_;
};

// Owns one reference to a Storage.
class StorageRef {
 public:
  StorageRef() = default;
  explicit StorageRef(Storage* counted) : storage_(counted) {}
  StorageRef(const StorageRef& other) : storage_(other.storage_) {
    if (storage_) storage_->retain();
  }
  StorageRef(StorageRef&& other) noexcept : storage_(std::exchange(other.storage_, nullptr)) {}
  StorageRef& operator=(StorageRef other) noexcept {
    std::swap(storage_, other.storage_);
    return *this;
  }
  ~StorageRef() {
    if (storage_) storage_->release();
  }
  Storage* get() const { return storage_; }
  Storage* operator->() const { return storage_; }
  explicit operator bool() const { return storage_ != nullptr; }

 private:
  Storage* storage_ = nullptr;
};

}  // namespace tilegrad
