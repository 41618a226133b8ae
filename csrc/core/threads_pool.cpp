// A small pool of our own: workers spin briefly for the next region, then sleep. It exists because libgomp's waiting
// cannot be set from inside a process: its spinning slows NumPy's BLAS (and BLAS's spinning slows us) by 4x and more, and
// a forked child that enters a parallel region hangs.
#include <pthread.h>

#include <atomic>
#include <system_error>
#include <thread>

#include "core/spin.h"
#include "core/threads.h"

namespace tilegrad::threads {
namespace {

// The word that wakes the workers: a generation in its upper bits, the size of that generation's team below, so that a
// worker learns in one read whether it is a member, and touches the job only if it is.
constexpr uint32_t kSizeBits = 11;
constexpr uint32_t kSizeMask = (1u << kSizeBits) - 1;

class Pool {
 public:
  // Returns false, having run nothing, while another region runs.
  bool run(int size, Region region, void* context) {
    if (busy_.test_and_set(std::memory_order_acquire)) return false;
    size = hire(size);
    Barrier barrier(size);
    region_ = region;
    context_ = context;
    barrier_ = &barrier;
    unfinished_.store(static_cast<uint32_t>(size - 1), std::memory_order_relaxed);
    const uint32_t generation = (call_.load(std::memory_order_relaxed) >> kSizeBits) + 1;
    call_.store(generation << kSizeBits | static_cast<uint32_t>(size), std::memory_order_release);
    call_.notify_all();
    region(context, Team{0, size, &barrier});
    for (uint32_t left; (left = unfinished_.load(std::memory_order_acquire)) != 0;) spin_then_sleep(unfinished_, left);
    busy_.clear(std::memory_order_release);
    return true;
  }

 private:
  // Makes sure that there are size - 1 workers, or as many as the system gives, and returns the team's size.
  int hire(int size) {
    while (hired_ < size - 1) {
      try {
        const uint32_t seen = call_.load(std::memory_order_relaxed);
        std::thread([this, rank = hired_ + 1, seen] { work(rank, seen); }).detach();
      } catch (const std::system_error&) {
        break;
      }
      ++hired_;
    }
    return size < hired_ + 1 ? size : hired_ + 1;
  }

  void work(int rank, uint32_t seen) {
    for (;;) {
      spin_then_sleep(call_, seen);
      seen = call_.load(std::memory_order_acquire);
      const int size = static_cast<int>(seen & kSizeMask);
      if (rank >= size) continue;
      region_(context_, Team{rank, size, barrier_});
      // The last one wakes the caller; after this line the region's data may be gone.
      if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished_.notify_all();
    }
  }

  std::atomic_flag busy_;
  int hired_ = 0;
  Region region_ = nullptr;
  void* context_ = nullptr;
  Barrier* barrier_ = nullptr;
  std::atomic<uint32_t> call_{0};
  std::atomic<uint32_t> unfinished_{0};
};

// Never destroyed, because detached workers wait on it until the process ends.
std::atomic<Pool*>& pool() {
  static std::atomic<Pool*> instance{[] {
    // A forked child has none of the workers, and perhaps a region that will never end: it starts anew.
    pthread_atfork(nullptr, nullptr, [] { pool().store(new Pool); });
    return new Pool;
  }()};
  return instance;
}

}  // namespace

void run(int size, Region region, void* context) {
  if (size > 1 && pool().load(std::memory_order_acquire)->run(size, region, context)) return;
  region(context, Team{});
}

const char* maker() { return "pool"; }

}  // namespace tilegrad::threads
