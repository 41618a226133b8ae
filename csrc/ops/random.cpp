#include "ops/random.h"

#include <cmath>
#include <limits>

#include "core/launch.h"
#include "formulas/philox.h"
#include "ops/inplace.h"
#include "ops/random_state.h"
#include "ops/views.h"

namespace tilegrad::ops {
namespace {

using RealKernel = KernelName<RandomReal>;

void require_floating(const char* op, const Array& y) {
  if (y.dtype() != DType::float32 && y.dtype() != DType::float64) {
    fail(ErrorKind::dtype, "%s: dtype must be float32 or float64, found %s", op, name(y.dtype()));
  }
}

// What a double becomes in the dtype must be a number.
void require_finite(const char* op, const char* argument, double value, DType dtype) {
  const bool finite = dtype == DType::float32 ? std::isfinite(static_cast<float>(value)) : std::isfinite(value);
  if (!finite) fail(ErrorKind::argument, "%s: %s must be finite in %s, found %g", op, argument, name(dtype), value);
}

// Kernels fill memory without gaps; a strided y takes a copy of it.
template <typename Fill>
void fill_contiguous(const char* op, const Array& y, Fill fill) {
  require_writable(op, y);
  if (y.is_contiguous()) return fill(y);
  const Array values = Array::empty(y.shape(), y.dtype(), y.device());
  fill(values);
  copy_into(values, y);
}

void draw_real(const char* op, const RealKernel& kernel, const Array& y, const Array& state, Bounds parameters,
               double nanoseconds) {
  fill_contiguous(op, y, [&](const Array& values) {
    launch(kernel, y.dtype(), {values.numel(), parameters.first, parameters.second}, {updates(state), writes(values)},
           Cost::elements(static_cast<double>(values.numel()), nanoseconds));
  });
}

void require_normal(const char* op, const Array& y, Bounds parameters) {
  require_floating(op, y);
  require_finite(op, "mean", parameters.first, y.dtype());
  require_finite(op, "std", parameters.second, y.dtype());
  if (parameters.second < 0) fail(ErrorKind::argument, "%s: std must not be negative, found %g", op, parameters.second);
}

}  // namespace

void require_state(const char* op, const Array& state) {
  if (state.dtype() != DType::int64 || state.ndim() != 1 || state.size(0) != 2 || !state.is_contiguous()) {
    fail(ErrorKind::argument, "%s: a generator's state is int64 [2] (seed, stream), found %s", op, state.str().c_str());
  }
}

RandomChoice choice(const char* op, double probability, int64_t count) {
  if (!(probability >= 0 && probability <= 1)) {
    fail(ErrorKind::argument, "%s: p must be a probability, from 0 to 1, found %g", op, probability);
  }
  return {count, static_cast<int64_t>(std::llround(std::ldexp(probability, 32)))};
}

void random_uniform(const Array& y, const Array& state, Bounds low_high) {
  require_state("uniform", state);
  require_floating("uniform", y);
  require_finite("uniform", "low", low_high.first, y.dtype());
  require_finite("uniform", "high", low_high.second, y.dtype());
  require_finite("uniform", "high - low", low_high.second - low_high.first, y.dtype());
  if (low_high.first > low_high.second) {
    fail(ErrorKind::argument, "uniform: low must not be above high, found low %g and high %g", low_high.first,
         low_high.second);
  }
  draw_real("uniform", kernels::random_uniform, y, state, low_high, 0.7);
}

void random_normal(const Array& y, const Array& state, Bounds mean_deviation) {
  require_state("normal", state);
  require_normal("normal", y, mean_deviation);
  draw_real("normal", kernels::random_normal, y, state, mean_deviation, 2.5);
}

void random_truncated_normal(const Array& y, const Array& state, Bounds mean_deviation) {
  require_state("truncated_normal", state);
  require_normal("truncated_normal", y, mean_deviation);
  draw_real("truncated_normal", kernels::random_truncated_normal, y, state, mean_deviation, 7);
}

void random_integers(const Array& y, const Array& state, int64_t low, int64_t high) {
  require_state("randint", state);
  if (!is_integer(y.dtype())) {
    fail(ErrorKind::dtype, "randint: dtype must be int64, int32 or uint8, found %s", name(y.dtype()));
  }
  if (low >= high) {
    fail(ErrorKind::argument, "randint: low must be below high, found low %lld and high %lld",
         static_cast<long long>(low), static_cast<long long>(high));
  }
  const int64_t least = y.dtype() == DType::uint8   ? 0
                        : y.dtype() == DType::int32 ? std::numeric_limits<int32_t>::min()
                                                    : std::numeric_limits<int64_t>::min();
  const int64_t most = y.dtype() == DType::uint8   ? 255
                       : y.dtype() == DType::int32 ? std::numeric_limits<int32_t>::max()
                                                   : std::numeric_limits<int64_t>::max();
  if (low < least || high - 1 > most) {
    fail(ErrorKind::argument, "randint: numbers from %lld to %lld do not fit in %s; ask for dtype=\"int64\"",
         static_cast<long long>(low), static_cast<long long>(high - 1), name(y.dtype()));
  }
  fill_contiguous("randint", y, [&](const Array& values) {
    launch(kernels::random_integers, y.dtype(),
           {values.numel(), low, static_cast<uint64_t>(high) - static_cast<uint64_t>(low)},
           {updates(state), writes(values)}, Cost::elements(static_cast<double>(values.numel()), 10));
  });
}

void random_choice(const Array& y, const Array& state, double probability) {
  require_state("bernoulli", state);
  const RandomChoice one = choice("bernoulli", probability, y.numel());
  const bool is_mask = y.dtype() == DType::boolean;  // bytes of 0 and 1
  const Array numbers = is_mask ? Array(y.storage_ref(), y.offset(), y.shape(), y.strides(), DType::uint8) : y;
  fill_contiguous("bernoulli", numbers, [&](const Array& values) {
    launch(kernels::random_choice, values.dtype(), one, {updates(state), writes(values)},
           Cost::elements(static_cast<double>(values.numel()), 0.7));
  });
}

Array random_permutation(int64_t n, const Array& state) {
  require_state("permutation", state);
  if (n < 0) fail(ErrorKind::argument, "permutation: n must not be negative, found %lld", static_cast<long long>(n));
  Array y = Array::empty({n}, DType::int64, state.device());
  launch(kernels::random_permutation, DType::int64, {n, 0, 0}, {updates(state), writes(y)},
         Cost::elements(static_cast<double>(n), 15));
  return y;
}

int64_t derived_seed(int64_t seed, int64_t key) {
  // A block that no draw takes: their numbers stay below 2^64 - 1.
  const formulas::PhiloxBlock block =
      formulas::philox(static_cast<uint64_t>(seed), static_cast<uint64_t>(key), ~uint64_t{0});
  return static_cast<int64_t>((static_cast<uint64_t>(block.word[0]) << 32 | block.word[1]) >> 1);
}

}  // namespace tilegrad::ops
