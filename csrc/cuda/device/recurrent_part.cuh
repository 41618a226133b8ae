// What the recurrent kernels share: where a sequence's steps lie in the arrays of params/recurrent.h, and a step as one
// launch, whose blocks make the products of their sequences and hidden units and then the cells.
#pragma once

#include "cuda/device/sums.cuh"
#include "formulas/fma.h"
#include "params/contraction.h"
#include "params/recurrent.h"

namespace tilegrad::cuda {
namespace {

struct Sequences {
  Recurrent p;
  const int64_t* lengths;  // null: all T
  int* error;

  // Of a length that is out of range, which sets the error word, what there is of it.
  __device__ __forceinline__ int64_t length(int64_t n) const {
    if (!lengths) return p.T;
    const int64_t found = lengths[n];
    if (found >= 0 && found <= p.T) return found;
    *error = 1;
    return found < 0 ? 0 : p.T;
  }
  __device__ __forceinline__ int64_t time(int64_t length, int64_t step) const {
    return p.reverse ? length - 1 - step : step;
  }
  // The row of a sequence's step in arrays of one row a step, and that of the state before it in `states`.
  __device__ __forceinline__ int64_t row(int64_t n, int64_t length, int64_t step) const {
    return time(length, step) * p.N + n;
  }
  __device__ __forceinline__ int64_t state_row_before(int64_t n, int64_t length, int64_t step) const {
    return (p.reverse ? length - step : step) * p.N + n;
  }
  // Whether the initial states are in `states`.
  __host__ __device__ bool keeps_initial() const { return !(lengths && p.reverse); }
};

// One hidden unit of one sequence at one step.
struct Unit {
  int64_t n, j, length, step;
};

// The state before a unit's step, and the cell; 0 where there is no initial one.
template <typename T>
__device__ __forceinline__ T state_before(const Sequences& s, const Unit& at, const T* states, const T* initial) {
  if (at.step > 0) return states[s.state_row_before(at.n, at.length, at.step) * s.p.H + at.j];
  return initial ? initial[at.n * s.p.H + at.j] : T(0);
}
template <typename T>
__device__ __forceinline__ T cell_before(const Sequences& s, const Unit& at, const T* cells, const T* initial) {
  if (at.step > 0) return cells[s.row(at.n, at.length, at.step - 1) * s.p.H + at.j];
  return initial ? initial[at.n * s.p.H + at.j] : T(0);
}

// Blocks are of 16 sequences by 16 units, a thread for each pair.
inline constexpr int kPairs = 16, kDepth = 32;

// sums[g] = the sum over k of rows[sequence][k] w(k, g), in the order of params/contraction.h. rows: those of the block's
// sequences, null where there is nothing to multiply. w is u [H, gates H]: forward, unit j of gate g is column g H + j;
// backward, the transpose, whose column j is row j of u.
template <int kSums, bool kTransposed, typename T>
__device__ __forceinline__ void multiply_step(int64_t K, int64_t H, int64_t width, const T* const* rows, const T* u,
                                              int64_t first_unit, T (&sums)[kSums]) {
  __shared__ T a[kPairs][kDepth + 1];
  __shared__ T w[kSums][kDepth][kPairs + 1];
  const int t = static_cast<int>(threadIdx.x), unit = t % kPairs, sequence = t / kPairs;
  const int64_t chunk = contraction_chunk(K);
  for (int64_t begin = 0; begin < K; begin += chunk) {
    const int64_t end = smaller(K, begin + chunk);
    T chain[kSums] = {};
    for (int64_t k0 = begin; k0 < end; k0 += kDepth) {
      const int count = static_cast<int>(smaller<int64_t>(kDepth, end - k0));
      __syncthreads();
      for (int e = t; e < kPairs * kDepth; e += kThreads) {
        const int k = e % kDepth, i = e / kDepth;
        a[i][k] = k < count && rows[i] ? rows[i][k0 + k] : T(0);
      }
      for (int e = t; e < kSums * kPairs * kDepth; e += kThreads) {
        const int in_gate = e % (kPairs * kDepth), g = e / (kPairs * kDepth);
        const int k = kTransposed ? in_gate % kDepth : in_gate / kPairs;
        const int j = kTransposed ? in_gate / kDepth : in_gate % kPairs;
        const bool there = k < count && first_unit + j < H;
        const int64_t at = kTransposed ? (first_unit + j) * width + k0 + k : (k0 + k) * width + g * H + first_unit + j;
        w[g][k][j] = there ? u[at] : T(0);
      }
      __syncthreads();
#pragma unroll 8
      for (int k = 0; k < count; ++k) {
        const T x = a[sequence][k];
#pragma unroll
        for (int g = 0; g < kSums; ++g) chain[g] = formulas::fma(x, w[g][k][unit], chain[g]);
      }
    }
#pragma unroll
    for (int g = 0; g < kSums; ++g) sums[g] = begin == 0 ? chain[g] : sums[g] + chain[g];
  }
}

inline unsigned blocks_of_pairs(const Recurrent& p) {
  return static_cast<unsigned>(ceil_div(p.N, kPairs) * ceil_div(p.H, kPairs));
}
// Where a block of pairs is.
struct PairPlace {
  int64_t first_sequence, first_unit, n, j;
  __device__ __forceinline__ explicit PairPlace(const Recurrent& p) {
    const int64_t across = ceil_div(p.H, kPairs), block = blockIdx.x;
    first_sequence = block / across * kPairs;
    first_unit = block % across * kPairs;
    n = first_sequence + static_cast<int>(threadIdx.x) / kPairs;
    j = first_unit + static_cast<int>(threadIdx.x) % kPairs;
  }
};

// A step forward: cell(unit, products, h), where h is the place of the new state.
template <int kGates, typename T, typename Cell>
__global__ void __launch_bounds__(kThreads) step_forward(const __grid_constant__ Sequences s, int64_t step, const T* u,
                                                         const T* initial, T* states, Cell cell) {
  __shared__ const T* rows[kPairs];
  const PairPlace place(s.p);
  const int64_t H = s.p.H;
  if (threadIdx.x < kPairs) {
    const int64_t n = place.first_sequence + threadIdx.x;
    const bool takes = n < s.p.N && step < s.length(n);
    const T* const before = step > 0  ? states + (takes ? s.state_row_before(n, s.length(n), step) : 0) * H
                            : initial ? initial + n * H
                                      : nullptr;
    rows[threadIdx.x] = takes ? before : nullptr;
  }
  __syncthreads();
  T sums[kGates] = {};
  if (step > 0 || initial) multiply_step<kGates, false>(H, H, kGates * H, rows, u, place.first_unit, sums);
  if (place.n >= s.p.N || place.j >= H) return;
  const int64_t length = s.length(place.n);
  if (step >= length) return;
  cell(s, Unit{place.n, place.j, length, step}, sums,
       states + s.state_row_before(place.n, length, step + 1) * H + place.j);
}

// What is in `states` besides the steps' results: the initial states, if they are kept there, and zeros where sequences have
// ended.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    begin_states(const __grid_constant__ Sequences s, const T* initial, T* states) {
  const int64_t H = s.p.H, of_step = s.p.N * H, count = (s.p.T + 1) * of_step, grid = int64_t{gridDim.x} * kThreads;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < count; i += grid) {
    const int64_t t = i / of_step, pair = i - t * of_step, length = s.length(pair / H);
    const bool keeps = s.keeps_initial();
    if (keeps && t == (s.p.reverse ? length : 0)) {
      states[i] = initial ? initial[pair] : T(0);
    } else if (s.lengths && t >= length + (keeps ? 1 : 0)) {
      states[i] = T(0);
    }
  }
}

