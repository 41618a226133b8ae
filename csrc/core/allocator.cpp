#include "core/allocator.h"

#include <bit>
#include <cstdlib>
#include <mutex>
#include <vector>

#include <pthread.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "core/error.h"

namespace tilegrad::cpu_memory {
namespace {

constexpr size_t kAlignment = 64;                  // one cache line, one AVX-512 register
constexpr size_t kHugePage = size_t{2} << 20;      // from here blocks are aligned to, and advised as, huge pages
constexpr int kClassesPerOctave = 4;               // at most 25% of a block is lost to rounding
constexpr int kSmallestOctave = 6;                 // 64 bytes
constexpr int kOctaves = 64 - kSmallestOctave;
constexpr size_t kLargestRequest = size_t{1} << 62;

struct SizeClass {
  int index;
  size_t bytes;
};

// Four classes an octave: 64, 80, 96, 112, 128, 160, ... rounded up to whole cache lines.
SizeClass size_class(size_t bytes) {
  if (bytes <= kAlignment) return {0, kAlignment};
  const int octave = std::bit_width(bytes - 1) - 1;  // 2^octave < bytes <= 2^(octave + 1)
  const size_t base = size_t{1} << octave;
  const size_t step = base / kClassesPerOctave;
  const size_t quarter = (bytes - base + step - 1) / step;  // 1 to 4
  const size_t rounded = base + quarter * step;
  const int index = (octave - kSmallestOctave) * kClassesPerOctave + static_cast<int>(quarter);
  return {index, (rounded + kAlignment - 1) / kAlignment * kAlignment};
}

void* system_allocate(size_t bytes) {
  const bool huge = bytes >= kHugePage;
  const size_t alignment = huge ? kHugePage : kAlignment;
  void* data = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  if (huge && data) madvise(data, bytes, MADV_HUGEPAGE);
#endif
  return data;
}

class Cache {
 public:
  void* allocate(size_t bytes) {
    if (bytes > kLargestRequest) out_of_memory(bytes);
    const SizeClass size = size_class(bytes);
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
        return data;
      }
    }
    void* data = system_allocate(size.bytes);
    if (!data) {
      trim();
      data = system_allocate(size.bytes);
      if (!data) out_of_memory(bytes);
    }
    std::lock_guard lock(mutex_);
    count_use(size.bytes);
    return data;
  }

  void release(void* data, size_t bytes) {
    const SizeClass size = size_class(bytes);
    std::lock_guard lock(mutex_);
    free_[size.index].push_back(data);
    stats_.bytes_in_use -= size.bytes;
    stats_.bytes_cached += size.bytes;
  }

  void trim() {
    std::lock_guard lock(mutex_);
    for (std::vector<void*>& blocks : free_) {
      for (void* data : blocks) std::free(data);
      blocks.clear();
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
    if (stats_.bytes_in_use > stats_.peak_bytes_in_use) stats_.peak_bytes_in_use = stats_.bytes_in_use;
  }

  [[noreturn]] static void out_of_memory(size_t bytes) {
    fail(ErrorKind::memory, "out of memory: could not allocate %zu bytes on the CPU", bytes);
  }

  std::mutex mutex_;
  std::vector<void*> free_[kOctaves * kClassesPerOctave + 1];
  MemoryStats stats_{};
};

// Never destroyed: tensors may outlive static destruction at interpreter exit.
Cache& cache() {
  static Cache* const instance = [] {
    pthread_atfork([] { cache().lock(); }, [] { cache().unlock(); }, [] { cache().unlock(); });
    return new Cache;
  }();
  return *instance;
}

}  // namespace

void* allocate(size_t bytes) { return cache().allocate(bytes); }
void release(void* data, size_t bytes) { cache().release(data, bytes); }
MemoryStats stats() { return cache().stats(); }
void reset_peak() { cache().reset_peak(); }
void trim() { cache().trim(); }

}  // namespace tilegrad::cpu_memory
