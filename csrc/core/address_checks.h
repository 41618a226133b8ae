// What the address sanitizer is told of memory that an allocator keeps; nothing without it.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace tilegrad::address_checks {

// Touching it is an error from here on.
inline void forbid([[maybe_unused]] void* data, [[maybe_unused]] size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(data, bytes);
#endif
}
inline void allow([[maybe_unused]] void* data, [[maybe_unused]] size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(data, bytes);
#endif
}
// A block of which somebody asked for the first bytes.
inline void hand_out(void* data, size_t asked, size_t bytes) {
  allow(data, asked);
  forbid(static_cast<char*>(data) + asked, bytes - asked);
}

}  // namespace tilegrad::address_checks
