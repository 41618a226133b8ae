#include "core/launch.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <vector>

#include "core/cuda.h"
#include "core/profile.h"
#include "core/recording.h"
#include "core/spin.h"
#include "core/threads.h"

namespace tilegrad {
namespace {

// A second thread that sleeps costs 10 to 60 us to wake, depending on how long it has slept: a member must get at least this
// much work (measured in bench/).
std::atomic<double> nanoseconds_per_member{15'000};

// Meeting one that is awake costs 0.2 us at a barrier and 0.5 to 1 us in a new region, and the values that one made are in
// another core's cache.
constexpr double kShareBeside = 0.2;

// Releasing and taking the GIL costs about 0.1 us: not worth it for less than this.
constexpr double kNanosecondsToRelease = 5'000;

constexpr int kInlineOperands = 16;

// Waking the workers for a launch that is worth it only if they are awake.
constexpr double kNanosecondsToWake = 30'000;

// The members of the next launch. Where workers that sleep are not worth waking for one launch but would be for many, those that
// follow each other closely are counted: when sharing them would have saved a wake-up, it is paid.
int members_for(Cost cost) {
  const int most = threads::count();
  const int alone = team_size(cost, most, Waking::asleep), together = team_size(cost, most, Waking::beside);
  if (together == alone || threads::are_awake(together)) return together;
  using Clock = std::chrono::steady_clock;
  thread_local Clock::time_point last;
  thread_local double missed = 0;
  const Clock::time_point now = Clock::now();
  if (now - last > kLongestSpin) missed = 0;  // workers would have gone to sleep meanwhile
  last = now;
  missed += cost.nanoseconds * (1 - 1.0 / together);
  if (missed < kNanosecondsToWake) return alone;
  missed = 0;
  return together;
}

struct Bound {
  Kernel kernel;
  KernelCall call;
};

void call_kernel(Kernel kernel, const KernelCall& call, int size) {
  if (size == 1) return kernel(Team{}, call);
  Bound bound{kernel, call};
  threads::run(
      size,
      [](void* context, const Team& team) {
        const Bound& b = *static_cast<const Bound*>(context);
        b.kernel(team, b.call);
      },
      &bound);
}

[[noreturn, gnu::cold]] void mixed_devices(const char* op, const Array& a, const Array& b) {
  fail(ErrorKind::device, "%s: operands are on %s (%s) and on %s (%s); move one of them with .to()", op,
       name(a.device()), a.str().c_str(), name(b.device()), b.str().c_str());
}

// Kernels of CUDA take their own scratch memory: the workspace that csrc/ops states is the CPU's.
void run_on_cuda(const Launch& launch, Kernel kernel, const KernelCall& call) {
  if (!profile::is_on()) {
    kernel(Team{}, call);
    return cuda::check_launch(launch.name);
  }
  cuda::Stopwatch watch;
  watch.start();
  kernel(Team{}, call);
  cuda::check_launch(launch.name);
  const int64_t nanoseconds = static_cast<int64_t>(watch.stop()), end = profile::now();
  profile::add({launch.name, launch.dtype, current_scope(), end - nanoseconds, end, bytes_moved(launch.operands),
                launch.cost.flops, 1, false});
}

}  // namespace

void set_work_per_member(double nanoseconds) { nanoseconds_per_member.store(nanoseconds); }

int team_size(Cost cost, int most, Waking waking) {
  if (threads::is_alone()) return 1;
  const double per_member =
      nanoseconds_per_member.load(std::memory_order_relaxed) * (waking == Waking::beside ? kShareBeside : 1);
  if (per_member <= 0) return most;
  const double worth = cost.nanoseconds / per_member;
  return worth >= most ? most : std::max(1, static_cast<int>(worth));
}

double bytes_moved(std::span<const Operand> operands) {
  double bytes = 0;
  for (const Operand& operand : operands) {
    if (!operand.array) continue;
    const double size = static_cast<double>(operand.array->numel()) * static_cast<double>(operand.array->item_size());
    bytes += operand.access == Access::update ? 2 * size : size;
  }
  return bytes;
}

bool worth_releasing(Cost cost) { return cost.nanoseconds >= kNanosecondsToRelease; }

void run(const Launch& launch) {
  const int count = static_cast<int>(launch.operands.size());
  void* inline_data[kInlineOperands];
  int64_t inline_numel[kInlineOperands];
  std::vector<void*> many_data(count > kInlineOperands ? count : 0);
  std::vector<int64_t> many_numel(count > kInlineOperands ? count : 0);
  void** data = count > kInlineOperands ? many_data.data() : inline_data;
  int64_t* numel = count > kInlineOperands ? many_numel.data() : inline_numel;

  const Array* first = nullptr;
  for (int i = 0; i < count; ++i) {
    const Array* array = launch.operands[i].array;
    data[i] = array ? array->data() : nullptr;
    numel[i] = array ? array->numel() : 0;
    if (!array) continue;
    if (!first) first = array;
    if (!(array->device() == first->device())) mixed_devices(launch.name, *first, *array);
  }
  const Device device = first ? first->device() : Device{};
  const Kernel kernel = (kernel_table(device).*launch.entry)->by_dtype[static_cast<int>(launch.dtype)];
  if (!kernel) fail(ErrorKind::dtype, "%s: no kernel for %s; cast first", launch.name, name(launch.dtype));

  if (device.type == DeviceType::cuda) {
    const cuda::OnDevice on(device);
    run_on_cuda(launch, kernel, {launch.params, {data, numel, count}, {nullptr}});
  } else {
    const DeviceMemory scratch(device, launch.workspace_bytes);
    const KernelCall call{launch.params, {data, numel, count}, {scratch.data()}};
    const Released released(worth_releasing(launch.cost));
    const int size = members_for(launch.cost);
    const bool profiled = profile::is_on();
    const int64_t start = profiled ? profile::now() : 0;
    call_kernel(kernel, call, size);
    if (profiled) {
      profile::add({launch.name, launch.dtype, current_scope(), start, profile::now(), bytes_moved(launch.operands),
                    launch.cost.flops, size, false});
    }
  }
  for (const Operand& operand : launch.operands) {
    if (operand.array && operand.access != Access::read) operand.array->storage()->bump_version();
  }
  if (Recording* recording = Recording::active()) recording->note(launch);
}

}  // namespace tilegrad
