// Recording: while one is active in a thread, every launch of that thread is noted besides being run. What was noted
// becomes a Program (program.h), which makes the same calls again without csrc/ops, Python or an allocation per tensor.
//
// A recording knows memory by its Storage. What a storage is to the program follows from where it came from:
//
//     input      given as an argument: another one takes its place in every replay
//     outside    was there before, or outlives the recording: parameters, gradients, optimizer state
//     constant   written by the host while recording, a Python number or NumPy array: the same bytes in every replay
//     temporary  made and let go while recording: a place in the program's own block of memory (buffer_plan.h)
//     output     made while recording and returned: new memory in every replay
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/launch.h"
#include "core/program.h"

namespace tilegrad {

class Recording {
 public:
  // Starts recording the launches of this thread.
  Recording();
  ~Recording();
  Recording(const Recording&) = delete;

  // The recording of this thread; null if there is none or it is paused.
  static Recording* active() { return active_; }

  // The argument's place in the program: an array over the same memory, which stands for it while recording. Its strides
  // must not be negative.
  Array input(const Array& argument);

  void note(const Launch& launch);
  // Something that the host does at this place of every replay: body(the operands' addresses). A key that is not 0 tells
  // equal calls without operands.
  void note_host_call(std::span<const Operand> operands, std::function<void(void* const*)> body, int64_t key = 0);
  // The host has just written these bytes, the whole of this new memory.
  void note_host_write(const Array& array, const void* bytes);
  // What is recorded would not be what a second call does: state was made on the way.
  void note_first_time() { first_time_ = true; }
  // A result's shape depends on values: nothing that follows can be replayed.
  void give_up(const std::string& why);

  bool is_first_time() const { return first_time_; }
  // Why there can be no program; empty if there can.
  const std::string& reason() const { return reason_; }

  // Ends the recording without a program.
  void discard();
  // Ends the recording: the program, whose outputs are these arrays. Whatever else is still alive stays outside it.
  std::shared_ptr<Program> finish(const std::vector<Array>& outputs);

  // Launches made meanwhile are not noted: for state that is made once.
  class Pause {
   public:
    Pause() : before_(active_) { active_ = nullptr; }
    ~Pause() { active_ = before_; }
    Pause(const Pause&) = delete;

   private:
    Recording* before_;
  };

  // Called by Storage.
  static void storage_made(Storage* storage);
  static void host_memory_seen(Storage* storage);
  static void storage_dies(Storage* storage);

 private:
  int slot_of(const Array& array);
  int add_slot(Storage* storage, ProgramSlot::Kind kind);
  void append_operands(std::span<const Operand> operands, ProgramItem& item);

  static thread_local Recording* active_;

  std::shared_ptr<Program> program_;
  std::unordered_map<Storage*, int> slots_;              // of storages that are alive
  std::vector<StorageRef> kept_;                         // memory whose addresses must stay its own while recording
  std::vector<std::pair<int, StorageRef>> host_memory_;  // NumPy's, seen first while recording
  bool first_time_ = false;
  bool has_launches_ = false;
  std::string reason_;
};

// For ops that look at values: refuses while a function is being captured, because a replay would not look again.
void require_values(const char* op);

// Counts what happens outside launches that a captured function may depend on: a layer's mode, a frozen parameter, an
// optimizer's option. Programs look again at what they depend on when it has moved.
void note_change();
uint64_t changes();

// Whether values may not be looked at in this thread, recording or not: the call of a captured function that comes before
// its recording refuses what the recording would.
void set_values_hidden(bool hidden);
bool values_hidden();

// Calls body with the operands in host memory: at once, or, if they are on a device, when it is next waited for.
void look_at(std::span<const Operand> operands, const std::function<void(void* const*)>& body);

// Checks values on the host, now and at this place of every replay: body(data) gets the operands' addresses and throws
// what the op raises.
template <typename F>
void check_values(std::initializer_list<Operand> operands, F body) {
  look_at({operands.begin(), operands.size()}, body);
  if (Recording* recording = Recording::active()) {
    recording->note_host_call({operands.begin(), operands.size()}, std::move(body));
  }
}

}  // namespace tilegrad
