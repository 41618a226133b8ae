// DLPack 1.0 (https://dmlc.github.io/dlpack), in its versioned and its older form.
#include <pybind11/pybind11.h>

#include <algorithm>
#include <memory>

#include "core/cuda.h"
#include "core/recording.h"
#include "tensor/errors.h"
#include "tensor/exchange.h"

namespace tilegrad {
namespace {

struct DLDevice {
  int32_t device_type;
  int32_t device_id;
};
struct DLDataType {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t* shape;
  int64_t* strides;
  uint64_t byte_offset;
};
struct DLManagedTensor {
  DLTensor tensor;
  void* manager;
  void (*deleter)(DLManagedTensor*);
};
struct DLVersion {
  uint32_t major;
  uint32_t minor;
};
struct DLManagedTensorVersioned {
  DLVersion version;
  void* manager;
  void (*deleter)(DLManagedTensorVersioned*);
  uint64_t flags;
  DLTensor tensor;
};

constexpr int32_t kCpu = 1, kCuda = 2;
constexpr uint64_t kReadOnly = 1;
constexpr uint8_t kInt = 0, kUint = 1, kFloat = 2, kBfloat = 4, kBool = 6;

constexpr DLDataType kDataTypes[kDTypeCount] = {{kFloat, 32, 1}, {kFloat, 64, 1}, {kBfloat, 16, 1}, {kFloat, 16, 1},
                                                {kInt, 64, 1},   {kInt, 32, 1},   {kUint, 8, 1},    {kBool, 8, 1}};

DLDevice device_of(const Array& array) {
  const Device device = array.device();
  return {device.type == DeviceType::cuda ? kCuda : kCpu, device.index};
}
Device from_dlpack_device(DLDevice device) {
  if (device.device_type != kCuda) return {};
  return {DeviceType::cuda, static_cast<int8_t>(device.device_id)};
}

// A managed tensor of either form, with the layout that it points to and the storage that it keeps alive.
template <typename Managed>
struct Export {
  Managed managed;
  Array array;
  std::unique_ptr<int64_t[]> layout;
};

template <typename Managed>
Managed* make_export(const Array& array) {
  require_values("__dlpack__");
  // The consumer works on a stream of its own.
  if (array.device().type == DeviceType::cuda) cuda::synchronize();
  auto owned = std::make_unique<Export<Managed>>();
  owned->array = array;
  const size_t ndim = static_cast<size_t>(array.ndim());
  owned->layout = std::make_unique<int64_t[]>(2 * ndim + 1);
  for (size_t d = 0; d < ndim; ++d) {
    owned->layout[d] = array.size(static_cast<int>(d));
    owned->layout[ndim + d] = array.stride(static_cast<int>(d));
  }
  owned->managed.tensor = {array.data(),
                           device_of(array),
                           array.ndim(),
                           kDataTypes[static_cast<int>(array.dtype())],
                           owned->layout.get(),
                           owned->layout.get() + ndim,
                           0};
  owned->managed.manager = owned.get();
  owned->managed.deleter = [](Managed* self) {
    auto* const exported = static_cast<Export<Managed>*>(self->manager);
    if (exported->array.device().type == DeviceType::cuda) cuda::finish_everywhere(exported->array.device());
    delete exported;
  };
  return &owned.release()->managed;
}

// A capsule that nobody consumed still owns its tensor; a consumed one has been renamed.
template <typename Managed>
PyObject* make_capsule(Managed* managed, const char* name) {
  return PyCapsule_New(managed, name, [](PyObject* capsule) {
    const char* given = PyCapsule_GetName(capsule);
    if (given && given[0] == 'd') {
      Managed* unused = static_cast<Managed*>(PyCapsule_GetPointer(capsule, given));
      unused->deleter(unused);
    }
  });
}

Dims strides_of(const DLTensor& tensor, const Dims& shape) {
  if (!tensor.strides) return contiguous_strides(shape);
  Dims strides;
  for (int d = 0; d < tensor.ndim; ++d) strides.push_back(tensor.strides[d]);
  return strides;
}

// Everything that can be refused is, before the memory is taken over.
struct Layout {
  Dims shape, strides;
  DType dtype;
  size_t bytes;
};

Layout check(const DLTensor& tensor) {
  const int32_t id = tensor.device.device_id;
  if (tensor.device.device_type == kCuda && id >= 0 && id < std::max(cuda::device_count(), 1)) {
    cuda::require("from_dlpack");
    const cuda::OnDevice on(from_dlpack_device(tensor.device));
    cuda::wait_for_others();
  } else if (tensor.device.device_type != kCpu) {
    fail(
        ErrorKind::device,
        "from_dlpack: the tensor is on DLPack device type %d, number %d; memory of the CPU (1) and of CUDA devices (2) can "
        "be shared",
        static_cast<int>(tensor.device.device_type), static_cast<int>(tensor.device.device_id));
  }
  Layout layout;
  bool known = false;
  for (int i = 0; i < kDTypeCount; ++i) {
    const DLDataType& type = kDataTypes[i];
    if (tensor.dtype.code == type.code && tensor.dtype.bits == type.bits && tensor.dtype.lanes == 1) {
      layout.dtype = static_cast<DType>(i);
      known = true;
    }
  }
  if (!known) {
    fail(ErrorKind::dtype, "from_dlpack: DLPack type code %d of %d bits has no tilegrad dtype",
         static_cast<int>(tensor.dtype.code), static_cast<int>(tensor.dtype.bits));
  }
  for (int d = 0; d < tensor.ndim; ++d) layout.shape.push_back(tensor.shape[d]);
  layout.strides = strides_of(tensor, layout.shape);
  layout.bytes = item_size(layout.dtype);
  for (int64_t extent : layout.shape) layout.bytes *= static_cast<size_t>(extent);
  return layout;
}

template <typename Managed>
Array take_over(PyObject* capsule, const char* name, const char* used_name) {
  Managed* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, name));
  if (!managed) throw PythonError();
  const DLTensor& tensor = managed->tensor;
  const Layout layout = check(tensor);
  void* data = static_cast<char*>(tensor.data) + tensor.byte_offset;
  if (PyCapsule_SetName(capsule, used_name) < 0) throw PythonError();
  // The exporter's deleter may touch Python objects.
  const Device device = from_dlpack_device(tensor.device);
  StorageRef storage(Storage::borrow(data, layout.bytes, device, managed, [](void* owner) {
    if (!Py_IsInitialized()) return;
    Managed* m = static_cast<Managed*>(owner);
    // The exporter may hand the memory out again at once, for work on another stream.
    const Device device = from_dlpack_device(m->tensor.device);
    if (device.type == DeviceType::cuda) cuda::finish_here(device);
    const PyGILState_STATE state = PyGILState_Ensure();
    if (m->deleter) m->deleter(m);
    PyGILState_Release(state);
  }));
  return Array(std::move(storage), 0, layout.shape, layout.strides, layout.dtype);
}

}  // namespace

