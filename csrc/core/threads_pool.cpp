// A small pool of our own: workers spin briefly for the next region, then sleep. It exists because libgomp's waiting
// cannot be set from inside a process: its spinning slows NumPy's BLAS (and BLAS's spinning slows us) by 4x and more, and
// a forked child that enters a parallel region hangs.
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <exception>
#include <memory>
#include <thread>

#include "core/spin.h"
#include "core/threads.h"

namespace tilegrad::threads {
namespace {

constexpr int kMostWorkers = 1023;

// A worker waits on a word of its own, so that a small team wakes nobody else. The word is the size of the team that the
// worker is called to, below a count of its calls that makes every call a change.
struct alignas(64) Worker {
  std::atomic<uint32_t> call{0};
};
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
    for (int rank = 1; rank < size; ++rank) {
      std::atomic<uint32_t>& call = workers_[rank - 1]->call;
      const uint32_t calls = (call.load(std::memory_order_relaxed) >> kSizeBits) + 1;
      call.store(calls << kSizeBits | static_cast<uint32_t>(size), std::memory_order_release);
      call.notify_one();
    }
    region(context, Team{0, size, &barrier});
    for (uint32_t left; (left = unfinished_.load(std::memory_order_acquire)) != 0;) spin_then_sleep(unfinished_, left);
    busy_.clear(std::memory_order_release);
    return true;
  }

 private:
  // Makes sure that there are size - 1 workers, or as many as the system gives, and returns the team's size.
  int hire(int size) {
    if (size > kMostWorkers + 1) size = kMostWorkers + 1;
    if (hired_ < size - 1) {
      // Signals are for the threads of the program: a worker inherits this mask.
      sigset_t all, before;
      sigfillset(&all);
      pthread_sigmask(SIG_SETMASK, &all, &before);
      while (hired_ < size - 1 && hire_one()) {
      }
      pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
    return size < hired_ + 1 ? size : hired_ + 1;
  }

  bool hire_one() {
    try {
      auto worker = std::make_unique<Worker>();
      std::thread([this, rank = hired_ + 1, call = &worker->call] { work(rank, *call); }).detach();
      workers_[hired_++] = worker.release();  // lives as long as its thread, which is for ever
      return true;
    } catch (const std::exception&) {  // no more threads, or no memory: the team is smaller
      return false;
    }
  }

  void work(int rank, const std::atomic<uint32_t>& call) {
    for (uint32_t seen = 0;;) {
      spin_then_sleep(call, seen);
      seen = call.load(std::memory_order_acquire);
      region_(context_, Team{rank, static_cast<int>(seen & kSizeMask), barrier_});
      // The last one wakes the caller; after this line the region's data may be gone.
      if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished_.notify_all();
    }
  }

  std::atomic_flag busy_;
  int hired_ = 0;
  Worker* workers_[kMostWorkers];
  Region region_ = nullptr;
  void* context_ = nullptr;
  Barrier* barrier_ = nullptr;
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

// Made when the library is loaded: a fork while another thread makes it would leave the child with half of it.
[[maybe_unused]] std::atomic<Pool*>& made_at_load = pool();

}  // namespace

void run(int size, Region region, void* context) {
  if (size > 1 && pool().load(std::memory_order_acquire)->run(size, region, context)) return;
  region(context, Team{});
}

const char* maker() { return "pool"; }

}  // namespace tilegrad::threads
