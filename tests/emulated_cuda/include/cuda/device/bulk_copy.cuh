// What csrc/cuda/device/bulk_copy.cuh defines in PTX, for the emulation of cuda_runtime.h.
#pragma once

#include <cuda.h>

#include <algorithm>

#include "cuda/device/wgmma.cuh"

namespace tilegrad::cuda {
namespace {

struct Barrier {
  uint16_t arrivals, missing;
  int32_t bytes : 31;  // that are on their way
  uint32_t phase : 1;
  void check() {
    if (missing == 0 && bytes == 0) missing = arrivals, phase ^= 1;
    emulated::something_changed();
  }
};
static_assert(sizeof(Barrier) == sizeof(uint64_t));

inline Barrier& as_barrier(uint64_t* barrier) { return *reinterpret_cast<Barrier*>(barrier); }
inline void barrier_init(uint64_t* barrier, int arrivals) {
  as_barrier(barrier) = {static_cast<uint16_t>(arrivals), static_cast<uint16_t>(arrivals), 0, 0};
}
inline void fence_barriers() {}
inline void barrier_arrive(uint64_t* barrier) {
  if (as_barrier(barrier).missing == 0) emulated::die("mbarrier: more arrivals than it was made for");
  --as_barrier(barrier).missing;
  as_barrier(barrier).check();
}
inline void barrier_expect(uint64_t* barrier, int bytes) {
  as_barrier(barrier).bytes += bytes;
  barrier_arrive(barrier);
}
inline void barrier_wait(uint64_t* barrier, int parity) {
  while (static_cast<int>(as_barrier(barrier).phase) == parity) emulated::wait_for_change("mbarrier.try_wait");
}

inline void bulk_copy(void* to, const CUtensorMap& map, int64_t column, int64_t row, uint64_t* barrier) {
  const uint32_t begin = shared_address(to);
  if (begin % 1024) emulated::die("cp.async.bulk.tensor: the box is not 1024-byte aligned");
  for (uint32_t line = 0; line < map.box[1]; ++line) {
    for (uint32_t i = 0; i < map.box[0]; ++i) {
      const uint64_t x = static_cast<uint64_t>(column) + i, y = static_cast<uint64_t>(row) + line;
      const bool is_inside = x < map.sizes[0] && y < map.sizes[1];
      *shared_pointer<uint16_t>(swizzled(begin + line * 128 + i * 2)) =
          is_inside ? *reinterpret_cast<const uint16_t*>(map.data + y * map.step + x * 2) : uint16_t{0};
    }
  }
  as_barrier(barrier).bytes -= static_cast<int>(map.box[0] * map.box[1] * 2);
  as_barrier(barrier).check();
}

// Clusters are of one block here.
inline int block_of_cluster() { return 0; }
inline int blocks_of_cluster() { return 1; }
inline void meet_in_cluster() { __syncthreads(); }
inline void barrier_arrive_at(uint64_t* barrier, int) { barrier_arrive(barrier); }
inline void bulk_copy_to_both(void*, const CUtensorMap&, int64_t, int64_t, uint64_t*) {
  emulated::die("clusters of several blocks are not emulated");
}
template <typename... Parameters>
void launch_in_clusters(int, unsigned blocks, int threads, int bytes, cudaStream_t stream,
                        void (*kernel)(Parameters...), const Parameters&... given) {
  ::emulated::Launch{blocks, static_cast<unsigned>(threads), static_cast<size_t>(bytes), stream}(
      [=](const auto&... all) { kernel(all...); }, given...);
}

template <typename T>
CUtensorMap tensor_map(const T* data, int64_t lines, int64_t length, int64_t step, int box_lines) {
  if (reinterpret_cast<uintptr_t>(data) % 16 || step * sizeof(T) % 16 || box_lines > 256) {
    emulated::die("cuTensorMapEncodeTiled: not 16-byte aligned, or a box of more than 256 lines");
  }
  if (step < length) emulated::die("cuTensorMapEncodeTiled: lines that are reversed, repeated or overlap");
  return {reinterpret_cast<char*>(const_cast<T*>(data)),
          {static_cast<uint64_t>(length), static_cast<uint64_t>(lines)},
          static_cast<uint64_t>(step) * sizeof(T),
          {64, static_cast<uint32_t>(box_lines)}};
}

}  // namespace
}  // namespace tilegrad::cuda
