"""What `import tilegrad` costs over `import numpy`: python bench/import_time.py

Medians of fresh processes, interleaved so that a change of the machine's speed meets both alike. The first run of each
only warms the file cache. The goal is 25 ms over NumPy's, the bound 60.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

PROGRAM = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"
NAMES = ("numpy", "tilegrad")


def milliseconds(name: str) -> float:
    command = [sys.executable, "-c", PROGRAM.format(name)]
    return 1e3 * float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--check", action="store_true", help="fail where the bound is passed")
    parser.add_argument("--modules", action="store_true", help="list the modules that tilegrad adds and take longest")
    options = parser.parse_args()
    if options.modules:
        command = [sys.executable, "-X", "importtime", "-c", "import numpy; import tilegrad"]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stderr.splitlines()
        rows = [line.removeprefix("import time:").split("|") for line in lines if line.startswith("import time:")][1:]
        names = [name.strip() for _, _, name in rows]
        for own, total, name in sorted(rows[names.index("numpy") + 1 :], key=lambda row: -int(row[0]))[:25]:
            print(f"{int(own) / 1e3:8.2f} ms alone {int(total) / 1e3:8.2f} ms in all {name}")
        return 0
    times: dict[str, list[float]] = {name: [] for name in NAMES}
    for round_number in range(options.rounds + 1):
        for name in NAMES:
            elapsed = milliseconds(name)
            if round_number:
                times[name].append(elapsed)
    medians = {name: statistics.median(values) for name, values in times.items()}
    differences = [t - n for t, n in zip(times["tilegrad"], times["numpy"], strict=True)]
    for name in NAMES:
        print(f"import {name:<9} {medians[name]:7.1f} ms median of {options.rounds}, {min(times[name]):.1f} least")
    over = statistics.median(differences)
    print(f"difference       {over:7.1f} ms median of the rounds (goal 25, bound 60)")
    return 1 if options.check and over > 60 else 0


if __name__ == "__main__":
    sys.exit(main())
