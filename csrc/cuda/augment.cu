// Whole batches of images with random changes, a block for each image: its path is drawn, its pixels are taken from where they
// lie, then changed, every pixel by one thread. The bits are the CPU's.
#include "cuda/device/elementwise.cuh"
#include "formulas/augment_path.h"
#include "formulas/augment_pixel.h"
#include "params/augment.h"

namespace tilegrad::cuda {
namespace {

// Calls run(i) for this thread's pixels.
template <typename Run>
__device__ __forceinline__ void for_each_pixel(int64_t pixels, Run run) {
  for (int64_t i = threadIdx.x; i < pixels; i += kThreads) run(i);
}

// One pixel: of x [H, W, C] between four, or what is outside.
template <typename X>
__device__ __forceinline__ void take_pixel(const X* x, int64_t W, int64_t C, const AugmentTap& row,
                                           const AugmentTap& column, const formulas::Path& path, float* y) {
  const int outside = row.outside < column.outside ? row.outside : column.outside;
  if (outside != formulas::kInside) {
    const float fill = path.stages[outside].fill;
    for (int64_t c = 0; c < C; ++c) y[c] = fill;
    return;
  }
  const X *const upper = x + row.low * W * C, *const lower = x + row.high * W * C;
  const X *const upper_low = upper + column.low * C, *const upper_high = upper + column.high * C;
  if (row.weight == 0 && column.weight == 0) {
    for (int64_t c = 0; c < C; ++c) y[c] = static_cast<float>(upper_low[c]);
    return;
  }
  const X *const lower_low = lower + column.low * C, *const lower_high = lower + column.high * C;
  const float right = column.weight, left = 1.0f - right, bottom = row.weight, top = 1.0f - bottom;
  for (int64_t c = 0; c < C; ++c) {
    y[c] = top * (left * static_cast<float>(upper_low[c]) + right * static_cast<float>(upper_high[c])) +
           bottom * (left * static_cast<float>(lower_low[c]) + right * static_cast<float>(lower_high[c]));
  }
}

// The mean brightness, summed in double in the pixels' order: threads bring them, one adds.
__device__ __forceinline__ float mean_luma(const float* y, int64_t pixels, int64_t C) {
  __shared__ float brought[kThreads];
  __shared__ float mean;
  double sum = 0;
  for (int64_t first = 0; first < pixels; first += kThreads) {
    const int64_t i = first + threadIdx.x;
    if (i < pixels) brought[threadIdx.x] = formulas::luma(y + i * C, C);
    __syncthreads();
    if (threadIdx.x == 0) {
      const int count = static_cast<int>(pixels - first < kThreads ? pixels - first : kThreads);
#pragma unroll 8
      for (int k = 0; k < count; ++k) sum += static_cast<double>(brought[k]);
      if (first + kThreads >= pixels) mean = static_cast<float>(sum / static_cast<double>(pixels));
    }
    __syncthreads();
  }
  return mean;
}

__device__ __forceinline__ void jitter(const AugmentStep& step, const formulas::Draws& draws, float* y, int64_t pixels,
                                       int64_t C) {
  const formulas::Jitter found(step, draws);
  const float most = found.most;
  for (int i = 0; i < 4; ++i) {
    if (!found.changes(i)) continue;
    const int change = found.order[i];
    const float size = found.size[i], mean = change == 1 ? mean_luma(y, pixels, C) : 0.0f;
    for_each_pixel(pixels, [&](int64_t at) {
      float* const pixel = y + at * C;
      if (change == 0) {
        for (int64_t c = 0; c < C; ++c) pixel[c] = formulas::clip(pixel[c] * size, 0.0f, most);
      } else if (change == 1) {
        for (int64_t c = 0; c < C; ++c) pixel[c] = formulas::blend(pixel[c], mean, size, most);
      } else if (C == 3 && change == 2) {
        formulas::change_saturation(pixel, size, most);
      } else if (C == 3) {
        formulas::turn_hue(pixel, size);
      }
    });
  }
}

__device__ __forceinline__ void cut_out(const Augment& p, const AugmentStep& step, const formulas::Draws& draws,
                                        float* y) {
  const float value = static_cast<float>(step.values[3]);
  for (int64_t b = 0; b < formulas::boxes_of(step); ++b) {
    const formulas::Box box = formulas::draw_box(step, draws, b, p.P, p.Q);
    for_each_pixel(p.P * p.Q, [&](int64_t i) {
      const int64_t row = i / p.Q, column = i - row * p.Q;
      if (row < box.top || row >= box.bottom || column < box.left || column >= box.right) return;
      for (int64_t c = 0; c < p.C; ++c) y[i * p.C + c] = value;
    });
  }
}

__device__ __forceinline__ void change_pixels(const Augment& p, const int64_t* key, int64_t sample, const float* scales,
                                              float* y) {
  for (int s = 0; s < p.count; ++s) {
    const AugmentStep& step = p.steps[s];
    const formulas::Draws draws = formulas::draws_of(key, sample, step);
    if (step.kind < AugmentKind::scale || !formulas::is_taken(step, draws)) continue;
    if (step.kind == AugmentKind::scale) {
      const float* const factor = scales + static_cast<int64_t>(step.values[0]) * 2 * p.C;
      for_each_pixel(p.P * p.Q, [&](int64_t i) {
        for (int64_t c = 0; c < p.C; ++c) y[i * p.C + c] = y[i * p.C + c] * factor[c] + factor[p.C + c];
      });
    }
    if (step.kind == AugmentKind::jitter) jitter(step, draws, y, p.P * p.Q, p.C);
    if (step.kind == AugmentKind::cutout) cut_out(p, step, draws, y);
  }
}

// Images whose row is out of range are zero.
template <typename X>
__global__ void __launch_bounds__(kThreads)
    make_images(const __grid_constant__ Augment p, const X* x, const int64_t* rows, const int64_t* samples,
                const int64_t* key, const float* scales, float* y, int* error) {
  __shared__ formulas::Path path;
  const int64_t size = p.P * p.Q * p.C;
  for (int64_t n = blockIdx.x; n < p.N; n += gridDim.x) {
    float* const to = y + n * size;
    const int64_t row = rows[n], sample = samples[n];
    if (row < 0 || row >= p.M) {
      *error = 1;
      for_each_pixel(size, [&](int64_t i) { to[i] = 0.0f; });
      continue;
    }
    __syncthreads();  // everybody is done with the last image's path
    if (threadIdx.x == 0) formulas::find_path(p, key, sample, path);
    __syncthreads();
    const X* const from = x + row * p.H * p.W * p.C;
    for_each_pixel(p.P * p.Q, [&](int64_t i) {
      const int64_t r = i / p.Q;
      AugmentTap tap_row, tap_column;
      formulas::trace(path, {static_cast<double>(r), static_cast<double>(i - r * p.Q)}, tap_row, tap_column);
      take_pixel(from, p.W, p.C, tap_row, tap_column, path, to + i * p.C);
    });
    change_pixels(p, key, sample, scales, to);
  }
}

// Every image blended with its partner.
__global__ void __launch_bounds__(kThreads)
    mix_images(int64_t N, int64_t size, const float* images, const int64_t* partners, const float* shares, float* y,
               int* error) {
  const int64_t step = int64_t{gridDim.x} * kThreads;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < N * size; i += step) {
    const int64_t n = i / size, partner = partners[n];
    const bool is_there = partner >= 0 && partner < N;
    if (!is_there) *error = 1;
    const float share = shares[n], rest = 1.0f - share;
    y[i] = !is_there || partner == n ? images[i] : share * images[i] + rest * images[partner * size + (i - n * size)];
  }
}

template <typename T>
void augment(const Stream& stream, const Augment& p, const void* x, const int64_t* rows, const int64_t* samples,
             const int64_t* key, const T* scales, const int64_t* partners, const T* shares, T* y, Workspace) {
  const int64_t size = p.P * p.Q * p.C, count = p.N * size;
  if (count == 0) return;
  T* const images = p.mixed ? stream.scratch_of<T>(count) : y;
  const unsigned blocks = blocks_for(p.N, 1, 1);
  if (p.bytes) {
    make_images<<<blocks, kThreads, 0, stream.handle>>>(p, static_cast<const uint8_t*>(x), rows, samples, key, scales,
                                                        images, stream.error);
  } else {
    make_images<<<blocks, kThreads, 0, stream.handle>>>(p, static_cast<const float*>(x), rows, samples, key, scales,
                                                        images, stream.error);
  }
  if (!p.mixed) return;
  mix_images<<<blocks_for(count, 4), kThreads, 0, stream.handle>>>(p.N, size, images, partners, shares, y,
                                                                   stream.error);
}

}  // namespace
DEFINE_KERNEL(augment, SINGLE)
}  // namespace tilegrad::cuda
