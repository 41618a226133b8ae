// The runtime library of the emulation: memory that the host cannot touch, and streams that do their work when they are
// waited for.
#include <sys/mman.h>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "core/address_checks.h"
#include "cuda_runtime.h"

using Work = std::deque<std::function<void()>>;

struct emulated_stream {
  int device = 0;
  Work waiting;
  bool records = false;
};
// What has come of an event's records outlives it: work that waits may speak of it.
struct EventState {
  cudaStream_t stream = nullptr;
  uint64_t recorded = 0, reached = 0;
  double milliseconds = 0;
};
struct emulated_event {
  int device = 0;
  std::shared_ptr<EventState> state = std::make_shared<EventState>();
};
struct emulated_graph {
  std::shared_ptr<const Work> work;
};

namespace {

constexpr size_t kMemory = size_t{2} << 30, kPage = size_t{4} << 10;

std::recursive_mutex& mutex() {
  static std::recursive_mutex* const instance = new std::recursive_mutex;
  return *instance;
}
struct Lock {
  std::lock_guard<std::recursive_mutex> lock{mutex()};
};

thread_local cudaError_t last_error = cudaSuccess;
thread_local int current_device = 0;
cudaError_t tell(cudaError_t status) {
  if (status != cudaSuccess) last_error = status;
  return status;
}

// A device's memory. Only what runs on a stream of the device may touch it: a piece is opened when such work touches it first,
// and closed when that work is done.
constexpr int kDevices = 2;
struct Memory {
  static constexpr size_t kPiece = size_t{64} << 10, kPieces = kMemory / kPiece;
  char* begin;
  std::map<char*, size_t> used;
  size_t in_use = 0;
  char* opened[kPieces];
  volatile size_t opened_count = 0;
  volatile int users = 0;  // the handler of a signal looks at it

