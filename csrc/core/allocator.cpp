#include "core/allocator.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>
#include <vector>

#include <pthread.h>
#if defined(__linux__)
#include <sys/mman.h>
#include <sys/sysinfo.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

#include "core/error.h"

namespace tilegrad::cpu_memory {
namespace {

constexpr size_t kAlignment = 64;              // one cache line, one AVX-512 register
constexpr size_t kHugePage = size_t{2} << 20;  // from here blocks are aligned to, and advised as, huge pages
constexpr int kClassesPerOctave = 4;           // at most 25% of a block is lost to rounding
constexpr int kSmallestOctave = 6;             // 64 bytes
constexpr int kOctaves = 64 - kSmallestOctave;
constexpr int kClasses = kOctaves * kClassesPerOctave + 1;
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

// The size of the blocks of class `index`.
size_t class_bytes(int index) {
  if (index == 0) return kAlignment;
  const size_t base = size_t{1} << (kSmallestOctave + (index - 1) / kClassesPerOctave);
  const size_t bytes = base + base / kClassesPerOctave * static_cast<size_t>((index - 1) % kClassesPerOctave + 1);
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
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

// More than the machine has is refused outright: a system that overcommits would hand it out, and kill the process that
// writes it.
size_t memory_of_machine() {
#if defined(__linux__)
  struct sysinfo info;
  if (sysinfo(&info) == 0) return (size_t{info.totalram} + info.totalswap) * info.mem_unit;
#endif
  return size_t{1} << 62;
}

// Under the address sanitizer a cached block, and what rounding added to one in use, may not be touched.
void forbid([[maybe_unused]] void* data, [[maybe_unused]] size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(data, bytes);
#endif
}
void allow([[maybe_unused]] void* data, [[maybe_unused]] size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(data, bytes);
#endif
}

class Cache {
 public:
  void* allocate(size_t bytes) {
    if (bytes > largest_) out_of_memory(bytes);
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
        return handed_out(data, bytes, size.bytes);
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
    return handed_out(data, bytes, size.bytes);
  }

  void release(void* data, size_t bytes) {
    const SizeClass size = size_class(bytes);
    std::lock_guard lock(mutex_);
    stats_.bytes_in_use -= size.bytes;
    try {
      free_[size.index].push_back(data);
    } catch (const std::bad_alloc&) {  // a destructor calls this: it must not throw
      allow(data, size.bytes);
      std::free(data);
      return;
    }
    forbid(data, size.bytes);
    stats_.bytes_cached += size.bytes;
  }

  void trim() {
    std::lock_guard lock(mutex_);
    for (int index = 0; index < kClasses; ++index) {
      for (void* data : free_[index]) {
        allow(data, class_bytes(index));
        std::free(data);
      }
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
  static void* handed_out(void* data, size_t asked, size_t bytes) {
    allow(data, asked);
    forbid(static_cast<char*>(data) + asked, bytes - asked);
    return data;
  }

  void count_use(size_t bytes) {
    stats_.bytes_in_use += bytes;
    if (stats_.bytes_in_use > stats_.peak_bytes_in_use) stats_.peak_bytes_in_use = stats_.bytes_in_use;
  }

  [[noreturn]] static void out_of_memory(size_t bytes) {
    fail(ErrorKind::memory, "out of memory: could not allocate %zu bytes on the CPU", bytes);
  }

  const size_t largest_ = std::min(kLargestRequest, memory_of_machine());
  std::mutex mutex_;
  std::vector<void*> free_[kClasses];
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

// Made when the library is loaded: a fork while another thread makes it would leave the child with half of it.
[[maybe_unused]] Cache& made_at_load = cache();

}  // namespace

void* allocate(size_t bytes) { return cache().allocate(bytes); }
void release(void* data, size_t bytes) { cache().release(data, bytes); }
MemoryStats stats() { return cache().stats(); }
void reset_peak() { cache().reset_peak(); }
void trim() { cache().trim(); }

}  // namespace tilegrad::cpu_memory
