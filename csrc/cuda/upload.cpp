// Copies from the host that go on while the stream works: through pinned memory, over a stream of their own, to a place on the
// device that nothing else uses; from there a copy in the stream's order, at the speed of the device's memory. (Straight to
// its destination a copy would have to wait for the stream: until then the memory may be somebody else's.)
#include <cstring>
#include <mutex>

#include "core/cuda.h"
#include "cuda/runtime.h"

namespace tilegrad::cuda {
namespace {

// Smaller ones are staged by the driver, and it does not wait for them; larger ones are rare, and pinned memory is dear.
constexpr size_t kLeast = size_t{64} << 10, kMost = size_t{32} << 20;
// How far the host may be ahead: two batches of inputs and labels, and one that is being copied.
constexpr int kPlaces = 6;

struct StagingPlace {
  void *pinned = nullptr, *device = nullptr;
  size_t bytes = 0;
  cudaEvent_t arrived = nullptr, taken = nullptr;  // on the device; by the stream

  // Until what it held last has been taken from it.
  void wait() {
    if (taken) TILEGRAD_CUDA_CALL(cudaEventSynchronize(taken));
  }
  // Whether there is room now. (Memory of its own, not the allocator's: that may still be in use on the stream.)
  bool make_room(size_t wanted) {
    if (!taken) {
      TILEGRAD_CUDA_CALL(cudaEventCreateWithFlags(&arrived, cudaEventDisableTiming));
      TILEGRAD_CUDA_CALL(cudaEventCreateWithFlags(&taken, cudaEventDisableTiming));
    }
    if (bytes >= wanted) return true;
    give_back();
    const size_t room = (wanted + kLeast - 1) / kLeast * kLeast;
    if (cudaMallocHost(&pinned, room) == cudaSuccess && cudaMalloc(&device, room) == cudaSuccess) {
      bytes = room;
      return true;
    }
    cudaGetLastError();
    give_back();
    return false;
  }
  void give_back() {
    if (pinned) cudaFreeHost(pinned);
    if (device) cudaFree(device);
    pinned = device = nullptr;
    bytes = 0;
  }
};

struct Uploads {
  std::mutex mutex;
  cudaStream_t stream;
  StagingPlace places[kPlaces];
  int next = 0;
  Uploads() { TILEGRAD_CUDA_CALL(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking)); }
};
// By device; never destroyed, like the runtimes.
std::mutex making;
Uploads* made[kMostDevices];
Uploads* uploads_of(int device) {
  const std::lock_guard lock(making);
  return made[device];
}
Uploads& uploads(int device) {
  const std::lock_guard lock(making);
  if (!made[device]) made[device] = new Uploads;
  return *made[device];
}

}  // namespace

void copy_to_device(void* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
  const cudaStream_t stream = current_stream().handle;
  if (bytes >= kLeast && bytes <= kMost && stream == runtime().stream.handle) {
    Uploads& state = uploads(current_stream().device);
    const std::lock_guard lock(state.mutex);
    StagingPlace& place = state.places[state.next];
    place.wait();
    if (place.make_room(bytes)) {
      state.next = (state.next + 1) % kPlaces;
      std::memcpy(place.pinned, from, bytes);
      TILEGRAD_CUDA_CALL(cudaMemcpyAsync(place.device, place.pinned, bytes, cudaMemcpyHostToDevice, state.stream));
      TILEGRAD_CUDA_CALL(cudaEventRecord(place.arrived, state.stream));
      TILEGRAD_CUDA_CALL(cudaStreamWaitEvent(stream, place.arrived, 0));
      TILEGRAD_CUDA_CALL(cudaMemcpyAsync(to, place.device, bytes, cudaMemcpyDeviceToDevice, stream));
      TILEGRAD_CUDA_CALL(cudaEventRecord(place.taken, stream));
      return;
    }
  }
  // From pageable memory this returns when the source has been read; from memory that somebody has locked, at once.
  TILEGRAD_CUDA_CALL(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream));
  cudaPointerAttributes source;
  TILEGRAD_CUDA_CALL(cudaPointerGetAttributes(&source, from));
  if (source.type != cudaMemoryTypeUnregistered) TILEGRAD_CUDA_CALL(cudaStreamSynchronize(stream));
}

void give_back_staging() {
  Uploads* const state = uploads_of(current_stream().device);
  if (!state) return;
  const std::lock_guard lock(state->mutex);
  for (StagingPlace& place : state->places) {
    place.wait();
    place.give_back();
  }
}

}  // namespace tilegrad::cuda
