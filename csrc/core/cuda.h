// What the core knows of CUDA: memory, copies, waiting and graphs, without a header of CUDA's. A build with CUDA implements
// it in csrc/cuda/runtime.cpp and its neighbours; one without, in cuda_absent.cpp, where nothing is available.
//
// Everything runs in order on one stream of the device, so memory that is let go may be handed out again at once: whatever the
// next owner does to it comes later on that stream. Errors of kernels surface at the next synchronisation.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/allocator.h"
#include "core/storage.h"

namespace tilegrad {

struct KernelTable;

namespace cuda {

bool is_built();
// Why no device can be used, in words: built without CUDA, no driver, a driver that is too old, no device. Empty if one can.
// Asked once: a process that was forked after it was asked keeps the answer.
const std::string& why_not();
// Raises ErrorKind::device with why_not() unless a device can be used.
void require(const char* op);
// How many devices can be used; 0 where why_not() has a reason.
inline constexpr int kMostDevices = 16;
int device_count();

// For as long as it lives, what this thread does with CUDA is done on that device. Functions that name no device work on the
// innermost one's, at first on number 0.
class OnDevice {
 public:
  explicit OnDevice(Device device) : OnDevice(int{device.index}) {}
  explicit OnDevice(int index);
  ~OnDevice();
  OnDevice(const OnDevice&) = delete;

 private:
  const int before_;
};

struct Properties {
  std::string name;
  int major = 0, minor = 0;  // compute capability
  int multiprocessors = 0;
  size_t total_memory = 0, free_memory = 0;
  int driver = 0, runtime = 0;  // versions, 1000 major + 10 minor
};
Properties properties();

const KernelTable& kernel_table();

// The caching allocator of the device. Out of memory, it gives its cache back, tries once more and raises.
void* allocate(size_t bytes);
void release(void* data, size_t bytes);
MemoryStats memory_stats();
void reset_peak();
void trim();  // of all devices

// Copies in the stream's order. The source may be written again as soon as copy_to_device returns; copy_to_host waits.
void copy_to_device(void* to, const void* from, size_t bytes);
void copy_to_host(void* to, const void* from, size_t bytes);
void copy_on_device(void* to, const void* from, size_t bytes);
// From another device to this one, in the order of both streams.
void copy_from_device(void* to, const void* from, Device source, size_t bytes);
// A few bytes (at most 16): cheaper than a copy.
void write_small(void* to, const void* from, size_t bytes);

// Waits for everything launched so far, on all devices; raises what went wrong there meanwhile, bad labels and indices included.
void synchronize();
// Waits for what others have launched on the device, on streams of their own.
void wait_for_others();
// Before memory of a device that is shared with others is somebody else's: waits for what was launched here, or by everybody.
// Raises nothing, as it is called by destructors.
void finish_here(Device device) noexcept;
void finish_everywhere(Device device) noexcept;
// Raises if the launch that was just made could not be made.
void check_launch(const char* op);

// Values that the host must look at, without waiting for them: copied in the stream's order, looked at by `body` (which
// gets the copies' addresses and may throw what the op raises) at the next synchronisation.
struct Region {
  const void* data;  // the lowest address
  size_t bytes;
  size_t first;  // bytes from there to the element whose address body gets
};
void check_later(std::vector<Region> regions, std::function<void(void* const*)> body);

// Launches that were recorded once and are made again as one. While it is being recorded, this thread's launches are not run.
class Graph {
 public:
  static std::unique_ptr<Graph> record(const std::function<void()>& launches);
  void launch();
  ~Graph();
  Graph(const Graph&) = delete;

 private:
  Graph() = default;
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// Times of launches, for profiles: nanoseconds on the device.
class Stopwatch {
 public:
  Stopwatch();
  ~Stopwatch();
  Stopwatch(const Stopwatch&) = delete;
  void start();
  double stop();  // waits

 private:
  void *begin_ = nullptr, *end_ = nullptr;
};

}  // namespace cuda
}  // namespace tilegrad
