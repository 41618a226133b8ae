#include "cuda/runtime.h"

#include <atomic>
#include <mutex>
#include <utility>
#include <vector>

#include "core/address_checks.h"
#include "core/block_cache.h"
#include "core/cuda.h"
#include "core/error.h"
#include "core/holders.h"

namespace tilegrad::cuda {
namespace {

thread_local int current = 0;  // device
thread_local int chosen = -1;  // that the runtime library has been told
thread_local const Stream* overriding = nullptr;
thread_local std::vector<std::pair<void*, size_t>>* keeping = nullptr;  // scratch memory that a graph keeps
thread_local std::vector<std::pair<void*, size_t>> taken;               // by the launch that is being made

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string reason_against() {
  int driver = 0, devices = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) return "there is no NVIDIA driver on this machine";
  if (driver < CUDART_VERSION / 1000 * 1000) {
    return "the NVIDIA driver is too old: it knows CUDA " + version_text(driver) + ", this build needs " +
           std::to_string(CUDART_VERSION / 1000) + ".0 (driver R580 or newer)";
  }
  const cudaError_t status = cudaGetDeviceCount(&devices);
  if (status != cudaSuccess) return cudaGetErrorString(status);
  if (devices == 0) return "the NVIDIA driver sees no device";
  int major = 0;
  if (cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0) != cudaSuccess || major < 8) {
    return "the device is of compute capability " + std::to_string(major) + ".x; tilegrad's kernels need 8.0 or newer";
  }
  return "";
}

Runtime* make_runtime(int device) {
  require("cuda");
  TILEGRAD_CUDA_CALL(cudaSetDevice(device));
  chosen = device;
  cudaDeviceProp properties;
  TILEGRAD_CUDA_CALL(cudaGetDeviceProperties(&properties, device));
  if (properties.major < 8) {
    fail(ErrorKind::device, "cuda:%d is of compute capability %d.%d; tilegrad's kernels need 8.0 or newer", device,
         properties.major, properties.minor);
  }
  cudaStream_t stream;
  TILEGRAD_CUDA_CALL(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  int* error;
  TILEGRAD_CUDA_CALL(cudaMalloc(reinterpret_cast<void**>(&error), sizeof(int)));
  TILEGRAD_CUDA_CALL(cudaMemsetAsync(error, 0, sizeof(int), stream));
  return new Runtime{{stream, device, properties.multiProcessorCount,
                      static_cast<int>(properties.sharedMemPerBlockOptin), 10 * properties.major + properties.minor,
                      error}};
}

// Never destroyed: tensors may outlive them.
std::atomic<Runtime*> runtimes[kMostDevices];

struct Source {
  static constexpr size_t kCutFrom = SIZE_MAX, kCutUnit = 1, kStagger = 0;  // what was allocated is freed whole
  static void* add_range(void*, size_t&) { return nullptr; }
  static void release_range(void*, size_t) {}
  static void* allocate(size_t bytes) {
    runtime();
    void* data = nullptr;
    if (cudaMalloc(&data, bytes) == cudaSuccess) return data;
    cudaGetLastError();  // it was told
    return nullptr;
  }
  // Work on the stream may still use it: cudaFree waits for the device.
  static void release(void* data, size_t) { cudaFree(data); }
  // (For kernels that are emulated.)
  static void handed_out(void* data, size_t asked, size_t bytes) { address_checks::hand_out(data, asked, bytes); }
  static void taken_back(void* data, size_t bytes) { address_checks::forbid(data, bytes); }
  static size_t largest() { return size_t{1} << 62; }
  [[noreturn]] static void out_of_memory(size_t bytes);
};

BlockCache<Source>& cache(int device) {
  static auto* const instances = new BlockCache<Source>[kMostDevices];  // never destroyed: tensors may outlive them
  return instances[device];
}

void Source::out_of_memory(size_t bytes) {
  size_t free = 0, total = 0;
  cudaMemGetInfo(&free, &total);
  const MemoryStats stats = cache(current).stats();
  fail_without_op(
      ErrorKind::memory,
      "out of memory: could not allocate %zu bytes on cuda:%d; tensors and programs hold %llu of %zu bytes, %zu are free%s",
      bytes, current, static_cast<unsigned long long>(stats.bytes_in_use), total, free,
      holders::largest({DeviceType::cuda, static_cast<int8_t>(current)}).c_str());
}

}  // namespace

bool is_built() { return true; }

const std::string& why_not() {
  static const std::string* const reason = new std::string(reason_against());
  return *reason;
}

void require(const char* op) {
  if (!why_not().empty()) fail(ErrorKind::device, "%s: no CUDA device: %s", op, why_not().c_str());
}

void require_success(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  cudaGetLastError();
  fail(status == cudaErrorMemoryAllocation ? ErrorKind::memory : ErrorKind::device, "cuda: %s failed: %s", call,
       cudaGetErrorString(status));
}

int device_count() {
  static const int found = [] {  // asked once, like why_not(): devices are named all the time
    int count = 0;
    if (why_not().empty()) cudaGetDeviceCount(&count);
    return count < kMostDevices ? count : kMostDevices;
  }();
  return found;
}

OnDevice::OnDevice(int index) : before_(current) { current = index; }
OnDevice::~OnDevice() { current = before_; }

