#!/usr/bin/env bash
# Writes the API reference as HTML into a folder (build/api by default); fails on warnings and missing docstrings.
set -euo pipefail
cd "$(dirname "$0")/.."
exec tools/dev.sh python -W error tools/build_docs.py "${1:-build/api}"
