// Waiting for an atomic to change: a bounded spin, because the wake-up of a sleeping thread costs 5 to 50 us, then sleep,
// because a spinning one takes its CPU from NumPy and everybody else.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace tilegrad {

inline void cpu_relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

inline constexpr std::chrono::microseconds kLongestSpin{30};

// Returns whether the word changed while this thread spun.
inline bool spin(const std::atomic<uint32_t>& word, uint32_t old) {
  const auto deadline = std::chrono::steady_clock::now() + kLongestSpin;
  do {
    for (int i = 0; i < 64; ++i) {
      if (word.load(std::memory_order_acquire) != old) return true;
      cpu_relax();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return false;
}

inline void sleep(const std::atomic<uint32_t>& word, uint32_t old) {
  while (word.load(std::memory_order_acquire) == old) word.wait(old, std::memory_order_acquire);
}

inline void spin_then_sleep(const std::atomic<uint32_t>& word, uint32_t old) {
  if (!spin(word, old)) sleep(word, old);
}

}  // namespace tilegrad
