// The door of this folder: what cpu/isa.h is to the CPU's kernels.
//
// A file here has the basename of its twin in csrc/cpu and defines the same kernels, with a Stream where the CPU's have a
// Team. The function that is defined runs on the host and launches __global__ functions on the stream:
//
//     #include "cuda/kernel.cuh"
//
//     namespace tilegrad::cuda {
//     namespace {
//     template <typename T>
//     __global__ void relu_kernel(LoopNest<2> nest, const T* x, T* y) { ... }
//     template <typename T>
//     void relu(const Stream& stream, const LoopNest<2>& nest, const T* x, T* y) {
//       relu_kernel<T><<<blocks_for(nest.numel), kThreads, 0, stream.handle>>>(nest, x, y);
//     }
//     }  // namespace
//     DEFINE_KERNEL(relu, FLOATING)
//     }
//
// Rules: no synchronisation, no allocation but Stream::scratch, no copies to the host (a launch may be recorded into a
// graph); pointers in params' place are the device's, the params themselves are passed by value; no floating-point atomics in
// sums, so that every run has the same bits; the order of a sum does not depend on how many multiprocessors there are.
// Bad labels and indices set *stream.error and touch nothing outside the arrays; the host raises at its next
// synchronisation, and optimizers skip their step until then.
#pragma once

#include <cuda_runtime.h>

#include <atomic>
#include <type_traits>
#include <utility>

#include "kernel.h"

namespace tilegrad::cuda {

// Where a launch goes, and what it may use besides its operands.
struct Stream {
  cudaStream_t handle;
  int device;
  int multiprocessors;
  int shared_memory;  // the most dynamic shared memory of a block, in bytes, once asked for
  int architecture;   // 80, 90, ...
  int* error;         // on the device: not 0 once a kernel has met a bad label or index

  // Memory on the device for this launch, 256-byte aligned, uninitialised.
  void* scratch(size_t bytes) const;
  template <typename T>
  T* scratch_of(int64_t count) const {
    return static_cast<T*>(scratch(static_cast<size_t>(count) * sizeof(T)));
  }
};

// The stream of this thread's launches; while a graph is being recorded, that of the recording.
const Stream& current_stream();
// What a launch took from Stream::scratch goes back (to be used again by what comes later on the stream) when it has been made,
// or could not be: the next launch may be on another device.
void release_scratch();
struct ReleasesScratch {
  ~ReleasesScratch() { release_scratch(); }
};

// What a kernel must be told once on every device. Two threads may both tell it.
class OncePerDevice {
 public:
  template <typename Tell>
  void run(int device, const Tell& tell) {
    std::atomic<uint64_t>& words = done_[device / 64];
    const uint64_t bit = uint64_t{1} << device % 64;
    if (words.load(std::memory_order_acquire) & bit) return;
    tell();
    words.fetch_or(bit, std::memory_order_release);
  }

 private:
  std::atomic<uint64_t> done_[2] = {};
};

inline constexpr int kThreads = 256;

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }
template <typename I>
__host__ __device__ constexpr I smaller(I a, I b) {
  return b < a ? b : a;
}
template <typename I>
__host__ __device__ constexpr I larger(I a, I b) {
  return b > a ? b : a;
}

// Blocks for `count` items of which each thread takes `each`; loops over the grid do the rest where that is too many.
inline unsigned blocks_for(int64_t count, int64_t each = 1, int threads = kThreads) {
  const int64_t blocks = ceil_div(count, each * threads);
  return static_cast<unsigned>(blocks<1 ? 1 : blocks>(int64_t{1} << 30) ? int64_t{1} << 30 : blocks);
}

namespace {

template <typename Argument, int kOperand>
Argument argument(const KernelCall& call) {
  if constexpr (std::is_reference_v<Argument>) {
    return *static_cast<std::remove_reference_t<Argument>*>(call.params);
  } else if constexpr (std::is_pointer_v<Argument>) {
    return static_cast<Argument>(call.operands.data[kOperand]);
  } else if constexpr (std::is_same_v<Argument, Workspace>) {
    return call.workspace;
  } else {
    static_assert(std::is_same_v<Argument, OperandList>, "a kernel takes params, pointers, Workspace or OperandList");
    return call.operands;
  }
}

template <typename Signature>
struct Invoke;
template <typename... A>
struct Invoke<void(A...)> {
  static constexpr int operands_before(int position) {
    constexpr bool is_operand[] = {std::is_pointer_v<A>..., false};
    int count = 0;
    for (int i = 0; i < position; ++i) count += is_operand[i];
    return count;
  }
  template <void (*Function)(const Stream&, A...), int... I>
  static void call(const Stream& stream, const KernelCall& call, std::integer_sequence<int, I...>) {
    Function(stream, argument<A, operands_before(I)>(call)...);
  }
  template <void (*Function)(const Stream&, A...)>
  static void run(const Team&, const KernelCall& kernel_call) {
    const ReleasesScratch when_done;
    call<Function>(current_stream(), kernel_call, std::make_integer_sequence<int, sizeof...(A)>{});
  }
};

template <typename Function>
struct SignatureOf;
template <typename... A>
struct SignatureOf<void (*)(const Stream&, A...)> {
  using type = void(A...);
};

}  // namespace

#define DECLARE_KERNEL(name)                     \
  template <typename Signature, typename DTypes> \
  struct name##_kernels {                        \
    static const KernelSet set;                  \
  };

// Defines the KernelSet of function template `name` for the dtype set that kernels.inc gives it, and for the further types
// that only this device computes with: DEFINE_KERNEL(gemm, FLOATING, BFloat16, Float16).
#define DEFINE_KERNEL(name, DTYPES, ...)                                                                    \
  namespace {                                                                                               \
  template <typename... T, typename... More>                                                                \
  constexpr KernelSet name##_set(Types<T...>, Types<More...>) {                                             \
    KernelSet set{};                                                                                        \
    ((set.by_dtype[static_cast<int>(DTypeOf<T>::value)] =                                                   \
          &Invoke<typename SignatureOf<decltype(&name<T>)>::type>::template run<&name<T>>),                 \
     ...);                                                                                                  \
    ((set.by_dtype[static_cast<int>(DTypeOf<More>::value)] =                                                \
          &Invoke<typename SignatureOf<decltype(&name<More>)>::type>::template run<&name<More>>),           \
     ...);                                                                                                  \
    return set;                                                                                             \
  }                                                                                                         \
  }                                                                                                         \
  DECLARE_KERNEL(name)                                                                                      \
  template <>                                                                                               \
  const KernelSet name##_kernels<typename SignatureOf<decltype(&name<float>)>::type, dtypes::DTYPES>::set = \
      name##_set(dtypes::DTYPES{}, Types<__VA_ARGS__>{});

}  // namespace tilegrad::cuda
