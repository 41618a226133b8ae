#!/usr/bin/env bash
# Builds the extension and runs a command against the source tree: tools/dev.sh pytest -q tests/test_x.py
# Needs the packages of the extra "dev" in the environment. TILEGRAD_PRESET=openmp (or another of CMakePresets.json) builds
# that in a folder of its own; a sanitizer's run-time library is loaded first, as it must be.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${TILEGRAD_PRESET:-}
folder=build${preset:+/$preset}
if [ ! -f "$folder/build.ninja" ]; then
  launcher=$(command -v ccache >/dev/null && echo -DCMAKE_CXX_COMPILER_LAUNCHER=ccache || true)
  mkdir -p "$folder"
  if [ -n "$preset" ]; then
    cmake --preset "$preset" -DTILEGRAD_STUBS=OFF $launcher ${TILEGRAD_CMAKE_ARGS:-} >"$folder/configure.log"
  else
    cmake -S . -B build -G Ninja -DTILEGRAD_WERROR=ON -DTILEGRAD_STUBS=OFF $launcher ${TILEGRAD_CMAKE_ARGS:-} >build/configure.log
  fi
fi
ninja -C "$folder" >"$folder/ninja.log" || { cat "$folder/ninja.log"; exit 1; }
# A package folder whose Python files are links to the sources, with the built extension beside them.
mkdir -p "$folder/pythonpath/tilegrad"
find -L "$folder/pythonpath/tilegrad" -maxdepth 1 -type l -delete  # what is gone, or has another name
for entry in python/tilegrad/*; do
  # The stub may be that of an older build.
  [ "${entry##*/}" = _C.pyi ] || ln -sfn "$PWD/$entry" "$folder/pythonpath/tilegrad/"
done
ln -sf "$PWD/$folder"/_C.*.so "$folder/pythonpath/tilegrad/"
export PYTHONPATH="$PWD/$folder/pythonpath${PYTHONPATH:+:$PYTHONPATH}"
runtime() { "${CXX:-c++}" -print-file-name="$1"; }
case $preset in
  *asan*)
    # Python itself leaks at exit; an emulated GPU opens its memory when it is touched.
    [[ $preset != cuda-emulated* ]] || ASAN_OPTIONS="handle_segv=0:${ASAN_OPTIONS:-}"
    export ASAN_OPTIONS="detect_leaks=0:allocator_may_return_null=1:${ASAN_OPTIONS:-}"
    export UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1:${UBSAN_OPTIONS:-}"
    # libstdc++ must be there for the sanitizer to find what it wraps: __cxa_throw.
    exec env LD_PRELOAD="$(runtime libasan.so) $(runtime libubsan.so) $(runtime libstdc++.so)" "$@" ;;
  tsan)
    export TSAN_OPTIONS="die_after_fork=0:halt_on_error=1:second_deadlock_stack=1:${TSAN_OPTIONS:-}"
    export OPENBLAS_NUM_THREADS=1  # BLAS is not instrumented: its own synchronisation would not be seen
    exec env LD_PRELOAD="$(runtime libtsan.so) $(runtime libstdc++.so)" "$@" ;;
  *) exec "$@" ;;
esac
