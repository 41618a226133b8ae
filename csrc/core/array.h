// Array: a strided view of a Storage. It knows shapes and memory; it knows no arithmetic, no gradients and no Python.
#pragma once

#include <string>

#include "core/dims.h"
#include "core/dtype.h"
#include "core/storage.h"

namespace tilegrad {

class Array {
 public:
  Array() = default;  // no storage: "absent", for optional arguments
  Array(StorageRef storage, int64_t offset, const Dims& shape, const Dims& strides, DType dtype)
      : storage_(std::move(storage)), offset_(offset), numel_(1), shape_(shape), strides_(strides), dtype_(dtype) {
    for (int64_t extent : shape_) numel_ *= extent;
  }

  // Uninitialised and contiguous. Refuses negative and overflowing sizes before anything is allocated.
  static Array empty(const Dims& shape, DType dtype, Device device = {});

  explicit operator bool() const { return static_cast<bool>(storage_); }

  const Dims& shape() const { return shape_; }
  const Dims& strides() const { return strides_; }  // in elements
  int ndim() const { return shape_.size(); }
  int64_t size(int dim) const { return shape_[dim]; }
  int64_t stride(int dim) const { return strides_[dim]; }
  int64_t numel() const { return numel_; }
  int64_t offset() const { return offset_; }  // in elements
  DType dtype() const { return dtype_; }
  Device device() const { return storage_->device(); }
  size_t item_size() const { return tilegrad::item_size(dtype_); }
  Storage* storage() const { return storage_.get(); }
  const StorageRef& storage_ref() const { return storage_; }

  void* data() const { return static_cast<char*>(storage_->data()) + offset_ * static_cast<int64_t>(item_size()); }

  // Row-major without gaps (dimensions of size 1 may have any stride).
  bool is_contiguous() const;

  // "float32 [2, 3]", for error messages.
  std::string str() const { return std::string(name(dtype_)) + " " + shape_.str(); }

 private:
  StorageRef storage_;
  int64_t offset_ = 0;
  int64_t numel_ = 0;
  Dims shape_;
  Dims strides_;
  DType dtype_ = DType::float32;
};

// The row-major strides of a shape.
Dims contiguous_strides(const Dims& shape);

}  // namespace tilegrad
