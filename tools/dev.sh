#!/usr/bin/env bash
# Builds the extension in ./build and runs a command against the source tree: tools/dev.sh pytest -q tests/test_x.py
# Needs the packages of the extra "dev" in the environment.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ ! -f build/build.ninja ]; then
  launcher=$(command -v ccache >/dev/null && echo -DCMAKE_CXX_COMPILER_LAUNCHER=ccache || true)
  cmake -S . -B build -G Ninja -DTILEGRAD_WERROR=ON -DTILEGRAD_STUBS=OFF $launcher \
    -Dpybind11_DIR="$(python -c 'import pybind11; print(pybind11.get_cmake_dir())')" >build.log
  mv build.log build/configure.log
fi
ninja -C build >build/ninja.log || { cat build/ninja.log; exit 1; }
# A package folder whose Python files are links to the sources, with the built extension beside them.
mkdir -p build/pythonpath/tilegrad
for entry in python/tilegrad/*; do ln -sfn "$PWD/$entry" build/pythonpath/tilegrad/; done
ln -sf "$PWD"/build/_C.*.so build/pythonpath/tilegrad/
PYTHONPATH="$PWD/build/pythonpath${PYTHONPATH:+:$PYTHONPATH}" exec "$@"
