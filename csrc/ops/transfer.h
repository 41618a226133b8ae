// Values on their way between devices, and between a device and the host.
#pragma once

#include "core/array.h"

namespace tilegrad::ops {

// A contiguous copy on the device; the array itself where it is there already. From a GPU it waits for what makes the values.
Array to_device(const Array& x, Device device);

// Copies a contiguous array to or from host memory of its size.
void read_to_host(const Array& x, void* host);
void write_from_host(const void* host, const Array& x);

}  // namespace tilegrad::ops
