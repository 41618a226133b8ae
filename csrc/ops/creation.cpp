#include "ops/creation.h"

#include <cstring>

#include "core/cuda.h"
#include "core/launch.h"
#include "core/recording.h"
#include "ops/loop_nest.h"

namespace tilegrad::ops {

Array scalar(const char* op, const Scalar& value, DType dtype, Device device) {
  Array array = Array::empty({}, dtype, device);
  alignas(8) char bytes[8] = {};
  write_scalar(op, value, dtype, bytes);
  if (device.type == DeviceType::cuda) {
    const cuda::OnDevice on(device);
    cuda::write_small(array.data(), bytes, array.item_size());
  } else {
    std::memcpy(array.data(), bytes, array.item_size());
  }
  if (Recording* recording = Recording::active()) recording->note_host_write(array, bytes);
  return array;
}

void fill(const Array& y, const Scalar& value, const char* op) {
  const Array source = scalar(op, value, y.dtype(), y.device());
  const LoopNest<2> nest = make_nest<2>(y.shape(), {Dims::filled(y.ndim(), 0), y.strides()});
  launch(kernels::fill, y.dtype(), nest, {reads(source), writes(y)},
         Cost::bytes(static_cast<double>(nest.numel) * static_cast<double>(y.item_size())));
}

Array full(const Dims& shape, const Scalar& value, DType dtype, Device device, const char* op) {
  Array y = Array::empty(shape, dtype, device);
  fill(y, value, op);
  return y;
}

}  // namespace tilegrad::ops
