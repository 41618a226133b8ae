"""The goals, row by row: what, goal, floor, and the cases that decide. Every row is in every report, measured or not.

A row may have several goals. A ratio is the best rival's time over ours; a row's ratio is the geometric mean over its
cases, and no case may be under the floor.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bench.results import Record

TORCH = ("torch", "torch-plain")
EAGER = ("eager",)
CAPTURED = ("captured",)

ROWS: tuple[str, ...] = (
    "SGEMM, K and N of 192 and more, all transposes",
    "SGEMM 64-128",
    "GEMV and outputs narrower than 16",
    "SGEMM, AVX2 capped, against AVX2 NumPy",
    "DGEMM",
    "convolution forward, 3x3 stride 1, 16 channels and more",
    "convolution forward, other shapes, few channels included",
    "convolution backward: weights; data",
    "grouped and depthwise convolution",
    "pooling; batch norm + ReLU; bias + ReLU; softmax cross-entropy",
    "Adam, one call: 0.2-1 M; 10 M parameters",
    "elementwise beyond L3",
    "one training step, captured, against the best rival of all: a; b; c; d; e",
    "the same steps, eager, against the best rival's eager: a; b; c; d; e",
    "inference against onnxruntime: one sample; batches of 256",
    "one tiny op; recording; MLP of width 16 forward + backward",
    "peak memory training (c)",
    "import over NumPy's",
    "step (a) alternating with NumPy 512^3 in one process",
)


@dataclass(frozen=True)
class Verdict:
    """How a goal stands for one number of threads."""

    row: str
    what: str
    goal: str
    floor: str
    threads: int
    status: str  # "met", "under the goal", "under the floor", "unmeasured"
    found: str = ""
    reason: str = ""
    ratio: float | None = None  # the geometric mean, where it is one
    # For the figure, with the goal as 1 and more is better: all cases together, the least of them, the floor.
    reach: float | None = None
    least: float | None = None
    floor_mark: float | None = None


@dataclass(frozen=True)
class Goal:
    """One goal: its row, what it is called in it, and which cases decide: all of a family's group."""

    row: str
    what: str
    family: str
    group: str

    def texts(self) -> tuple[str, str]:
        raise NotImplementedError

    def judge(self, records: list[Record], peaks: Mapping[str, float], threads: int) -> Verdict:
        raise NotImplementedError

    def verdict(self, threads: int, status: str, found: str = "", reason: str = "", **figures: float | None) -> Verdict:
        goal, floor = self.texts()
        return Verdict(self.row, self.what, goal, floor, threads, status, found, reason, **figures)

    def unmeasured(self, threads: int, reason: str) -> Verdict:
        return self.verdict(threads, "unmeasured", reason=reason)

    def chosen(self, records: Iterable[Record]) -> list[Record]:
        return [record for record in records if (record.family, record.group) == (self.family, self.group)]


def why_not(record: Record, fallback: str) -> str:
    """Why a case has no ratio: what its sides said."""
    ours = [text for side, text in record.problems.items() if side.startswith("ours")]
    return "; ".join(ours or record.problems.values()) or fallback


@dataclass(frozen=True)
class Ratio(Goal):
    """At least `goal` times as quick as the best of the rivals, and each case at least `floor` times."""

    goal: float = 1.0
    floor: float = 1.0
    rivals: tuple[str, ...] | None = None
    modes: tuple[str, ...] | None = None
    our_modes: tuple[str, ...] | None = None
    share: float = 0.0  # of the measured peak that the cases' rates must reach, as a geometric mean
    peak: str = "flops"
    ratio_counts: bool = True  # whether the goal speaks of the ratio, or of the share alone

    def texts(self) -> tuple[str, str]:
        goal = ([f"{100 * self.share:.0f} % of peak"] if self.share else []) + (
            [f"{self.goal:g} x"] if self.ratio_counts else []
        )
        return ", ".join(goal), f"{self.floor:g} x"

    def judge(self, records: list[Record], peaks: Mapping[str, float], threads: int) -> Verdict:
        cases = self.chosen(records)
        ratios = {record.name: record.ratio(self.rivals, self.modes, self.our_modes) for record in cases}
        measured = {name: ratio for name, ratio in ratios.items() if ratio is not None}
        if not measured:
            if not cases:
                return self.unmeasured(threads, "not run")
            if all(record.ours(self.our_modes) is None for record in cases):
                mode = f" {' or '.join(self.our_modes)}" if self.our_modes else ""
                return self.unmeasured(threads, why_not(cases[0], f"there is no{mode} run of ours"))
            return self.unmeasured(threads, why_not(cases[0], "no rival was measured"))
        mean, worst = statistics.geometric_mean(measured.values()), min(measured, key=lambda name: measured[name])
        found = f"{mean:.2f} x"
        if len(measured) > 1:
            found += f", least {measured[worst]:.2f} x ({' '.join(worst.split())})"
        reach = mean / self.goal if self.ratio_counts else math.inf
        if self.share:
            top = peaks.get(self.peak)
            rates = [r.flops / t.figure for r in cases if (t := r.ours(self.our_modes))]
            part = statistics.geometric_mean(rates) / top if top else math.nan
            found = f"{100 * part:.0f} % of peak, {found}"
            reach = min(reach, part / self.share)
        lacking = sorted(set(ratios) - set(measured))
        reason = f"without {len(lacking)} of {len(ratios)} cases: {lacking[0]}" if lacking else ""
        status = "met" if reach >= 1 else "under the goal"
        if measured[worst] < self.floor:
            status = "under the floor"
        elif lacking and status == "met":
            status = "under the goal"  # a goal is met by all of its cases
        return self.verdict(
            threads, status, found, reason, ratio=mean, reach=reach,
            least=measured[worst] / self.goal, floor_mark=self.floor / self.goal,
        )  # fmt: skip


