// The matrix product.
#include "cuda/device/contract.cuh"

namespace tilegrad::cuda {
namespace {

template <typename T, bool kAlongA, bool kAlongB>
struct GemmProblem {
  using Element = T;
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
  __device__ __forceinline__ View view(int64_t item) const {
    const LoopNest<3>& batch = sizes.batch;
    int64_t offset[3] = {};
    for (int d = batch.ndim - 1; d >= 0; --d) {
      const int64_t rest = item / batch.shape[d], at = item - rest * batch.shape[d];
      for (int o = 0; o < 3; ++o) offset[o] += at * batch.stride[o][d];
      item = rest;
    }
    return {{a_data + offset[0], M, K, sizes.a_row_stride, sizes.a_col_stride},
            {b_data + offset[1], N, K, sizes.b_col_stride, sizes.b_row_stride},
            {c + offset[2], sizes.c_row_stride},
            {bias, sizes.bias_stride, sizes.activation}};
  }
};

template <typename Problem>
void run(const Stream& stream, const Problem& problem) {
  using T = typename Problem::Element;
  const auto tiles = [&](int64_t m, int64_t n) {
    return ceil_div(problem.M, m) * ceil_div(problem.N, n) * problem.count;
  };
  if constexpr (!std::is_same_v<T, double>) {
    if (tiles(128, 128) >= 64) return run_tiles<SimtTile<T, 128, 128, 16, 8, 8>>(stream, problem, 1);
  }
  run_tiles<SimtTile<T, 64, 64, 16, 4, 4>>(stream, problem, parts_for(tiles(64, 64), problem.K));
}

template <typename T>
void gemm(const Stream& stream, const Gemm& g, const T* a, const T* b, const T* bias, T* c, Workspace) {
  const auto start = [&]<bool kAlongA, bool kAlongB>() {
    run(stream, GemmProblem<T, kAlongA, kAlongB>{g.M, g.N, g.K, g.batch.numel, g, a, b, bias, c});
  };
  const bool along_a = g.a_row_stride != 1 || g.a_col_stride == 1, along_b = g.b_col_stride != 1;
  if (along_a) {
    if (along_b) return start.template operator()<true, true>();
    return start.template operator()<true, false>();
  }
  if (along_b) return start.template operator()<false, true>();
  start.template operator()<false, false>();
}

}  // namespace
DEFINE_KERNEL(gemm, FLOATING, BFloat16, Float16)
}  // namespace tilegrad::cuda
