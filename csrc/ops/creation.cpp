#include "ops/creation.h"

#include "core/launch.h"
#include "core/recording.h"
#include "ops/loop_nest.h"

namespace tilegrad::ops {

Array scalar(const char* op, const Scalar& value, DType dtype, Device device) {
  Array array = Array::empty({}, dtype, device);
  write_scalar(op, value, dtype, array.data());
  if (Recording* recording = Recording::active()) recording->note_host_write(array);
  return array;
}

void fill(const Array& y, const Scalar& value) {
  const Array source = scalar("fill", value, y.dtype(), y.device());
  const LoopNest<2> nest = make_nest<2>(y.shape(), {Dims::filled(y.ndim(), 0), y.strides()});
  launch(kernels::fill, y.dtype(), nest, {reads(source), writes(y)},
         Cost::bytes(static_cast<double>(nest.numel) * static_cast<double>(y.item_size())));
}

Array full(const Dims& shape, const Scalar& value, DType dtype, Device device) {
  Array y = Array::empty(shape, dtype, device);
  fill(y, value);
  return y;
}

}  // namespace tilegrad::ops
