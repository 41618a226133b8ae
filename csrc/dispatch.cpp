#include "dispatch.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "core/cuda.h"
#include "core/error.h"

namespace tilegrad {
namespace cpu {

#define TILEGRAD_TABLE(isa)        \
  namespace isa {                  \
  extern const KernelTable kTable; \
  }
TILEGRAD_TABLE(generic)
#if defined(TILEGRAD_BUILDS_AVX2)
TILEGRAD_TABLE(avx2)
#endif
#if defined(TILEGRAD_BUILDS_AVX512)
TILEGRAD_TABLE(avx512)
#endif
#if defined(TILEGRAD_BUILDS_NEON)
TILEGRAD_TABLE(neon)
#endif
#undef TILEGRAD_TABLE

namespace {

struct Isa {
  const char* name;
  const KernelTable* table;
  bool runs_here;
};

// From the most portable to the widest; each is compiled with the flags in CMakeLists.txt.
std::vector<Isa> built_isas() {
  std::vector<Isa> isas = {{"generic", &generic::kTable, true}};
#if defined(TILEGRAD_X86)
  __builtin_cpu_init();
  [[maybe_unused]] const bool v3 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  [[maybe_unused]] const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                                   __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                                   __builtin_cpu_supports("avx512vl");
#if defined(TILEGRAD_BUILDS_AVX2)
  isas.push_back({"avx2", &avx2::kTable, v3});
#endif
#if defined(TILEGRAD_BUILDS_AVX512)
  isas.push_back({"avx512", &avx512::kTable, v4});
#endif
#endif
#if defined(TILEGRAD_BUILDS_NEON)
  isas.push_back({"neon", &neon::kTable, true});
#endif
  return isas;
}

std::string list_of(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& n : names) text += (text.empty() ? "" : ", ") + n;
  return text;
}

Isa find_available(const std::string& name) {
  for (const Isa& isa : built_isas()) {
    if (isa.name == name && isa.runs_here) return isa;
  }
  fail(ErrorKind::argument, "isa '%s' is not available here; available: %s", name.c_str(),
       list_of(available_isas()).c_str());
}

Isa initial_isa() {
  Isa widest{};
  for (const Isa& isa : built_isas()) widest = isa.runs_here ? isa : widest;
  if (const char* cap = std::getenv("TILEGRAD_ISA"); cap && *cap) {
    for (const Isa& isa : built_isas()) {
      if (std::string(cap) != isa.name) continue;
      if (isa.runs_here) return isa;
    }
    std::fprintf(stderr, "tilegrad: TILEGRAD_ISA='%s' is not available here and is ignored; available: %s\n", cap,
                 list_of(available_isas()).c_str());
  }
  return widest;
}

struct Chosen {
  std::atomic<const KernelTable*> table;
  std::atomic<const char*> name;
};

Chosen& chosen() {
  static Chosen* const instance = [] {
    const Isa isa = initial_isa();
    return new Chosen{isa.table, isa.name};
  }();
  return *instance;
}

// Chosen when the library is loaded: a fork while another thread chooses would leave the child waiting for ever.
[[maybe_unused]] Chosen& made_at_load = chosen();

}  // namespace

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const Isa& isa : built_isas()) {
    if (isa.runs_here) names.push_back(isa.name);
  }
  return names;
}

const char* isa() { return chosen().name.load(std::memory_order_relaxed); }

void set_isa(const std::string& name) {
  const Isa isa = find_available(name);
  chosen().table.store(isa.table, std::memory_order_relaxed);
  chosen().name.store(isa.name, std::memory_order_relaxed);
}

}  // namespace cpu

const KernelTable& kernel_table(Device device) {
  if (device.type == DeviceType::cuda) return cuda::kernel_table();
  return *cpu::chosen().table.load(std::memory_order_relaxed);
}

}  // namespace tilegrad
