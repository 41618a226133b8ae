// What csrc/cuda/device/mma.cuh defines in PTX, for the emulation of cuda_runtime.h.
#pragma once

#include <cuda_runtime.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "core/dtype.h"
#include "formulas/cast.h"

namespace tilegrad::cuda {
namespace {

// Places in shared memory, as 32-bit numbers.
inline uint32_t shared_address(const void* pointer) {
  return static_cast<uint32_t>(static_cast<const char*>(pointer) -
                               static_cast<const char*>(emulated::dynamic_shared()));
}
template <typename T>
T* shared_pointer(uint32_t address) {
  return reinterpret_cast<T*>(static_cast<char*>(emulated::dynamic_shared()) + address);
}

// What a thread has begun and waits for in groups; the one that is being made comes last. Done when it is waited for.
class Begun {
 public:
  void add(std::function<void()> work) { groups().back().push_back(std::move(work)); }
  void commit() { groups().emplace_back(); }
  // Until no more than `pending` groups that were committed are left.
  void wait(size_t pending) {
    while (groups().size() > pending + 1) {
      for (const auto& work : groups().front()) work();
      groups().erase(groups().begin());
      ++done_;
    }
  }
  // How many groups of this block were waited for.
  uint64_t done() {
    groups();
    return done_;
  }

 private:
  using Groups = std::vector<std::vector<std::function<void()>>>;
  Groups& groups() {  // those of a block that has ended are nobody's
    if (block_ != emulated::blocks_begun()) block_ = emulated::blocks_begun(), groups_ = Groups(1), done_ = 0;
    return groups_;
  }
  uint64_t block_ = 0, done_ = 0;
  Groups groups_;
};
// For each thread of a block.
using BegunByThreads = Begun[1024];

inline Begun& copies_of_thread() {
  static BegunByThreads all;
  return all[emulated::thread()];
}

template <int kBytes, bool kKeep>
inline void copy_async(void* to, const void* from, const void* any) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16);
  for (const void* pointer : {static_cast<const void*>(to), from, any}) {
    if (reinterpret_cast<uintptr_t>(pointer) % kBytes)
      emulated::die("cp.async: an address is not a multiple of the bytes");
  }
  copies_of_thread().add([=] { from ? std::memcpy(to, from, kBytes) : std::memset(to, 0, kBytes); });
}
inline void commit_copies() { copies_of_thread().commit(); }
template <int kPending>
inline void wait_for_copies() {
  copies_of_thread().wait(kPending);
}

template <bool kTurned>
inline void load_matrices(uint32_t (&to)[4], const void* row) {
  if (reinterpret_cast<uintptr_t>(row) % 16) emulated::die("ldmatrix: a row is not 16-byte aligned");
  uint64_t mine = reinterpret_cast<uintptr_t>(row);
  const auto posted = emulated::exchange(0xffffffffu, &mine, sizeof(mine), "ldmatrix");
  const int lane = emulated::lane();
  for (int matrix = 0; matrix < 4; ++matrix) {
    uint16_t pair[2];
    for (int i = 0; i < 2; ++i) {
      const int along = lane / 4, across = lane % 4 * 2 + i;
      uint64_t address;
      std::memcpy(&address, posted.of_lane[matrix * 8 + (kTurned ? across : along)], sizeof(address));
      pair[i] = reinterpret_cast<const uint16_t*>(address)[kTurned ? along : across];
    }
    std::memcpy(&to[matrix], pair, 4);
  }
}

template <typename T>
double value_of(uint32_t word, int half) {
  if constexpr (sizeof(T) == 4) {
    return static_cast<double>(__builtin_bit_cast(float, word & 0xffffe000u));  // the tensor core reads 19 bits
  } else {
    return static_cast<double>(formulas::widen(__builtin_bit_cast(T, static_cast<uint16_t>(word >> 16 * half))));
  }
}

// Lane l holds c of rows l / 4 and + 8, columns l % 4 * 2 and + 1. A word of a (rows l / 4, + 8) or of b (column l / 4) holds
// the terms l % 4 * 2 and + 1, or the one term l % 4 of tf32; a[2], a[3] and b[1] those of the second half.
template <typename T>
inline void multiply_add(float (&c)[4], const uint32_t (&a)[4], const uint32_t* b) {
  constexpr int kEach = sizeof(T) == 4 ? 1 : 2;
  uint32_t mine[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
  const auto posted = emulated::exchange(0xffffffffu, mine, sizeof(mine), "mma");
  const auto words = [&](int lane) { return reinterpret_cast<const uint32_t*>(posted.of_lane[lane]); };
  const int lane = emulated::lane();
  for (int i = 0; i < 4; ++i) {
    const int lower = i / 2, column = lane % 4 * 2 + i % 2;
    double sum = static_cast<double>(c[i]);
    for (int half = 0; half < 2; ++half) {
      for (int quad = 0; quad < 4; ++quad) {
        for (int e = 0; e < kEach; ++e) {
          sum += value_of<T>(words(lane / 4 * 4 + quad)[2 * half + lower], e) *
                 value_of<T>(words(column * 4 + quad)[4 + half], e);
        }
      }
    }
    c[i] = static_cast<float>(sum);
  }
}

inline uint32_t to_tf32(float x) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, x);
  return (bits & 0x7f800000u) == 0x7f800000u ? bits : (bits + 0x1000u) & 0xffffe000u;
}

}  // namespace
}  // namespace tilegrad::cuda
