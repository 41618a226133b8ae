#include "core/placement.h"

#if defined(__linux__)
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#endif

namespace tilegrad {

#if defined(__linux__)

namespace {

// The kernel's struct sched_attr, of which the C library knows nothing.
struct SchedulingAttributes {
  uint32_t size;
  uint32_t policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
};

constexpr uint64_t kSlice = 100'000;  // ns, the shortest that there is

}  // namespace

int current_cpu() { return sched_getcpu(); }

void Placement::adopt_this_thread() {
  thread_ = static_cast<int>(syscall(SYS_gettid));
#if defined(SYS_sched_getattr) && defined(SYS_sched_setattr)
  SchedulingAttributes attributes{};
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0 || attributes.policy != SCHED_OTHER) return;
  attributes.runtime = kSlice;
  syscall(SYS_sched_setattr, 0, &attributes, 0);  // a system that does not know slices (Linux before 6.12) ignores it
#endif
}

void Placement::keep_away_from(int cpu, int size) {
  if (cpu < 0 || cpu >= CPU_SETSIZE || cpu == avoided_) return;
  cpu_set_t allowed;
  if (sched_getscheduler(thread_) != SCHED_OTHER || sched_getaffinity(thread_, sizeof allowed, &allowed) != 0) return;
  if (avoided_ >= 0) CPU_SET(avoided_, &allowed);
  if (CPU_COUNT(&allowed) < size || !CPU_ISSET(cpu, &allowed)) return;
  CPU_CLR(cpu, &allowed);
  if (sched_setaffinity(thread_, sizeof allowed, &allowed) == 0) avoided_ = cpu;
}

#else

int current_cpu() { return -1; }
void Placement::adopt_this_thread() {}
void Placement::keep_away_from(int, int) {}

#endif

}  // namespace tilegrad
