#include "tensor/autograd.h"

#include <algorithm>

#include "tensor/errors.h"
#include "tensor/tensor.h"

namespace tilegrad {
namespace {

thread_local bool recording = true;
thread_local PyObject* observer = nullptr;
std::atomic<uint64_t> next_sequence{1};

const Variable* needed(PyObject* tensor) {
  const Variable* variable = is_tensor(tensor) ? variable_of(as_tensor(tensor)).get() : nullptr;
  return variable && variable->requires_grad ? variable : nullptr;
}

bool contains(PyObject* const* outputs, Py_ssize_t count, PyObject* object) {
  return std::find(outputs, outputs + count, object) != outputs + count;
}

Ref<Node> new_node() {
  Ref<Node> node(new Node);
  node->scope = {current_scope().number, true};
  node->sequence = next_sequence.fetch_add(1, std::memory_order_relaxed);
  return node;
}

Ref<Variable> new_output(const Ref<Node>& node, int index, const Array& array) {
  Ref<Variable> variable(new Variable);
  variable->output_index = index;
  variable->producer = node;
  variable->shape = array.shape();
  variable->dtype = array.dtype();
  return variable;
}

std::unique_ptr<Placement> placement_of(const TensorObject* view) {
  const Array& root = as_tensor(view->view->root)->array;
  return std::make_unique<Placement>(Placement{root.shape(), root.strides(), view->array.shape(), view->array.strides(),
                                               view->array.offset() - root.offset()});
}

// Gives a tensor its variable after a write, which keeps its gradient where the one before did.
void replace_variable(TensorObject* tensor, Ref<Variable> variable) {
  const bool retains = tensor->variable && tensor->variable->retains_grad;
  tensor->variable = std::move(variable);
  if (retains) {
    tensor->variable->retains_grad = true;
    tensor->variable->producer->watched.push_back(tensor->variable.get());
  }
}

// Makes a view's variable anew from that of its root.
void follow_root(TensorObject* tensor) {
  TensorObject* root = as_tensor(tensor->view->root);
  tensor->view->writes = root->writes;
  if (!tensor->view->recorded || !root->variable || !root->variable->requires_grad) return;
  const Ref<Node> node = new_node();
  node->placement = placement_of(tensor);
  node->saved = PyTuple_New(0);
  if (!node->saved) throw PythonError();
  node->inputs.push_back(root->variable);
  replace_variable(tensor, new_output(node, 0, tensor->array));
}

// Notes of what `out` is a view, if it is one of an input.
void note_view(PyObject* out, PyObject* inputs) {
  TensorObject* made = as_tensor(out);
  if (made->view || !is_floating(made->array.dtype())) return;
  for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(inputs); ++k) {
    PyObject* input = PyTuple_GET_ITEM(inputs, k);
    if (!is_tensor(input) || input == out || as_tensor(input)->array.storage() != made->array.storage()) continue;
    const ViewOf* outer = as_tensor(input)->view.get();
    PyObject* root = outer ? outer->root : input;
    made->view.reset(new ViewOf(root, as_tensor(root)->writes, recording && (!outer || outer->recorded)));
    return;
  }
}

// A saved value as the tape keeps it: an alias where the tape would otherwise refer to itself, by an output or by the
// root of a view.
PyObject* kept(PyObject* value, PyObject* const* outputs, Py_ssize_t output_count) {
  const bool would_refer = is_tensor(value) && (as_tensor(value)->view || contains(outputs, output_count, value));
  return would_refer ? wrap(as_tensor(value)->array) : Py_NewRef(value);
}

// The input's shape; a number has no axes.
PyObject* shape_of(PyObject* input) {
  return is_tensor(input) ? tuple_of(as_tensor(input)->array.shape()) : PyTuple_New(0);
}

struct Call {
  PyObject* out;
  PyObject* rule;
  PyObject* inputs;
  PyObject* const* saved;
  Py_ssize_t saved_count;
  bool needs_grad;
  bool saves_shapes = false;  // of the inputs, in front
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

// The node of a call, which makes no tensor its output yet.
Ref<Node> node_of(const Call& call, PyObject* const* outputs, Py_ssize_t output_count) {
  Ref<Node> node = new_node();
  node->outputs = static_cast<int>(output_count);
  node->rule = Py_NewRef(call.rule);
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(call.inputs); ++i) {
    PyObject* input = PyTuple_GET_ITEM(call.inputs, i);
    node->inputs.push_back(needed(input) ? as_tensor(input)->variable : Ref<Variable>());
  }
  const Py_ssize_t shapes = call.saves_shapes ? PyTuple_GET_SIZE(call.inputs) : 0, count = shapes + call.saved_count;
  node->saved = PyTuple_New(count);
  if (!node->saved) throw PythonError();
  node->versions.resize(static_cast<size_t>(count));
  for (Py_ssize_t i = 0; i < shapes; ++i) {
    PyObject* shape = shape_of(PyTuple_GET_ITEM(call.inputs, i));
    if (!shape) throw PythonError();
    PyTuple_SET_ITEM(node->saved, i, shape);
  }
  for (Py_ssize_t i = shapes; i < count; ++i) {
    PyObject* value = call.saved[i - shapes];
    PyTuple_SET_ITEM(node->saved, i, kept(value, outputs, output_count));
    if (is_tensor(value)) node->versions[static_cast<size_t>(i)] = as_tensor(value)->array.storage()->version();
  }
  return node;
}

void tell_observer(const Call& call) {
  const Object told(PyObject_CallFunction(observer, "sOO", op_name(call.rule).c_str(), call.out, call.inputs));
  if (!told) throw PythonError();
}

PyObject* record(const Call& call) {
  const bool many = PyTuple_Check(call.out);
  PyObject* const* outputs = many ? &PyTuple_GET_ITEM(call.out, 0) : &call.out;
  const Py_ssize_t output_count = many ? PyTuple_GET_SIZE(call.out) : 1;
  if (call.needs_grad) {
    const Ref<Node> node = node_of(call, outputs, output_count);
    for (Py_ssize_t i = 0; i < output_count; ++i) {
      TensorObject* out = as_tensor(outputs[i]);
      if (is_floating(out->array.dtype())) out->variable = new_output(node, static_cast<int>(i), out->array);
    }
  }
  for (Py_ssize_t i = 0; i < output_count; ++i) {
    if (is_tensor(outputs[i])) note_view(outputs[i], call.inputs);
  }
  if (observer) tell_observer(call);
  return Py_NewRef(call.out);
}

}  // namespace

