// Free memory as ranges of addresses: a block is cut from the smallest range that holds it, and what is freed grows
// together with the free ranges beside it. Blocks of different sizes then take each other's place, which the few large
// blocks of a training step (activations, gradients, workspaces) do all the time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <utility>

namespace tilegrad {

class FreeRanges {
 public:
  // A block of the smallest range that has `bytes`, at its lowest address; null if there is none. Does not throw.
  void* take(size_t bytes) {
    const auto found = by_size_.lower_bound({bytes, 0});
    if (found == by_size_.end()) return nullptr;
    const auto [size, address] = *found;
    bytes_ -= bytes;
    auto range = by_address_.extract(address);
    auto entry = by_size_.extract(found);
    if (size > bytes) {  // the rest takes over the nodes: no memory is needed
      range.key() = address + bytes;
      range.mapped() = size - bytes;
      entry.value() = {size - bytes, address + bytes};
      by_address_.insert(std::move(range));
      by_size_.insert(std::move(entry));
    }
    return reinterpret_cast<void*>(address);
  }

  // May throw std::bad_alloc; then nothing has changed.
  void put(void* data, size_t bytes) {
    uintptr_t address = reinterpret_cast<uintptr_t>(data);
    auto next = by_address_.lower_bound(address);
    const bool joins_next = next != by_address_.end() && next->first == address + bytes;
    const bool joins_previous = next != by_address_.begin() && ends_at(std::prev(next), address);
    if (!joins_next && !joins_previous) {
      const auto made = by_address_.emplace_hint(next, address, bytes);
      try {
        by_size_.emplace(bytes, address);
      } catch (...) {
        by_address_.erase(made);
        throw;
      }
      bytes_ += bytes;
      return;
    }
    bytes_ += bytes;
    size_t size = bytes;
    auto kept = joins_previous ? std::prev(next) : next;
    if (joins_next) size += next->second;
    if (joins_previous) size += std::prev(next)->second, address = std::prev(next)->first;
    if (joins_next && joins_previous) {
      by_size_.erase({next->second, next->first});
      by_address_.erase(next);
    }
    auto entry = by_size_.extract({kept->second, kept->first});
    auto range = by_address_.extract(kept);
    range.key() = address;
    range.mapped() = size;
    entry.value() = {size, address};
    by_address_.insert(std::move(range));
    by_size_.insert(std::move(entry));
  }

  // How much is free from an address on.
  size_t free_at(const void* data) const {
    const auto found = by_address_.find(reinterpret_cast<uintptr_t>(data));
    return found == by_address_.end() ? 0 : found->second;
  }

  // Calls f(data, bytes) for every range, and forgets them.
  template <typename F>
  void clear(F f) {
    for (const auto& [address, bytes] : by_address_) f(reinterpret_cast<void*>(address), bytes);
    by_address_.clear();
    by_size_.clear();
    bytes_ = 0;
  }

  size_t bytes() const { return bytes_; }

 private:
  using ByAddress = std::map<uintptr_t, size_t>;
  static bool ends_at(ByAddress::const_iterator range, uintptr_t address) {
    return range->first + range->second == address;
  }

  ByAddress by_address_;
  std::set<std::pair<size_t, uintptr_t>> by_size_;
  size_t bytes_ = 0;
};

}  // namespace tilegrad