@dataclass(frozen=True)
class StreamShare(Goal):
    """At least that share of the stream rate measured in the same run."""

    share: float = 0.9
    peak: str = "copy"

    def texts(self) -> tuple[str, str]:
        return f"{100 * self.share:.0f} % of the measured stream rate", ""

    def judge(self, records: list[Record], peaks: Mapping[str, float], threads: int) -> Verdict:
        cases, top = self.chosen(records), peaks.get(self.peak)
        shares = {r.name: r.bytes / t.figure / top for r in cases if top and (t := r.ours())}
        if not shares:
            return self.unmeasured(threads, "not run" if not cases else why_not(cases[0], "no peak was measured"))
        mean, worst = statistics.geometric_mean(shares.values()), min(shares, key=lambda name: shares[name])
        found = f"{100 * mean:.0f} %, least {100 * shares[worst]:.0f} % ({worst})"
        return self.verdict(
            threads,
            "met" if mean >= self.share else "under the goal",
            found,
            ratio=mean,
            reach=mean / self.share,
            least=shares[worst] / self.share,
        )


@dataclass(frozen=True)
class AtMost(Goal):
    """A figure of ours that must not pass a limit: a number, or a fraction of the rival's figure."""

    goal: float = 1.0
    floor: float | None = None  # None: the rival's figure
    fraction: bool = False
    rivals: tuple[str, ...] = TORCH
    scale: float = 1.0  # from the records' unit to the goal's
    unit: str = ""
    floor_text: str = ""
    goal_text: str = ""
    our_modes: tuple[str, ...] | None = None

    def texts(self) -> tuple[str, str]:
        return self.goal_text or f"{self.goal:g} {self.unit}", self.floor_text or f"{self.floor:g} {self.unit}"

    def judge(self, records: list[Record], peaks: Mapping[str, float], threads: int) -> Verdict:
        cases = self.chosen(records)
        if not cases:
            return self.unmeasured(threads, "not run")
        ours, rival = cases[0].ours(self.our_modes), cases[0].best(self.rivals)
        if ours is None:
            mode = f" {' or '.join(self.our_modes)}" if self.our_modes else ""
            return self.unmeasured(threads, why_not(cases[0], f"there is no{mode} run of ours"))
        needs_rival = self.fraction or self.floor is None
        if rival is None and needs_rival:
            return self.unmeasured(threads, why_not(cases[0], "PyTorch was not measured"))
        theirs = rival.figure if rival else math.nan
        goal = self.goal * theirs if self.fraction else self.goal / self.scale
        floor = theirs if self.floor is None else self.floor * theirs if self.fraction else self.floor / self.scale
        found = f"{ours.figure * self.scale:.3g} {self.unit}"
        if rival:
            found += f", PyTorch {theirs * self.scale:.3g}"
        status = "met" if ours.figure <= goal else "under the goal" if ours.figure <= floor else "under the floor"
        return self.verdict(
            threads, status, found, reach=goal / ours.figure if ours.figure > 0 else None,
            floor_mark=goal / floor if floor else None,
        )  # fmt: skip


def training(row: int, goals: Mapping[str, float], floor: float, ours: tuple[str, ...],
             modes: tuple[str, ...] | None) -> list[Goal]:  # fmt: skip
    return [
        Ratio(ROWS[row], letter, "training", f"step {letter}", goal, floor, modes=modes, our_modes=ours)
        for letter, goal in goals.items()
    ]


