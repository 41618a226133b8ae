// The parts of threads.h that do not depend on where threads come from.
#include "core/threads.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

#include "core/error.h"
#include "core/spin.h"

namespace tilegrad {

void Team::wait() const { meeting->wait(); }

void Barrier::wait() {
  const uint32_t phase = phase_.load(std::memory_order_relaxed);
  if (waiting_for_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    waiting_for_.store(size_, std::memory_order_relaxed);
    phase_.store(phase + 1, std::memory_order_release);
    phase_.notify_all();
    return;
  }
  spin_then_sleep(phase_, phase);
}

namespace threads {
namespace {

constexpr int kMostThreads = 1024;

#if defined(__linux__)
// The CPU quota of one cgroup v2 folder in whole CPUs, rounded up; 0 when there is none.
int quota_v2(const std::string& folder) {
  std::FILE* file = std::fopen((folder + "/cpu.max").c_str(), "r");
  if (!file) return 0;
  char quota[32];
  long long period = 0;
  const int fields = std::fscanf(file, "%31s %lld", quota, &period);
  std::fclose(file);
  if (fields != 2 || std::strcmp(quota, "max") == 0 || period <= 0) return 0;
  const double cpus = std::ceil(std::atof(quota) / static_cast<double>(period));
  if (!(cpus >= 0)) return 0;
  return static_cast<int>(std::clamp(cpus, 1.0, double{kMostThreads}));
}

long long read_number(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "r");
  if (!file) return -1;
  long long value = -1;
  if (std::fscanf(file, "%lld", &value) != 1) value = -1;
  std::fclose(file);
  return value;
}

}  // namespace

int cgroup_cpus(const std::string& membership, const std::string& mount) {
  int least = 0;
  const auto consider = [&](int cpus) {
    if (cpus > 0) least = least ? std::min(least, cpus) : cpus;
  };
  // Version 2: the process's own group and every group above it may set a quota.
  if (std::FILE* file = std::fopen(membership.c_str(), "r")) {
    char line[4096];
    while (std::fgets(line, sizeof line, file)) {
      if (std::strncmp(line, "0::", 3) != 0) continue;
      std::string path = line + 3;
      while (!path.empty() && (path.back() == '\n' || path.back() == '/')) path.pop_back();
      for (;;) {
        consider(quota_v2(mount + path));
        const size_t slash = path.find_last_of('/');
        if (slash == std::string::npos) break;
        path.erase(slash);
      }
    }
    std::fclose(file);
  }
  // Version 1, as containers mount it.
  const long long quota = read_number(mount + "/cpu/cpu.cfs_quota_us");
  const long long period = read_number(mount + "/cpu/cpu.cfs_period_us");
  if (quota > 0 && period > 0) consider(static_cast<int>(std::min<long long>((quota - 1) / period + 1, kMostThreads)));
  return least;
}

namespace {
#endif

int initial_count() {
  if (const char* text = std::getenv("TILEGRAD_NUM_THREADS"); text && *text) {
    char* end = nullptr;
    const long asked = std::strtol(text, &end, 10);
    if (*end == '\0' && asked >= 1 && asked <= kMostThreads) return static_cast<int>(asked);
    std::fprintf(stderr, "tilegrad: TILEGRAD_NUM_THREADS='%s' is not a number from 1 to %d and is ignored\n", text,
                 kMostThreads);
  }
  return available_cpus();
}

std::atomic<int>& chosen_count() {
  static std::atomic<int> value{initial_count()};
  return value;
}

// Read when the library is loaded: a fork while another thread reads it would leave the child waiting for ever.
[[maybe_unused]] std::atomic<int>& made_at_load = chosen_count();

}  // namespace

int available_cpus() {
  int cpus = static_cast<int>(std::thread::hardware_concurrency());
#if defined(__linux__)
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) cpus = CPU_COUNT(&allowed);
  if (const int quota = cgroup_cpus("/proc/self/cgroup", "/sys/fs/cgroup")) cpus = std::min(cpus, quota);
#endif
  return std::clamp(cpus, 1, kMostThreads);
}

namespace {
thread_local bool alone_in_this_thread = false;
}  // namespace

bool is_alone() { return alone_in_this_thread; }
void set_alone(bool alone) { alone_in_this_thread = alone; }

int count() { return chosen_count().load(std::memory_order_relaxed); }

void set_count(int count) {
  if (count < 1 || count > kMostThreads) {
    fail(ErrorKind::argument, "set_num_threads: n must be from 1 to %d, found %d", kMostThreads, count);
  }
  chosen_count().store(count, std::memory_order_relaxed);
}

}  // namespace threads
}  // namespace tilegrad
