#include "tensor/autograd.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "core/recording.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/views.h"
#include "tensor/errors.h"
#include "tensor/tensor.h"

namespace tilegrad {
namespace {

thread_local bool recording = true;
std::atomic<uint64_t> next_sequence{1};

// Owns one reference to a Python object.
class Object {
 public:
  Object() = default;
  explicit Object(PyObject* owned) : object_(owned) {}
  static Object borrowed(PyObject* object) { return Object(Py_XNewRef(object)); }
  Object(Object&& other) noexcept : object_(other.release()) {}
  Object& operator=(Object&& other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Object() { Py_XDECREF(object_); }
  PyObject* get() const { return object_; }
  PyObject* release() {
    PyObject* object = object_;
    object_ = nullptr;
    return object;
  }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  PyObject* object_ = nullptr;
};

// The op's name for messages, from its rule's: "_conv2d_gradient" is conv2d's.
std::string op_name(PyObject* rule) {
  Object attribute(PyObject_GetAttrString(rule, "__name__"));
  const char* text = attribute ? PyUnicode_AsUTF8(attribute.get()) : nullptr;
  if (!text) {
    PyErr_Clear();
    return "op";
  }
  std::string name = text;
  if (name.starts_with('_')) name.erase(0, 1);
  if (name.ends_with("_gradient")) name.erase(name.size() - 9);
  return name;
}

Variable* needed(PyObject* tensor) {
  Variable* variable = is_tensor(tensor) ? as_tensor(tensor)->variable.get() : nullptr;
  return variable && variable->requires_grad ? variable : nullptr;
}

bool contains(PyObject* const* outputs, Py_ssize_t count, PyObject* object) {
  return std::find(outputs, outputs + count, object) != outputs + count;
}

// Builds the node of a call and makes it the producer of `outputs`.
void attach(PyObject* const* outputs, Py_ssize_t output_count, PyObject* rule, PyObject* inputs, PyObject* const* saved,
            Py_ssize_t saved_count) {
  Ref<Node> node(new Node);
  node->outputs = static_cast<int>(output_count);
  node->scope = {current_scope().number, true};
  node->rule = Py_NewRef(rule);
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(inputs); ++i) {
    PyObject* input = PyTuple_GET_ITEM(inputs, i);
    node->inputs.push_back(needed(input) ? as_tensor(input)->variable : Ref<Variable>());
  }
  node->saved = PyTuple_New(saved_count);
  if (!node->saved) throw PythonError();
  node->versions.resize(static_cast<size_t>(saved_count));
  for (Py_ssize_t i = 0; i < saved_count; ++i) {
    PyObject* value = saved[i];
    const bool own_output = contains(outputs, output_count, value);
    PyTuple_SET_ITEM(node->saved, i, own_output ? wrap(as_tensor(value)->array) : Py_NewRef(value));
    if (is_tensor(value)) node->versions[static_cast<size_t>(i)] = as_tensor(value)->array.storage()->version();
  }
  node->sequence = next_sequence.fetch_add(1, std::memory_order_relaxed);
  for (Py_ssize_t i = 0; i < output_count; ++i) {
    TensorObject* out = as_tensor(outputs[i]);
    if (!is_floating(out->array.dtype())) continue;
    Ref<Variable> variable(new Variable);
    variable->output_index = static_cast<int>(i);
    variable->producer = node;
    variable->shape = out->array.shape();
    variable->dtype = out->array.dtype();
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(inputs); ++k) {
      TensorObject* input = as_tensor(PyTuple_GET_ITEM(inputs, k));
      if (is_tensor(PyTuple_GET_ITEM(inputs, k)) && input->variable && outputs[i] != PyTuple_GET_ITEM(inputs, k) &&
          input->array.storage() == out->array.storage()) {
        variable->is_view = true;
        input->variable->has_views = true;
      }
    }
    out->variable = std::move(variable);
  }
}

struct Call {
  PyObject* out;
  PyObject* rule;
  PyObject* inputs;
  PyObject* const* saved;
  Py_ssize_t saved_count;
  bool needs_grad;
};

Call parse(const char* function, PyObject* const* arguments, Py_ssize_t count) {
  if (count < 3 || !PyTuple_Check(arguments[2])) {
    PyErr_Format(PyExc_TypeError, "%s(out, rule, inputs, *saved): inputs must be a tuple of tensors", function);
    throw PythonError();
  }
  Call call{arguments[0], arguments[1], arguments[2], arguments + 3, count - 3, false};
  if (recording) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(call.inputs); ++i) {
      call.needs_grad |= needed(PyTuple_GET_ITEM(call.inputs, i)) != nullptr;
    }
  }
  return call;
}

