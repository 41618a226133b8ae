// Blocks of memory kept by size class and handed out again: the part of a caching allocator that is the same for every device.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <mutex>
#include <new>
#include <vector>

#include "core/allocator.h"

namespace tilegrad {

// Four classes an octave: 64, 80, 96, 112, 128, 160, ... rounded up to whole cache lines: at most 25% of a block is lost.
struct SizeClass {
  static constexpr size_t kSmallest = 64;  // one cache line, one AVX-512 register
  static constexpr int kPerOctave = 4;
  static constexpr int kSmallestOctave = 6;
  static constexpr int kCount = (64 - kSmallestOctave) * kPerOctave + 1;

  int index;
  size_t bytes;

  static SizeClass of(size_t bytes) {
    if (bytes <= kSmallest) return {0, kSmallest};
    const int octave = std::bit_width(bytes - 1) - 1;  // 2^octave < bytes <= 2^(octave + 1)
    const size_t base = size_t{1} << octave;
    const size_t step = base / kPerOctave;
    const size_t quarter = (bytes - base + step - 1) / step;  // 1 to 4
    return {(octave - kSmallestOctave) * kPerOctave + static_cast<int>(quarter), rounded(base + quarter * step)};
  }
  static size_t bytes_of(int index) {
    if (index == 0) return kSmallest;
    const size_t base = size_t{1} << (kSmallestOctave + (index - 1) / kPerOctave);
    return rounded(base + base / kPerOctave * static_cast<size_t>((index - 1) % kPerOctave + 1));
  }

 private:
  static size_t rounded(size_t bytes) { return (bytes + kSmallest - 1) / kSmallest * kSmallest; }
};

// Source is where blocks come from:
//     void* allocate(size_t bytes)                          null where there is none
//     void release(void* data)
//     void handed_out(void* data, size_t asked, size_t bytes), taken_back(void* data, size_t bytes)   may do nothing
//     size_t largest()                                      what is refused outright
//     [[noreturn]] void out_of_memory(size_t bytes)
template <typename Source>
class BlockCache {
 public:
  void* allocate(size_t bytes) {
    if (bytes > largest_) source_.out_of_memory(bytes);
    const SizeClass size = SizeClass::of(bytes);
    {
      std::lock_guard lock(mutex_);
      ++stats_.allocations;
      std::vector<void*>& blocks = free_[size.index];
      if (!blocks.empty()) {
        void* data = blocks.back();
        blocks.pop_back();
        ++stats_.cache_hits;
        stats_.bytes_cached -= size.bytes;
        count_use(size.bytes);
        source_.handed_out(data, bytes, size.bytes);
        return data;
      }
    }
    void* data = source_.allocate(size.bytes);
    if (!data) {
      trim();
      data = source_.allocate(size.bytes);
      if (!data) source_.out_of_memory(bytes);
    }
    std::lock_guard lock(mutex_);
    count_use(size.bytes);
    source_.handed_out(data, bytes, size.bytes);
    return data;
  }

  void release(void* data, size_t bytes) {
    const SizeClass size = SizeClass::of(bytes);
    std::lock_guard lock(mutex_);
    stats_.bytes_in_use -= size.bytes;
    try {
      free_[size.index].push_back(data);
    } catch (const std::bad_alloc&) {  // a destructor calls this: it must not throw
      source_.release(data, size.bytes);
      return;
    }
    source_.taken_back(data, size.bytes);
    stats_.bytes_cached += size.bytes;
  }

  void trim() {
    std::lock_guard lock(mutex_);
    for (int index = 0; index < SizeClass::kCount; ++index) {
      for (void* data : free_[index]) source_.release(data, SizeClass::bytes_of(index));
      std::vector<void*>().swap(free_[index]);
    }
    stats_.bytes_cached = 0;
  }

  MemoryStats stats() {
    std::lock_guard lock(mutex_);
    return stats_;
  }

  void reset_peak() {
    std::lock_guard lock(mutex_);
    stats_.peak_bytes_in_use = stats_.bytes_in_use;
  }

  // Held across fork, so that a child never finds the lock taken by a thread that it does not have.
  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  void count_use(size_t bytes) {
    stats_.bytes_in_use += bytes;
    stats_.peak_bytes_in_use = std::max(stats_.peak_bytes_in_use, stats_.bytes_in_use);
  }

  Source source_;
  const size_t largest_ = std::min(size_t{1} << 62, source_.largest());
  std::mutex mutex_;
  std::vector<void*> free_[SizeClass::kCount];
  MemoryStats stats_{};
};

}  // namespace tilegrad
