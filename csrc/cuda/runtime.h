// The state of the CUDA backend: device, stream, error word; and how calls of the runtime library fail.
#pragma once

#include <cuda_runtime.h>

#include <utility>
#include <vector>

#include "core/cuda.h"
#include "cuda/kernel.cuh"

namespace tilegrad::cuda {

// Raises ErrorKind::device (or memory) with the call and CUDA's words for the error.
void require_success(cudaError_t status, const char* call);
#define TILEGRAD_CUDA_CALL(...) ::tilegrad::cuda::require_success((__VA_ARGS__), #__VA_ARGS__)

// Made on first use; raises where there is no such device. Without a number, that of the device that this thread is on.
struct Runtime {
  Stream stream;
};
Runtime& runtime();
// That of a device, if it has been made.
Runtime* runtime_of(int device);
// Calls run(stream) for each that has been made, on its device.
template <typename Run>
void for_each_device(const Run& run) {
  for (int device = 0; device < kMostDevices; ++device) {
    if (!runtime_of(device)) continue;
    const OnDevice on(device);
    run(runtime().stream);
  }
}

// The memory that copies from the host to this device go through.
void give_back_staging();

// While it lives, this thread's launches go to the stream that is being recorded, and keep their scratch memory.
class StreamOverride {
 public:
  StreamOverride(const Stream& stream, std::vector<std::pair<void*, size_t>>* kept);
  ~StreamOverride();
  StreamOverride(const StreamOverride&) = delete;
};

}  // namespace tilegrad::cuda