// Zeros in a [T, N, width] array where sequences have ended.
template <typename T>
__global__ void __launch_bounds__(kThreads) clear_rest(const __grid_constant__ Sequences s, int64_t width, T* array) {
  const int64_t of_step = s.p.N * width, count = s.p.T * of_step, grid = int64_t{gridDim.x} * kThreads;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < count; i += grid) {
    const int64_t t = i / of_step, n = (i - t * of_step) / width;
    if (t >= s.length(n)) array[i] = T(0);
  }
}
template <typename T>
void clear_ended(const Stream& stream, const Sequences& s, int64_t width, T* array) {
  const int64_t count = s.p.T * s.p.N * width;
  if (!s.lengths || !array || count == 0) return;
  clear_rest<<<blocks_for(count, 4), kThreads, 0, stream.handle>>>(s, width, array);
}

// last = the state (or, with cells, the cell) after each sequence's last step.
template <bool kCells, typename T>
__global__ void __launch_bounds__(kThreads)
    take_last(const __grid_constant__ Sequences s, const T* all, const T* initial, T* last) {
  const int64_t count = s.p.N * s.p.H, i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= count) return;
  const int64_t n = i / s.p.H, length = s.length(n);
  const Unit end{n, i - n * s.p.H, length, length};
  last[i] = kCells ? cell_before(s, end, all, initial) : state_before(s, end, all, initial);
}

