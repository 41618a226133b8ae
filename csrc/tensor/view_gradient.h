// Gradients of views that were written into: where a view lies in the gradient of its root.
#pragma once

#include "tensor/autograd.h"

namespace tilegrad {

// Memory for a gradient of the root that lies as the root's own, so that the view has its place in it.
Array memory_like_root(const Placement& at, const Array& gradient);

// The view's place in an array that lies as its root.
Array place_in(const Placement& at, const Array& root);

// The gradient of the root from that of the view: zero but for the view's elements.
Array spread_to_root(const Placement& at, const Array& arrived);

}  // namespace tilegrad