  Memory() {
    void* const made = mmap(nullptr, kMemory, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made == MAP_FAILED) std::abort();
    begin = static_cast<char*>(made);
  }
  void* allocate(size_t bytes) {
    const size_t room = (bytes + kPage - 1) / kPage * kPage;
    char* at = begin;
    for (const auto& [start, size] : used) {
      if (at + room <= start) break;
      at = start + size;
    }
    if (bytes > kMemory || at + room > begin + kMemory) return nullptr;
    used[at] = room;
    in_use += room;
    return at;
  }
  bool release(void* data) {
    const auto found = used.find(static_cast<char*>(data));
    if (found == used.end()) return false;
    in_use -= found->second;
    used.erase(found);
    return true;
  }
  void close() {
    for (size_t i = 0; i < opened_count; ++i) mprotect(opened[i], kPiece, PROT_NONE);
    opened_count = 0;
  }
  // Whether it was for a piece of this memory that somebody may use.
  bool open(char* at) {
    if (users == 0 || at < begin || at >= begin + kMemory) return false;
    char* const piece = begin + static_cast<size_t>(at - begin) / kPiece * kPiece;
    mprotect(piece, kPiece, PROT_READ | PROT_WRITE);
    opened[opened_count] = piece;
    opened_count = opened_count + 1;
    return true;
  }
};

struct Memories {
  Memory of[kDevices];
  struct sigaction before;
  Memories() {
    struct sigaction action = {};
    action.sa_sigaction = &Memories::touched;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigaction(SIGSEGV, &action, &before);
  }
  static void touched(int, siginfo_t* info, void*);
};
Memories& memories() {
  static Memories* const instance = new Memories;
  return *instance;
}
void Memories::touched(int, siginfo_t* info, void*) {
  for (Memory& memory : memories().of) {
    if (memory.open(static_cast<char*>(info->si_addr))) return;
  }
  sigaction(SIGSEGV, &memories().before, nullptr);  // it happens again, to whoever cared before
}
Memory& memory() { return memories().of[current_device]; }
struct Opened {
  Memory& memory;
  explicit Opened(Memory& memory) : memory(memory) { memory.users = memory.users + 1; }
  ~Opened() {
    memory.users = memory.users - 1;
    if (memory.users == 0) memory.close();
  }
};

std::vector<cudaStream_t>& streams() {
  static auto* const instance = new std::vector<cudaStream_t>;
  return *instance;
}
std::map<const char*, size_t>& pinned() {
  static auto* const instance = new std::map<const char*, size_t>;
  return *instance;
}
bool is_pinned(const void* data) {
  static const bool all_is = std::getenv("TILEGRAD_EMULATED_LOCKED") != nullptr;
  if (all_is) return true;
  const char* const at = static_cast<const char*>(data);
  auto found = pinned().upper_bound(at);
  if (found == pinned().begin()) return false;
  --found;
  return at < found->first + found->second;
}

// Does a stream's work in order while there is some and `goes_on`.
template <typename Condition>
void work_while(cudaStream_t stream, const Condition& goes_on) {
  if (stream->records || stream->waiting.empty()) return;
  const Opened opened(memories().of[stream->device]);
  while (!stream->waiting.empty() && goes_on()) {
    const auto piece = std::move(stream->waiting.front());
    stream->waiting.pop_front();
    piece();
  }
}
void finish(cudaStream_t stream) {
  work_while(stream, [] { return true; });
}
void finish_all() {
  for (const cudaStream_t stream : streams()) finish(stream);
}
void wait_for(const EventState& event, uint64_t record) {
  if (event.reached < record) work_while(event.stream, [&] { return event.reached < record; });
}

// With TILEGRAD_EMULATED_EAGER=1 all streams but the first work at once instead: the other way in which streams that do not
// wait for each other can meet. Under the address sanitizer all do: memory is let go when the host does it.
bool is_eager([[maybe_unused]] cudaStream_t stream) {
#if defined(__SANITIZE_ADDRESS__)
  return true;
#else
  static const bool asked = std::getenv("TILEGRAD_EMULATED_EAGER") != nullptr;
  return asked && stream != streams().front();  // (the first is that of the first device)
#endif
}

double now() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

int architecture() {
  const char* const asked = std::getenv("TILEGRAD_EMULATED_ARCHITECTURE");
  return asked ? std::atoi(asked) : 80;
}

}  // namespace

namespace emulated {
void enqueue(cudaStream_t stream, std::function<void()> work) {
  const Lock lock;
  stream->waiting.push_back(std::move(work));
  if (is_eager(stream)) finish(stream);
}
void require_current(cudaStream_t stream) {
  if (stream->device != current_device) die("a kernel is launched on a stream of a device that is not the current one");
}
void refuse_launch() { tell(cudaErrorInvalidConfiguration); }
}  // namespace emulated

const char* cudaGetErrorString(cudaError_t status) {
  switch (status) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
  }
  return "unknown error";
}
cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }
cudaError_t cudaPeekAtLastError() { return last_error; }

