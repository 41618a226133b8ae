#include "core/buffer_plan.h"

#include <algorithm>
#include <numeric>

namespace tilegrad {

// Largest first, each at the lowest place that is free for its whole life: the usual greedy heuristic, within a few
// percent of the most that is alive at once for the programs of networks.
// Source: Pisarchyk and Lee, "Efficient memory management for deep neural net inference", 2020 (greedy by size).
size_t plan_buffers(std::vector<Lifetime>& buffers) {
  constexpr size_t kLine = 64;
  std::vector<size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return buffers[a].bytes > buffers[b].bytes; });
  std::vector<const Lifetime*> placed;  // by offset
  size_t end = 0;
  for (size_t index : order) {
    Lifetime& buffer = buffers[index];
    buffer.bytes = (buffer.bytes + kLine - 1) / kLine * kLine;
    int64_t offset = 0;
    for (const Lifetime* other : placed) {
      if (other->first > buffer.last || other->last < buffer.first) continue;
      if (offset + static_cast<int64_t>(buffer.bytes) <= other->offset) break;
      offset = std::max(offset, other->offset + static_cast<int64_t>(other->bytes));
    }
    buffer.offset = offset;
    end = std::max(end, static_cast<size_t>(offset) + buffer.bytes);
    const auto after = std::upper_bound(placed.begin(), placed.end(), offset,
                                        [](int64_t at, const Lifetime* other) { return at < other->offset; });
    placed.insert(after, &buffer);
  }
  return end;
}

}  // namespace tilegrad
