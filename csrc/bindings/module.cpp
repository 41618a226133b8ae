// The extension module tilegrad._C.
#include <chrono>
#include <thread>

#include "bindings/bindings.h"
#include "core/launch.h"

namespace py = pybind11;

namespace {

// A daemon thread whose kernel ends after the interpreter has begun to end never gets the GIL again: before Python 3.14,
// which makes it wait, the attempt ends the thread by unwinding its stack, through frames that must not be unwound.
void take_gil_back(PyThreadState* state) {
#if PY_VERSION_HEX >= 0x030D0000
  const bool ending = Py_IsFinalizing();
#else
  const bool ending = _Py_IsFinalizing();
#endif
  if (ending) {
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
  }
  PyEval_RestoreThread(state);
}

}  // namespace

PYBIND11_MODULE(_C, extension, py::mod_gil_not_used()) {
  using namespace tilegrad;
  bindings::Module m(extension);
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
                   if (state) take_gil_back(static_cast<PyThreadState*>(state));
                 }});
  bindings::register_runtime(m);
  bindings::register_autograd(m);
  bindings::register_memory(m);
  bindings::register_views(m);
  bindings::register_elementwise(m);
  bindings::register_matmul(m);
  bindings::register_recurrent(m);
  bindings::register_reduce(m);
  bindings::register_losses(m);
  bindings::register_norm(m);
  bindings::register_conv2d(m);
  bindings::register_pool2d(m);
  bindings::register_resize2d(m);
  bindings::register_augment(m);
  bindings::register_attention(m);
  bindings::register_indexing(m);
  bindings::register_inplace(m);
  bindings::register_random(m);
  bindings::register_optimizer(m);
  bindings::register_cuda(m);
  bindings::register_capture(m);
  bindings::register_profile(m);
}
