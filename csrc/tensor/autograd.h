// Reverse-mode automatic differentiation: the tape, and the walk over it. No op is named here: an op calls record() with
// its gradient rule, a Python function, and backward() calls the rules in reverse order.
#pragma once

#include <Python.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/array.h"
#include "core/profile.h"
#include "params/gemm.h"

namespace tilegrad {

// An intrusive reference count, for objects shared between tensors and the tape.
template <typename T>
class Ref {
 public:
  Ref() = default;
  explicit Ref(T* counted) : object_(counted) {}
  // Another reference to an object that is alive.
  static Ref shared(T* object) {
    object->references.fetch_add(1, std::memory_order_relaxed);
    return Ref(object);
  }
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
  bool retains_grad = false;  // of the output of an op: its gradient is kept too
  int output_index = 0;       // which of the node's outputs
  Ref<Node> producer;         // null for a leaf
  PyObject* grad = nullptr;   // a tensor, or null
  PyObject* hooks = nullptr;  // a dict whose values are called with the gradient when it is complete, or null
  Dims shape;
  DType dtype = DType::float32;

  static void destroy(Variable* variable);
};

// Where a view lies in its root, the tensor that is no view itself.
struct Placement {
  Dims root_shape, root_strides;
  Dims shape, strides;
  int64_t offset = 0;  // of the view's first element from the root's
};

// What a tensor knows that is a view of another: a recorded write into either is seen by both, and by all other views.
struct ViewOf {
  PyObject* root;   // a tensor that is no view; owned
  uint32_t writes;  // those into the root that this view's variable knows of
  bool recorded;    // made while ops were recorded

  ViewOf(PyObject* root, uint32_t writes, bool recorded) : root(Py_NewRef(root)), writes(writes), recorded(recorded) {}
  ViewOf(const ViewOf&) = delete;
  ViewOf& operator=(const ViewOf&) = delete;
  ~ViewOf() { Py_DECREF(root); }
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
  // Of an op that wrote into a view: the output is the whole root, input 0 what the root was before. Without a rule, the
  // node makes a view of the root.
  std::unique_ptr<Placement> placement;
  std::vector<Variable*> watched;  // outputs with hooks or a gradient to keep; each leaves when it is destroyed

  static void destroy(Node* node);
};

struct TensorObject;

// The tensor's place in the graph, null while no gradient is wanted; for a view, after the latest write into its root.
const Ref<Variable>& variable_of(TensorObject* tensor);

// Whether ops record, in this thread.
bool grad_enabled();
void set_grad_enabled(bool enabled);

// record(out, rule, inputs, *saved): puts the op that made `out` (a tensor or a tuple of tensors) from the tensors
// `inputs` on the tape, if gradients are on and an input needs one; returns `out`. A saved tensor that is an output is
// kept as a detached alias, so that the tape never refers to itself.
PyObject* record(PyObject* const* arguments, Py_ssize_t count);

// record_shapes(out, rule, inputs, *saved): the same for a rule(needs, grad, *shapes, *saved) that needs the inputs' shapes. They
// are made where the op is recorded only.
PyObject* record_shapes(PyObject* const* arguments, Py_ssize_t count);

// record_in_place(x, rule, inputs, *saved): the same for an op that has overwritten x, which is also among the inputs.
PyObject* record_in_place(PyObject* const* arguments, Py_ssize_t count);

// Raises AutogradError, naming the op, when writing over this tensor would break the graph; to be called before it.
void check_in_place(const char* op, PyObject* tensor);

// The op's name for messages, from its rule's: "_conv2d_gradient" is conv2d's.
std::string op_name(PyObject* rule);

// In this thread, observer(name, out, inputs) is called for every op, recorded or not; None for nobody.
void set_observer(PyObject* observer);

// The dict of the tensor's hooks, made at the first call. Raises AutogradError, naming `function`, where no gradient is
// wanted.
PyObject* hooks_of(const char* function, PyObject* tensor);

// Keeps the gradient of an op's output in its .grad too.
void retain_grad(PyObject* tensor);

// The gradient before an activation (relu, sigmoid or tanh) whose output was `out`, for the last use that a rule makes of
// both: where backward() knows that nobody else needs them, it is written into grad's own memory, and that of `out` is free
// for what the rule computes next.
PyObject* activation_backward(PyObject* grad, PyObject* out, Activation activation);

// A loss's gradient, made with its value and saved, times that of the loss, `by`, which broadcasts to it: in place in the
// same way.
PyObject* scaled_gradient(PyObject* gradient, const Array& by);

// Adds the gradient of `tensor` (times `grad`, or 1 for a single element) to the .grad of every leaf it was made from.
void backward(PyObject* tensor, PyObject* grad, bool retain_graph);

// The gradients of the sum of all `outputs`, each times its entry of `grads`, with respect to each of `inputs`; None
// where nothing depends on it. No .grad is changed. All three are tuples.
PyObject* gradients(PyObject* outputs, PyObject* grads, PyObject* inputs, bool retain_graph);

}  // namespace tilegrad