// Every node that `root` was made by, the latest first.
std::vector<Node*> nodes_in_reverse(Node* root) {
  std::vector<Node*> found{root};
  std::unordered_set<Node*> seen{root};
  for (size_t i = 0; i < found.size(); ++i) {
    for (const Ref<Variable>& input : found[i]->inputs) {
      Node* producer = input ? input->producer.get() : nullptr;
      if (producer && seen.insert(producer).second) found.push_back(producer);
    }
  }
  std::sort(found.begin(), found.end(), [](const Node* a, const Node* b) { return a->sequence > b->sequence; });
  return found;
}

// Whether a gradient may be kept as it is: nobody else can see or change it.
bool exclusively_owned(PyObject* gradient) {
  const Array& array = as_tensor(gradient)->array;
  return Py_REFCNT(gradient) == 1 && array.storage()->is_exclusive() && array.is_contiguous();
}

// Adds `gradient` (stolen) to what has arrived so far.
void accumulate(PyObject*& total, Object gradient) {
  if (!total) {
    total = gradient.release();
    return;
  }
  const Array sum = ops::add(as_tensor(total)->array, as_tensor(gradient.get())->array);
  Py_SETREF(total, wrap(sum));
}

void accumulate_into_leaf(Variable* leaf, Object gradient) {
  if (leaf->grad) {
    const Array& total = as_tensor(leaf->grad)->array;
    ops::binary_into(kernels::add, total, as_tensor(gradient.get())->array, total);
    return;
  }
  // The next call finds a gradient here, and adds to it.
  if (Recording* recording = Recording::active()) recording->note_first_time();
  if (exclusively_owned(gradient.get())) {
    leaf->grad = gradient.release();
  } else {
    leaf->grad = wrap(ops::copy(as_tensor(gradient.get())->array));
  }
}

void check_gradient(const Node* node, PyObject* gradient, const Variable* input, int position) {
  if (!is_tensor(gradient)) {
    fail(ErrorKind::autograd, "%s: its gradient rule returned a %s for input %d, expected a tensor or None",
         op_name(node->rule).c_str(), Py_TYPE(gradient)->tp_name, position);
  }
  const Array& array = as_tensor(gradient)->array;
  if (!(array.shape() == input->shape) || array.dtype() != input->dtype) {
    fail(ErrorKind::autograd, "%s: its gradient rule returned %s for input %d, which is %s %s",
         op_name(node->rule).c_str(), array.str().c_str(), position, name(input->dtype), input->shape.str().c_str());
  }
}

void check_saved(const Node* node) {
  if (!node->saved) {
    fail(
        ErrorKind::autograd,
        "backward: the graph of %s has been used up by an earlier backward(); pass retain_graph=True to the earlier one "
        "to go through it again",
        op_name(node->rule).c_str());
  }
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(node->saved); ++i) {
    PyObject* value = PyTuple_GET_ITEM(node->saved, i);
    if (!is_tensor(value)) continue;
    const Array& array = as_tensor(value)->array;
    const uint32_t then = node->versions[static_cast<size_t>(i)], now = array.storage()->version();
    if (then != now) {
      fail(ErrorKind::autograd,
           "backward: a value that %s needs for its gradient (%s) was modified in place %u time(s) after it was used; "
           "use the out-of-place operation, or modify it before",
           op_name(node->rule).c_str(), array.str().c_str(), now - then);
    }
  }
}

