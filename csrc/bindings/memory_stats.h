// What the allocators count, as Python sees it.
#pragma once

#include "bindings/bindings.h"
#include "core/allocator.h"

namespace tilegrad::bindings {

inline py::dict to_dict(const MemoryStats& stats) {
  py::dict result;
  result["bytes_in_use"] = stats.bytes_in_use;
  result["bytes_cached"] = stats.bytes_cached;
  result["peak_bytes_in_use"] = stats.peak_bytes_in_use;
  result["allocations"] = stats.allocations;
  result["cache_hits"] = stats.cache_hits;
  return result;
}

}  // namespace tilegrad::bindings
