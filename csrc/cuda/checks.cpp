// Values that the host looks at later: copies in pinned memory, made in the stream's order, and what is to be done with them.
#include <cstring>
#include <deque>
#include <mutex>

#include "core/block_cache.h"
#include "core/cuda.h"
#include "core/error.h"
#include "cuda/runtime.h"

namespace tilegrad::cuda {
namespace {

struct PinnedSource {
  static constexpr size_t kCutFrom = SIZE_MAX, kCutUnit = 1, kStagger = 0;  // what was allocated is freed whole
  static void* add_range(void*, size_t&) { return nullptr; }
  static void release_range(void*, size_t) {}
  static void* allocate(size_t bytes) {
    void* data = nullptr;
    if (cudaMallocHost(&data, bytes) == cudaSuccess) return data;
    cudaGetLastError();
    return nullptr;
  }
  static void release(void* data, size_t) { cudaFreeHost(data); }
  static void handed_out(void*, size_t, size_t) {}
  static void taken_back(void*, size_t) {}
  static size_t largest() { return size_t{1} << 40; }
  [[noreturn]] static void out_of_memory(size_t bytes) {
    fail_without_op(ErrorKind::memory, "out of memory: could not pin %zu bytes of host memory", bytes);
  }
};

BlockCache<PinnedSource>& pinned() {
  static BlockCache<PinnedSource>* const instance = new BlockCache<PinnedSource>;
  return *instance;
}

struct Check {
  std::vector<void*> copies;
  std::vector<size_t> sizes;
  std::vector<void*> firsts;  // what the body gets
  std::function<void(void* const*)> body;
};

// Checks in the order in which they were asked for. Without a synchronisation they would pile up: beyond this many the
// caller waits for the stream.
constexpr size_t kMostWaiting = 256;

struct Waiting {
  std::mutex mutex;
  std::deque<Check> checks;
};
Waiting& waiting() {
  static Waiting* const instance = new Waiting;
  return *instance;
}

std::deque<Check> take_checks() {
  std::deque<Check> checks;
  const std::lock_guard lock(waiting().mutex);
  checks.swap(waiting().checks);
  return checks;
}

// Their copies have been waited for. Every check is done with; the first that fails is raised.
void run_checks(const std::deque<Check>& checks) {
  if (checks.empty()) return;
  std::exception_ptr first;
  for (const Check& check : checks) {
    try {
      if (!first) check.body(check.firsts.data());
    } catch (...) {
      first = std::current_exception();
    }
    for (size_t i = 0; i < check.copies.size(); ++i) pinned().release(check.copies[i], check.sizes[i]);
  }
  // Whatever set them has been told about now.
  for_each_device(
      [](const Stream& stream) { TILEGRAD_CUDA_CALL(cudaMemsetAsync(stream.error, 0, sizeof(int), stream.handle)); });
  if (first) std::rethrow_exception(first);
}

}  // namespace

void synchronize() {
  runtime();
  const std::deque<Check> checks = take_checks();  // copies of later ones may be on their way
  for_each_device([](const Stream& stream) { TILEGRAD_CUDA_CALL(cudaStreamSynchronize(stream.handle)); });
  run_checks(checks);
}

void check_later(std::vector<Region> regions, std::function<void(void* const*)> body) {
  Check check;
  check.body = std::move(body);
  for (const Region& region : regions) {
    void* copy = pinned().allocate(region.bytes);
    check.copies.push_back(copy);
    check.sizes.push_back(region.bytes);
    check.firsts.push_back(static_cast<char*>(copy) + region.first);
    if (region.bytes == 0) continue;
    TILEGRAD_CUDA_CALL(
        cudaMemcpyAsync(copy, region.data, region.bytes, cudaMemcpyDeviceToHost, current_stream().handle));
  }
  size_t count;
  {
    const std::lock_guard lock(waiting().mutex);
    waiting().checks.push_back(std::move(check));
    count = waiting().checks.size();
  }
  if (count >= kMostWaiting) synchronize();
}

}  // namespace tilegrad::cuda
