// Calls that take long enough for other Python threads to run: the bindings release the GIL around them. The core itself
// knows no Python.
#pragma once

namespace tilegrad {

struct LongCall {
  void* (*enter)();
  void (*leave)(void* state);
};
void set_long_call(LongCall hooks);

// Others run while this lives, if it is worth it.
class Released {
 public:
  explicit Released(bool worth_it);
  ~Released() noexcept(false);  // Python may end the thread here
  Released(const Released&) = delete;

 private:
  const bool active_;
  void* const state_;
};

}  // namespace tilegrad
