#include "core/holders.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <mutex>
#include <new>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/fork_safe.h"

namespace tilegrad::holders {
namespace {

constexpr size_t kNamed = 4;  // in a message

struct Holder {
  size_t bytes;
  Device device;
  bool is_array;
  DType dtype;
  Dims shape;

  std::string purpose() const {
    return is_array ? std::string(name(dtype)) + " " + shape.str() : "running ops and captured functions";
  }
};

struct Registry {
  std::mutex mutex;
  std::unordered_map<const void*, Holder> by_address;
  void lock() { mutex.lock(); }
  void unlock() { mutex.unlock(); }
};

Registry& registry() { return fork_safe<Registry>(); }

[[maybe_unused]] Registry& made_at_load = registry();

void add(const void* data, const Holder& holder) {
  try {
    std::lock_guard lock(registry());
    registry().by_address.insert_or_assign(data, holder);
  } catch (const std::bad_alloc&) {  // the block is there, and that is what counts
  }
}

}  // namespace

void list_array(const void* data, size_t bytes, Device device, DType dtype, const Dims& shape) {
  add(data, {bytes, device, true, dtype, shape});
}

void list_working_memory(const void* data, size_t bytes, Device device) { add(data, {bytes, device, false, {}, {}}); }

void unlist(const void* data) {
  std::lock_guard lock(registry());
  registry().by_address.erase(data);
}

std::string largest(Device device) {
  struct Total {
    size_t bytes = 0;
    int blocks = 0;
  };
  std::map<std::string, Total> totals;
  {
    std::lock_guard lock(registry());
    for (const auto& [data, holder] : registry().by_address) {
      if (holder.device != device) continue;
      Total& total = totals[holder.purpose()];
      total.bytes += holder.bytes;
      ++total.blocks;
    }
  }
  std::vector<std::pair<std::string, Total>> sorted(totals.begin(), totals.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second.bytes > b.second.bytes; });
  if (sorted.size() > kNamed) sorted.resize(kNamed);
  std::string text;
  for (const auto& [purpose, total] : sorted) {
    char size[64];
    std::snprintf(size, sizeof size, " (%.1f MB)", static_cast<double>(total.bytes) / 1e6);
    text += (text.empty() ? "; most is held by " : ", ") + std::to_string(total.blocks) + " of " + purpose + size;
  }
  return text;
}

}  // namespace tilegrad::holders
