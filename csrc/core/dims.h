// Dims: a short list of sizes or strides, held inline.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "core/error.h"
#include "params/loop_nest.h"

namespace tilegrad {

// Up to six values, which is all that most tensors have, lie inside the object; more lie behind it.
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
  Dims(const Dims& other) { copy(other); }
  Dims& operator=(const Dims& other) {
    if (this != &other) copy(other);
    return *this;
  }
  ~Dims() { delete[] more_; }

  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  int64_t& operator[](int i) { return values()[i]; }
  int64_t operator[](int i) const { return values()[i]; }
  int64_t back() const { return values()[size_ - 1]; }
  const int64_t* begin() const { return values(); }
  const int64_t* end() const { return values() + size_; }

  void push_back(int64_t value) {
    if (size_ == kMaxRank) fail_without_op(ErrorKind::shape, "a tensor has at most %d dimensions", kMaxRank);
    if (size_ == kInline && !more_) {
      more_ = new int64_t[kMaxRank];
      for (int i = 0; i < size_; ++i) more_[i] = inline_[i];
    }
    values()[size_++] = value;
  }
  void pop_back() { --size_; }
  void erase(int position) {
    for (int i = position; i + 1 < size_; ++i) values()[i] = values()[i + 1];
    --size_;
  }
  void insert(int position, int64_t value) {
    push_back(value);
    for (int i = size_ - 1; i > position; --i) values()[i] = values()[i - 1];
    values()[position] = value;
  }

  bool operator==(const Dims& other) const {
    if (size_ != other.size_) return false;
    for (int i = 0; i < size_; ++i) {
      if (values()[i] != other.values()[i]) return false;
    }
    return true;
  }

  // "[2, 3]"
  std::string str() const {
    std::string text = "[";
    for (int i = 0; i < size_; ++i) text += (i ? ", " : "") + std::to_string(values()[i]);
    return text + "]";
  }

 private:
  static constexpr int kInline = 6;

  int64_t* values() { return more_ ? more_ : inline_; }
  const int64_t* values() const { return more_ ? more_ : inline_; }

  void copy(const Dims& other) {
    if (other.size_ > kInline && !more_) more_ = new int64_t[kMaxRank];
    size_ = other.size_;
    for (int i = 0; i < size_; ++i) values()[i] = other.values()[i];
  }

  int32_t size_ = 0;
  int64_t* more_ = nullptr;
  int64_t inline_[kInline];
};

}  // namespace tilegrad
