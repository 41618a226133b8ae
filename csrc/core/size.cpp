#include "core/size.h"

namespace tilegrad {

void fail_for_size(int64_t a, char sign, int64_t b, const char* op) {
  const long long left = a, right = b;
  if (op) fail(ErrorKind::argument, "%s: the size %lld %c %lld does not fit in 64 bits", op, left, sign, right);
  fail_without_op(ErrorKind::argument, "the size %lld %c %lld does not fit in 64 bits", left, sign, right);
}

}  // namespace tilegrad
