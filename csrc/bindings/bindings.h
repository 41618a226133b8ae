// The families of bindings: one function and one file each. A binding is a signature, a call into csrc/ops and a docstring.
#pragma once

#include "bindings/function.h"

namespace tilegrad::bindings {

// An absent array is None.
inline py::object optional(const Array& array) { return array ? py::cast(array) : py::none(); }

void register_runtime(Module& m);      // ISA, threads, memory
void register_autograd(Module& m);     // record, grad mode
void register_memory(Module& m);       // NumPy, DLPack, creation, copies
void register_views(Module& m);        // reshape, permute, slice, ...
void register_elementwise(Module& m);  // every UNARY and BINARY line of kernels.inc
void register_matmul(Module& m);       // matmul, linear
void register_recurrent(Module& m);    // rnn, gru, lstm and their gradients
void register_reduce(Module& m);       // reductions, softmax
void register_losses(Module& m);       // cross-entropy, mse, ...
void register_norm(Module& m);         // batch and layer normalisation
void register_conv2d(Module& m);       // convolution and its gradients
void register_pool2d(Module& m);       // pooling and its gradients
void register_resize2d(Module& m);     // resized images
void register_augment(Module& m);      // images with random changes
void register_attention(Module& m);    // attention and its gradient
void register_indexing(Module& m);     // gather, scatter, sort, sequences
void register_inplace(Module& m);      // writing into tensors
void register_random(Module& m);       // draws and dropout
void register_optimizer(Module& m);    // optimizer steps, clipping
void register_cuda(Module& m);         // the GPU, its memory, waiting
void register_capture(Module& m);      // recording and replay
void register_profile(Module& m);      // what launches take

}  // namespace tilegrad::bindings
