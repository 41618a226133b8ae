#!/usr/bin/env bash
# Writes the stub of the extension built in a folder (build by default) beside the Python sources, where git ignores it,
# and runs mypy on the package.
set -euo pipefail
cd "$(dirname "$0")/.."
python tools/write_stub.py "${1:-build}"/_C.*.so python/tilegrad/_C.pyi
python -m mypy
