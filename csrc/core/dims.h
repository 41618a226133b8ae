// Dims: a short list of sizes or strides, held inline.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "core/error.h"
#include "params/loop_nest.h"

namespace tilegrad {

class Dims {
 public:
  Dims() = default;
  Dims(std::initializer_list<int64_t> values) {
    for (int64_t v : values) push_back(v);
  }
  static Dims filled(int count, int64_t value) {
    Dims dims;
    for (int i = 0; i < count; ++i) dims.push_back(value);
    return dims;
  }
  Dims(const Dims& other) : size_(other.size_) { copy(other); }
  Dims& operator=(const Dims& other) {
    size_ = other.size_;
    copy(other);
    return *this;
  }

  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  int64_t& operator[](int i) { return values_[i]; }
  int64_t operator[](int i) const { return values_[i]; }
  int64_t back() const { return values_[size_ - 1]; }
  const int64_t* begin() const { return values_; }
  const int64_t* end() const { return values_ + size_; }

  void push_back(int64_t value) {
    if (size_ == kMaxRank) fail(ErrorKind::shape, "a tensor has at most %d dimensions", kMaxRank);
    values_[size_++] = value;
  }
  void pop_back() { --size_; }
  void erase(int position) {
    for (int i = position; i + 1 < size_; ++i) values_[i] = values_[i + 1];
    --size_;
  }
  void insert(int position, int64_t value) {
    push_back(value);
    for (int i = size_ - 1; i > position; --i) values_[i] = values_[i - 1];
    values_[position] = value;
  }

  bool operator==(const Dims& other) const {
    if (size_ != other.size_) return false;
    for (int i = 0; i < size_; ++i) {
      if (values_[i] != other.values_[i]) return false;
    }
    return true;
  }

  // "[2, 3]"
  std::string str() const {
    std::string text = "[";
    for (int i = 0; i < size_; ++i) text += (i ? ", " : "") + std::to_string(values_[i]);
    return text + "]";
  }

 private:
  void copy(const Dims& other) {
    for (int i = 0; i < size_; ++i) values_[i] = other.values_[i];
  }

  int32_t size_ = 0;
  int64_t values_[kMaxRank];
};

}  // namespace tilegrad