template <int kGates, typename T, typename Cell>
void run_forward(const Stream& stream, const Sequences& s, const T* u, const T* initial, T* states, T* last,
                 const Cell& cell) {
  const int64_t count = s.p.N * s.p.H;
  if (count == 0) return;
  begin_states<<<blocks_for((s.p.T + 1) * count, 4), kThreads, 0, stream.handle>>>(s, initial, states);
  for (int64_t step = 0; step < s.p.T; ++step) {
    step_forward<kGates><<<blocks_of_pairs(s.p), kThreads, 0, stream.handle>>>(s, step, u, initial, states, cell);
  }
  take_last<false><<<blocks_for(count), kThreads, 0, stream.handle>>>(s, static_cast<const T*>(states), initial, last);
}

// The gradients that come to a step, and where the sums' gradients of the step behind it are: [T, N, kGates H].
template <typename T>
struct Incoming {
  const T *dy, *dlast;
  const T* behind;

  // To the output.
  __device__ __forceinline__ T output(const Sequences& s, const Unit& at) const {
    return dy ? dy[at.n * s.p.dy_n_step + s.time(at.length, at.step) * s.p.dy_t_step + at.j] : T(0);
  }
};

// A step backward: cell(unit, dout, dh), the gradients of the state after it from its output and from the step behind.
// Step -1 is what comes to the initial states: cell.finish(unit, dh).
template <int kGates, typename T, typename Cell>
__global__ void __launch_bounds__(kThreads)
    step_backward(const __grid_constant__ Sequences s, int64_t step, const T* u, Incoming<T> incoming, Cell cell) {
  __shared__ const T* rows[kPairs];
  const PairPlace place(s.p);
  const int64_t H = s.p.H, width = kGates * H;
  if (threadIdx.x < kPairs) {
    const int64_t n = place.first_sequence + threadIdx.x;
    const bool takes = n < s.p.N && step + 1 < s.length(n);  // there is a step behind
    rows[threadIdx.x] = takes ? incoming.behind + s.row(n, s.length(n), step + 1) * width : nullptr;
  }
  __syncthreads();
  T sums[1] = {};
  if (step + 1 < s.p.T) multiply_step<1, true>(width, H, width, rows, u, place.first_unit, sums);
  if (place.n >= s.p.N || place.j >= H) return;
  const int64_t length = s.length(place.n);
  if (step >= length) return;
  const Unit at{place.n, place.j, length, step};
  const bool is_last = step + 1 == length;
  const T dh = !is_last ? sums[0] : incoming.dlast ? incoming.dlast[at.n * H + at.j] : T(0);
  if (step < 0) {
    cell.finish(s, at, dh, is_last);
  } else {
    cell(s, at, incoming.output(s, at), dh, is_last);
  }
}

template <int kGates, typename T, typename Cell>
void run_backward(const Stream& stream, const Sequences& s, const T* u, const Incoming<T>& incoming, const Cell& cell,
                  bool wants_initial) {
  if (s.p.N * s.p.H == 0) return;
  for (int64_t step = s.p.T - 1; step >= (wants_initial ? -1 : 0); --step) {
    step_backward<kGates><<<blocks_of_pairs(s.p), kThreads, 0, stream.handle>>>(s, step, u, incoming, cell);
  }
}

}  // namespace
}  // namespace tilegrad::cuda
