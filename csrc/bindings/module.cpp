// The extension module tilegrad._C.
#include "bindings/bindings.h"
#include "core/launch.h"

namespace py = pybind11;

PYBIND11_MODULE(_C, m, py::mod_gil_not_used()) {
  using namespace tilegrad;
  m.doc() = "The native core of tilegrad. Its functions take and return tensors and know no gradients.";
  register_errors(m.ptr());
  py::register_exception_translator([](std::exception_ptr error) {
    try {
      std::rethrow_exception(error);
    } catch (const Error&) {
      set_python_error();
    } catch (const PythonError&) {
    }
  });
  register_dtypes(m.ptr());
  register_tensor_type(m.ptr());
  set_long_call({[]() -> void* { return PyGILState_Check() ? PyEval_SaveThread() : nullptr; },
                 [](void* state) {
                   if (state) PyEval_RestoreThread(static_cast<PyThreadState*>(state));
                 }});
  bindings::register_runtime(m);
  bindings::register_autograd(m);
  bindings::register_memory(m);
  bindings::register_views(m);
  bindings::register_elementwise(m);
  bindings::register_matmul(m);
  bindings::register_reduce(m);
  bindings::register_conv2d(m);
  bindings::register_pool2d(m);
}
