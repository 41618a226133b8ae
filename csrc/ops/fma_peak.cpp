#include "ops/fma_peak.h"

#include <algorithm>
#include <chrono>

#include "core/launch.h"
#include "core/threads.h"

namespace tilegrad::ops {

double measure_fma_peak(DType dtype, int threads) {
  if (threads < 1) fail(ErrorKind::argument, "measure_fma_peak: threads must be at least 1, found %d", threads);
  constexpr int64_t kMultiplyAdds = 200'000'000;  // some milliseconds
  if (dtype != DType::float32 && dtype != DType::float64) {
    fail(ErrorKind::dtype, "measure_fma_peak: dtype must be float32 or float64, found %s", name(dtype));
  }
  const int before = threads::count();
  threads::set_count(threads);
  const Array sums = Array::empty({threads}, dtype);
  double best = 0;
  for (int run = 0; run < 8; ++run) {
    const auto start = std::chrono::steady_clock::now();
    launch(kernels::fma_peak, dtype, FmaPeak{kMultiplyAdds}, {writes(sums)}, Cost{1e12});
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, 2e-9 * static_cast<double>(kMultiplyAdds) * threads / seconds.count());
  }
  threads::set_count(before);
  return best;
}

}  // namespace tilegrad::ops
