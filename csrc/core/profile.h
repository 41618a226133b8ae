// A profile: what every launch took, while it is on. Off, it costs a launch one relaxed load.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "core/dtype.h"

namespace tilegrad {

// What launches belong to: a name that Python gave a number, a layer's path for example; and whether they make gradients.
struct Scope {
  int number = -1;
  bool backward = false;
};

// The scope of this thread's launches.
Scope current_scope();
void set_current_scope(Scope scope);

struct ProfileEvent {
  const char* name;
  DType dtype;
  Scope scope;
  int64_t start, end;  // nanoseconds of a steady clock
  double bytes;        // moved at least: every operand once, those that are updated twice
  double flops;        // of products of matrices and convolutions
  int members;         // how many threads worked on it
  bool replayed;
};

namespace profile {

bool is_on();
void start();
// Ends it; what was launched meanwhile, by all threads.
std::vector<ProfileEvent> stop();
void add(const ProfileEvent& event);

inline int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace profile
}  // namespace tilegrad
