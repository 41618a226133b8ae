// A small pool of our own: workers spin briefly for the next region, then sleep. It exists because libgomp's waiting
// cannot be set from inside a process: its spinning slows NumPy's BLAS (and BLAS's spinning slows us) by 4x and more, and
// a forked child that enters a parallel region hangs.
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <thread>

#include "core/placement.h"
#include "core/spin.h"
#include "core/threads.h"

namespace tilegrad::threads {
namespace {

constexpr int kMostWorkers = 1023;

// What a worker and its caller agree by. A caller offers work, and those workers that accept in time are the team: one
// that gets no CPU, because another library's threads spin on it, is not waited for. The bits do not depend on who comes.
struct alignas(64) Worker {
  enum State : uint32_t {
    offered,
    withdrawn,
    accepted,
    started
  };  // the low bits of `word`, below a count of the offers
  static constexpr uint32_t kStates = 4;

  std::atomic<uint32_t> word{withdrawn};
  std::atomic<int> cpu{-1};  // where it ran last
  int rank = 0;              // in the team that was started
  Placement placement;
};

// How long a worker may take to accept. Waking one that slept takes 10 to 80 us.
constexpr std::chrono::microseconds kLongestWakeUp{100};

class Pool {
 public:
  // Returns false, having run nothing, while another region runs.
  bool run(int size, Region region, void* context) {
    if (busy_.test_and_set(std::memory_order_acquire)) return false;
    size = gather(hire(size));
    Barrier barrier(size);
    region_ = region;
    context_ = context;
    barrier_ = &barrier;
    size_ = size;
    unfinished_.store(static_cast<uint32_t>(size - 1), std::memory_order_relaxed);
    for (int rank = 1; rank < size; ++rank) {
      Worker& worker = *team_[rank];
      worker.rank = rank;
      worker.word.store(worker.word.load(std::memory_order_relaxed) - Worker::accepted + Worker::started,
                        std::memory_order_release);
      worker.word.notify_one();
    }
    region(context, Team{0, size, size > 1 ? &barrier : nullptr});
    for (uint32_t left; (left = unfinished_.load(std::memory_order_acquire)) != 0;) spin_then_sleep(unfinished_, left);
    busy_.clear(std::memory_order_release);
    return true;
  }

  bool are_awake(int size) const { return awake_.load(std::memory_order_relaxed) >= size - 1; }

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
      std::thread([this, worker = worker.get()] { work(*worker); }).detach();
      workers_[hired_++] = worker.release();  // lives as long as its thread, which is for ever
      return true;
    } catch (const std::exception&) {  // no more threads, or no memory: the team is smaller
      return false;
    }
  }

  // Offers work to size - 1 workers; those that accept are team_[1], team_[2], ... Returns the team's size.
  int gather(int size) {
    const int here = current_cpu();
    for (int i = 0; i + 1 < size; ++i) {
      Worker& worker = *workers_[i];
      // Seen here last time: it would be woken here again, and wait for us while we wait for it.
      if (worker.cpu.load(std::memory_order_acquire) == here) worker.placement.keep_away_from(here, size);
      const uint32_t last = worker.word.load(std::memory_order_relaxed);
      worker.word.store(last / Worker::kStates * Worker::kStates + Worker::kStates + Worker::offered,
                        std::memory_order_release);
      worker.word.notify_one();
    }
    // Who asks for more threads than there are CPUs gets them, however long that takes.
    static const int cpus = available_cpus();
    const auto deadline = std::chrono::steady_clock::now() + kLongestWakeUp;
    int present = 1;
    for (int i = 0; i + 1 < size; ++i) {
      Worker& worker = *workers_[i];
      uint32_t word = worker.word.load(std::memory_order_acquire);
      const uint32_t offer = word;
      while (word % Worker::kStates == Worker::offered) {
        if (size > cpus) {
          spin_then_sleep(worker.word, offer);
        } else if (std::chrono::steady_clock::now() < deadline) {
          cpu_relax();
        } else if (worker.word.compare_exchange_strong(word, offer - Worker::offered + Worker::withdrawn,
                                                       std::memory_order_acq_rel)) {
          break;
        }
        word = worker.word.load(std::memory_order_acquire);
      }
      if (word % Worker::kStates == Worker::accepted) team_[present++] = &worker;
    }
    return present;
  }

  void work(Worker& worker) {
    worker.placement.adopt_this_thread();
    awake_.fetch_add(1, std::memory_order_relaxed);
    for (uint32_t seen = Worker::withdrawn;;) {
      if (!spin(worker.word, seen)) {
        awake_.fetch_sub(1, std::memory_order_relaxed);
        sleep(worker.word, seen);
        awake_.fetch_add(1, std::memory_order_relaxed);
      }
      seen = worker.word.load(std::memory_order_acquire);
      const uint32_t state = seen % Worker::kStates;
      if (state == Worker::offered) {
        worker.cpu.store(current_cpu(), std::memory_order_release);
        // Withdrawn meanwhile, it may be offered anew already: then `seen` must stay the old offer, or the new one would
        // be waited on as if it had been answered, and a caller who waits for this answer would wait for ever.
        uint32_t offer = seen;
        const uint32_t accepted = offer - Worker::offered + Worker::accepted;
        if (worker.word.compare_exchange_strong(offer, accepted, std::memory_order_acq_rel)) {
          seen = accepted;
          worker.word.notify_one();  // the caller may sleep
        }
      } else if (state == Worker::started) {
        region_(context_, Team{worker.rank, size_, barrier_});
        // The last one wakes the caller; after this line the region's data may be gone.
        if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished_.notify_all();
      }
    }
  }

  std::atomic_flag busy_;
  int hired_ = 0;
  Worker* workers_[kMostWorkers];
  Worker* team_[kMostWorkers + 1];  // of the region that runs, by rank
  int size_ = 0;
  Region region_ = nullptr;
  void* context_ = nullptr;
  Barrier* barrier_ = nullptr;
  std::atomic<uint32_t> unfinished_{0};
  std::atomic<int> awake_{0};  // workers
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

bool are_awake(int size) { return pool().load(std::memory_order_acquire)->are_awake(size); }

const char* maker() { return "pool"; }

}  // namespace tilegrad::threads
