#include "core/allocator.h"

#include <cstdlib>

#include <pthread.h>
#if defined(__linux__)
#include <sys/mman.h>
#include <sys/sysinfo.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

#include "core/block_cache.h"
#include "core/error.h"

namespace tilegrad::cpu_memory {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;  // from here blocks are aligned to, and advised as, huge pages

struct Source {
  static void* allocate(size_t bytes) {
    const bool huge = bytes >= kHugePage;
    const size_t alignment = huge ? kHugePage : SizeClass::kSmallest;
    void* data = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (huge && data) madvise(data, bytes, MADV_HUGEPAGE);
#endif
    return data;
  }

  static void release(void* data, size_t bytes) {
    allow(data, bytes);
    std::free(data);
  }

  // More than the machine has is refused outright: a system that overcommits would hand it out, and kill the process that
  // writes it.
  static size_t largest() {
#if defined(__linux__)
    struct sysinfo info;
    if (sysinfo(&info) == 0) return (size_t{info.totalram} + info.totalswap) * info.mem_unit;
#endif
    return size_t{1} << 62;
  }

  // Under the address sanitizer a cached block, and what rounding added to one in use, may not be touched.
  static void handed_out(void* data, size_t asked, size_t bytes) {
    allow(data, asked);
    taken_back(static_cast<char*>(data) + asked, bytes - asked);
  }
  static void taken_back([[maybe_unused]] void* data, [[maybe_unused]] size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
    __asan_poison_memory_region(data, bytes);
#endif
  }
  static void allow([[maybe_unused]] void* data, [[maybe_unused]] size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(data, bytes);
#endif
  }

  [[noreturn]] static void out_of_memory(size_t bytes) {
    fail(ErrorKind::memory, "out of memory: could not allocate %zu bytes on the CPU", bytes);
  }
};

using Cache = BlockCache<Source>;

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
