// Teams from OpenMP, for builds that live in one process with other OpenMP code and want to share its threads.
#include <omp.h>
#include <pthread.h>

#include <atomic>
#include <optional>

#include "core/threads.h"

namespace tilegrad::threads {
namespace {

// libgomp hangs when a child of a process that has used it enters a parallel region: after fork a child runs alone.
std::atomic<bool> forked{false};

// Registered when the library is loaded: others in the process may use OpenMP before us.
[[maybe_unused]] const int registered = pthread_atfork(nullptr, nullptr, [] { forked.store(true); });

}  // namespace

void run(int size, Region region, void* context) {
  if (size <= 1 || omp_in_parallel() || forked.load(std::memory_order_relaxed)) return region(context, Team{});
  // The runtime may give fewer threads than asked for, so the team's size is known only inside.
  std::optional<Barrier> barrier;
#pragma omp parallel num_threads(size)
  {
    const int given = omp_get_num_threads();
#pragma omp single
    barrier.emplace(given);
    region(context, Team{omp_get_thread_num(), given, &*barrier});
  }
}

bool are_awake(int) { return false; }  // nobody tells

const char* maker() { return "openmp"; }

}  // namespace tilegrad::threads
