// Indexing: offsets, gathers, scatters that write and one-hot rows. What adds is in scatter_add.cu.
#include "cuda/device/elementwise.cuh"
#include "cuda/device/indexed.cuh"
#include "cuda/device/row_grid.cuh"
#include "cuda/device/scatter_order.cuh"

namespace tilegrad::cuda {
namespace {

// `bad` starts beyond every position and ends as the smallest position of an index out of range.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    find_offsets(const __grid_constant__ IndexOffsets p, const T* index, int64_t* offsets, int64_t* bad, int* error) {
  for_each_element(p.nest.numel, [&](int64_t i) {
    const Located<2> place = locate(p.nest, i);
    const int64_t given = static_cast<int64_t>(index[place.at[0]]);
    const int64_t chosen = given < 0 && p.from_end ? given + p.size : given;
    int64_t& offset = offsets[place.at[1]];
    if (chosen < 0 || chosen >= p.size) {
      atomicMin(reinterpret_cast<long long*>(bad), static_cast<long long>(place.at[1]));
      *error = 1;
      offset = kNowhere;
    } else if (!p.accumulate) {
      offset = chosen * p.stride;
    } else if (offset != kNowhere) {
      offset += chosen * p.stride;
    }
  });
}

template <typename T>
[[maybe_unused]] void index_offsets(const Stream& stream, const IndexOffsets& p, const T* index, int64_t* offsets,
                                    int64_t* bad) {
  if (p.nest.numel == 0) return;
  find_offsets<<<blocks_for(p.nest.numel), kThreads, 0, stream.handle>>>(p, index, offsets, bad, stream.error);
}

// One slice: items of kVector elements. `dense`: its elements lie one after the other on both sides.
template <int kVector, typename R>
__device__ __forceinline__ void copy_item(const LoopNest<2>& inner, bool dense, int64_t item, bool big_to_small, R* big,
                                          R* small) {
  if constexpr (kVector > 1) {
    using Elements = Pack<R, kVector>;
    const int64_t first = item * kVector;
    R *const to = (big_to_small ? small : big) + first, *const from = (big_to_small ? big : small) + first;
    if ((reinterpret_cast<uintptr_t>(to) | reinterpret_cast<uintptr_t>(from)) % sizeof(Elements) == 0) {
      *reinterpret_cast<Elements*>(to) = *reinterpret_cast<const Elements*>(from);
    } else {
#pragma unroll
      for (int e = 0; e < kVector; ++e) to[e] = from[e];
    }
  } else {
    const Located<2> place = dense ? Located<2>{{item, item}} : locate(inner, item);
    R *const in_big = big + place.at[0], *const in_small = small + place.at[1];
    *(big_to_small ? in_small : in_big) = *(big_to_small ? in_big : in_small);
  }
}

template <int kVector, typename R>
__device__ __forceinline__ void clear_item(const LoopNest<2>& inner, bool dense, int64_t item, R* small) {
#pragma unroll
  for (int e = 0; e < kVector; ++e) {
    const int64_t at = item * kVector + e;
    small[dense ? at : locate(inner, at).at[1]] = R(0);
  }
}

template <int kVector, typename R>
__global__ void __launch_bounds__(kThreads)
    gather(const __grid_constant__ Gather p, const R* x, const int64_t* offsets, R* y) {
  const bool dense = is_dense(p.inner);
  for_each_row(p.outer.numel * p.count, p.inner.numel / kVector, [&](int64_t r) {
    const int64_t outer = r / p.count, i = r - outer * p.count, offset = offsets[i];
    const Located<2> place = locate(p.outer, outer);
    R* const to = y + place.at[1] + i * p.small_stride;
    R* const from = offset == kNowhere ? nullptr : const_cast<R*>(x) + place.at[0] + offset;
    return [&p, dense, to, from](int64_t item) {
      if (from) {
        copy_item<kVector>(p.inner, dense, item, true, from, to);
      } else {
        clear_item<kVector>(p.inner, dense, item, to);
      }
    };
  });
}

// Of values that go to one place, the last one is written.
template <int kVector, typename R>
__global__ void __launch_bounds__(kThreads)
    scatter(const __grid_constant__ Gather p, const __grid_constant__ ScatterOrder order, const R* values, R* y) {
  const bool dense = is_dense(p.inner);
  for_each_row(p.outer.numel * p.count, p.inner.numel / kVector, [&](int64_t r) {
    const int64_t outer = r / p.count, s = r - outer * p.count;
    const Located<2> place = locate(p.outer, outer);
    const bool writes = order.is_somewhere(s) && order.is_last(s);
    R* const to = y + place.at[0] + (writes ? order.offset(s) : 0);
    R* const from = const_cast<R*>(values) + place.at[1] + order.index(s) * p.small_stride;
    return [&p, dense, writes, to, from](int64_t item) {
      if (writes) copy_item<kVector>(p.inner, dense, item, false, to, from);
    };
  });
}

// Calls run(vector) with how many elements of a slice a thread takes at once, as a constant.
template <typename R, typename Run>
void with_slice_vector(const Gather& p, const void* big, const void* small, Run run) {
  constexpr int kVector = 16 / static_cast<int>(sizeof(R));
  const bool aligned = (reinterpret_cast<uintptr_t>(big) | reinterpret_cast<uintptr_t>(small)) % 16 == 0;
  if (aligned && is_dense(p.inner) && p.inner.numel % kVector == 0) {
    return run(std::integral_constant<int, kVector>{});
  }
  run(std::integral_constant<int, 1>{});
}

bool has_slices(const Gather& p) { return p.outer.numel > 0 && p.inner.numel > 0 && p.count > 0; }

template <typename T>
void gather_slices(const Stream& stream, const Gather& p, const T* x, const int64_t* offsets, T* y) {
  if (!has_slices(p)) return;
  with_slice_vector<RawOf<T>>(p, x, y, [&](auto vector) {
    const RowGrid grid = row_grid(p.outer.numel * p.count, p.inner.numel / vector);
    gather<vector><<<grid.blocks, grid.threads, 0, stream.handle>>>(p, raw(x), offsets, raw(y));
  });
}

template <typename T>
void scatter_slices(const Stream& stream, const Gather& p, const T* values, const int64_t* offsets, T* y) {
  if (!has_slices(p)) return;
  const ScatterOrder order = order_of(stream, p, offsets);
  with_slice_vector<RawOf<T>>(p, y, values, [&](auto vector) {
    const RowGrid grid = row_grid(p.outer.numel * p.count, p.inner.numel / vector);
    scatter<vector><<<grid.blocks, grid.threads, 0, stream.handle>>>(p, order, raw(values), raw(y));
  });
}

template <typename R>
__global__ void __launch_bounds__(kThreads)
    gather_elements(const __grid_constant__ LoopNest<3> nest, const R* x, const int64_t* offsets, R* y) {
  for_each_element(nest.numel, [&](int64_t i) {
    const Located<3> place = locate(nest, i);
    const int64_t offset = offsets[place.at[1]];
    y[place.at[2]] = offset == kNowhere ? R(0) : x[place.at[0] + offset];
  });
}

template <typename T>
void gather_along(const Stream& stream, const LoopNest<3>& nest, const T* x, const int64_t* offsets, T* y) {
  if (nest.numel == 0) return;
  gather_elements<<<blocks_for(nest.numel), kThreads, 0, stream.handle>>>(nest, raw(x), offsets, raw(y));
}

template <typename R>
__global__ void __launch_bounds__(kThreads) write_one_hot(OneHot p, const R* value, const int64_t* classes, R* y) {
  for_each_row(p.count, p.classes, [&](int64_t r) {
    const int64_t one = classes[r];
    R* const row = y + r * p.classes;
    return [value, one, row](int64_t k) { row[k] = k == one ? *value : R(0); };
  });
}

template <typename T>
void one_hot(const Stream& stream, const OneHot& p, const T* value, const int64_t* classes, T* y) {
  if (p.count == 0 || p.classes == 0) return;
  const RowGrid grid = row_grid(p.count, p.classes);
  write_one_hot<<<grid.blocks, grid.threads, 0, stream.handle>>>(p, raw(value), classes, raw(y));
}

}  // namespace
DEFINE_KERNEL(index_offsets, INDEX)
DEFINE_KERNEL(gather_slices, ALL)
DEFINE_KERNEL(scatter_slices, ALL)
DEFINE_KERNEL(gather_along, ALL)
DEFINE_KERNEL(one_hot, ALL)
}  // namespace tilegrad::cuda
