// A Program: the launches of a captured function, ready to be made again as one native call. All of them run inside one
// parallel region with a barrier between them, because waking a thread costs tens of microseconds and a barrier a
// fraction of one; values that only one call needs share one block of memory, planned by their lifetimes.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "core/cuda.h"
#include "core/launch.h"
#include "core/profile.h"

namespace tilegrad {

// What a piece of memory is to a program (recording.h).
struct ProgramSlot {
  enum class Kind : uint8_t { outside, input, constant, temporary, output };
  Kind kind = Kind::temporary;
  bool is_written = false;
  bool is_looked_at = false;  // by the host, on a GPU
  Device device;
  size_t bytes = 0;
  int first = -1, last = -1;  // the items that use it
  StorageRef kept;            // outside
  int number = 0;             // input: which argument; output: which new block
  std::vector<char> initial;  // what the host wrote before the first launch saw it
  int64_t offset = 0;         // temporary: where in the program's block
};

struct ProgramOperand {
  int slot;  // -1: absent
  Access access;
  int64_t offset;  // bytes from the start of the slot
  int64_t numel;
};

// One launch, or something that the host does between two.
struct ProgramItem {
  const char* name;
  const KernelSet* KernelTable::* entry = nullptr;  // null for a host call
  std::function<void(void* const*)> host_call;
  int64_t key = 0;  // host calls without operands: 0, or what is equal for equal functions
  DType dtype = DType::float32;
  size_t params = 0, params_bytes = 0;  // in Program::params
  int first_operand = 0, operands = 0;
  int workspace = -1;  // slot
  Cost cost{0};
  double bytes = 0;  // moved at least, for profiles
  Scope scope;
};

// How to make a returned array anew.
struct ProgramOutput {
  int slot;
  int64_t offset;  // elements
  Dims shape, strides;
  DType dtype;
};

class Program {
 public:
  // Makes all calls again, with `inputs` (of the recorded shapes, strides and dtypes) in the places of the recorded
  // ones, and returns new outputs. One replay of a program runs at a time; a second thread waits.
  std::vector<Array> replay(const std::vector<Array>& inputs);

  // "" if the other program makes the same calls on the same memory, else the first difference in words.
  std::string difference(const Program& other) const;

  // Finds which items use and write each slot.
  void find_uses();
  // To be called when the items are complete or have changed: finds lifetimes and plans the block of temporaries.
  void plan();

  // Where its launches run: on one device, all of them.
  Device device() const { return device_; }
  void set_device(Device device) { device_ = device; }

  // The names of the launches, in order.
  std::vector<std::string> names() const;

  std::vector<ProgramSlot> slots;
  std::vector<ProgramItem> items;
  std::vector<ProgramOperand> operands;
  std::vector<std::max_align_t> params;  // aligned room for every launch's params
  std::vector<ProgramOutput> outputs;
  int inputs = 0;

 private:
  struct Run;
  static void region(void* context, const Team& team);
  static void run_item(Run& run, const ProgramItem& item, const Team& team, int members);

  // What the program is on a GPU (program_cuda.cpp): graphs over memory that it keeps.
  struct OnCuda;
  std::vector<Array> replay_on_cuda(const std::vector<Array>& inputs);
  std::vector<Array> make_outputs(const std::vector<Array>& given, const std::vector<StorageRef>& fresh) const;
  void note_writes(const std::vector<Array>& given) const;

  Device device_;
  std::shared_ptr<OnCuda> on_cuda_;
  std::mutex busy_;
  std::vector<void*> data_;  // per operand, filled in by replay()
  std::vector<int64_t> numel_;
  std::vector<int> members_;  // per item
  int most_members_ = 1;      // threads when it was recorded: workspaces have room for no more
  size_t block_bytes_ = 0;
  int new_blocks_ = 0;
};

}  // namespace tilegrad
