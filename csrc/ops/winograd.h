// The choice between direct convolution and Winograd's algorithm, and the launch of the latter.
#pragma once

#include "core/array.h"
#include "core/precision.h"
#include "params/conv2d.h"

namespace tilegrad::ops {

enum class ConvAlgorithm : uint8_t { direct, winograd_2x2, winograd_4x4 };
const char* name(ConvAlgorithm algorithm);

enum class ConvPass : uint8_t { forward, backward_data, backward_weights };

// Which algorithm computes a pass. It depends on the sizes of the image, the filter and the channels, on the dtype and on
// the precision asked for; never on the batch, the threads or the ISA. On CUDA it is always the direct one: beside tensor
// cores the transforms have nothing to gain.
ConvAlgorithm choose_algorithm(const Conv2d& p, ConvPass pass, const Array& x, Precision precision);

// These run a pass by Winograd's algorithm if that is the choice, and return false if direct convolution is. All arrays
// are contiguous. Forward and backward_data: from is x or dy, to is y or dx; bias may be absent.
bool winograd(const Conv2d& p, ConvPass pass, const Array& from, const Array& w, const Array& bias, const Array& to);
bool winograd_backward_weights(const Conv2d& p, const Array& x, const Array& dy, const Array& dw);

}  // namespace tilegrad::ops
