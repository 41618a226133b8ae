// The longer activations over what a product or a convolution has stored.
#include "cpu/epilogue.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

template <typename T>
void apply_activation(T* c, int64_t stride, int64_t rows, int64_t columns, Activation activation) {
  const auto apply = [&](auto formula) {
    for (int64_t m = 0; m < rows; ++m) {
      T* row = c + m * stride;
#pragma omp simd
      for (int64_t n = 0; n < columns; ++n) row[n] = formula(row[n]);
    }
  };
  switch (activation) {
    case Activation::none:
      break;
    case Activation::relu:
      apply([](T x) { return formulas::relu(x); });
      break;
    case Activation::sigmoid:
      apply([](T x) { return formulas::sigmoid(x); });
      break;
    case Activation::tanh:
      apply([](T x) { return formulas::tanh(x); });
      break;
    case Activation::gelu:
      apply([](T x) { return formulas::gelu(x); });
      break;
  }
}

}  // namespace

void activate(float* c, int64_t stride, int64_t rows, int64_t columns, Activation activation) {
  apply_activation(c, stride, rows, columns, activation);
}
void activate(double* c, int64_t stride, int64_t rows, int64_t columns, Activation activation) {
  apply_activation(c, stride, rows, columns, activation);
}

}  // namespace tilegrad::cpu::TILEGRAD_ISA
