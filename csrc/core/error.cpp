#include "core/error.h"

#include <cstdio>
#include <vector>

namespace tilegrad {

void fail(ErrorKind kind, const char* format, ...) {
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  const int length = std::vsnprintf(nullptr, 0, format, arguments);
  std::vector<char> text(static_cast<size_t>(length) + 1);
  std::vsnprintf(text.data(), text.size(), format, again);
  va_end(again);
  va_end(arguments);
  throw Error(kind, text.data());
}

}  // namespace tilegrad
