// Rewriting a recorded forward pass for inference: what depends on parameters alone is computed once, batch normalisation
// goes into the weights of the product before it, and activations into its last step.
#pragma once

#include "core/program.h"

namespace tilegrad::ops {

// The program must not have been replayed by others meanwhile. Its results differ from the recorded ones by the rounding
// of the folded weights; parameters that change later are no longer seen where they were folded.
void prepare_for_inference(Program& program);

}  // namespace tilegrad::ops
