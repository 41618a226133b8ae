// The walk over the tape: rules are called in reverse order of their ops, and leaves collect what arrives.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/recording.h"
#include "ops/creation.h"
#include "ops/elementwise.h"
#include "ops/views.h"
#include "tensor/errors.h"
#include "tensor/overwritable.h"
#include "tensor/tensor.h"
#include "tensor/view_gradient.h"

namespace tilegrad {
namespace {

// Every node that the roots were made by, the latest first.
std::vector<Node*> nodes_in_reverse(const std::vector<Node*>& roots) {
  std::vector<Node*> found;
  std::unordered_set<Node*> seen;
  const auto visit = [&](Node* node) {
    if (node && seen.insert(node).second) found.push_back(node);
  };
  for (Node* root : roots) visit(root);
  for (size_t i = 0; i < found.size(); ++i) {
    for (const Ref<Variable>& input : found[i]->inputs) visit(input ? input->producer.get() : nullptr);
  }
  std::sort(found.begin(), found.end(), [](const Node* a, const Node* b) { return a->sequence > b->sequence; });
  return found;
}

// Adds `gradient` (stolen) to what has arrived so far.
void accumulate(PyObject*& total, Object gradient) {
  if (!total) {
    total = gradient.release();
    return;
  }
  const Array &before = as_tensor(total)->array, &added = as_tensor(gradient.get())->array;
  // Into the one that nobody else has, if there is one: the bits are the same, and memory is saved.
  if (exclusively_owned(total)) {
    ops::binary_into(kernels::add, before, added, before);
  } else if (exclusively_owned(gradient.get())) {
    ops::binary_into(kernels::add, before, added, added);
    Py_SETREF(total, gradient.release());
  } else {
    Py_SETREF(total, wrap(ops::add(before, added)));
  }
}

void accumulate_into_grad(Variable* variable, Object gradient) {
  if (variable->grad) {
    const Array& total = as_tensor(variable->grad)->array;
    ops::binary_into(kernels::add, total, as_tensor(gradient.get())->array, total);
    return;
  }
  // The next call finds a gradient here, and adds to it.
  if (Recording* recording = Recording::active()) recording->note_first_time();
  if (exclusively_owned(gradient.get())) {
    variable->grad = gradient.release();
  } else {
    variable->grad = wrap(ops::copy(as_tensor(gradient.get())->array));
  }
}

void check_gradient(const Node* node, PyObject* gradient, const Dims& shape, DType dtype, int position) {
  if (!is_tensor(gradient)) {
    fail(ErrorKind::autograd, "%s: its gradient rule returned a %s for input %d, expected a tensor or None",
         op_name(node->rule).c_str(), Py_TYPE(gradient)->tp_name, position);
  }
  const Array& array = as_tensor(gradient)->array;
  if (!(array.shape() == shape) || array.dtype() != dtype) {
    fail(ErrorKind::autograd, "%s: its gradient rule returned %s for input %d, which is %s %s",
         op_name(node->rule).c_str(), array.str().c_str(), position, name(dtype), shape.str().c_str());
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
  for (size_t i = 0; i < node->versions.size(); ++i) {
    PyObject* value = PyTuple_GET_ITEM(node->saved, static_cast<Py_ssize_t>(i));
    if (!is_tensor(value)) continue;
    const Array& array = as_tensor(value)->array;
    const uint32_t then = node->versions[i], now = array.storage()->version();
    if (then != now) {
      fail(ErrorKind::autograd,
           "backward: a value that %s needs for its gradient (%s) was modified in place %u time(s) after it was used; "
           "use the out-of-place operation, or modify it before",
           op_name(node->rule).c_str(), array.str().c_str(), now - then);
    }
  }
}

// rule(needs, grad, *saved). A node of several outputs gets a tuple of gradients, None where none arrived.
Object call_rule(const Node* node, PyObject* const* arrived, PyObject* saved, const std::vector<bool>& needed) {
  const Py_ssize_t count = PyTuple_GET_SIZE(saved);
  Object needs(PyTuple_New(static_cast<Py_ssize_t>(needed.size())));
  Object arguments(PyTuple_New(2 + count));
  if (!needs || !arguments) throw PythonError();
  for (size_t i = 0; i < needed.size(); ++i) {
    PyTuple_SET_ITEM(needs.get(), static_cast<Py_ssize_t>(i), PyBool_FromLong(needed[i]));
  }
  PyTuple_SET_ITEM(arguments.get(), 0, needs.release());
  if (node->outputs == 1) {
    PyTuple_SET_ITEM(arguments.get(), 1, Py_NewRef(arrived[0]));
  } else {
    PyObject* gradients = PyTuple_New(node->outputs);
    if (!gradients) throw PythonError();
    for (int i = 0; i < node->outputs; ++i) {
      PyTuple_SET_ITEM(gradients, i, Py_NewRef(arrived[i] ? arrived[i] : Py_None));
    }
    PyTuple_SET_ITEM(arguments.get(), 1, gradients);
  }
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyTuple_SET_ITEM(arguments.get(), 2 + i, Py_NewRef(PyTuple_GET_ITEM(saved, i)));
  }
  Object result(PyObject_Call(node->rule, arguments.get(), nullptr));
  if (!result) throw PythonError();
  if (!PyTuple_Check(result.get()) || PyTuple_GET_SIZE(result.get()) != static_cast<Py_ssize_t>(node->inputs.size())) {
    fail(ErrorKind::autograd, "%s: its gradient rule must return a tuple of %zu gradients, one per input",
         op_name(node->rule).c_str(), node->inputs.size());
  }
  return result;
}

// The gradients of a node's inputs, null where there is none. The last call uses up what was saved, even if it fails: the
// rule may have written over it.
std::vector<Object> input_gradients(Node* node, const std::vector<PyObject*>& arrived, const std::vector<bool>& needed,
                                    bool last_call) {
  std::vector<Object> found(node->inputs.size());
  if (!node->rule) {
    found[0] = Object(wrap(spread_to_root(*node->placement, as_tensor(arrived[0])->array)));
    return found;
  }
  // Of an op that wrote into a view: the rule sees the view's part of the root's gradient, and gives the part before.
  const Placement* at = node->placement.get();
  PyObject* const* given = arrived.data();
  Array root;
  Object of_view;
  PyObject* of_view_alone = nullptr;
  if (at) {
    const Array& gradient = as_tensor(arrived[0])->array;
    root = memory_like_root(*at, gradient);
    ops::copy_into(gradient, root);
    of_view = Object(wrap(ops::copy(place_in(*at, root))));
    of_view_alone = of_view.get();
    given = &of_view_alone;
  }
  Object result;
  {
    const Object saved = last_call ? Object(std::exchange(node->saved, nullptr)) : Object::borrowed(node->saved);
    const Overwritable here(node->outputs == 1 && !at ? given[0] : nullptr, last_call ? saved.get() : nullptr);
    result = call_rule(node, given, saved.get(), needed);
  }
  for (size_t i = 0; i < found.size(); ++i) {
    PyObject* gradient = PyTuple_GET_ITEM(result.get(), static_cast<Py_ssize_t>(i));
    if (!needed[i]) continue;
    const Ref<Variable>& input = node->inputs[i];
    const bool is_before = at && i == 0;
    if (gradient != Py_None) {
      check_gradient(node, gradient, is_before ? at->shape : input->shape, input->dtype, static_cast<int>(i));
    }
    if (is_before) {
      if (gradient == Py_None) {
        ops::fill(place_in(*at, root), Scalar(0.0));
      } else {
        ops::copy_into(as_tensor(gradient)->array, place_in(*at, root));
      }
      found[0] = Object(wrap(root));
      continue;
    }
    if (gradient == Py_None) continue;
    found[i] = Object::borrowed(gradient);
    // The tuple lets go of it, so that a gradient nobody else holds can be seen to be so.
    if (Py_REFCNT(result.get()) == 1) {
      PyTuple_SET_ITEM(result.get(), static_cast<Py_ssize_t>(i), Py_NewRef(Py_None));
      Py_DECREF(gradient);
    }
  }
  return found;
}

// Calls the hooks of a variable with its gradient; each may return another in its place.
void call_hooks(const Variable* variable, PyObject*& gradient) {
  if (!variable->hooks) return;
  const Object hooks(PyDict_Values(variable->hooks));  // a list of its own: a hook may remove itself
  if (!hooks) throw PythonError();
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(hooks.get()); ++i) {
    Object returned(PyObject_CallOneArg(PyList_GET_ITEM(hooks.get(), i), gradient));
    if (!returned) throw PythonError();
    if (returned.get() == Py_None) continue;
    if (!is_tensor(returned.get())) {
      fail(ErrorKind::autograd, "register_hook: the hook returned a %s, expected a tensor or None",
           Py_TYPE(returned.get())->tp_name);
    }
    const Array& array = as_tensor(returned.get())->array;
    if (!(array.shape() == variable->shape) || array.dtype() != variable->dtype) {
      fail(ErrorKind::autograd, "register_hook: the hook returned %s in place of the gradient %s %s",
           array.str().c_str(), name(variable->dtype), variable->shape.str().c_str());
    }
    Py_SETREF(gradient, returned.release());
  }
}

// Gradients that have arrived, by where they are waited for. Owns them.
template <typename Key>
class Arrivals {
 public:
  std::vector<PyObject*>& at(Key* key, int count) {
    std::vector<PyObject*>& slots = slots_[key];
    if (slots.empty()) slots.resize(static_cast<size_t>(count), nullptr);
    return slots;
  }
  std::vector<PyObject*> take(Key* key) {
    const auto found = slots_.find(key);
    if (found == slots_.end()) return {};
    std::vector<PyObject*> slots = std::move(found->second);
    slots_.erase(found);
    return slots;
  }
  ~Arrivals() {
    for (auto& [key, slots] : slots_) {
      for (PyObject* gradient : slots) Py_XDECREF(gradient);
    }
  }

