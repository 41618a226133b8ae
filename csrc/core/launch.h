// launch(): the one road from csrc/ops to a kernel. It receives everything there is to know about the call: the kernel,
// its operands as views of storage with what is done to each, its params by value and its workspace size. So a launch
// can be recorded, its buffers planned and its call replayed without csrc/ops knowing.
#pragma once

#include <initializer_list>
#include <span>
#include <type_traits>

#include "core/array.h"
#include "core/long_call.h"
#include "dispatch.h"
#include "kernels.h"

namespace tilegrad {

enum class Access : uint8_t { read, write, update };

struct Operand {
  const Array* array;  // null for an absent optional operand: the kernel sees a null pointer
  Access access;
};

inline Operand reads(const Array& array) { return {array ? &array : nullptr, Access::read}; }
inline Operand writes(const Array& array) { return {array ? &array : nullptr, Access::write}; }
inline Operand updates(const Array& array) { return {array ? &array : nullptr, Access::update}; }

// What a launch costs, so that small ones run on the caller's thread alone: about one unit per nanosecond of one core.
// Never part of a result: the bits are the same for any team.
struct Cost {
  double nanoseconds;
  double flops = 0;  // of products of matrices and convolutions, for profiles

  // Moving this many bytes through memory.
  static Cost bytes(double count) { return {count * 0.05}; }
  // Evaluating this many elements of an elementwise function that takes about `each` ns.
  static Cost elements(double count, double each = 0.25) { return {count * each}; }
  // This many multiply-adds at vector speed.
  static Cost multiply_adds(double count) { return {count * 0.02, 2 * count}; }
};

struct Launch {
  const char* name;
  const KernelSet* KernelTable::* entry;
  DType dtype;
  const void* params;
  size_t params_bytes;
  void (*clear_padding)(void* params);  // makes equal params equal byte by byte
  std::span<const Operand> operands;
  size_t workspace_bytes;
  Cost cost;
};

// Runs a launch now, on the device of its operands. Every operand that it writes has its version bumped.
void run(const Launch& launch);

template <typename P>
void clear_padding([[maybe_unused]] void* params) {
#if defined(__has_builtin)
#if __has_builtin(__builtin_clear_padding)
  __builtin_clear_padding(static_cast<P*>(params));
#endif
#endif
}

template <typename P>
void launch(const KernelName<P>& kernel, DType dtype, const std::type_identity_t<P>& params,
            std::span<const Operand> operands, Cost cost, size_t workspace_bytes = 0) {
  static_assert(std::is_trivially_copyable_v<P>);
  run({kernel.name, kernel.entry, dtype, &params, sizeof(P), &clear_padding<P>, operands, workspace_bytes, cost});
}
template <typename P>
void launch(const KernelName<P>& kernel, DType dtype, const std::type_identity_t<P>& params,
            std::initializer_list<Operand> operands, Cost cost, size_t workspace_bytes = 0) {
  launch(kernel, dtype, params, std::span<const Operand>(operands.begin(), operands.size()), cost, workspace_bytes);
}

// The least work that another team member is woken for; 0 gives every launch the whole team. For tests, which must see
// small inputs run on many threads.
void set_work_per_member(double nanoseconds);

// How many members of `most` are worth having for a launch. Waking a thread that sleeps costs far more than meeting one
// that waits for us, or runs the same program beside us.
enum class Waking { asleep, beside };
int team_size(Cost cost, int most, Waking waking);

// What a launch of these operands moves at least, in bytes.
double bytes_moved(std::span<const Operand> operands);

// Whether a call takes long enough for other threads to run meanwhile.
bool worth_releasing(Cost cost);

}  // namespace tilegrad
