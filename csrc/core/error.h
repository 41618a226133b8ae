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
  Error(ErrorKind kind, const std::string& message, bool names_op = true)
      : std::runtime_error(message), kind(kind), names_op(names_op) {}
  const ErrorKind kind;
  const bool names_op;
};

// Throws Error with a printf-style message, which starts with the op: "conv2d: ...".
[[noreturn, gnu::cold, gnu::format(printf, 2, 3)]] void fail(ErrorKind kind, const char* format, ...);

// The same where the op is not known: whoever has called from Python puts its name in front.
[[noreturn, gnu::cold, gnu::format(printf, 2, 3)]] void fail_without_op(ErrorKind kind, const char* format, ...);

}  // namespace tilegrad
