// Scaled dot-product attention: q [N, H, T, D], k [N, H, S, D], v [N, H, S, E] -> [N, H, T, E]; all without H, too.
#pragma once

#include "core/array.h"

namespace tilegrad::ops {

struct AttentionOptions {
  double scale;
  bool causal;
  double dropout;  // the probability that one of the weights is set to zero
};

struct Attended {
  Array y;
  Array log_sum;  // [N, H, T], the logarithms of the softmax's denominators; absent unless wanted
  Array used;     // the generator's state that the dropout was drawn from, int64 [2]; absent without dropout
};

// The mask broadcasts to [N, H, T, S]: bools that are true where a query sees a key, or addends of q's dtype; it may be
// absent, and so may the generator's state where there is no dropout. y lies in memory in the order of q's axes.
Attended attention(const Array& q, const Array& k, const Array& v, const Array& mask, const Array& state,
                   const AttentionOptions& options, bool want_gradient);

struct AttentionGradients {
  Array q, k, v;
};
AttentionGradients attention_backward(const Array& grad, const Array& q, const Array& k, const Array& v,
                                      const Array& mask, const Attended& forward, const AttentionOptions& options);

}  // namespace tilegrad::ops
