#include <pybind11/pybind11.h>
#include "core/launch.h"
PYBIND11_MODULE(_C, m, pybind11::mod_gil_not_used()) { m.def("isa", [] { return tilegrad::cpu::isa(); }); }
