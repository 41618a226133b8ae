// Where the system runs our workers. Its choice is good while a CPU is idle, and poor while none is, as beside the threads
// of another library that spin: a worker is then woken on the CPU of its caller, which waits for it there.
#pragma once

namespace tilegrad {

// A worker's place in the eyes of its caller. Every function does nothing where the system has no such thing.
class Placement {
 public:
  // Called by the worker. A short time slice: woken beside a thread that spins, it need not wait for that one's to end.
  void adopt_this_thread();
  // Called by the caller of a team of `size`: lets the worker run on every CPU that it could run on but `cpu`, if the
  // others are enough for the team. Nothing under real-time policies, where a thread that spins is never preempted.
  void keep_away_from(int cpu, int size);

 private:
  int thread_ = 0;
  int avoided_ = -1;
};

// The CPU that this thread runs on; -1 where that is not known.
int current_cpu();

}  // namespace tilegrad
