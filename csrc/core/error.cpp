#include "core/error.h"

#include <cstdio>

namespace tilegrad {

namespace {

std::string written(const char* format, va_list arguments) {
  va_list again;
  va_copy(again, arguments);
  const int length = std::vsnprintf(nullptr, 0, format, arguments);
  std::string text(static_cast<size_t>(length), ' ');
  std::vsnprintf(text.data(), text.size() + 1, format, again);
  va_end(again);
  return text;
}

}  // namespace

void fail(ErrorKind kind, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const std::string text = written(format, arguments);
  va_end(arguments);
  throw Error(kind, text);
}

void fail_without_op(ErrorKind kind, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const std::string text = written(format, arguments);
  va_end(arguments);
  throw Error(kind, text, false);
}

}  // namespace tilegrad