std::string op_name(PyObject* rule) {
  if (!rule) return "a view";
  const Object attribute(PyObject_GetAttrString(rule, "__name__"));
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

void set_observer(PyObject* given) { Py_XSETREF(observer, given == Py_None ? nullptr : Py_NewRef(given)); }

bool grad_enabled() { return recording; }
void set_grad_enabled(bool enabled) { recording = enabled; }

const Ref<Variable>& variable_of(TensorObject* tensor) {
  if (tensor->view && tensor->view->writes != as_tensor(tensor->view->root)->writes) follow_root(tensor);
  return tensor->variable;
}

void Variable::destroy(Variable* variable) {
  if (variable->hooks || variable->retains_grad) {
    if (Node* node = variable->producer.get()) std::erase(node->watched, variable);
  }
  Py_XDECREF(variable->grad);
  Py_XDECREF(variable->hooks);
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

PyObject* record(PyObject* const* arguments, Py_ssize_t count) { return record(parse("record", arguments, count)); }
PyObject* record_shapes(PyObject* const* arguments, Py_ssize_t count) {
  Call call = parse("record_shapes", arguments, count);
  call.saves_shapes = true;
  return record(call);
}

PyObject* record_in_place(PyObject* const* arguments, Py_ssize_t count) {
  const Call call = parse("record_in_place", arguments, count);
  if (observer) tell_observer(call);
  if (!call.needs_grad) return Py_NewRef(call.out);
  TensorObject* tensor = as_tensor(call.out);
  const Ref<Node> node = node_of(call, &call.out, 1);
  if (!tensor->view) {
    replace_variable(tensor, new_output(node, 0, tensor->array));
    ++tensor->writes;
    return Py_NewRef(call.out);
  }
  TensorObject* root = as_tensor(tensor->view->root);
  const bool root_needed = root->variable && root->variable->requires_grad;
  node->placement = placement_of(tensor);
  node->inputs.at(0) = root_needed ? root->variable : Ref<Variable>();
  replace_variable(root, new_output(node, 0, root->array));
  ++root->writes;
  tensor->view->recorded = true;
  return Py_NewRef(call.out);
}

void check_in_place(const char* op, PyObject* object) {
  if (!recording) return;
  TensorObject* tensor = as_tensor(object);
  const Variable* variable = needed(object);
  if (variable && !variable->producer) {
    fail(ErrorKind::autograd,
         "%s: a leaf tensor that requires a gradient cannot be modified in place; do it under "
         "tg.no_grad()",
         op);
  }
  if (!tensor->view) return;
  const TensorObject* root = as_tensor(tensor->view->root);
  if (!root->variable || !root->variable->requires_grad) return;
  if (!root->variable->producer) {
    fail(ErrorKind::autograd,
         "%s: a view of a leaf tensor that requires a gradient cannot be modified in place; do it under tg.no_grad()",
         op);
  }
  if (!tensor->view->recorded) {
    fail(ErrorKind::autograd,
         "%s: this view was made under tg.no_grad(), so writing into it would change the tensor that it is a view of "
         "without its gradient; make the view outside, or write under tg.no_grad() too",
         op);
  }
}

PyObject* hooks_of(const char* function, PyObject* tensor) {
  const Ref<Variable>& variable = variable_of(as_tensor(tensor));
  if (!variable || !variable->requires_grad) {
    fail(ErrorKind::autograd, "%s: the tensor does not require a gradient; set requires_grad=True first", function);
  }
  if (!variable->hooks) {
    PyObject* hooks = PyDict_New();
    if (!hooks) throw PythonError();
    if (variable->producer && !variable->retains_grad) variable->producer->watched.push_back(variable.get());
    variable->hooks = hooks;
  }
  return Py_NewRef(variable->hooks);
}

void retain_grad(PyObject* tensor) {
  const Ref<Variable>& variable = variable_of(as_tensor(tensor));
  if (!variable || !variable->requires_grad) {
    fail(ErrorKind::autograd, "retain_grad: the tensor does not require a gradient; set requires_grad=True first");
  }
  if (!variable->producer || variable->retains_grad) return;  // a leaf keeps its own
  if (!variable->hooks) variable->producer->watched.push_back(variable.get());
  variable->retains_grad = true;
}

}  // namespace tilegrad
