// Blocks of memory kept and handed out again, small ones by size class, large ones cut from ranges: the part of a caching
// allocator that is the same for every device.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <vector>

#include "core/allocator.h"
#include "core/free_ranges.h"

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
//     kCutFrom                                          blocks of this size on are cut from ranges, in units of kCutUnit,
//     kStagger                                              and begin up to so many bytes into them
//     void* allocate(size_t bytes)                          null where there is none
//     void* add_range(void* above, size_t& bytes)           `bytes` or more, if it can be just below `above`; or null
//     void release(void* data, size_t bytes), release_range(void* data, size_t bytes)    a part of ranges, in units
//     void handed_out(void* data, size_t asked, size_t bytes), taken_back(void* data, size_t bytes)   may do nothing
//     size_t largest()                                      what is refused outright
//     [[noreturn]] void out_of_memory(size_t bytes)
template <typename Source>
class BlockCache {
 public:
  void* allocate(size_t bytes) {
    if (bytes > largest_) source_.out_of_memory(bytes);
    return bytes >= Source::kCutFrom ? allocate_cut(bytes) : allocate_of_class(bytes);
  }

  void release(void* data, size_t bytes) {
    const bool is_cut = bytes >= Source::kCutFrom;
    const SizeClass size = is_cut ? SizeClass{-1, cut_size(bytes)} : SizeClass::of(bytes);
    if (is_cut) data = reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(data) / Source::kCutUnit * Source::kCutUnit);
    std::lock_guard lock(mutex_);
    stats_.bytes_in_use -= size.bytes;
    try {
      if (is_cut) {
        ranges_.put(data, size.bytes);
      } else {
        free_[size.index].push_back(data);
      }
    } catch (const std::bad_alloc&) {  // a destructor calls this: it must not throw
      if (is_cut) {
        source_.release_range(data, size.bytes);
      } else {
        source_.release(data, size.bytes);
      }
      return;
    }
    source_.taken_back(data, size.bytes);
    stats_.bytes_cached += size.bytes;
  }

  void trim() {
    std::lock_guard lock(mutex_);
    give_back();
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
  static size_t cut_size(size_t bytes) {
    return (bytes + Source::kStagger + Source::kCutUnit - 1) / Source::kCutUnit * Source::kCutUnit;
  }

  // How far into its units a block begins: whole cache lines, a fraction that grows with the units' number, so that blocks of
  // one size, which lie at equal distances, begin in different places of the L1 cache. Zen's takes lines of the same place for
  // each other (it foresees a line's way by a few bits of its address), each time for a miss. 71 / 128 keeps four neighbours
  // apart for all sizes that are round numbers of MiB or MB.
  static size_t stagger(const void* units) {
    constexpr size_t kParts = 128;
    const size_t part = reinterpret_cast<uintptr_t>(units) / Source::kCutUnit * 71 % kParts;
    return part * Source::kStagger / kParts / SizeClass::kSmallest * SizeClass::kSmallest;
  }

  void* allocate_of_class(size_t bytes) {
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

  void* allocate_cut(size_t bytes) {
    const size_t size = cut_size(bytes);
    std::unique_lock lock(mutex_);
    ++stats_.allocations;
    void* data = ranges_.take(size);
    if (data) {
      ++stats_.cache_hits;
      stats_.bytes_cached -= size;
    } else {
      data = cut_from_more(size);
      if (!data) {
        give_back();
        data = cut_from_more(size);
      }
      if (!data) {
        lock.unlock();
        source_.out_of_memory(bytes);
      }
    }
    count_use(size);
    const size_t before = stagger(data);
    void* const block = static_cast<char*>(data) + before;
    source_.handed_out(block, bytes, size - before);
    return block;
  }

  // A block of ranges that the source adds: if it can, below the last, so that what is free there is part of it.
  void* cut_from_more(size_t size) {
    for (const size_t there : {ranges_.free_at(edge_), size_t{0}}) {
      size_t added = size - std::min(size, there);
      void* const more = source_.add_range(edge_, added);
      if (!more) return nullptr;
      try {
        ranges_.put(more, added);
      } catch (const std::bad_alloc&) {
        source_.release_range(more, added);
        return nullptr;
      }
      edge_ = more;
      source_.taken_back(more, added);
      stats_.bytes_cached += added;
      if (void* data = ranges_.take(size)) {
        stats_.bytes_cached -= size;
        return data;
      }
    }
    return nullptr;
  }

  void give_back() {
    for (int index = 0; index < SizeClass::kCount; ++index) {
      for (void* data : free_[index]) source_.release(data, SizeClass::bytes_of(index));
      std::vector<void*>().swap(free_[index]);
    }
    ranges_.clear([&](void* data, size_t bytes) { source_.release_range(data, bytes); });
    stats_.bytes_cached = 0;
  }

  void count_use(size_t bytes) {
    stats_.bytes_in_use += bytes;
    stats_.peak_bytes_in_use = std::max(stats_.peak_bytes_in_use, stats_.bytes_in_use);
  }

  Source source_;
  const size_t largest_ = std::min(size_t{1} << 62, source_.largest());
  std::mutex mutex_;
  std::vector<void*> free_[SizeClass::kCount];
  FreeRanges ranges_;
  void* edge_ = nullptr;  // the lowest address of the range that was added last
  MemoryStats stats_{};
};

}  // namespace tilegrad
