// The part of CUDA's runtime library and of its language that csrc/cuda uses, for a C++ compiler and a machine without a GPU:
// what TILEGRAD_CUDA_EMULATED compiles the kernels against (see docs/cuda.md). Written for tests, so it is strict:
//
// - A stream does nothing until somebody waits for it: what the host forgot to wait for is not there.
// - Device memory cannot be touched by the host outside of a copy, nor by another device's kernels, and is full of NaNs when it
//   is allocated. There are two devices; a launch on a stream of one that is not current ends the program.
// - Asynchronous copies of a kernel happen when they are waited for, no earlier.
// - Threads of a block that wait for each other for ever end the program, with a list of where they wait.
//
// Every thread of a block is a fiber; blocks run one after another, on the thread that waits for the stream. What else it
// listens to: TILEGRAD_EMULATED_ARCHITECTURE=90 (a Hopper instead of an Ampere), TILEGRAD_EMULATED_ORDER=reverse (blocks and
// threads from the last to the first), TILEGRAD_EMULATED_EAGER=1 (streams but the first work at once),
// TILEGRAD_EMULATED_LOCKED=1 (all of the host's memory is page-locked: copies from it read it when they happen).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <tuple>
#include <utility>

#define CUDART_VERSION 13000

// ---- the language ----

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
#define __shared__ static  // one block runs at a time
#define __align__(n) __attribute__((aligned(n)))

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct uint3 {
  unsigned x, y, z;
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};

namespace emulated {

struct Place {
  uint3 thread, block;
  dim3 threads, blocks;
};
extern Place here;  // of the fiber that runs

void wait_for_block();
int count_in_block(bool vote);
// All threads of `mask` come here; what `bytes` each of them gave can be read from the result, by lane, until its next
// exchange but one.
struct Posted {
  const unsigned char (*of_lane)[64];
};
Posted exchange(unsigned mask, const void* given, size_t bytes, const char* where);
int thread();  // of the block
int lane();
uint64_t blocks_begun();  // so far: names the block that runs
// Lets others run; they have to change something before this one goes on.
void wait_for_change(const char* where);
void something_changed();
[[noreturn]] void die(const char* what);

void* dynamic_shared();  // one place for all kernels
template <typename T>
T* dynamic_shared_of() {
  return static_cast<T*>(dynamic_shared());
}

}  // namespace emulated

#define threadIdx (::emulated::here.thread)
#define blockIdx (::emulated::here.block)
#define blockDim (::emulated::here.threads)
#define gridDim (::emulated::here.blocks)

inline void __syncthreads() { emulated::wait_for_block(); }
inline int __syncthreads_count(int vote) { return emulated::count_in_block(vote != 0); }
inline void __syncwarp(unsigned mask = 0xffffffffu) { emulated::exchange(mask, nullptr, 0, "__syncwarp"); }
inline void __threadfence() {}

template <typename T>
T __shfl_sync(unsigned mask, T value, int lane) {
  if (!(mask >> (lane & 31) & 1)) emulated::die("__shfl_sync reads a lane outside its mask");
  T result;
  std::memcpy(&result, emulated::exchange(mask, &value, sizeof(T), "__shfl_sync").of_lane[lane & 31], sizeof(T));
  return result;
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int bits) {
  return __shfl_sync(mask, value, emulated::lane() ^ bits);
}
inline unsigned __ballot_sync(unsigned mask, int vote) {
  const unsigned char yes = vote != 0;
  const auto posted = emulated::exchange(mask, &yes, 1, "__ballot_sync");
  unsigned result = 0;
  for (int i = 0; i < 32; ++i) result |= (mask >> i & 1) && posted.of_lane[i][0] ? 1u << i : 0;
  return result;
}

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __clzll(long long x) { return x ? __builtin_clzll(static_cast<unsigned long long>(x)) : 64; }
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>(uint64_t{a} * b >> 32); }
inline uint64_t __umul64hi(uint64_t a, uint64_t b) {
  return static_cast<uint64_t>(static_cast<unsigned __int128>(a) * b >> 64);
}
template <typename T>
T __ldcg(const T* from) {
  return *from;
}
template <typename T>
T atomicMin(T* to, T value) {
  const T before = *to;
  if (value < before) *to = value;
  return before;
}
inline unsigned atomicInc(unsigned* to, unsigned last) {
  const unsigned before = *to;
  *to = before >= last ? 0 : before + 1;
  return before;
}
using std::max;
using std::min;

