// The caching CPU allocator. Freed blocks are kept (block_cache.h) and handed out again: a fresh 4 KB page costs about
// 2 us of page fault, which is more than the arithmetic that most layers do on it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tilegrad {

struct MemoryStats {
  uint64_t bytes_in_use;       // handed out, rounded up to the size class or unit
  uint64_t bytes_cached;       // freed by tensors, kept for the next ones
  uint64_t peak_bytes_in_use;  // the largest bytes_in_use since the start or reset_peak()
  uint64_t allocations;        // requests so far
  uint64_t cache_hits;         // of these, answered from the cache
};

namespace cpu_memory {

// 64-byte aligned memory of at least `bytes`; raises ErrorKind::memory when the system has none left, after having given
// the cache back and tried again.
void* allocate(size_t bytes);
void release(void* data, size_t bytes);

MemoryStats stats();
void reset_peak();
// Gives every cached block back to the system.
void trim();

}  // namespace cpu_memory
}  // namespace tilegrad
