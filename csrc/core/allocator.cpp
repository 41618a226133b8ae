#include "core/allocator.h"

#include <cstdlib>

#include <sys/mman.h>
#if defined(__linux__)
#include <sys/sysinfo.h>
#endif

#include "core/address_checks.h"
#include "core/block_cache.h"
#include "core/error.h"
#include "core/fork_safe.h"
#include "core/holders.h"

namespace tilegrad::cpu_memory {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;  // ranges are made of, and advised as, huge pages

struct Source {
  static constexpr size_t kCutFrom = size_t{1} << 20, kCutUnit = size_t{64} << 10, kStagger = size_t{4} << 10;

  static void* allocate(size_t bytes) { return std::aligned_alloc(SizeClass::kSmallest, bytes); }

  static void* add_range(void* above, size_t& bytes) {
    bytes = (bytes + kHugePage - 1) / kHugePage * kHugePage;
    void* data = MAP_FAILED;
    if (above) {
      // A wish, which is granted where nothing lies there.
      data = mmap(static_cast<char*>(above) - bytes, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    if (data != MAP_FAILED && reinterpret_cast<uintptr_t>(data) % kHugePage != 0) {
      munmap(data, bytes);
      data = MAP_FAILED;
    }
    if (data == MAP_FAILED) data = map_aligned(bytes);
    if (data == MAP_FAILED) return nullptr;
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    madvise(data, bytes, MADV_HUGEPAGE);
#endif
    return data;
  }

  static void release(void* data, size_t bytes) {
    address_checks::allow(data, bytes);
    std::free(data);
  }
  static void release_range(void* data, size_t bytes) {
    address_checks::allow(data, bytes);
    munmap(data, bytes);
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
  static void handed_out(void* data, size_t asked, size_t bytes) { address_checks::hand_out(data, asked, bytes); }
  static void taken_back(void* data, size_t bytes) { address_checks::forbid(data, bytes); }

  [[noreturn]] static void out_of_memory(size_t bytes) {
    fail_without_op(ErrorKind::memory, "out of memory: could not allocate %zu bytes on the CPU%s", bytes,
                    holders::largest(Device{}).c_str());
  }

 private:
  // Maps a huge page more, and lets go of what is too much at both ends.
  static void* map_aligned(size_t bytes) {
    void* const all = mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) return all;
    char* const first = static_cast<char*>(all);
    const size_t before = (kHugePage - reinterpret_cast<uintptr_t>(all) % kHugePage) % kHugePage;
    if (before > 0) munmap(first, before);
    munmap(first + before + bytes, kHugePage - before);
    return first + before;
  }
};

using Cache = BlockCache<Source>;

Cache& cache() { return fork_safe<Cache>(); }

[[maybe_unused]] Cache& made_at_load = cache();

}  // namespace

void* allocate(size_t bytes) { return cache().allocate(bytes); }
void release(void* data, size_t bytes) { cache().release(data, bytes); }
MemoryStats stats() { return cache().stats(); }
void reset_peak() { cache().reset_peak(); }
void trim() { cache().trim(); }

}  // namespace tilegrad::cpu_memory