// ---- the runtime library ----

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
};
const char* cudaGetErrorString(cudaError_t status);
cudaError_t cudaGetLastError();
cudaError_t cudaPeekAtLastError();

struct cudaDeviceProp {
  char name[256];
  int major, minor, multiProcessorCount;
  size_t sharedMemPerBlockOptin;
};
enum cudaDeviceAttr { cudaDevAttrComputeCapabilityMajor };
cudaError_t cudaDriverGetVersion(int* version);
cudaError_t cudaRuntimeGetVersion(int* version);
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaDeviceSynchronize();

cudaError_t cudaMalloc(void** data, size_t bytes);
cudaError_t cudaFree(void* data);
cudaError_t cudaMallocHost(void** data, size_t bytes);
cudaError_t cudaFreeHost(void* data);
cudaError_t cudaMemGetInfo(size_t* free, size_t* total);
enum cudaMemoryType { cudaMemoryTypeUnregistered, cudaMemoryTypeHost, cudaMemoryTypeDevice };
struct cudaPointerAttributes {
  cudaMemoryType type;
};
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* data);

using cudaStream_t = struct emulated_stream*;
using cudaEvent_t = struct emulated_event*;
using cudaGraph_t = struct emulated_graph*;
using cudaGraphExec_t = struct emulated_graph*;
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum { cudaStreamNonBlocking = 1 };
enum cudaStreamCaptureMode { cudaStreamCaptureModeRelaxed };
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemcpyPeerAsync(void* to, int to_device, const void* from, int from_device, size_t bytes,
                                cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream);

cudaError_t cudaEventCreate(cudaEvent_t* event);
enum { cudaEventDisableTiming = 2 };
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end);

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* made, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t made);
cudaError_t cudaGraphLaunch(cudaGraphExec_t made, cudaStream_t stream);

enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize };
template <typename Kernel>
cudaError_t cudaFuncSetAttribute(Kernel, cudaFuncAttribute, int) {
  return cudaSuccess;
}

enum cudaDriverEntryPointQueryResult { cudaDriverEntryPointSuccess };
enum { cudaEnableDefault };
cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** found, unsigned version,
                                             unsigned long long flags, cudaDriverEntryPointQueryResult* result);

namespace emulated {

// Work that a stream does when it is waited for.
void enqueue(cudaStream_t stream, std::function<void()> work);
// One call of `thread` for each thread of the grid.
void run_grid(dim3 blocks, dim3 threads, size_t shared_bytes, const std::function<void()>& thread);
bool is_valid(dim3 blocks, dim3 threads, size_t shared_bytes);
void refuse_launch();
void require_current(cudaStream_t stream);

// kernel<<<blocks, threads, shared_bytes, stream>>>(...), as translate.py writes it.
struct Launch {
  dim3 blocks, threads;
  size_t shared_bytes;
  cudaStream_t stream;

  template <typename Kernel, typename... A>
  void operator()(Kernel kernel, A&&... given) const {
    if (!is_valid(blocks, threads, shared_bytes)) return refuse_launch();
    require_current(stream);
    enqueue(stream, [*this, kernel, arguments = std::tuple<std::decay_t<A>...>(std::forward<A>(given)...)] {
      run_grid(blocks, threads, shared_bytes, [&] { std::apply(kernel, arguments); });
    });
  }
};

}  // namespace emulated
