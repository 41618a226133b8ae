#include "ops/augment.h"

#include <algorithm>
#include <cmath>

#include "core/launch.h"
#include "core/recording.h"
#include "core/size.h"
#include "core/threads.h"
#include "ops/views.h"

namespace tilegrad::ops {
namespace {

constexpr const char* kOp = "augment";

void require_vector(const char* argument, const Array& array, DType dtype, int64_t size) {
  if (array.dtype() != dtype || array.ndim() != 1 || array.size(0) != size) {
    fail(ErrorKind::shape, "%s: %s must be %s [%lld], found %s", kOp, argument, name(dtype),
         static_cast<long long>(size), array.str().c_str());
  }
}

void check_rows(const char* argument, const Array& indices, int64_t limit) {
  check_values({reads(indices)}, [argument, count = indices.numel(), limit](void* const* data) {
    const auto* const values = static_cast<const int64_t*>(data[0]);
    for (int64_t i = 0; i < count; ++i) {
      if (values[i] >= 0 && values[i] < limit) continue;
      fail(ErrorKind::index, "%s: %s[%lld] is %lld, expected a number from 0 to %lld", kOp, argument,
           static_cast<long long>(i), static_cast<long long>(values[i]), static_cast<long long>(limit - 1));
    }
  });
}

// What makes a step one that a kernel may run: whatever its values, it reads and writes within its arrays.
void check_step(const AugmentStep& s, int64_t H, int64_t W, int64_t scales, int position) {
  const double* const v = s.values;
  constexpr double kMost = 0x1p30;
  bool fits = s.kind >= AugmentKind::crop && s.kind <= AugmentKind::cutout && s.border >= AugmentBorder::none &&
              s.border <= AugmentBorder::reflect && s.number >= 0 && s.number < kMaxAugmentNumber && s.rows > 0 &&
              s.columns > 0 && s.rows <= kMost && s.columns <= kMost && s.probability >= 0 && s.probability <= 1;
  for (double value : s.values) fits &= std::fabs(value) <= kMost;  // not NaN
  const bool resizes =
      s.kind == AugmentKind::crop || s.kind == AugmentKind::resize || s.kind == AugmentKind::resized_crop;
  if (!resizes || s.probability < 1) fits &= s.rows == H && s.columns == W;
  switch (s.kind) {
    case AugmentKind::crop:
      fits &= v[0] <= v[1] && v[2] <= v[3];
      break;
    case AugmentKind::affine:
      fits &= v[6] > 0x1p-20 && v[7] > 0x1p-20 && std::fabs(v[0]) <= 1e6 && std::fabs(v[1]) <= 1e6;
      for (int i = 8; i < 12; ++i) fits &= std::fabs(v[i]) < 90;
      break;
    case AugmentKind::resized_crop:
      fits &= v[0] > 0 && v[0] <= v[1] && v[2] > 0x1p-20 && v[2] <= v[3];
      break;
    case AugmentKind::scale:
      fits &= v[0] >= 0 && v[0] < static_cast<double>(scales);
      break;
    case AugmentKind::cutout:
      fits &= v[0] >= 0 && v[0] <= static_cast<double>(kMaxCutouts) && v[1] >= 0 && v[2] >= 0;
      break;
    default:
      break;
  }
  if (!fits) fail(ErrorKind::argument, "%s: step %d has sizes or values that no step has", kOp, position);
}

// About what an element takes: a cast where whole pixels are copied, four products where they are blended.
double nanoseconds_of(const std::vector<AugmentStep>& steps) {
  double each = 1;
  for (const AugmentStep& step : steps) {
    if (step.kind == AugmentKind::affine) each += 8;
    if (step.kind == AugmentKind::resize || step.kind == AugmentKind::resized_crop) each += 2;
    if (step.kind == AugmentKind::jitter) each += 4;
  }
  return each;
}

}  // namespace

Array augment(const AugmentArrays& in, const std::vector<AugmentStep>& steps) {
  const Array& x = in.x;
  if (x.dtype() != DType::uint8 && x.dtype() != DType::float32) {
    fail(ErrorKind::dtype, "%s: images must be uint8 or float32, found %s", kOp, name(x.dtype()));
  }
  if (x.ndim() != 4) {
    fail(ErrorKind::shape, "%s: images must have 4 dimensions [N, H, W, C], found %s", kOp, x.shape().str().c_str());
  }
  if (steps.size() > kMaxAugmentSteps) {
    fail(ErrorKind::argument, "%s: at most %d steps are taken at once, found %zu", kOp, kMaxAugmentSteps, steps.size());
  }
  const int64_t N = in.rows.ndim() == 1 ? in.rows.size(0) : 0, C = x.size(3);
  require_vector("rows", in.rows, DType::int64, N);
  require_vector("samples", in.samples, DType::int64, N);
  require_vector("key", in.key, DType::int64, 2);
  if (in.scales && (in.scales.dtype() != DType::float32 || in.scales.ndim() != 3 || in.scales.size(1) != 2 ||
                    in.scales.size(2) != C)) {
    fail(ErrorKind::shape, "%s: scales must be float32 [K, 2, %lld], found %s", kOp, static_cast<long long>(C),
         in.scales.str().c_str());
  }
  const bool mixed = static_cast<bool>(in.partners);
  if (mixed) {
    require_vector("partners", in.partners, DType::int64, N);
    require_vector("shares", in.shares, DType::float32, N);
  }
  Augment p{};
  p.M = x.size(0);
  p.N = N;
  p.H = p.P = x.size(1);
  p.W = p.Q = x.size(2);
  p.C = C;
  p.bytes = x.dtype() == DType::uint8;
  p.mixed = mixed;
  p.count = static_cast<int32_t>(steps.size());
  for (int32_t s = 0; s < p.count; ++s) {
    const AugmentStep& step = p.steps[s] = steps[static_cast<size_t>(s)];
    check_step(step, p.P, p.Q, in.scales ? in.scales.size(0) : 0, s);
    p.P = step.rows;
    p.Q = step.columns;
  }
  const Array y = Array::empty({N, p.P, p.Q, C}, DType::float32, x.device());
  if (y.numel() == 0) return y;
  if (p.H == 0 || p.W == 0) fail(ErrorKind::shape, "%s: images of %s have no pixels", kOp, x.shape().str().c_str());
  const Array images = contiguous(x), rows = contiguous(in.rows), samples = contiguous(in.samples),
              key = contiguous(in.key), scales = in.scales ? contiguous(in.scales) : Array(),
              partners = mixed ? contiguous(in.partners) : Array(), shares = mixed ? contiguous(in.shares) : Array();
  check_rows("rows", rows, p.M);
  if (mixed) check_rows("partners", partners, N);
  const int64_t members = std::min<int64_t>(threads::count(), N);
  const double cost = static_cast<double>(y.numel()) * (mixed ? 2 : 1);
  launch(kernels::augment, DType::float32, p,
         {reads(images), reads(rows), reads(samples), reads(key), reads(scales), reads(partners), reads(shares),
          writes(y)},
         Cost::elements(cost, nanoseconds_of(steps)),
         static_cast<size_t>(checked_multiply(augment_workspace(p), members, kOp)));
  return y;
}

}  // namespace tilegrad::ops
