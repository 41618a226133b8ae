// Reverse-mode automatic differentiation: the tape, and the walk over it. No op is named here: an op calls record() with
// its gradient rule, a Python function, and backward() calls the rules in reverse order.
#pragma once

#include <Python.h>

#include <atomic>
#include <cstdint>
#include <vector>

#include "core/array.h"
#include "core/profile.h"

namespace tilegrad {

// An intrusive reference count, for objects shared between tensors and the tape.
template <typename T>
class Ref {
 public:
  Ref() = default;
  explicit Ref(T* counted) : object_(counted) {}
  Ref(const Ref& other) : object_(other.object_) {
    if (object_) object_->references.fetch_add(1, std::memory_order_relaxed);
  }
  Ref(Ref&& other) noexcept : object_(other.object_) { other.object_ = nullptr; }
  Ref& operator=(Ref other) noexcept {
    T* mine = object_;
    object_ = other.object_;
    other.object_ = mine;
    return *this;
  }
  ~Ref() {
    if (object_ && object_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) T::destroy(object_);
  }
  T* get() const { return object_; }
  T* operator->() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  T* object_ = nullptr;
};

struct Node;

// A tensor's place in the graph, shared by the tensor and the nodes that consumed it: a leaf collects its gradient
// here, the output of an op knows the node that made it.
struct Variable {
  std::atomic<int> references{1};
  bool requires_grad = true;
  bool is_view = false;      // shares memory with an input of the op that made it
  bool has_views = false;    // an op made a view of it
  int output_index = 0;      // which of the node's outputs
  Ref<Node> producer;        // null for a leaf
  PyObject* grad = nullptr;  // a tensor, or null
  Dims shape;
  DType dtype = DType::float32;

  static void destroy(Variable* variable);
};

// One recorded call of an op.
struct Node {
  std::atomic<int> references{1};
  uint64_t sequence = 0;  // nodes were made in this order
  int outputs = 1;
  Scope scope;                        // of the call, for profiles
  PyObject* rule = nullptr;           // rule(needs, grad, *saved) -> one gradient or None per input
  PyObject* saved = nullptr;          // tuple of what the rule needs; null once it has been used up
  std::vector<uint32_t> versions;     // of the storages of saved tensors, when they were saved
  std::vector<Ref<Variable>> inputs;  // null where no gradient is needed

  static void destroy(Node* node);
};

// Whether ops record, in this thread.
bool grad_enabled();
void set_grad_enabled(bool enabled);

// record(out, rule, inputs, *saved): puts the op that made `out` (a tensor or a tuple of tensors) from the tensors
// `inputs` on the tape, if gradients are on and an input needs one; returns `out`. A saved tensor that is an output is
// kept as a detached alias, so that the tape never refers to itself.
PyObject* record(PyObject* const* arguments, Py_ssize_t count);

// record_in_place(x, rule, inputs, *saved): the same for an op that has overwritten x, which is also among the inputs.
PyObject* record_in_place(PyObject* const* arguments, Py_ssize_t count);

// Raises AutogradError, naming the op, when writing over this tensor would break the graph; to be called before it.
void check_in_place(const char* op, PyObject* tensor);

// Adds the gradient of `tensor` (times `grad`, or 1 for a single element) to the .grad of every leaf it was made from.
void backward(PyObject* tensor, PyObject* grad, bool retain_graph);

}  // namespace tilegrad
