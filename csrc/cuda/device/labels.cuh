// What losses of rows against labels share: cpu/labels.h is the twin.
#pragma once

#include "cuda/device/folds.cuh"
#include "cuda/device/last_block.cuh"
#include "cuda/device/rows.cuh"
#include "params/loss.h"

namespace tilegrad::cuda {
namespace {

__device__ __forceinline__ int64_t label_at(const LabelLoss& p, const void* target, int64_t n) {
  switch (p.target) {
    case TargetKind::int32:
      return static_cast<const int32_t*>(target)[n];
    case TargetKind::uint8:
      return static_cast<const uint8_t*>(target)[n];
    default:
      return static_cast<const int64_t*>(target)[n];
  }
}

// The label of a row, and whether the row counts. One out of range sets the error word, and its row does not count.
struct Label {
  int64_t at;
  bool counts;
  __device__ __forceinline__ Label(const LabelLoss& p, const void* target, int64_t n, int* error) {
    at = label_at(p, target, n);
    counts = !(p.ignores && at == p.ignore_index);
    if (counts && static_cast<uint64_t>(at) >= static_cast<uint64_t>(p.C)) {
      *error = 1;
      counts = false;
    }
    if (!counts) at = 0;
  }
};

// What losses and gradients are divided by: a number of the launch, or one on the device.
struct Divisor {
  double number;
  const double* place;
  __device__ __forceinline__ double get() const { return place ? *place : number; }
};

template <typename T>
__global__ void __launch_bounds__(kThreads)
    weigh_rows(LabelLoss p, const void* target, const T* weight, double* divisor, int* error) {
  using A = Wide<T>;
  __shared__ RowRoom<A> room;
  const BlockRow<A> all(&room);
  const SumTotal<A> total = all.sum(p.N, [&](int64_t n) {
    const Label label(p, target, n, error);
    return !label.counts ? A(0) : weight ? widen(weight[label.at]) : A(1);
  });
  if (threadIdx.x == 0) *divisor = static_cast<double>(total.value());
}

// The weights of the rows that count.
template <typename T>
Divisor weight_of_rows(const Stream& stream, const LabelLoss& p, const void* target, const T* weight) {
  if (p.reduction != LossReduction::mean) return {1, nullptr};
  if (p.target == TargetKind::soft || (!weight && !p.ignores)) return {static_cast<double>(p.N), nullptr};
  double* const place = stream.scratch_of<double>(1);
  weigh_rows<<<1, kThreads, 0, stream.handle>>>(p, target, weight, place, stream.error);
  return {0, place};
}

// Where the losses of rows go: a number each, or into scratch to be added up.
template <typename T>
struct RowLosses {
  T* each;
  Wide<T>* scratch;
  __device__ __forceinline__ void put(int64_t n, Wide<T> loss) const {
    if (scratch) {
      scratch[n] = loss;
    } else {
      each[n] = narrow<T>(loss);
    }
  }
};
template <typename T>
RowLosses<T> row_losses(const Stream& stream, LossReduction reduction, int64_t rows, T* loss) {
  if (reduction == LossReduction::none) return {loss, nullptr};
  return {loss, stream.scratch_of<Wide<T>>(larger<int64_t>(rows, 1))};
}

template <typename T>
__device__ __forceinline__ void add_all(int64_t rows, Divisor divisor, const RowLosses<T>& losses,
                                        RowRoom<Wide<T>>& room) {
  const BlockRow<Wide<T>> all(&room);
  // The other blocks have ended: what is under way at a time is this one's alone.
  constexpr int kAtOnce = 64 / static_cast<int>(sizeof(Wide<T>));
  const SumTotal<Wide<T>> total = all.template sum<kAtOnce>(rows, [&](int64_t n) { return fresh(losses.scratch + n); });
  if (threadIdx.x == 0) *losses.each = narrow<T>(total.quotient(divisor.get()));
}

// The loss of all rows: by the last block of the launch that makes those of the rows, in which all blocks come here,
[[maybe_unused]] __device__ unsigned loss_arrivals;
template <typename T>
__device__ __forceinline__ void finish_losses(int64_t rows, Divisor divisor, const RowLosses<T>& losses,
                                              RowRoom<Wide<T>>& room) {
  if (losses.scratch && is_last_block(&loss_arrivals, gridDim.x)) add_all(rows, divisor, losses, room);
}
// or, where there is no row, by a launch of its own.
template <typename T>
__global__ void __launch_bounds__(kThreads) add_no_losses(Divisor divisor, RowLosses<T> losses) {
  __shared__ RowRoom<Wide<T>> room;
  add_all(0, divisor, losses, room);
}
template <typename T>
void reduce_no_rows(const Stream& stream, Divisor divisor, const RowLosses<T>& losses) {
  if (losses.scratch) add_no_losses<<<1, kThreads, 0, stream.handle>>>(divisor, losses);
}

}  // namespace
}  // namespace tilegrad::cuda
