// Who holds a device's memory: large blocks by what they were made for, so that an out-of-memory error can name them.
#pragma once

#include <cstddef>
#include <string>

#include "core/dims.h"
#include "core/dtype.h"
#include "core/storage.h"

namespace tilegrad::holders {

// Smaller blocks are not listed: they are made too often, and hardly ever the reason.
constexpr size_t kFrom = size_t{1} << 20;

void list_array(const void* data, size_t bytes, Device device, DType dtype, const Dims& shape);
void list_working_memory(const void* data, size_t bytes, Device device);
void unlist(const void* data);

// `data` is the memory of an array, or of a running op or captured function.
inline void add_array(const void* data, size_t bytes, Device device, DType dtype, const Dims& shape) {
  if (bytes >= kFrom) list_array(data, bytes, device, dtype, shape);
}
inline void add_working_memory(const void* data, size_t bytes, Device device) {
  if (bytes >= kFrom) list_working_memory(data, bytes, device);
}
inline void remove(const void* data, size_t bytes) {
  if (bytes >= kFrom) unlist(data);
}

// "; most is held by 40 of float32 [256, 64, 64, 64] (2.7 GB), ...", or "" where nothing large is.
std::string largest(Device device);

}  // namespace tilegrad::holders