cudaError_t cudaDriverGetVersion(int* version) { return *version = CUDART_VERSION, cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int* version) { return *version = CUDART_VERSION, cudaSuccess; }
cudaError_t cudaGetDeviceCount(int* count) { return *count = kDevices, cudaSuccess; }
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
  return *value = architecture() / 10, cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  const int found = architecture();
  *properties = {"emulated on the CPU", found / 10, found % 10, 4, size_t{found < 90 ? 163u : 227u} << 10};
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= kDevices) return tell(cudaErrorInvalidValue);
  current_device = device;
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() {
  const Lock lock;
  finish_all();
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** data, size_t bytes) {
  const Lock lock;
  *data = memory().allocate(bytes);
  if (!*data) return tell(cudaErrorMemoryAllocation);
  tilegrad::address_checks::allow(*data, bytes);
  const Opened opened(memory());
  std::memset(*data, 0xff, bytes);
  return cudaSuccess;
}
cudaError_t cudaFree(void* data) {
  const Lock lock;
  finish_all();
  for (Memory& memory : memories().of) {
    if (data && memory.release(data)) return cudaSuccess;
  }
  return data ? tell(cudaErrorInvalidValue) : cudaSuccess;
}
cudaError_t cudaMallocHost(void** data, size_t bytes) {
  const Lock lock;
  *data = std::malloc(bytes);
  if (!*data) return tell(cudaErrorMemoryAllocation);
  std::memset(*data, 0xff, bytes);
  pinned()[static_cast<char*>(*data)] = bytes;
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* data) {
  const Lock lock;
  finish_all();
  pinned().erase(static_cast<char*>(data));
  std::free(data);
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  const Lock lock;
  *total = kMemory;
  *free = kMemory - memory().in_use;
  return cudaSuccess;
}
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* data) {
  const Lock lock;
  attributes->type = is_pinned(data) ? cudaMemoryTypeHost : cudaMemoryTypeUnregistered;
  for (const Memory& memory : memories().of) {
    if (data >= memory.begin && data < memory.begin + kMemory) attributes->type = cudaMemoryTypeDevice;
  }
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  const Lock lock;
  streams().push_back(*stream = new emulated_stream{current_device, {}, false});
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const Lock lock;
  finish(stream);
  std::erase(streams(), stream);
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const Lock lock;
  finish(stream);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  const Lock lock;
  if (kind == cudaMemcpyHostToDevice && !is_pinned(from)) {
    const char* const data = static_cast<const char*>(from);
    emulated::enqueue(
        stream, [to, given = std::vector<char>(data, data + bytes)] { std::memcpy(to, given.data(), given.size()); });
    return cudaSuccess;
  }
  emulated::enqueue(stream, [=] { std::memcpy(to, from, bytes); });
  if (kind == cudaMemcpyDeviceToHost && !is_pinned(to)) finish(stream);
  return cudaSuccess;
}
cudaError_t cudaMemcpyPeerAsync(void* to, int to_device, const void* from, int from_device, size_t bytes,
                                cudaStream_t stream) {
  emulated::enqueue(stream, [=] {
    const Opened source(memories().of[from_device]), target(memories().of[to_device]);
    std::memcpy(to, from, bytes);
  });
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  emulated::enqueue(stream, [=] { std::memset(to, value, bytes); });
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return *event = new emulated_event{current_device}, cudaSuccess; }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) { return cudaEventCreate(event); }
cudaError_t cudaEventDestroy(cudaEvent_t event) { return delete event, cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const Lock lock;
  if (event->device != stream->device) emulated::die("an event is recorded on another device than its own");
  event->state->stream = stream;
  emulated::enqueue(stream, [state = event->state, record = ++event->state->recorded] {
    state->reached = record;
    state->milliseconds = now();
  });
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const Lock lock;
  wait_for(*event->state, event->state->recorded);
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const Lock lock;
  emulated::enqueue(stream, [state = event->state, record = event->state->recorded] { wait_for(*state, record); });
  return cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  *milliseconds = static_cast<float>(end->state->milliseconds - begin->state->milliseconds);
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  const Lock lock;
  finish(stream);
  stream->records = true;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const Lock lock;
  stream->records = false;
  *graph = new emulated_graph{std::make_shared<const Work>(std::exchange(stream->waiting, {}))};
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* made, cudaGraph_t graph, unsigned long long) {
  return *made = new emulated_graph(*graph), cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return delete graph, cudaSuccess; }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t made) { return delete made, cudaSuccess; }
cudaError_t cudaGraphLaunch(cudaGraphExec_t made, cudaStream_t stream) {
  emulated::enqueue(stream, [work = made->work] {
    for (const auto& piece : *work) piece();
  });
  return cudaSuccess;
}

cudaError_t cudaGetDriverEntryPointByVersion(const char*, void** found, unsigned, unsigned long long,
                                             cudaDriverEntryPointQueryResult* result) {
  *found = nullptr;
  *result = cudaDriverEntryPointSuccess;
  return cudaSuccess;
}
