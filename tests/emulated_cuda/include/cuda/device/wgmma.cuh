// What csrc/cuda/device/wgmma.cuh defines in PTX, for the emulation of cuda_runtime.h. A thread's share of a product is
// computed when the thread waits for it; a product is the whole warpgroup's, and no thread goes on before all shares are there.
#pragma once

#include "cuda/device/mma.cuh"

namespace tilegrad::cuda {
namespace {

inline uint64_t matrix_descriptor(const void* at, int leading, int stride) {
  const uint64_t address = (shared_address(at) & 0x3ffff) >> 4;
  return address | static_cast<uint64_t>(leading >> 4) << 16 | static_cast<uint64_t>(stride >> 4) << 32 |
         uint64_t{1} << 62;
}

// The 16-byte pieces of 128-byte rows change places by the row's number.
inline uint32_t swizzled(uint32_t address) { return address ^ (address >> 7 & 7) << 4; }

// Element (row, term) of a described matrix.
template <bool kTurned, typename T>
float element_of(uint64_t descriptor, int row, int term) {
  const uint32_t begin = (descriptor & 0x3fff) << 4, leading = (descriptor >> 16 & 0x3fff) << 4,
                 stride = (descriptor >> 32 & 0x3fff) << 4;
  const uint32_t address = kTurned ? begin + row / 64 * leading + term / 8 * stride + term % 8 * 128 + row % 64 * 2
                                   : begin + row / 8 * stride + row % 8 * 128 + term * 2;
  return formulas::widen(*shared_pointer<T>(swizzled(address)));
}

inline Begun& products_of(int thread) {
  static BegunByThreads all;
  return all[thread];
}
inline Begun& products_of_thread() { return products_of(emulated::thread()); }

inline void fence_shared() {}
inline void warpgroup_fence() {}
inline void warpgroup_commit() { products_of_thread().commit(); }
template <int kPending>
inline void warpgroup_wait() {
  products_of_thread().wait(kPending);
  emulated::something_changed();
  const int first = emulated::thread() / 128 * 128;
  for (int i = first; i < first + 128; ++i) {
    while (products_of(i).done() < products_of_thread().done()) emulated::wait_for_change("wgmma.wait_group");
  }
}
template <int kRegisters>
inline void leave_registers() {}
template <int kRegisters>
inline void take_registers() {}
template <int kCount>
inline void pin_sums(float (&)[kCount]) {}

template <bool kTurnedA, bool kTurnedB, int kCount, typename T>
inline void warpgroup_multiply_add(float (&d)[kCount], uint64_t a, uint64_t b, T) {
  products_of_thread().add([&d, a, b, thread = emulated::thread() % 128] {
    for (int upper = 0; upper < 2; ++upper) {
      const int row = thread / 32 * 16 + thread % 32 / 4 + 8 * upper;
      double terms[16];
      for (int k = 0; k < 16; ++k) terms[k] = static_cast<double>(element_of<kTurnedA, T>(a, row, k));
      for (int j = 0; j < kCount / 4; ++j) {
        for (int i = 0; i < 2; ++i) {
          const int column = 8 * j + thread % 4 * 2 + i;
          float& to = d[4 * j + 2 * upper + i];
          double sum = static_cast<double>(to);
          for (int k = 0; k < 16; ++k) sum += terms[k] * static_cast<double>(element_of<kTurnedB, T>(b, column, k));
          to = static_cast<float>(sum);
        }
      }
    }
  });
}

}  // namespace
}  // namespace tilegrad::cuda