 private:
  std::unordered_map<Key*, std::vector<PyObject*>> slots_;
};

struct Taken {
  std::vector<PyObject*> gradients;
  ~Taken() {
    for (PyObject* gradient : gradients) Py_XDECREF(gradient);
  }
};

struct WithoutRecording {
  bool before = grad_enabled();
  Scope scope = current_scope();
  WithoutRecording() { set_grad_enabled(false); }
  ~WithoutRecording() {
    set_grad_enabled(before);
    set_current_scope(scope);
  }
};

Object seed(const char* function, const TensorObject* tensor, PyObject* grad) {
  const Array& array = tensor->array;
  if (!grad || grad == Py_None) {
    if (array.numel() != 1) {
      fail(ErrorKind::autograd,
           "%s: %s is not a single element; call it on a loss, or pass the gradient to start "
           "from as backward(grad)",
           function, array.str().c_str());
    }
    const Array one = Array::empty(array.shape(), array.dtype(), array.device());
    ops::fill(one, Scalar(1.0));
    return Object(wrap(one));
  }
  if (!is_tensor(grad)) {
    fail(ErrorKind::dtype, "%s: grad must be a tensor, found %s", function, Py_TYPE(grad)->tp_name);
  }
  const Array& given = as_tensor(grad)->array;
  if (!(given.shape() == array.shape()) || given.dtype() != array.dtype()) {
    fail(ErrorKind::shape, "%s: grad is %s, expected the tensor's own %s", function, given.str().c_str(),
         array.str().c_str());
  }
  return Object::borrowed(grad);
}

const Ref<Variable>& required(const char* function, PyObject* tensor) {
  const Ref<Variable>& variable = variable_of(as_tensor(tensor));
  if (!variable || !variable->requires_grad) {
    fail(ErrorKind::autograd,
         "%s: the tensor does not require a gradient: nothing that it was made from has "
         "requires_grad=True, or it was made under tg.no_grad(), or from a .grad, of which no further gradients are "
         "recorded",
         function);
  }
  return variable;
}

// One variable and the gradient that came to it.
struct Delivery {
  Ref<Variable> variable;
  Object gradient;
};

// Walks from the starts to the leaves. With `wanted`, only what leads to those variables is walked, and what comes to
// them is put into `found`; without, what comes to leaves and to outputs that keep their gradient is put there, in the
// order of arrival. Nothing is written into any .grad.
void walk(std::vector<Delivery> starts, const std::unordered_set<const Variable*>* wanted, bool retain_graph,
          std::vector<Delivery>& found) {
  std::vector<Node*> roots;
  std::vector<Ref<Variable>> alive;  // keeps all nodes
  for (const Delivery& start : starts) {
    alive.push_back(start.variable);
    roots.push_back(start.variable->producer.get());
  }
  std::vector<Node*> order = nodes_in_reverse(roots);
  std::unordered_set<const Node*> leading;  // to wanted variables
  const auto is_needed = [&](const Ref<Variable>& input) {
    return input && (!wanted || wanted->contains(input.get()) || leading.contains(input->producer.get()));
  };
  if (wanted) {
    for (auto node = order.rbegin(); node != order.rend(); ++node) {
      if (std::any_of((*node)->inputs.begin(), (*node)->inputs.end(), is_needed)) leading.insert(*node);
    }
  }
  // Nothing may be half done: every node is checked before the walk, and leaves are written after it.
  for (const Node* node : order) {
    if (!wanted || leading.contains(node)) check_saved(node);
  }
  Arrivals<Node> arrivals;
  Arrivals<Variable> at_hooked_leaves;
  std::vector<Variable*> hooked_leaves;
  const auto deliver = [&](const Ref<Variable>& variable, Object gradient) {
    if (Node* producer = variable->producer.get()) {
      accumulate(arrivals.at(producer, producer->outputs)[static_cast<size_t>(variable->output_index)],
                 std::move(gradient));
    } else if (variable->hooks) {
      if (std::find(hooked_leaves.begin(), hooked_leaves.end(), variable.get()) == hooked_leaves.end()) {
        hooked_leaves.push_back(variable.get());
        alive.push_back(variable);
      }
      accumulate(at_hooked_leaves.at(variable.get(), 1)[0], std::move(gradient));
    } else if (!wanted || wanted->contains(variable.get())) {
      found.push_back({variable, std::move(gradient)});
    }
  };
  for (Delivery& start : starts) deliver(start.variable, std::move(start.gradient));
  for (Node* node : order) {
    Taken arrived{arrivals.take(node)};
    if (std::all_of(arrived.gradients.begin(), arrived.gradients.end(), [](PyObject* g) { return !g; })) continue;
    set_current_scope(node->scope);
    const std::vector<Variable*> watched = node->watched;  // hooks may watch more
    for (Variable* variable : watched) {
      PyObject*& gradient = arrived.gradients[static_cast<size_t>(variable->output_index)];
      if (!gradient) continue;
      call_hooks(variable, gradient);
      if (variable->retains_grad && !wanted)
        found.push_back({Ref<Variable>::shared(variable), Object::borrowed(gradient)});
    }
    if (wanted) {
      for (const Variable* variable : *wanted) {
        if (variable->producer.get() != node) continue;
        PyObject* gradient = arrived.gradients[static_cast<size_t>(variable->output_index)];
        if (gradient)
          found.push_back({Ref<Variable>::shared(const_cast<Variable*>(variable)), Object::borrowed(gradient)});
      }
      if (!leading.contains(node)) continue;
    }
    std::vector<bool> needed;
    for (const Ref<Variable>& input : node->inputs) needed.push_back(is_needed(input));
    std::vector<Object> gradients = input_gradients(node, arrived.gradients, needed, !retain_graph);
    for (size_t i = 0; i < gradients.size(); ++i) {
      if (gradients[i]) deliver(node->inputs[i], std::move(gradients[i]));
    }
  }
  set_current_scope({-1, true});
  for (Variable* leaf : hooked_leaves) {
    Taken total{at_hooked_leaves.take(leaf)};
    call_hooks(leaf, total.gradients[0]);
    if (wanted && !wanted->contains(leaf)) continue;
    found.push_back({Ref<Variable>::shared(leaf), Object::borrowed(total.gradients[0])});
  }
  if (!retain_graph) {
    for (Node* node : order) {
      if (!wanted || leading.contains(node)) Py_CLEAR(node->saved);
    }
  }
}

}  // namespace

