// The unsigned integer of so many bytes.
#pragma once

#include "cpu/isa.h"

namespace tilegrad::cpu::TILEGRAD_ISA {
namespace {

template <size_t kBytes>
struct WordOf;
template <>
struct WordOf<1> {
  using type = uint8_t;
};
template <>
struct WordOf<2> {
  using type = uint16_t;
};
template <>
struct WordOf<4> {
  using type = uint32_t;
};
template <>
struct WordOf<8> {
  using type = uint64_t;
};
template <typename T>
using Word = typename WordOf<sizeof(T)>::type;

}  // namespace
}  // namespace tilegrad::cpu::TILEGRAD_ISA
