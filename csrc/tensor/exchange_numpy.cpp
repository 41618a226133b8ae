#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <memory>

#include "core/recording.h"
#include "tensor/errors.h"
#include "tensor/exchange.h"

namespace py = pybind11;

namespace tilegrad {
namespace {

// The struct-module format of a dtype, which is also what NumPy parses; null for bfloat16, which has none.
const char* format_of(DType dtype) {
  constexpr const char* formats[kDTypeCount] = {"f", "d", nullptr, "e", "q", "i", "B", "?"};
  return formats[static_cast<int>(dtype)];
}

bool parse_format(char kind, py::ssize_t item_size, DType& dtype) {
  const auto is = [&](char k, py::ssize_t size, DType d) {
    if (kind != k || item_size != size) return false;
    dtype = d;
    return true;
  };
  return is('f', 4, DType::float32) || is('f', 8, DType::float64) || is('f', 2, DType::float16) ||
         is('i', 8, DType::int64) || is('i', 4, DType::int32) || is('u', 1, DType::uint8) || is('b', 1, DType::boolean);
}

void release_numpy(void* owner) {
  if (!Py_IsInitialized()) return;  // the interpreter is gone, and its memory with it
  const PyGILState_STATE state = PyGILState_Ensure();
  Py_DECREF(static_cast<PyObject*>(owner));
  PyGILState_Release(state);
}

std::vector<py::ssize_t> byte_strides(const Array& array) {
  std::vector<py::ssize_t> strides;
  for (int64_t stride : array.strides()) strides.push_back(stride * static_cast<int64_t>(array.item_size()));
  return strides;
}

void require_cpu(const char* op, const Array& array) {
  if (array.device().type == DeviceType::cpu) return;
  fail(ErrorKind::device, "%s: the tensor is on %s, where NumPy cannot see it; copy it with .cpu() first", op,
       name(array.device()));
}

bool is_protected(TensorObject* tensor) {
  const Ref<Variable>& variable = variable_of(tensor);
  return variable && variable->requires_grad;
}

}  // namespace

PyObject* to_numpy(TensorObject* tensor) {
  require_values("numpy");
  const Array& array = tensor->array;
  require_cpu("numpy", array);
  const char* format = format_of(array.dtype());
  if (!format) fail(ErrorKind::dtype, "numpy: bfloat16 has no NumPy dtype; cast with .astype(tg.float32) first");
  Storage* storage = array.storage();
  storage->retain();
  const py::capsule base(storage, [](void* s) { static_cast<Storage*>(s)->release(); });
  const std::vector<py::ssize_t> shape(array.shape().begin(), array.shape().end());
  py::array result(py::dtype(format), shape, byte_strides(array), array.data(), base);
  if (is_protected(tensor)) result.attr("flags").attr("writeable") = false;
  return result.release().ptr();
}

Array from_numpy(PyObject* object) {
  if (!py::isinstance<py::array>(py::handle(object))) {
    fail(ErrorKind::dtype, "from_numpy: expected a numpy.ndarray, found %s", Py_TYPE(object)->tp_name);
  }
  const py::array source = py::reinterpret_borrow<py::array>(object);
  const std::string shown = py::str(source.dtype());
  DType dtype;
  const char order = source.dtype().byteorder();
  if (!parse_format(source.dtype().kind(), source.itemsize(), dtype) || order == '>') {
    fail(ErrorKind::dtype, "from_numpy: dtype %s has no tilegrad dtype; convert with .astype() first", shown.c_str());
  }
  if (!source.writeable()) {
    fail(ErrorKind::argument,
         "from_numpy: the array is read-only and the tensor would share its memory; use tg.tensor(a), "
         "which copies");
  }
  Dims shape, strides;
  for (py::ssize_t d = 0; d < source.ndim(); ++d) {
    shape.push_back(source.shape(d));
    if (source.strides(d) % source.itemsize() != 0 && source.shape(d) > 1) {
      fail(ErrorKind::argument,
           "from_numpy: stride %lld of axis %lld is not a whole number of %lld-byte elements; copy it "
           "with numpy.ascontiguousarray()",
           static_cast<long long>(source.strides(d)), static_cast<long long>(d),
           static_cast<long long>(source.itemsize()));
    }
    strides.push_back(source.strides(d) / source.itemsize());
  }
  if (reinterpret_cast<uintptr_t>(source.data()) % static_cast<uintptr_t>(source.itemsize()) != 0) {
    fail(ErrorKind::argument, "from_numpy: the array's memory is not aligned to its elements; copy it first");
  }
  void* data = const_cast<void*>(source.data());
  StorageRef storage(Storage::borrow(data, static_cast<size_t>(source.nbytes()), {}, Py_NewRef(object), release_numpy));
  return Array(std::move(storage), 0, shape, strides, dtype);
}

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  view->obj = nullptr;
  return guarded(-1, [&] {
    require_values("buffer");
    TensorObject* tensor = as_tensor(self);
    const Array& array = tensor->array;
    require_cpu("buffer", array);
    const auto refuse = [&](const char* why) {
      PyErr_SetString(PyExc_BufferError, why);
      throw PythonError();
    };
    if (!format_of(array.dtype())) refuse("bfloat16 has no buffer format; cast with .astype(tg.float32)");
    if (is_protected(tensor) && (flags & PyBUF_WRITABLE)) {
      refuse("the tensor requires a gradient; detach() it to write through a buffer");
    }
    if (!(flags & PyBUF_STRIDES) && !array.is_contiguous()) refuse("the tensor is not contiguous");
    const size_t ndim = static_cast<size_t>(array.ndim());
    auto layout = std::make_unique<Py_ssize_t[]>(2 * ndim + 1);
    const std::vector<py::ssize_t> strides = byte_strides(array);
    for (size_t d = 0; d < ndim; ++d) {
      layout[d] = array.size(static_cast<int>(d));
      layout[ndim + d] = strides[d];
    }
    view->buf = array.data();
    view->obj = Py_NewRef(self);
    view->len = array.numel() * static_cast<Py_ssize_t>(array.item_size());
    view->itemsize = static_cast<Py_ssize_t>(array.item_size());
    view->readonly = is_protected(tensor);
    view->ndim = array.ndim();
    view->format = (flags & PyBUF_FORMAT) ? const_cast<char*>(format_of(array.dtype())) : nullptr;
    view->shape = (flags & PyBUF_ND) ? layout.get() : nullptr;
    view->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? layout.get() + ndim : nullptr;
    view->suboffsets = nullptr;
    view->internal = layout.release();
    return 0;
  });
}

void release_buffer(PyObject*, Py_buffer* view) { delete[] static_cast<Py_ssize_t*>(view->internal); }

}  // namespace tilegrad