void backward(PyObject* object, PyObject* grad, bool retain_graph) {
  const Ref<Variable> variable = required("backward", object);
  WithoutRecording guard;
  std::vector<Delivery> starts;
  starts.push_back({variable, seed("backward", as_tensor(object), grad)});
  std::vector<Delivery> found;
  walk(std::move(starts), nullptr, retain_graph, found);
  for (Delivery& delivery : found) accumulate_into_grad(delivery.variable.get(), std::move(delivery.gradient));
}

PyObject* gradients(PyObject* outputs, PyObject* grads, PyObject* inputs, bool retain_graph) {
  std::unordered_set<const Variable*> wanted;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(inputs); ++i) {
    wanted.insert(required("grad", PyTuple_GET_ITEM(inputs, i)).get());
  }
  std::vector<Delivery> starts;
  WithoutRecording guard;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(outputs); ++i) {
    PyObject* output = PyTuple_GET_ITEM(outputs, i);
    starts.push_back({required("grad", output), seed("grad", as_tensor(output), PyTuple_GET_ITEM(grads, i))});
  }
  const bool each_once = wanted.size() == static_cast<size_t>(PyTuple_GET_SIZE(inputs));
  std::vector<Delivery> found;
  walk(std::move(starts), &wanted, retain_graph, found);
  Object result(PyTuple_New(PyTuple_GET_SIZE(inputs)));
  if (!result) throw PythonError();
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(inputs); ++i) {
    const Variable* variable = variable_of(as_tensor(PyTuple_GET_ITEM(inputs, i))).get();
    PyObject* total = nullptr;
    for (Delivery& delivery : found) {
      if (delivery.variable.get() != variable) continue;
      if (total) {
        accumulate(total, Object(Py_NewRef(delivery.gradient.get())));
      } else if (each_once && exclusively_owned(delivery.gradient.get())) {
        total = delivery.gradient.release();
      } else {  // a copy: others see this memory too, or ask for it
        total = wrap(ops::copy(as_tensor(delivery.gradient.get())->array));
      }
    }
    PyTuple_SET_ITEM(result.get(), i, total ? total : Py_NewRef(Py_None));
  }
  return result.release();
}

}  // namespace tilegrad
