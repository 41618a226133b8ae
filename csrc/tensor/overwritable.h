// Memory that a gradient rule may write over, because nobody else will see what is in it.
#pragma once

#include "tensor/autograd.h"
#include "tensor/tensor.h"

namespace tilegrad {

// Whether nobody else can see or change a tensor.
bool exclusively_owned(PyObject* tensor);

// While it lives, the rule that is being called may overwrite the gradient that it is given and the values that were saved for
// it (a tuple), as far as they are exclusively owned; null for what may not be. To be made before anything else refers to
// them.
class Overwritable {
 public:
  Overwritable(PyObject* gradient, PyObject* saved);
  Overwritable(const Overwritable&) = delete;
  Overwritable& operator=(const Overwritable&) = delete;
  ~Overwritable();

  // Whether the tensor may be overwritten, now and never again.
  static bool take(PyObject* tensor);

 private:
  void add(PyObject* tensor);

  static constexpr int kMost = 8;  // more are left alone; a vector would be an allocation for every op
  PyObject* tensors_[kMost];
  int count_ = 0;
  Overwritable* const outer_;
};

}  // namespace tilegrad
