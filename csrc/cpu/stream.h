// Stores that go past the caches. An output that is larger than the last of them is not there when it is read next: a plain
// store would read each of its lines first, a third of all traffic of a function of one operand.
#pragma once

#include "cpu/isa.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

// Outputs from this size on: that of the last-level cache (32 MB on the machines of bench/). Inside the cache streaming
// is the slower way.
inline constexpr int64_t kStreamedBytes = int64_t{32} << 20;

#if defined(__AVX512F__) && !defined(__clang__)
typedef long long StreamedVector __attribute__((vector_size(64), may_alias));
TILEGRAD_INLINE void stream(StreamedVector* to, StreamedVector value) { __builtin_ia32_movntdq512(to, value); }
#elif defined(__AVX2__) && !defined(__clang__)
typedef long long StreamedVector __attribute__((vector_size(32), may_alias));
TILEGRAD_INLINE void stream(StreamedVector* to, StreamedVector value) { __builtin_ia32_movntdq256(to, value); }
#elif defined(__SSE2__) && !defined(__clang__)
typedef long long StreamedVector __attribute__((vector_size(16), may_alias));
TILEGRAD_INLINE void stream(StreamedVector* to, StreamedVector value) { __builtin_ia32_movntdq(to, value); }
#else
typedef long long StreamedVector __attribute__((vector_size(16), may_alias));
TILEGRAD_INLINE void stream(StreamedVector* to, StreamedVector value) {
#if defined(__clang__)
  __builtin_nontemporal_store(value, to);
#else
  *to = value;
#endif
}
#endif

// Copies bytes to memory past the caches; `to` should be 64-byte aligned, or they are copied as usual.
[[gnu::noinline, maybe_unused]] void stream_bytes(const void* from, void* to, int64_t bytes) {
  typedef long long Unaligned __attribute__((vector_size(sizeof(StreamedVector)), aligned(1), may_alias));
  const char* source = static_cast<const char*>(from);
  char* target = static_cast<char*>(to);
  int64_t at = 0;
  if (reinterpret_cast<uintptr_t>(to) % 64 == 0) {
    for (; at + 64 <= bytes; at += 64) {
#pragma GCC unroll 4
      for (int64_t part = 0; part < 64; part += static_cast<int64_t>(sizeof(StreamedVector))) {
        stream(reinterpret_cast<StreamedVector*>(target + at + part),
               *reinterpret_cast<const Unaligned*>(source + at + part));
      }
    }
  }
  for (; at < bytes; ++at) target[at] = source[at];
}

// Streamed values are seen by the other threads after this.
TILEGRAD_INLINE void end_streaming() {
#if defined(__SSE2__)
  __builtin_ia32_sfence();
#endif
}

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
