// Grids of threads on one: every thread of a block is a fiber that runs until it must wait for others.
#include <sys/mman.h>
#include <ucontext.h>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "cuda_runtime.h"

namespace emulated {

Place here;

namespace {

constexpr size_t kStackBytes = size_t{256} << 10, kGuardBytes = size_t{4} << 10;
constexpr int kWarp = 32, kMostThreads = 1024;
constexpr size_t kMostShared = size_t{227} << 10;

alignas(1024) unsigned char shared_memory[kMostShared];

// A place for a fiber. It starts threads that nobody has started, one after the other, until one of them waits.
struct Stack {
  jmp_buf context;
  ucontext_t first;
};

enum class State { fresh, ready, waits_for_block, waits_for_warp, watches, done };

struct Thread {
  State state;
  Stack* stack;
  const char* where;  // it waits
  unsigned exchanges;
};

struct Warp {
  unsigned arrived;
  unsigned char posted[2][kWarp][64];
};

struct Block {
  const std::function<void()>* body;
  int count, alive, next_fresh, arrived, votes, last_votes;
  unsigned changes;
  Thread threads[kMostThreads];
  Warp warps[kMostThreads / kWarp];
};

Block block;
uint64_t begun = 0;
int current;  // the thread that runs
jmp_buf scheduler;
std::vector<Stack*> idle;

// With TILEGRAD_EMULATED_ORDER=reverse, blocks and threads run from the last to the first: what a kernel computes must not
// depend on it.
bool is_reversed() {
  static const bool asked = [] {
    const char* const order = std::getenv("TILEGRAD_EMULATED_ORDER");
    return order && std::strcmp(order, "reverse") == 0;
  }();
  return asked;
}
template <typename I>
I in_order(I i, I count) {
  return is_reversed() ? count - 1 - i : i;
}

void place(int thread) {
  current = thread;
  const unsigned i = static_cast<unsigned>(thread), x = here.threads.x, y = here.threads.y;
  here.thread = {i % x, i / x % y, i / (x * y)};
}

void wake_block() {
  block.arrived = 0;
  block.last_votes = block.votes;
  block.votes = 0;
  for (int i = 0; i < block.count; ++i) {
    if (block.threads[i].state == State::waits_for_block) block.threads[i].state = State::ready;
  }
  ++block.changes;
}

// To the scheduler, and back when this thread is ready.
void leave(State state, const char* where) {
  Thread& thread = block.threads[current];
  thread.state = state;
  thread.where = where;
  if (_setjmp(thread.stack->context) == 0) _longjmp(scheduler, 1);
}

void start_threads(Stack* stack) {
  for (;;) {
    while (block.next_fresh < block.count) {
      const int mine = in_order(block.next_fresh++, block.count);
      place(mine);
      block.threads[mine].state = State::ready;
      block.threads[mine].stack = stack;
      (*block.body)();
      // `current` is this thread again: whoever resumed it set it.
      block.threads[mine].state = State::done;
      ++block.changes;
      if (--block.alive > 0 && block.arrived == block.alive) wake_block();  // who has ended need not come
    }
    idle.push_back(stack);
    if (_setjmp(stack->context) == 0) _longjmp(scheduler, 1);
  }
}

void enter_stack(unsigned low, unsigned high) { start_threads(reinterpret_cast<Stack*>(uintptr_t{high} << 32 | low)); }

Stack* make_stack() {
  char* const memory = static_cast<char*>(
      mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  if (memory == MAP_FAILED) die("no memory for a stack");
  mprotect(memory, kGuardBytes, PROT_NONE);
  Stack* const stack = new Stack;
  getcontext(&stack->first);
  stack->first.uc_stack.ss_sp = memory + kGuardBytes;
  stack->first.uc_stack.ss_size = kStackBytes - kGuardBytes;
  stack->first.uc_link = nullptr;
  const uintptr_t address = reinterpret_cast<uintptr_t>(stack);
  makecontext(&stack->first, reinterpret_cast<void (*)()>(&enter_stack), 2, static_cast<unsigned>(address),
              static_cast<unsigned>(address >> 32));
  return stack;
}

void start_on_some_stack() {
  if (_setjmp(scheduler) != 0) return;
  if (idle.empty()) setcontext(&make_stack()->first);
  Stack* const stack = idle.back();
  idle.pop_back();
  _longjmp(stack->context, 1);
}

void resume(int thread) {
  if (_setjmp(scheduler) != 0) return;
  place(thread);
  block.threads[thread].state = State::ready;
  _longjmp(block.threads[thread].stack->context, 1);
}

void run_block() {
  ++begun;
  block.alive = block.count;
  block.next_fresh = block.arrived = block.votes = 0;
  for (int i = 0; i < block.count; ++i) block.threads[i] = {State::fresh, nullptr, "", 0};
  for (int i = 0; i < (block.count + kWarp - 1) / kWarp; ++i) block.warps[i].arrived = 0;
  while (block.next_fresh < block.count) start_on_some_stack();
  while (block.alive > 0) {
    bool someone = false;
    const unsigned before = block.changes;
    for (int turn = 0; turn < block.count; ++turn) {
      const int i = in_order(turn, block.count);
      const State state = block.threads[i].state;
      if (state != State::ready && state != State::watches) continue;
      someone |= state == State::ready;
      resume(i);
    }
    if (!someone && before == block.changes) die("no thread of the block can go on");
  }
}

}  // namespace

void die(const char* what) {
  std::fprintf(stderr, "CUDA emulation: %s; block (%u, %u, %u) of %u x %u x %u threads\n", what, here.block.x,
               here.block.y, here.block.z, here.threads.x, here.threads.y, here.threads.z);
  for (int i = 0; i < block.count; ++i) {
    const Thread& thread = block.threads[i];
    const char* const words = thread.state == State::done    ? "has ended"
                              : thread.state == State::fresh ? "has not begun"
                              : thread.state == State::ready ? "runs"
                                                             : thread.where;
    if (i % kWarp == 0 || std::strcmp(words, block.threads[i - 1].where) != 0) {
      std::fprintf(stderr, "  thread %d: %s\n", i, words);
    }
  }
  std::abort();
}

void* dynamic_shared() { return shared_memory; }

int thread() { return current; }
int lane() { return current % kWarp; }
uint64_t blocks_begun() { return begun; }

void something_changed() { ++block.changes; }
void wait_for_change(const char* where) { leave(State::watches, where); }

int count_in_block(bool vote) {
  block.votes += vote;
  if (++block.arrived == block.alive) {
    wake_block();
  } else {
    leave(State::waits_for_block, "__syncthreads");
  }
  return block.last_votes;
}
void wait_for_block() { count_in_block(false); }

Posted exchange(unsigned mask, const void* given, size_t bytes, const char* where) {
  Warp& warp = block.warps[current / kWarp];
  const unsigned mine = 1u << lane();
  if (!(mask & mine)) die("a thread is not in the mask of its own exchange");
  auto& posted = warp.posted[block.threads[current].exchanges++ & 1];
  if (bytes) std::memcpy(posted[lane()], given, bytes);
  warp.arrived |= mine;
  if ((warp.arrived & mask) == mask) {
    warp.arrived &= ~mask;
    const int first = current / kWarp * kWarp;
    for (int i = 0; i < kWarp && first + i < block.count; ++i) {
      Thread& thread = block.threads[first + i];
      if ((mask >> i & 1) && thread.state == State::waits_for_warp) thread.state = State::ready;
    }
    ++block.changes;
  } else {
    leave(State::waits_for_warp, where);
  }
  return {posted};
}

bool is_valid(dim3 blocks, dim3 threads, size_t shared_bytes) {
  const uint64_t count = uint64_t{threads.x} * threads.y * threads.z;
  return blocks.x && blocks.y && blocks.z && blocks.x < 1u << 31 && blocks.y < 1u << 16 && blocks.z < 1u << 16 &&
         count > 0 && count <= kMostThreads && threads.z <= 64 && shared_bytes <= kMostShared;
}

void run_grid(dim3 blocks, dim3 threads, size_t shared_bytes, const std::function<void()>& body) {
  block.body = &body;
  block.count = static_cast<int>(threads.x * threads.y * threads.z);
  here.blocks = blocks;
  here.threads = threads;
  const uint64_t count = uint64_t{blocks.x} * blocks.y * blocks.z;
  for (uint64_t turn = 0; turn < count; ++turn) {
    const uint64_t i = in_order(turn, count), row = i / blocks.x;
    here.block = {static_cast<unsigned>(i % blocks.x), static_cast<unsigned>(row % blocks.y),
                  static_cast<unsigned>(row / blocks.y)};
    std::memset(shared_memory, 0xff, shared_bytes);
    run_block();
  }
}

}  // namespace emulated
