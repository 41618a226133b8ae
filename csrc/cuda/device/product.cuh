// The matrix product as a contraction.
#pragma once

#include "cuda/device/choose_tile.cuh"
#include "cuda/device/locate.cuh"

namespace tilegrad::cuda {
namespace {

template <typename T, bool kAlongA, bool kAlongB>
struct GemmProblem {
  using Element = T;
  // One operand alone is single where there are few columns, as in a classifier's last layer: then it is B.
  static constexpr bool kSingleA = false, kSingleB = !kAlongB;
  static constexpr bool kWide = kAlongA || !kAlongB;  // the fourth layout is too rare for kernels of its own
  int64_t M, N, K, count;
  Gemm sizes;
  const T *a_data, *b_data, *bias;
  T* c;

  struct View {
    Strided<T, kAlongA> a;
    Strided<T, kAlongB> b;
    Rows<T> out;
    Finish<T> finish;
    __device__ __forceinline__ int64_t rows() const { return a.rows; }
    __device__ __forceinline__ int64_t terms() const { return a.terms; }
  };
  // One whose outputs are the same: how the operands lie is nothing to those who only add up parts.
  GemmProblem<T, false, false> of_any_layout() const { return {M, N, K, count, sizes, a_data, b_data, bias, c}; }
  __device__ __forceinline__ View view(int64_t item) const {
    const Located<3> place = locate(sizes.batch, item);
    return {{a_data + place.at[0], M, K, sizes.a_row_stride, sizes.a_col_stride},
            {b_data + place.at[1], N, K, sizes.b_col_stride, sizes.b_row_stride},
            {c + place.at[2], sizes.c_row_stride},
            {bias, sizes.bias_stride, sizes.activation}};
  }
};

// Which axis an operand's copies run along: that of unit steps if there is one.
inline bool lies_along_terms_a(const Gemm& g) { return g.a_row_stride != 1 || g.a_col_stride == 1; }
inline bool lies_along_terms_b(const Gemm& g) { return g.b_col_stride != 1; }

// Which operands come in runs of 16 bytes along that axis, where the layout has kernels for them.
template <typename T>
WideOperands wide_operands(const Gemm& g, const T* a, const T* b) {
  const bool along_a = lies_along_terms_a(g), along_b = lies_along_terms_b(g);
  if (!along_a && along_b) return {false, false};
  const int64_t a_run = along_a ? g.a_col_stride : g.a_row_stride, a_step = along_a ? g.a_row_stride : g.a_col_stride;
  const int64_t b_run = along_b ? g.b_row_stride : g.b_col_stride, b_step = along_b ? g.b_col_stride : g.b_row_stride;
  WideOperands wide{a_run == 1 && is_wide(a, {a_step, along_a ? g.K : g.M}),
                    b_run == 1 && is_wide(b, {b_step, along_b ? g.K : g.N})};
  for (int d = 0; d < g.batch.ndim; ++d) {
    wide.a &= is_wide(a, {g.batch.stride[0][d]});
    wide.b &= is_wide(b, {g.batch.stride[1][d]});
  }
  return wide;
}

// Calls run(problem) with the problem of the layout that the product has; the arrays must be what g says.
template <typename T, typename F>
void with_product(const Gemm& g, const T* a, const T* b, const T* bias, T* c, const F& run) {
  const auto start = [&]<bool kAlongA, bool kAlongB>() {
    run(GemmProblem<T, kAlongA, kAlongB>{g.M, g.N, g.K, g.batch.numel, g, a, b, bias, c});
  };
  const bool along_a = lies_along_terms_a(g), along_b = lies_along_terms_b(g);
  if (along_a) {
    if (along_b) return start.template operator()<true, true>();
    return start.template operator()<true, false>();
  }
  if (along_b) return start.template operator()<false, true>();
  start.template operator()<false, false>();
}

}  // namespace
}  // namespace tilegrad::cuda
