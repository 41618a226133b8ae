// Where teams come from. One interface with two makers, chosen at build time by TILEGRAD_THREADS: threads_pool.cpp (a
// pool of our own) and threads_openmp.cpp.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "core/team.h"

namespace tilegrad {

// A sense-reversing barrier: members spin briefly, then sleep.
class Barrier {
 public:
  explicit Barrier(int size) : size_(size), waiting_for_(size) {}
  void wait();

 private:
  const int size_;
  std::atomic<int> waiting_for_;
  std::atomic<uint32_t> phase_{0};
};

namespace threads {

// What a team runs: called once on every member, with `context`.
using Region = void (*)(void* context, const Team& team);

// Runs `region` on a team of at most `size` members, the caller being rank 0. One region runs at a time: a second
// caller, a region inside a region and a child after fork get a team of their own or run alone, and never wait for ever.
void run(int size, Region region, void* context);

// Whether the workers of such a team, the caller left out, are awake: still waiting for the next region, and met in a microsecond.
bool are_awake(int size);

// How many threads a large enough kernel may use. At the start: TILEGRAD_NUM_THREADS, or the CPUs that the affinity mask
// and the cgroup's quota allow.
int count();
void set_count(int count);

// Whether what this thread launches runs on it alone: for threads that prepare something while the program computes, who
// must not have the team when its next step begins.
bool is_alone();
void set_alone(bool alone);

// The default of count(), before any set_count().
int available_cpus();

#if defined(__linux__)
// The whole CPUs that the quota of this process's cgroup allows, 0 where there is none: `membership` is /proc/self/cgroup
// and `mount` /sys/fs/cgroup, or copies of them.
int cgroup_cpus(const std::string& membership, const std::string& mount);
#endif

// "pool" or "openmp".
const char* maker();

}  // namespace threads
}  // namespace tilegrad