// rule(needs, grad, *saved). A node of several outputs gets a tuple of gradients, None where none arrived.
Object call_rule(const Node* node, const std::vector<PyObject*>& arrived) {
  const Py_ssize_t saved = PyTuple_GET_SIZE(node->saved);
  Object needs(PyTuple_New(static_cast<Py_ssize_t>(node->inputs.size())));
  Object arguments(PyTuple_New(2 + saved));
  if (!needs || !arguments) throw PythonError();
  for (size_t i = 0; i < node->inputs.size(); ++i) {
    PyTuple_SET_ITEM(needs.get(), static_cast<Py_ssize_t>(i), PyBool_FromLong(static_cast<bool>(node->inputs[i])));
  }
  PyTuple_SET_ITEM(arguments.get(), 0, needs.release());
  if (node->outputs == 1) {
    PyTuple_SET_ITEM(arguments.get(), 1, Py_NewRef(arrived[0]));
  } else {
    PyObject* gradients = PyTuple_New(node->outputs);
    if (!gradients) throw PythonError();
    for (int i = 0; i < node->outputs; ++i) {
      PyTuple_SET_ITEM(gradients, i,
                       Py_NewRef(arrived[static_cast<size_t>(i)] ? arrived[static_cast<size_t>(i)] : Py_None));
    }
    PyTuple_SET_ITEM(arguments.get(), 1, gradients);
  }
  for (Py_ssize_t i = 0; i < saved; ++i) {
    PyTuple_SET_ITEM(arguments.get(), 2 + i, Py_NewRef(PyTuple_GET_ITEM(node->saved, i)));
  }
  Object result(PyObject_Call(node->rule, arguments.get(), nullptr));
  if (!result) throw PythonError();
  if (!PyTuple_Check(result.get()) || PyTuple_GET_SIZE(result.get()) != static_cast<Py_ssize_t>(node->inputs.size())) {
    fail(ErrorKind::autograd, "%s: its gradient rule must return a tuple of %zu gradients, one per input",
         op_name(node->rule).c_str(), node->inputs.size());
  }
  return result;
}

// The gradients that have arrived at the outputs of nodes not yet visited. Owns them.
class Arrivals {
 public:
  std::vector<PyObject*>& at(Node* node) {
    std::vector<PyObject*>& slots = slots_[node];
    if (slots.empty()) slots.resize(static_cast<size_t>(node->outputs), nullptr);
    return slots;
  }
  std::vector<PyObject*> take(Node* node) {
    std::vector<PyObject*> slots = std::move(at(node));
    slots_.erase(node);
    return slots;
  }
  ~Arrivals() {
    for (auto& [node, slots] : slots_) {
      for (PyObject* gradient : slots) Py_XDECREF(gradient);
    }
  }

 private:
  std::unordered_map<Node*, std::vector<PyObject*>> slots_;
};

struct Taken {
  std::vector<PyObject*> gradients;
  ~Taken() {
    for (PyObject* gradient : gradients) Py_XDECREF(gradient);
  }
};

struct WithoutRecording {
  bool before = recording;
  Scope scope = current_scope();
  WithoutRecording() { recording = false; }
  ~WithoutRecording() {
    recording = before;
    set_current_scope(scope);
  }
};

Object seed(const TensorObject* tensor, PyObject* grad) {
  const Array& array = tensor->array;
  if (!grad || grad == Py_None) {
    if (array.numel() != 1) {
      fail(ErrorKind::autograd,
           "backward: %s is not a single element; call it on a loss, or pass the gradient to start "
           "from as backward(grad)",
           array.str().c_str());
    }
    const Array one = Array::empty(array.shape(), array.dtype(), array.device());
    ops::fill(one, Scalar(1.0));
    return Object(wrap(one));
  }
  if (!is_tensor(grad)) fail(ErrorKind::dtype, "backward: grad must be a tensor, found %s", Py_TYPE(grad)->tp_name);
  const Array& given = as_tensor(grad)->array;
  if (!(given.shape() == array.shape()) || given.dtype() != array.dtype()) {
    fail(ErrorKind::shape, "backward: grad is %s, expected the tensor's own %s", given.str().c_str(),
         array.str().c_str());
  }
  return Object::borrowed(grad);
}

}  // namespace

bool grad_enabled() { return recording; }
void set_grad_enabled(bool enabled) { recording = enabled; }

void Variable::destroy(Variable* variable) {
  Py_XDECREF(variable->grad);
  delete variable;
}

// A long graph must not be torn down by recursion, node in node: a node that falls while another one is being torn down
// waits for its turn.
void Node::destroy(Node* node) {
  thread_local std::vector<Node*>* waiting = nullptr;
  if (waiting) {
    waiting->push_back(node);
    return;
  }
  std::vector<Node*> queue{node};
  waiting = &queue;
  while (!queue.empty()) {
    Node* next = queue.back();
    queue.pop_back();
    Py_XDECREF(next->saved);
    Py_XDECREF(next->rule);
    delete next;
  }
  waiting = nullptr;
}