PyObject* to_dlpack(PyObject* self, PyObject* arguments, PyObject* keywords) {
  return guarded<PyObject*>(nullptr, [&]() -> PyObject* {
    static const char* names[] = {"stream", "max_version", "dl_device", "copy", nullptr};
    PyObject *stream = Py_None, *version = Py_None, *device = Py_None, *copy = Py_None;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|$OOOO", const_cast<char**>(names), &stream, &version,
                                     &device, &copy)) {
      throw PythonError();
    }
    TensorObject* tensor = as_tensor(self);
    if (const Ref<Variable>& variable = variable_of(tensor); variable && variable->requires_grad) {
      PyErr_SetString(PyExc_BufferError, "the tensor requires a gradient; export its detach()");
      throw PythonError();
    }
    if (copy == Py_True) {
      PyErr_SetString(PyExc_BufferError, "tensors are exported without a copy; call .clone() first");
      throw PythonError();
    }
    long major = 0;
    if (version != Py_None && PyTuple_Check(version) && PyTuple_GET_SIZE(version) == 2) {
      major = PyLong_AsLong(PyTuple_GET_ITEM(version, 0));
      if (PyErr_Occurred()) throw PythonError();
    }
    if (major < 1) return make_capsule(make_export<DLManagedTensor>(tensor->array), "dltensor");
    DLManagedTensorVersioned* managed = make_export<DLManagedTensorVersioned>(tensor->array);
    managed->version = {1, 0};
    managed->flags = 0;
    return make_capsule(managed, "dltensor_versioned");
  });
}

PyObject* dlpack_device(PyObject* self, PyObject*) {
  const DLDevice device = device_of(as_tensor(self)->array);
  return Py_BuildValue("(ii)", static_cast<int>(device.device_type), static_cast<int>(device.device_id));
}

Array from_dlpack(PyObject* object) {
  namespace py = pybind11;
  if (!py::hasattr(object, "__dlpack__")) {
    fail(ErrorKind::dtype, "from_dlpack: a %s has no __dlpack__ method", Py_TYPE(object)->tp_name);
  }
  const py::object method = py::handle(object).attr("__dlpack__");
  py::object capsule;
  try {
    capsule = method(py::arg("max_version") = py::make_tuple(1, 0));
  } catch (py::error_already_set& error) {
    if (!error.matches(PyExc_TypeError)) throw;
    capsule = method();  // an exporter from before DLPack 1.0 does not know the argument
  }
  if (PyCapsule_IsValid(capsule.ptr(), "dltensor_versioned")) {
    const auto* managed =
        static_cast<DLManagedTensorVersioned*>(PyCapsule_GetPointer(capsule.ptr(), "dltensor_versioned"));
    if (managed->version.major > 1)
      fail(ErrorKind::argument, "from_dlpack: DLPack version %u is too new", managed->version.major);
    if (managed->flags & kReadOnly) {
      fail(ErrorKind::argument, "from_dlpack: the memory is read-only and the tensor would share it; copy it first");
    }
    return take_over<DLManagedTensorVersioned>(capsule.ptr(), "dltensor_versioned", "used_dltensor_versioned");
  }
  return take_over<DLManagedTensor>(capsule.ptr(), "dltensor", "used_dltensor");
}

}  // namespace tilegrad
