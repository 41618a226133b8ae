// A build without CUDA: nothing is available, and says why.
#include "core/cuda.h"
#include "core/error.h"

namespace tilegrad::cuda {

struct Graph::Parts {};

bool is_built() { return false; }

const std::string& why_not() {
  static const std::string* const reason =
      new std::string("this build of tilegrad has no CUDA; build it with -DTILEGRAD_CUDA=ON");
  return *reason;
}

void require(const char* op) { fail(ErrorKind::device, "%s: no CUDA device: %s", op, why_not().c_str()); }

int device_count() { return 0; }
OnDevice::OnDevice(int) : before_(0) {}
OnDevice::~OnDevice() = default;
Properties properties() {
  require("properties");
  return {};
}
const KernelTable& kernel_table() {
  require("kernel");
  __builtin_unreachable();
}
void* allocate(size_t) {
  require("allocate");
  return nullptr;
}
void release(void*, size_t) {}
MemoryStats memory_stats() { return {}; }
void reset_peak() {}
void trim() {}
void copy_to_device(void*, const void*, size_t) { require("copy"); }
void copy_to_host(void*, const void*, size_t) { require("copy"); }
void copy_on_device(void*, const void*, size_t) { require("copy"); }
void copy_from_device(void*, const void*, Device, size_t) { require("copy"); }
void write_small(void*, const void*, size_t) { require("copy"); }
void synchronize() { require("synchronize"); }
void wait_for_others() {}
void finish_here(Device) noexcept {}
void finish_everywhere(Device) noexcept {}
void check_launch(const char*) {}
void check_later(std::vector<Region>, std::function<void(void* const*)>) { require("check"); }
std::unique_ptr<Graph> Graph::record(const std::function<void()>&) {
  require("capture");
  return nullptr;
}
void Graph::launch() {}
Graph::~Graph() = default;
Stopwatch::Stopwatch() = default;
Stopwatch::~Stopwatch() = default;
void Stopwatch::start() {}
double Stopwatch::stop() { return 0; }

}  // namespace tilegrad::cuda
