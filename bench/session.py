"""Runs cases: values first, then times, side by side and round by round."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.case import Arrays, Case, compare
from bench.processes import LostError, Process, without_paths
from bench.results import Record, Timing
from bench.rivals import OURS, SIDES


@dataclass
class Pace:
    """How long to measure: seconds a turn, turns of each side, and fewer of those for calls longer than `slow`."""

    seconds: float = 0.06
    rounds: int = 5
    slow: float = 0.1
    slow_rounds: int = 3


@dataclass
class Candidate:
    """A run of a side that may be timed."""

    side: str
    process: Process
    number: int
    described: dict[str, Any]
    figures: list[float] = field(default_factory=list)
    extra: dict[str, float] = field(default_factory=dict)
    problem: str = ""

    @property
    def probe(self) -> bool:
        return bool(self.described["probe"])


class Session:
    """All sides of one run of the suite, with the same number of threads."""

    def __init__(self, threads: int, sides: list[str], pace: Pace) -> None:
        self.threads, self.pace = threads, pace
        self.sides = sides
        self.processes: dict[str, Process] = {}
        self.kinds: dict[str, list[str]] = {}
        self.versions: dict[str, dict[str, str]] = {}
        self.broken: dict[str, str] = {}  # sides that do not start
        self.folder = tempfile.TemporaryDirectory(prefix="bench-")
        self.started = 0

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: object) -> None:
        for process in self.processes.values():
            process.stop()
        self.folder.cleanup()

    def start(self, side: str) -> Process:
        self.started += 1
        return Process(side, self.threads, Path(self.folder.name) / f"{side}-{self.started}.log")

    def process(self, side: str) -> Process:
        """The side's process, started anew if the last one was lost; raises LostError if it does not start."""
        if side in self.broken:
            raise LostError(self.broken[side])
        if side not in self.processes:
            try:
                self.processes[side] = self.start(side)
            except (LostError, RuntimeError) as error:
                self.broken[side] = f"does not start: {error}"
                raise LostError(self.broken[side]) from None
            self.kinds[side] = self.processes[side].about["kinds"]
            self.versions[side] = self.processes[side].about["versions"]
        return self.processes[side]

    def drop(self, side: str) -> None:
        process = self.processes.pop(side, None)
        if process:
            process.stop()

    def peaks(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for side, suffix in (("ours", ""), ("ours-avx2", "-avx2")):
            if side in self.sides:
                for name, value in self.process(side).ask("peaks").items():
                    found[name + suffix] = value
        return found

    def run(self, case: Case) -> Record:
        record = Record(
            case.family, case.group, case.name, case.unit, case.flops, case.bytes, case.bound, threads=self.threads
        )
        inputs = Path(self.folder.name) / "inputs.npz"
        arrays = case.draw()
        np.savez(inputs, **arrays)  # type: ignore[arg-type]
        candidates: list[Candidate] = []
        for side in case.sides or SIDES:
            if side not in self.sides or (case.sides is None and side.endswith("-avx2")):
                continue
            try:
                candidates += self.prepare(case, side, inputs)
            except (LostError, RuntimeError) as error:
                record.problems[side] = str(error)
                if side in OURS:  # without ours there is nothing to compare
                    break
        self.check(case, arrays, candidates, record)
        self.time(case, [c for c in candidates if not c.problem and c.described["mode"] != "reference"], record)
        for candidate in candidates:
            if candidate.problem:
                record.problems[f"{candidate.side} {candidate.described['variant']}"] = candidate.problem
        for process in {id(c.process): c.process for c in candidates}.values():
            if case.fresh:
                process.stop()
            elif self.processes.get(process.side) is process:
                try:
                    process.ask("forget")
                except (LostError, RuntimeError):
                    self.drop(process.side)
        return record

    def prepare(self, case: Case, side: str, inputs: Path) -> list[Candidate]:
        """What the side can run; in a fresh case each of its runs in a process of its own."""
        if not case.fresh or side not in self.kinds:
            self.process(side)
        if case.kind not in self.kinds[side]:
            return []
        process = self.start(side) if case.fresh else self.process(side)
        runs = self.build(case, process, inputs)
        found = [
            Candidate(side, process, number, run, problem=without_paths(run.get("problem", "")))
            for number, run in enumerate(runs)
        ]
        for candidate in found[1:] if case.fresh else []:
            candidate.process = self.start(side)
            self.build(case, candidate.process, inputs)
        return found

    def build(self, case: Case, process: Process, inputs: Path) -> list[dict[str, Any]]:
        outputs = Path(self.folder.name) / f"outputs-{process.side}"
        try:
            answer = process.ask(
                "prepare", case.limit, family=case.family, case=case.name, inputs=str(inputs), outputs=str(outputs),
                check=not case.fresh,
            )  # fmt: skip
        except (LostError, RuntimeError) as error:
            if case.fresh:
                process.stop()
            elif isinstance(error, LostError):
                self.drop(process.side)
            raise
        runs: list[dict[str, Any]] = answer["runs"]
        return runs

    def check(self, case: Case, arrays: Arrays, candidates: list[Candidate], record: Record) -> None:
        """Compares all values with the reference; who is wrong is not timed."""
        if case.fresh:
            return
        values: dict[int, Arrays] = {}
        for candidate in candidates:
            if not candidate.problem and "outputs" in candidate.described:
                with np.load(candidate.described["outputs"]) as file:
                    values[id(candidate)] = dict(file)
                Path(candidate.described["outputs"]).unlink()
        if case.reference is not None:
            reference, record.checked = case.reference(case.spec, arrays), "NumPy float64"
        else:
            # A rival's float64 rather than ours: an error of ours must not be its own measure.
            exact = [c for c in candidates if c.described["mode"] == "reference" and id(c) in values]
            exact.sort(key=lambda c: c.side in OURS)
            if not exact:
                for candidate in candidates:
                    candidate.problem = candidate.problem or "no reference to check its values against"
                return
            reference, record.checked = values[id(exact[0])], f"{SIDES[exact[0].side].title}, float64"
        for candidate in candidates:
            if not candidate.problem and id(candidate) in values:
                wrong = compare(case, values[id(candidate)], reference)
                candidate.problem = f"wrong values: {wrong}" if wrong else ""

    def time(self, case: Case, candidates: list[Candidate], record: Record) -> None:
        # Without a rival there are no turns to take.
        alone = len({candidate.side for candidate in candidates}) < 2
        for turn in range(min(2, self.pace.rounds) if alone else self.pace.rounds):
            for candidate in candidates:
                slow = candidate.figures and min(candidate.figures) > self.pace.slow and case.unit == "s"
                if candidate.problem or (candidate.probe and turn) or (slow and turn >= self.pace.slow_rounds):
                    continue
                try:
                    answer = candidate.process.ask("time", case.limit, run=candidate.number, seconds=self.pace.seconds)
                except (LostError, RuntimeError) as error:
                    # Of a lost process, all runs are lost.
                    for other in candidates if isinstance(error, LostError) else [candidate]:
                        if other.process is candidate.process:
                            other.problem = str(error)
                    if isinstance(error, LostError) and not case.fresh:
                        self.drop(candidate.side)
                    continue
                candidate.extra = answer.get("extra", {})
                candidate.figures.append(answer["figure"] if "figure" in answer else candidate.extra.pop("figure"))
        for c in candidates:
            if c.figures:
                variant, mode = c.described["variant"], c.described["mode"]
                record.timings.append(Timing(c.side, variant, mode, min(c.figures), c.figures, c.extra))