Runtime& runtime() {
  Runtime* found = runtimes[current].load(std::memory_order_acquire);
  if (!found) {
    static std::mutex mutex;
    const std::lock_guard lock(mutex);
    found = runtimes[current].load(std::memory_order_acquire);
    if (!found) runtimes[current].store(found = make_runtime(current), std::memory_order_release);
  }
  if (chosen != current) {  // the device of the runtime library is a thread's own
    TILEGRAD_CUDA_CALL(cudaSetDevice(current));
    chosen = current;
  }
  return *found;
}

Runtime* runtime_of(int device) { return runtimes[device].load(std::memory_order_acquire); }

Properties properties() {
  const int device = runtime().stream.device;
  cudaDeviceProp found;
  TILEGRAD_CUDA_CALL(cudaGetDeviceProperties(&found, device));
  Properties result;
  result.name = found.name;
  result.major = found.major;
  result.minor = found.minor;
  result.multiprocessors = found.multiProcessorCount;
  TILEGRAD_CUDA_CALL(cudaMemGetInfo(&result.free_memory, &result.total_memory));
  TILEGRAD_CUDA_CALL(cudaDriverGetVersion(&result.driver));
  TILEGRAD_CUDA_CALL(cudaRuntimeGetVersion(&result.runtime));
  return result;
}

const Stream& current_stream() { return overriding ? *overriding : runtime().stream; }

void* Stream::scratch(size_t bytes) const {
  void* data = cuda::allocate(bytes);
  (keeping ? *keeping : taken).emplace_back(data, bytes);
  return data;
}

void release_scratch() {
  for (const auto& [data, bytes] : taken) cuda::release(data, bytes);
  taken.clear();
}

StreamOverride::StreamOverride(const Stream& stream, std::vector<std::pair<void*, size_t>>* kept) {
  overriding = &stream;
  keeping = kept;
}
StreamOverride::~StreamOverride() {
  overriding = nullptr;
  keeping = nullptr;
}

void* allocate(size_t bytes) { return cache(current).allocate(bytes); }
void release(void* data, size_t bytes) { cache(current).release(data, bytes); }
MemoryStats memory_stats() { return cache(current).stats(); }
void reset_peak() { cache(current).reset_peak(); }
void trim() {
  if (why_not().empty()) synchronize();
  for_each_device([](const Stream& stream) {
    give_back_staging();
    cache(stream.device).trim();
  });
}

void copy_to_host(void* to, const void* from, size_t bytes) {
  if (bytes) TILEGRAD_CUDA_CALL(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, current_stream().handle));
  synchronize();
}

void copy_on_device(void* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
  TILEGRAD_CUDA_CALL(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, current_stream().handle));
}

void copy_from_device(void* to, const void* from, Device source, size_t bytes) {
  if (bytes == 0) return;
  const Stream& here = runtime().stream;
  const auto wait = [](cudaStream_t waiting, int of, cudaStream_t other) {
    const OnDevice on(of);
    runtime();
    cudaEvent_t event;
    TILEGRAD_CUDA_CALL(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    TILEGRAD_CUDA_CALL(cudaEventRecord(event, other));
    TILEGRAD_CUDA_CALL(cudaStreamWaitEvent(waiting, event, 0));
    TILEGRAD_CUDA_CALL(cudaEventDestroy(event));  // when it has been waited for
  };
  const cudaStream_t there = runtime_of(source.index)->stream.handle;
  wait(here.handle, source.index, there);
  runtime();
  TILEGRAD_CUDA_CALL(cudaMemcpyPeerAsync(to, here.device, from, source.index, bytes, here.handle));
  wait(there, here.device, here.handle);  // before the source's memory is used again
}

void wait_for_others() {
  runtime();
  TILEGRAD_CUDA_CALL(cudaDeviceSynchronize());
}

void finish_here(Device device) noexcept {
  if (const Runtime* found = runtime_of(device.index)) cudaStreamSynchronize(found->stream.handle);
}
void finish_everywhere(Device device) noexcept {
  chosen = -1;  // runtime() tells the library again
  if (cudaSetDevice(device.index) == cudaSuccess) cudaDeviceSynchronize();
}

void check_launch(const char* op) {
  const cudaError_t status = cudaPeekAtLastError();
  if (status == cudaSuccess) return;
  cudaGetLastError();
  fail(status == cudaErrorMemoryAllocation ? ErrorKind::memory : ErrorKind::device, "%s: CUDA: %s", op,
       cudaGetErrorString(status));
}

Stopwatch::Stopwatch() {
  runtime();
  cudaEvent_t begin, end;
  TILEGRAD_CUDA_CALL(cudaEventCreate(&begin));
  TILEGRAD_CUDA_CALL(cudaEventCreate(&end));
  begin_ = begin;
  end_ = end;
}
Stopwatch::~Stopwatch() {
  cudaEventDestroy(static_cast<cudaEvent_t>(begin_));
  cudaEventDestroy(static_cast<cudaEvent_t>(end_));
}
void Stopwatch::start() {
  TILEGRAD_CUDA_CALL(cudaEventRecord(static_cast<cudaEvent_t>(begin_), current_stream().handle));
}
double Stopwatch::stop() {
  TILEGRAD_CUDA_CALL(cudaEventRecord(static_cast<cudaEvent_t>(end_), current_stream().handle));
  TILEGRAD_CUDA_CALL(cudaEventSynchronize(static_cast<cudaEvent_t>(end_)));
  float milliseconds = 0;
  TILEGRAD_CUDA_CALL(
      cudaEventElapsedTime(&milliseconds, static_cast<cudaEvent_t>(begin_), static_cast<cudaEvent_t>(end_)));
  return static_cast<double>(milliseconds) * 1e6;
}

}  // namespace tilegrad::cuda
