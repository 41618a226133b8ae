// The families of bindings: one function and one file each. A binding is a signature, a call into csrc/ops and a docstring.
#pragma once

#include "bindings/caster.h"

namespace tilegrad::bindings {

namespace py = pybind11;

// An absent array is None.
inline py::object optional(const Array& array) { return array ? py::cast(array) : py::none(); }

void register_runtime(py::module_& m);      // ISA, threads, memory
void register_autograd(py::module_& m);     // record, grad mode
void register_memory(py::module_& m);       // NumPy, DLPack, creation, copies
void register_views(py::module_& m);        // reshape, permute, slice, ...
void register_elementwise(py::module_& m);  // every UNARY and BINARY line of kernels.inc
void register_matmul(py::module_& m);       // matmul, linear
void register_recurrent(py::module_& m);    // rnn, gru, lstm and their gradients
void register_reduce(py::module_& m);       // reductions, softmax
void register_losses(py::module_& m);       // cross-entropy, mse, ...
void register_norm(py::module_& m);         // batch and layer normalisation
void register_conv2d(py::module_& m);       // convolution and its gradients
void register_pool2d(py::module_& m);       // pooling and its gradients
void register_resize2d(py::module_& m);     // resized images
void register_augment(py::module_& m);      // images with random changes
void register_attention(py::module_& m);    // attention and its gradient
void register_indexing(py::module_& m);     // gather, scatter, sort, sequences
void register_inplace(py::module_& m);      // writing into tensors
void register_random(py::module_& m);       // draws and dropout
void register_optimizer(py::module_& m);    // optimizer steps, clipping
void register_cuda(py::module_& m);         // the GPU, its memory, waiting
void register_capture(py::module_& m);      // recording and replay
void register_profile(py::module_& m);      // what launches take

}  // namespace tilegrad::bindings
