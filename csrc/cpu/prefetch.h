// Memory that is needed soon, fetched into the L2 cache while other work is done: streams that are too many, too short or too
// far apart for the hardware's prefetcher.
#pragma once

#include "cpu/isa.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

inline constexpr int64_t kCacheLine = 64;
template <typename T>
inline constexpr int64_t kPrefetchAhead = 4 * kCacheLine / sizeof(T);
template <typename T>
TILEGRAD_INLINE void prefetch(const T* p) {
  __builtin_prefetch(p, 0, 2);
}

// The lines from `next` to `end`, `each` of them with every call of fetch().
struct LinesAhead {
  const char* next;
  const char* end;
  int64_t each;

  // Elements [begin, end), in `parts` calls.
  template <typename T>
  TILEGRAD_INLINE static LinesAhead of(const T* begin, const T* end, int64_t parts) {
    LinesAhead ahead{reinterpret_cast<const char*>(begin), reinterpret_cast<const char*>(end), 0};
    ahead.each = ceil_div(ceil_div(ahead.end - ahead.next, kCacheLine), larger<int64_t>(parts, 1));
    return ahead;
  }
  TILEGRAD_INLINE void fetch() {
    for (int64_t i = 0; i < each && next < end; ++i, next += kCacheLine) prefetch(next);
  }
};

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
