#include "core/profile.h"

#include <atomic>
#include <mutex>

namespace tilegrad {
namespace {

thread_local Scope scope_of_thread;

std::atomic<bool> on{false};

struct Events {
  std::mutex mutex;
  std::vector<ProfileEvent> all;
};

Events& events() {
  static Events* const instance = new Events;
  return *instance;
}

}  // namespace

Scope current_scope() { return scope_of_thread; }
void set_current_scope(Scope scope) { scope_of_thread = scope; }

namespace profile {

bool is_on() { return on.load(std::memory_order_relaxed); }

void start() {
  const std::lock_guard lock(events().mutex);
  events().all.clear();
  on.store(true);
}

std::vector<ProfileEvent> stop() {
  on.store(false);
  const std::lock_guard lock(events().mutex);
  return std::move(events().all);
}

void add(const ProfileEvent& event) {
  const std::lock_guard lock(events().mutex);
  events().all.push_back(event);
}

}  // namespace profile
}  // namespace tilegrad
