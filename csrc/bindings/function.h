// Functions of the module. pybind11 converts arguments and results; who calls with what cannot be converted is told which
// argument it was, what it must be and what was found, in place of a list of signatures. A call allocates nothing.
#pragma once

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings/expected.h"

namespace tilegrad::bindings {

namespace py = pybind11;

struct Parameter {
  std::string type;           // in the signature
  std::string (*expected)();  // in errors
  Thing thing;
  ErrorKind kind;  // of errors
  std::string name = {};
  PyObject* fallback = nullptr;  // what stands for it where it is not given
};

// What a function is apart from its types. Lives as long as the process.
class Function {
 public:
  std::string name, doc;
  std::optional<std::string> name_in_errors;  // where it is another, or none
  std::vector<Parameter> parameters;
  PyMethodDef method{};

  // Each parameter's value, in their order, of a call with keywords or with fewer values than parameters.
  void arrange(PyObject* const* given, Py_ssize_t count, PyObject* keywords, PyObject** values) const;

  // Throws for a value that is no such thing as its parameter.
  [[noreturn]] void refuse(size_t parameter, PyObject* const* values) const;

  // Sets the Python exception for the C++ one being handled; null, for a function to return.
  PyObject* failed(PyObject* const* values) const;

 private:
  // What errors call it: the value of its parameter `op`, if it has one.
  std::string op(PyObject* const* values) const;
};

// Adds a parameter with the name, and default, that a binding gives it.
void name_parameter(Function& function, size_t index, const py::arg& given);
void name_parameter(Function& function, size_t index, const py::arg_v& given);

// A type as pybind11 writes it, for the signature of a parameter or of a result.
std::string type_text(const char* pybind11_text, bool of_parameter);

// Writes the signature and has the module hold the function.
void add(PyObject* module, Function* function, const std::string& result, PyCFunction call);

template <typename Body, typename Result, typename... Args>
struct FunctionOf : Function {
  static constexpr size_t kCount = sizeof...(Args);
  Body body;

  explicit FunctionOf(Body given) : body(std::move(given)) {}

  static PyObject* call(PyObject* self, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
    const auto& function = *static_cast<FunctionOf*>(PyCapsule_GetPointer(self, nullptr));
    PyObject* arranged[kCount + 1] = {};
    PyObject* const* values = given;
    try {
      if (count != static_cast<Py_ssize_t>(kCount) || keywords) {
        values = arranged;
        function.arrange(given, count, keywords, arranged);
      }
      return function.run(values, std::make_index_sequence<kCount>());
    } catch (...) {
      return function.failed(values);
    }
  }

  template <size_t... I>
  PyObject* run(PyObject* const* values, std::index_sequence<I...>) const {
    std::tuple<py::detail::make_caster<Args>...> casters;
    [[maybe_unused]] const auto load = [&]<size_t i, typename Arg>() {
      if (!std::get<i>(casters).load(values[i], kConverted<std::decay_t<Arg>>)) refuse(i, values);
    };
    (load.template operator()<I, Args>(), ...);
    const auto result = [&]() -> decltype(auto) {
      return body(py::detail::cast_op<Args>(std::move(std::get<I>(casters)))...);
    };
    if constexpr (std::is_void_v<Result>) {
      result();
      return Py_NewRef(Py_None);
    } else {
      return py::detail::make_caster<Result>::cast(result(), py::return_value_policy::move, {}).ptr();
    }
  }
};

// The extension module. Its def() takes a function, a py::arg for each of its parameters and, last, its description.
class Module : public py::module_ {
 public:
  explicit Module(const py::module_& module) : py::module_(module) {}

  template <typename Body, typename... Extra>
  Function& def(const char* name, Body&& body, const Extra&... extra) {
    return define(name, std::forward<Body>(body), static_cast<py::detail::function_signature_t<Body>*>(nullptr),
                  extra...);
  }

 private:
  template <typename Body, typename Result, typename... Args, typename... Extra>
  Function& define(const char* name, Body&& body, Result (*)(Args...), const Extra&... extra) {
    constexpr bool described = sizeof...(Extra) == sizeof...(Args) + 1;
    static_assert(described || sizeof...(Extra) == sizeof...(Args),
                  "a py::arg for each parameter, then the description");
    auto* const function = new FunctionOf<std::decay_t<Body>, Result, Args...>(std::forward<Body>(body));
    function->name = name;
    (function->parameters.push_back({.type = type_text(py::detail::make_caster<Args>::name.text, true),
                                     .expected = &Expected<std::decay_t<Args>>::words,
                                     .thing = Expected<std::decay_t<Args>>::kThing,
                                     .kind = Expected<std::decay_t<Args>>::kKind}),
     ...);
    [[maybe_unused]] size_t index = 0;
    [[maybe_unused]] const auto note = [&](const auto& given) {
      if constexpr (std::is_base_of_v<py::arg, std::decay_t<decltype(given)>>) {
        name_parameter(*function, index++, given);
      } else {
        function->doc = given;
      }
    };
    (note(extra), ...);
    using Returned = std::conditional_t<std::is_void_v<Result>, py::detail::void_type, Result>;
    const auto call = &FunctionOf<std::decay_t<Body>, Result, Args...>::call;
    add(ptr(), function, type_text(py::detail::make_caster<Returned>::name.text, false),
        reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(call)));
    return *function;
  }
};

}  // namespace tilegrad::bindings
