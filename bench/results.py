"""What was measured, and its file: plain JSON that names no path and no host."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.rivals import OURS

FOLDER = Path(__file__).parent / "results"


@dataclass
class Timing:
    """One run of one side: the smallest of its rounds' medians, and these."""

    side: str
    variant: str
    mode: str
    figure: float
    rounds: list[float] = field(default_factory=list)
    extra: dict[str, float] = field(default_factory=dict)


@dataclass
class Record:
    """One case, measured."""

    family: str
    group: str
    name: str
    unit: str = "s"
    flops: float = 0.0
    bytes: float = 0.0
    bound: str = ""
    threads: int = 1
    checked: str = ""
    timings: list[Timing] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)

    def best(self, sides: Iterable[str] | None = None, modes: Iterable[str] | None = None) -> Timing | None:
        """The smallest figure of those sides (None: every rival) and modes (None: any)."""
        found = [
            timing
            for timing in self.timings
            if (timing.side in sides if sides is not None else timing.side not in OURS)
            and (modes is None or timing.mode in modes)
        ]
        return min(found, key=lambda timing: timing.figure, default=None)

    def ours(self, modes: Iterable[str] | None = None) -> Timing | None:
        return self.best(OURS, modes)

    def ratio(self, rivals: Iterable[str] | None = None, modes: Iterable[str] | None = None,
              our_modes: Iterable[str] | None = None) -> float | None:  # fmt: skip
        """The best rival's figure over ours: above 1 where ours is the smaller."""
        ours, rival = self.ours(our_modes), self.best(rivals, modes)
        return rival.figure / ours.figure if ours and rival else None


@dataclass
class Run:
    """One start of the suite: its conditions and records."""

    started: str
    machine: str
    system: str
    revision: str
    threads: int
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    peaks: dict[str, float] = field(default_factory=dict)
    quick: bool = False
    records: list[Record] = field(default_factory=list)


def allowed_cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine() -> str:
    """The processor and how many of it may be used."""
    count = allowed_cpus()
    name = platform.processor() or platform.machine()
    parts: dict[str, str] = {}
    if Path("/proc/cpuinfo").exists():
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            parts.setdefault(key.strip(), value.strip())
        name = parts.get("model name", name)
        if "cpu family" in parts:  # tells generations apart where the name does not
            name += f" (family {parts['cpu family']}, model {parts.get('model', '?')})"
    return f"{name}, {count} CPU{'s' * (count > 1)}"


def revision() -> str:
    """The commit, and whether the tree differs from it."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
        dirty = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip() + ("+" if dirty.stdout.strip() else "")


def file_name(machine_name: str, date: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", machine_name.lower()).strip("-")
    return f"{slug}-{date}.json"


def save(path: Path, runs: list[Run]) -> None:
    """Written beside and moved, so that a run that is cut short leaves a whole file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".tmp")
    beside.write_text(json.dumps({"runs": [dataclasses.asdict(run) for run in runs]}, indent=1) + "\n")
    beside.replace(path)


def load(path: Path) -> list[Run]:
    return [run_from(entry) for entry in json.loads(path.read_text())["runs"]] if path.exists() else []


def run_from(entry: dict[str, Any]) -> Run:
    records = [
        Record(**{**record, "timings": [Timing(**timing) for timing in record["timings"]]})
        for record in entry["records"]
    ]
    return Run(**{**entry, "records": records})


def latest(runs: Iterable[Run]) -> dict[tuple[int, str, str], tuple[Record, Run]]:
    """For every number of threads and case, the record measured last, with the run it is from."""
    return {(record.threads, record.family, record.name): (record, run) for run in runs for record in run.records}


def peaks_by_family(measured: Iterable[tuple[Record, Run]]) -> dict[str, dict[str, float]]:
    """For every family, the peaks of the runs that its records are from: a machine's rates move within a day."""
    peaks: dict[str, dict[str, float]] = {}
    for record, run in measured:
        of_family = peaks.setdefault(record.family, {})
        for name, value in run.peaks.items():
            of_family[name] = max(value, of_family.get(name, 0.0))
    return peaks
