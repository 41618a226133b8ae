"""What `import tilegrad` costs over `import numpy`: python bench/import_time.py

Medians of fresh processes, interleaved so that a change of the machine's speed meets both alike. The first run of each
only warms the file cache and compiles to bytecode, which is there afterwards as it is of an installed package, whatever
PYTHONDONTWRITEBYTECODE says. The goal is 25 ms over NumPy's, the bound 60.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

PROGRAM = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"
NAMES = ("numpy", "tilegrad")


def with_bytecode(folder: str) -> dict[str, str]:
    """The environment here, with bytecode kept in a folder."""
    found = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**found, "PYTHONPYCACHEPREFIX": folder}


def run(program: str, environment: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *options, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment)


def importing(name: str, environment: dict[str, str]) -> float:
    """Milliseconds that it takes in a fresh process."""
    return 1e3 * float(run(PROGRAM.format(name), environment).stdout)


def modules(environment: dict[str, str]) -> None:
    """Print the modules that tilegrad adds and take longest."""
    program = "import numpy; import tilegrad"
    run(program, environment)
    lines = run(program, environment, "-X", "importtime").stderr.splitlines()
    rows = [line.removeprefix("import time:").split("|") for line in lines if line.startswith("import time:")][1:]
    names = [name.strip() for _, _, name in rows]
    for own, total, name in sorted(rows[names.index("numpy") + 1 :], key=lambda row: -int(row[0]))[:25]:
        print(f"{int(own) / 1e3:8.2f} ms alone {int(total) / 1e3:8.2f} ms in all {name}")


def difference(rounds: int, environment: dict[str, str]) -> float:
    """What tilegrad costs more than NumPy, in milliseconds; printed too."""
    times: dict[str, list[float]] = {name: [] for name in NAMES}
    for round_number in range(rounds + 1):
        for name in NAMES:
            elapsed = importing(name, environment)
            if round_number:
                times[name].append(elapsed)
    differences = [t - n for t, n in zip(times["tilegrad"], times["numpy"], strict=True)]
    for name in NAMES:
        values = times[name]
        print(f"import {name:<9} {statistics.median(values):7.1f} ms median of {rounds}, {min(values):.1f} least")
    over = statistics.median(differences)
    print(f"difference       {over:7.1f} ms median of the rounds (goal 25, bound 60)")
    return over


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--check", action="store_true", help="fail where the bound is passed")
    parser.add_argument("--modules", action="store_true", help="list the modules that tilegrad adds and take longest")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.modules:
            modules(with_bytecode(folder))
            return 0
        over = difference(options.rounds, with_bytecode(folder))
    return 1 if options.check and over > 60 else 0


if __name__ == "__main__":
    sys.exit(main())
