// THE order of sums on the device, which is that of the CPU (cpu/sum_order.h) for up to 16 chunks, and so gives its bits:
//
//   - the sequence is cut in chunks of 1024 elements;
//   - in a chunk element i goes to lane i % 16, and every lane, from 0, adds its elements in ascending order;
//   - the lanes are joined as a tree: 8 + 8, 4 + 4, 2 + 2, 1 + 1;
//   - chunk b goes to accumulator b % 16, which adds its chunks in ascending order (in double for float, with Neumaier's
//     compensation for double), and the accumulators are added in ascending order. Where there are more than kManyChunks
//     chunks, reductions over axes have 256 accumulators.
//
// It depends on the length alone: not on where elements lie, nor on how many threads there are for them. 16 threads make
// the sum of a chunk, and are called a team here.
#pragma once

#include <cstring>

#include "cuda/device/numbers.cuh"
#include "cuda/kernel.cuh"

namespace tilegrad::cuda {
namespace {

inline constexpr int kSumChunk = 1024, kLanes = 16;
inline constexpr int kTeams = kThreads / kLanes;  // of a block
inline constexpr int64_t kManyChunks = 1024;

// Shared memory for values whose type has a constructor.
template <typename V, int kCount>
struct Room {
  alignas(V) unsigned char bytes[kCount * sizeof(V)];
  __device__ __forceinline__ V& operator[](int i) { return reinterpret_cast<V*>(bytes)[i]; }
};

__device__ __forceinline__ int team_lane() { return static_cast<int>(threadIdx.x) % kLanes; }
// The threads of a team, among those of its warp.
__device__ __forceinline__ unsigned team_mask() { return 0xffffu << (threadIdx.x & 16); }

// The value that another thread of the warp has; all of `mask` call it.
template <typename V>
__device__ __forceinline__ V from_thread(unsigned mask, const V& value, int thread) {
  constexpr int kWords = (sizeof(V) + 3) / 4;
  uint32_t words[kWords] = {};
  memcpy(words, &value, sizeof(V));
#pragma unroll
  for (int i = 0; i < kWords; ++i) words[i] = __shfl_sync(mask, words[i], thread);
  V result;
  memcpy(&result, words, sizeof(V));
  return result;
}
template <typename V>
__device__ __forceinline__ V from_lane(const V& value, int lane) {
  return from_thread(team_mask(), value, static_cast<int>(threadIdx.x & 16) + lane);
}

// Chunk sums added up. value() is the sum, exact() the sum before it is rounded, and quotient(n) the sum over n.
template <typename A>
struct SumTotal;
template <>
struct SumTotal<float> {
  double sum = 0;
  __device__ __forceinline__ void add(float chunk) { sum += static_cast<double>(chunk); }
  __device__ __forceinline__ void join(const SumTotal& other) { sum += other.sum; }
  __device__ __forceinline__ float quotient(double divisor) const { return static_cast<float>(sum / divisor); }
  __device__ __forceinline__ float value() const { return static_cast<float>(sum); }
  __device__ __forceinline__ double exact() const { return sum; }
};
template <>
struct SumTotal<double> {
  double sum = 0, lost = 0;
  __device__ __forceinline__ void add(double chunk) {
    const double next = sum + chunk;
    lost += fabs(sum) >= fabs(chunk) ? (sum - next) + chunk : (chunk - next) + sum;
    sum = next;
  }
  __device__ __forceinline__ void join(const SumTotal& other) {
    add(other.sum);
    lost += other.lost;
  }
  // The compensation of an infinite sum is NaN and must not count.
  __device__ __forceinline__ double value() const { return sum - sum == 0 ? sum + lost : sum; }
  __device__ __forceinline__ double quotient(double divisor) const { return value() / divisor; }
  __device__ __forceinline__ double exact() const { return value(); }
};

// The tree over the lanes of a team; lane 0 has the result.
template <typename Part, typename Join>
__device__ __forceinline__ Part join_lanes(Part part, Join join) {
#pragma unroll
  for (int half = kLanes / 2; half > 0; half /= 2) {
    part = join(part, from_lane(part, (team_lane() + half) % kLanes));
  }
  return part;
}

// How many elements are loaded before the first is joined: fewer where what is folded is more than a number.
template <typename Part>
inline constexpr int kUnroll = sizeof(Part) > 8 ? 2 : 8;

// The fold of one chunk f(0) ... f(count - 1), count <= kSumChunk, by a team; lane 0 has the result. Loops are unrolled as far
// as f is short enough for.
template <int kMostUnrolled = 8, typename Part, typename Join, typename F>
__device__ __forceinline__ Part fold_chunk(int count, Part identity, Join join, F f) {
  Part part = identity;
  constexpr int kWhole = smaller(kUnroll<Part>, kMostUnrolled), kRest = (kWhole + 1) / 2;
  if (count == kSumChunk && kWhole > 1) {
#pragma unroll(kWhole)
    for (int k = 0; k < kSumChunk / kLanes; ++k) part = join(part, f(k * kLanes + team_lane()));
  } else {
#pragma unroll(kRest)
    for (int i = team_lane(); i < count; i += kLanes) part = join(part, f(i));
  }
  return join_lanes(part, join);
}

struct Plus {
  template <typename A>
  __device__ __forceinline__ A operator()(A a, A b) const {
    return a + b;
  }
};
template <typename A, int kMostUnrolled = 8, typename F>
__device__ __forceinline__ A sum_chunk(int count, F f) {
  return fold_chunk<kMostUnrolled>(count, A(0), Plus(), f);
}

// The same where f is long: it stands there kUnrolled times. What lies behind the end is chosen away.
template <typename A, int kUnrolled, typename F>
__device__ __forceinline__ A sum_chunk_of_long(int count, F f) {
  A part = A(0);
#pragma unroll 1
  for (int i = team_lane(); i < count; i += kUnrolled * kLanes) {
#pragma unroll
    for (int k = 0; k < kUnrolled; ++k) {
      const int at = i + k * kLanes;
      const A term = f(smaller(at, count - 1));
      part = at < count ? part + term : part;
    }
  }
  return join_lanes(part, Plus());
}

// What the lanes of a team have accumulated, in ascending order; all lanes get it.
template <typename Total>
__device__ __forceinline__ Total join_accumulators(const Total& mine) {
  Total total;
#pragma unroll 4
  for (int lane = 0; lane < kLanes; ++lane) total.join(from_lane(mine, lane));
  return total;
}

}  // namespace
}  // namespace tilegrad::cuda
