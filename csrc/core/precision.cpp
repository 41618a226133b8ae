#include "core/precision.h"

#include <atomic>

#include "core/error.h"

namespace tilegrad {
namespace {

std::atomic<Precision> chosen{Precision::high};

}  // namespace

Precision float32_precision() { return chosen.load(std::memory_order_relaxed); }

const char* name(Precision precision) { return precision == Precision::high ? "high" : "highest"; }

void set_float32_precision(const std::string& text) {
  for (Precision precision : {Precision::high, Precision::highest}) {
    if (text == name(precision)) return chosen.store(precision, std::memory_order_relaxed);
  }
  fail(ErrorKind::argument, "set_float32_precision: precision must be \"high\" or \"highest\", found \"%s\"",
       text.c_str());
}

}  // namespace tilegrad