PyObject* record(PyObject* const* arguments, Py_ssize_t count) {
  const Call call = parse("record", arguments, count);
  if (call.needs_grad) {
    const bool many = PyTuple_Check(call.out);
    PyObject* const* outputs = many ? &PyTuple_GET_ITEM(call.out, 0) : &call.out;
    attach(outputs, many ? PyTuple_GET_SIZE(call.out) : 1, call.rule, call.inputs, call.saved, call.saved_count);
  }
  return Py_NewRef(call.out);
}

PyObject* record_in_place(PyObject* const* arguments, Py_ssize_t count) {
  const Call call = parse("record_in_place", arguments, count);
  if (call.needs_grad) attach(&call.out, 1, call.rule, call.inputs, call.saved, call.saved_count);
  return Py_NewRef(call.out);
}

void check_in_place(const char* op, PyObject* tensor) {
  const Variable* variable = recording ? needed(tensor) : nullptr;
  if (!variable) return;
  if (!variable->producer) {
    fail(ErrorKind::autograd,
         "%s: a leaf tensor that requires a gradient cannot be modified in place; do it under "
         "tg.no_grad()",
         op);
  }
  if (variable->is_view || variable->has_views) {
    fail(ErrorKind::autograd,
         "%s: this tensor shares memory with a view of it in the graph, so it cannot be modified in "
         "place; use the out-of-place operation",
         op);
  }
}

void backward(PyObject* object, PyObject* grad, bool retain_graph) {
  TensorObject* tensor = as_tensor(object);
  if (!needed(object)) {
    fail(ErrorKind::autograd,
         "backward: the tensor does not require a gradient: nothing that it was made from has "
         "requires_grad=True, or it was made under tg.no_grad()");
  }
  const Ref<Variable> variable = tensor->variable;
  WithoutRecording guard;
  Object start = seed(tensor, grad);
  if (!variable->producer) return accumulate_into_leaf(variable.get(), std::move(start));

  const std::vector<Node*> order = nodes_in_reverse(variable->producer.get());
  // Nothing may be half done: every node is checked before the walk, and leaves are written after it.
  for (const Node* node : order) check_saved(node);
  const Ref<Node> root = variable->producer;  // keeps all of `order` alive
  Arrivals arrivals;
  accumulate(arrivals.at(root.get())[static_cast<size_t>(variable->output_index)], std::move(start));
  std::vector<std::pair<Ref<Variable>, Object>> for_leaves;
  for (Node* node : order) {
    const Taken arrived{arrivals.take(node)};
    if (std::all_of(arrived.gradients.begin(), arrived.gradients.end(), [](PyObject* g) { return !g; })) continue;
    set_current_scope(node->scope);
    Object result = call_rule(node, arrived.gradients);
    for (size_t i = 0; i < node->inputs.size(); ++i) {
      const Ref<Variable>& input = node->inputs[i];
      PyObject* gradient = PyTuple_GET_ITEM(result.get(), static_cast<Py_ssize_t>(i));
      if (!input || gradient == Py_None) continue;
      check_gradient(node, gradient, input.get(), static_cast<int>(i));
      Object owned = Object::borrowed(gradient);
      // The tuple lets go of it, so that a gradient nobody else holds can be seen to be so.
      if (Py_REFCNT(result.get()) == 1) {
        PyTuple_SET_ITEM(result.get(), static_cast<Py_ssize_t>(i), Py_NewRef(Py_None));
        Py_DECREF(gradient);
      }
      if (Node* producer = input->producer.get()) {
        accumulate(arrivals.at(producer)[static_cast<size_t>(input->output_index)], std::move(owned));
      } else {
        for_leaves.emplace_back(input, std::move(owned));
      }
    }
  }
  set_current_scope({-1, true});
  for (auto& [leaf, gradient] : for_leaves) accumulate_into_leaf(leaf.get(), std::move(gradient));
  if (!retain_graph) {
    for (Node* node : order) Py_CLEAR(node->saved);
  }
}

}  // namespace tilegrad
