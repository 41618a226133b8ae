// Typed errors. The bindings turn each kind into the Python exception of the same name.
#pragma once

#include <cstdarg>
#include <stdexcept>
#include <string>

namespace tilegrad {

enum class ErrorKind {
  shape,     // tilegrad.ShapeError (ValueError)
  dtype,     // tilegrad.DTypeError (TypeError)
  device,    // tilegrad.DeviceError (ValueError)
  argument,  // tilegrad.ArgumentError (ValueError)
  autograd,  // tilegrad.AutogradError (RuntimeError)
  capture,   // tilegrad.CaptureError (RuntimeError)
  index,     // IndexError
  memory,    // MemoryError
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind(kind) {}
  const ErrorKind kind;
};

// Throws Error with a printf-style message, which starts with the op: "conv2d: ...".
[[noreturn, gnu::cold, gnu::format(printf, 2, 3)]] void fail(ErrorKind kind, const char* format, ...);

}  // namespace tilegrad
