// What errors call the types of arguments, and which of them are read without conversion.
#pragma once

#include <optional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "bindings/caster.h"

namespace tilegrad::bindings {

// Of what errors say more than that it is something else.
enum class Thing : uint8_t { tensor, tensors, integers, other };

// "an integer", as in "axis must be an integer".
template <typename T>
struct Expected {
  static constexpr bool kIsInteger = std::is_integral_v<T> && !std::is_same_v<T, bool>;
  static constexpr Thing kThing = std::is_same_v<T, Array>                ? Thing::tensor
                                  : kIsInteger || std::is_same_v<T, Dims> ? Thing::integers
                                                                          : Thing::other;
  static constexpr ErrorKind kKind = std::is_same_v<T, Dims> ? ErrorKind::shape : ErrorKind::dtype;
  static std::string words() {
    if constexpr (std::is_same_v<T, bool>) return "True or False";
    if constexpr (std::is_integral_v<T>) return "an integer";
    if constexpr (std::is_floating_point_v<T> || std::is_same_v<T, Scalar>) return "a number";
    if constexpr (std::is_same_v<T, Array>) return "a tensor";
    if constexpr (std::is_same_v<T, Dims>) return "an integer or a sequence of integers";  // of one, Python makes it
    if constexpr (std::is_same_v<T, const char*> || std::is_same_v<T, std::string>) return "a string";
    if constexpr (std::is_same_v<T, Device>) return "the name of a device";
    if constexpr (std::is_same_v<T, pybind11::tuple>) return "a tuple";
    if constexpr (std::is_same_v<T, pybind11::function>) return "a function";
    return "something else";
  }
};

template <typename T>
struct Expected<std::vector<T>> {
  static constexpr Thing kThing = std::is_same_v<T, Array> ? Thing::tensors : Thing::other;
  static constexpr ErrorKind kKind = ErrorKind::dtype;
  static std::string words() { return std::is_same_v<T, Array> ? "a sequence of tensors" : "a sequence"; }
};

template <typename T>
struct Expected<std::optional<T>> {
  static constexpr Thing kThing = Expected<T>::kThing;
  static constexpr ErrorKind kKind = Expected<T>::kKind;
  static std::string words() { return Expected<T>::words() + " or None"; }
};

template <>
struct Expected<std::optional<std::variant<int64_t, Dims>>> {  // axes
  static constexpr Thing kThing = Thing::integers;
  static constexpr ErrorKind kKind = ErrorKind::dtype;
  static std::string words() { return "an integer, a sequence of integers or None"; }
};

// pybind11 would round 1.5 of numpy.float32 to an integer, and take None for a string.
template <typename T>
inline constexpr bool kConverted =
    std::is_same_v<T, bool> || !(std::is_integral_v<T> || std::is_same_v<T, const char*>);
template <typename T>
inline constexpr bool kConverted<std::optional<T>> = kConverted<T>;
template <typename... T>
inline constexpr bool kConverted<std::variant<T...>> = (kConverted<T> && ...);

}  // namespace tilegrad::bindings
