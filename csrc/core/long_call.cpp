#include "core/long_call.h"

namespace tilegrad {
namespace {
LongCall hooks{};
}

void set_long_call(LongCall given) { hooks = given; }

Released::Released(bool worth_it) : active_(worth_it && hooks.enter), state_(active_ ? hooks.enter() : nullptr) {}

Released::~Released() noexcept(false) {
  if (active_) hooks.leave(state_);
}

}  // namespace tilegrad