GOALS: list[Goal] = [
    Ratio(ROWS[0], "all", "gemm", "large", 1.15, 1.0, ("numpy",), share=0.88),
    Ratio(ROWS[1], "all", "gemm", "small", 1.3, 1.0, ("numpy",)),
    Ratio(ROWS[2], "all", "gemm", "narrow", 1.1, 0.9, ("numpy",)),
    Ratio(ROWS[3], "all", "gemm", "avx2", 1.1, 0.95, ("numpy-avx2",)),
    Ratio(ROWS[4], "all", "gemm", "double", 1.0, 0.95, ("numpy",), share=0.85, peak="flops64", ratio_counts=False),
    Ratio(ROWS[5], "all", "convolution", "3x3", 2.0, 1.5, TORCH),
    Ratio(ROWS[6], "all", "convolution", "other", 1.2, 1.0, TORCH),
    Ratio(ROWS[7], "weights", "convolution", "weights", 1.3, 1.0, TORCH),
    Ratio(ROWS[7], "data", "convolution", "data", 1.5, 1.0, TORCH),
    Ratio(ROWS[8], "all", "convolution", "grouped", 1.5, 1.0, TORCH),
    Ratio(ROWS[9], "pooling", "pooling", "pooling", 3.0, 1.0, TORCH),
    Ratio(ROWS[9], "batch norm + ReLU", "normalisation", "batch norm + ReLU", 2.0, 1.0, TORCH),
    Ratio(ROWS[9], "bias + ReLU", "normalisation", "bias + ReLU", 1.8, 1.0, TORCH),
    Ratio(ROWS[9], "softmax cross-entropy", "losses", "softmax cross-entropy", 4.0, 1.0, TORCH),
    Ratio(ROWS[10], "0.2-1 M", "optimizers", "Adam", 2.0, 0.95, TORCH),
    Ratio(ROWS[10], "10 M", "optimizers", "Adam 10 M", 1.05, 0.95, TORCH),
    StreamShare(ROWS[11], "all", "elementwise", "beyond L3"),
    *training(12, {"a": 1.6, "b": 2.0, "c": 1.8, "d": 1.8, "e": 1.4}, 1.1, CAPTURED, None),
    *training(13, dict.fromkeys("abcde", 1.3), 1.0, EAGER, EAGER),
    Ratio(ROWS[14], "one sample", "inference", "one sample", 1.3, 1.0, ("onnxruntime",)),
    Ratio(ROWS[14], "256", "inference", "256", 1.3, 1.0, ("onnxruntime",)),
    Ratio(ROWS[14], "256, MLP", "inference", "MLP, 256", 1.1, 1.0, ("onnxruntime",)),
    AtMost(
        ROWS[15], "tiny op", "overhead", "tiny op", 0.6, scale=1e6, unit="us", floor_text="PyTorch's figure",
        our_modes=EAGER,
    ),
    AtMost(
        ROWS[15], "recording", "overhead", "recording", 1.0, scale=1e6, unit="us", floor_text="PyTorch's figure",
        our_modes=EAGER,
    ),
    AtMost(
        ROWS[15], "MLP of width 16", "overhead", "MLP of width 16, forward + backward", 25.0, scale=1e6, unit="us",
        floor_text="PyTorch's figure", our_modes=EAGER,
    ),
    *(
        AtMost(
            ROWS[16], mode, "footprint", "peak memory", 1 / 3, 1 / 2, fraction=True, unit="MB",
            goal_text="a third of PyTorch's", floor_text="half", our_modes=(mode,),
        )
        for mode in ("eager", "captured")
    ),
    AtMost(ROWS[17], "all", "footprint", "import", 25.0, 60.0, unit="ms"),
    AtMost(ROWS[18], "eager", "footprint", "alternating", 1.2, 1.5, unit="x alone", our_modes=EAGER),
    AtMost(ROWS[18], "captured", "footprint", "alternating", 1.2, 1.5, unit="x alone", our_modes=CAPTURED),
]  # fmt: skip


def verdicts(records: list[Record], peaks: Mapping[str, Mapping[str, float]], threads: int) -> list[Verdict]:
    """Every goal's, in the order of the rows; peaks by family."""
    return [goal.judge(records, peaks.get(goal.family, {}), threads) for goal in GOALS]


def absent_rows(found: Iterable[Verdict]) -> list[str]:
    """Rows that a report lacks: there must be none."""
    listed = {verdict.row for verdict in found}
    return [row for row in ROWS if row not in listed]


def goals_without_cases(groups: Iterable[tuple[str, str]]) -> list[str]:
    """Goals that no case can ever decide: a group's name is wrong."""
    known = set(groups)
    return [f"{goal.row}: {goal.what}" for goal in GOALS if (goal.family, goal.group) not in known]
