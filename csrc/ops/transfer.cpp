#include "ops/transfer.h"

#include <cstring>

#include "core/cuda.h"
#include "core/recording.h"
#include "ops/views.h"

namespace tilegrad::ops {
namespace {

size_t bytes_of(const Array& x) { return static_cast<size_t>(x.numel()) * x.item_size(); }

}  // namespace

void read_to_host(const Array& x, void* host) {
  if (x.device().type == DeviceType::cuda) {
    const cuda::OnDevice on(x.device());
    cuda::copy_to_host(host, x.data(), bytes_of(x));
  } else if (x.numel()) {
    std::memcpy(host, x.data(), bytes_of(x));
  }
}

void write_from_host(const void* host, const Array& x) {
  if (x.device().type == DeviceType::cuda) {
    const cuda::OnDevice on(x.device());
    cuda::copy_to_device(x.data(), host, bytes_of(x));
  } else if (x.numel()) {
    std::memcpy(x.data(), host, bytes_of(x));
  }
  x.storage()->bump_version();
}

Array to_device(const Array& x, Device device) {
  if (x.device() == device) return x;
  if (device.type == DeviceType::cuda) {
    cuda::require("to");
  } else {
    require_values("to");
  }
  if (Recording* recording = Recording::active()) {
    recording->give_up("it moves a tensor from one device to another; do that outside");
  }
  const Array from = contiguous(x);
  Array y = Array::empty(x.shape(), x.dtype(), device);
  if (device.type == DeviceType::cuda && from.device().type == DeviceType::cuda) {
    const cuda::OnDevice on(device);
    cuda::copy_from_device(y.data(), from.data(), from.device(), bytes_of(from));
  } else if (device.type == DeviceType::cuda) {
    write_from_host(from.data(), y);
  } else {
    read_to_host(from, y.data());
  }
  return y;
}

}  // namespace tilegrad::ops
