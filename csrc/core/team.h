// A Team is the group of threads that runs one kernel together (SPMD): every member calls the kernel with
// the same arguments and its own rank, takes its share of the work and meets the others at barriers.
//
// Kernels are compiled once per ISA, so nothing here may be emitted out of line into their objects: members are
// either always inlined or defined in threads.cpp, which is compiled for the baseline ISA.
#pragma once

#include <cstdint>

#define TILEGRAD_INLINE [[gnu::always_inline]] inline

namespace tilegrad {

struct Range {
  int64_t begin;
  int64_t end;
};

class Barrier;  // threads.h

struct Team {
  int rank = 0;
  int size = 1;
  Barrier* meeting = nullptr;  // null for a team of one

  // Waits until every member has arrived; writes made before it are visible to all after it.
  TILEGRAD_INLINE void barrier() const {
    if (size > 1) wait();
  }

  // This member's part of `count` items, in whole `grain`s, as even as that allows. A kernel may split its
  // outputs this way, never one sum: the order of a sum must not depend on the team's size.
  TILEGRAD_INLINE Range share(int64_t count, int64_t grain = 1) const {
    const int64_t grains = (count + grain - 1) / grain;
    const int64_t base = grains / size, extra = grains % size;
    const int64_t first = base * rank + (rank < extra ? rank : extra);
    const int64_t last = first + base + (rank < extra ? 1 : 0);
    const int64_t begin = first * grain, end = last * grain;
    return {begin < count ? begin : count, end < count ? end : count};
  }

 private:
  void wait() const;
};

}  // namespace tilegrad
