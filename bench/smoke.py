"""Runs every benchmark of this folder for a moment, so that none of them rots: python -m bench.smoke

It measures nothing; the figures that the benchmarks print here mean nothing either.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
# The arguments that make each one short.
ARGUMENTS = {
    "conv2d.py": ["--no-torch", "--seconds", "0.001", "--threads", "2"],
    "gemm.py": ["--shapes", "small", "vector", "--seconds", "0.001", "--threads", "2"],
    "import_time.py": ["--rounds", "1"],
}


def main() -> int:
    scripts = sorted(path.name for path in HERE.glob("*.py") if path.name not in ("smoke.py", "__init__.py"))
    failed = []
    for name in scripts:
        if name not in ARGUMENTS:
            print(f"{name}: bench/smoke.py does not say which arguments make it short")
            failed.append(name)
            continue
        start = time.perf_counter()
        command = [sys.executable, str(HERE / name), *ARGUMENTS[name]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        print(f"{name}: {'ran' if done.returncode == 0 else 'FAILED'} in {time.perf_counter() - start:.1f} s")
        if done.returncode:
            failed.append(name)
            print(done.stdout[-3000:], done.stderr[-3000:], sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
