"""Runs the reference runs: networks of the textbook on real data, whose accuracy is known; and judges the figures.

    python -m bench.reference_runs --data DIR                      all; the figures go to bench/results
    python -m bench.reference_runs --data DIR --only xor lenet     some
    python -m bench.reference_runs --list                          what there is

DIR has the folders mnist/ and cifar10/; without --data it is TILEGRAD_DATA, or shared/data beside the repository. Each
run is an example of examples/, started as a user starts it, once for each seed; its figure is the mean over seeds of
what it printed. Exits with 1 if a figure misses its reference. Figures do not depend on the machine or its load.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

from bench.results import FOLDER, allowed_cpus, file_name, machine, revision

ROOT = Path(__file__).parents[1]
TEST_ACCURACY = r"^test accuracy (\d\.\d+)$"
BOTH = r"validation accuracy (\d\.\d+), test accuracy (\d\.\d+)$"


@dataclass(frozen=True)
class Reference:
    """A run, where its figures are in what it prints, and what they must be."""

    name: str
    set_up: str
    example: str
    arguments: tuple[str, ...] = ()
    data: str | None = None  # the folder under DIR that it is given, "" for DIR itself
    pattern: str = TEST_ACCURACY
    least: float | tuple[float, ...] = 0.0  # of all figures, or of each
    most: float = 1.0
    seeds: int = 1

    def bounds(self) -> str:
        """What the figures must be, in signs."""
        least = self.least if isinstance(self.least, tuple) else (self.least,)
        shown = ">= " + "/".join(f"{bound:g}" for bound in least)
        return shown if self.most >= 1 and max(least) < 1 else f"{shown}, <= {self.most:g}"

    def is_met(self, means: Sequence[float]) -> bool:
        """Whether the means are within the bounds."""
        least = self.least if isinstance(self.least, tuple) else (self.least,) * len(means)
        return all(low <= value <= self.most for low, value in zip(least, means, strict=True))


@dataclass
class Outcome:
    """What a run gave: for each seed the figures printed, and the least mean of them."""

    name: str
    set_up: str
    command: str
    reference: str
    figures: list[list[float]] = field(default_factory=list)
    mean: list[float] = field(default_factory=list)
    met: bool = False
    seconds: float = 0.0


REFERENCES = (
    Reference(
        "gates", "AND, OR, NAND by the perceptron rule: rows right", "01_perceptron.py",
        pattern=r"^(?:AND|OR|NAND) .*, (\d) of 4 right$", least=4, most=4,
    ),
    Reference(
        "xor", "XOR by a two-layer net, by hand and by gradients: rows right", "01_perceptron.py",
        pattern=r"^(?:AND\(OR, NAND\), two layers by hand|XOR by gradients, two layers): (\d) of 4 right",
        least=4, most=4,
    ),
    Reference(
        "polynomial", "polynomial of order 5, noisy y = x, 20 points: of 10 draws, those whose L2 fit is closer "
        "to y = x on held-out points", "02_polynomial_regression.py",
        pattern=r"^the L2 fit is closer for (\d+) of 10 draws$", least=10, most=10,
    ),
    Reference(
        "softmax-slow", "softmax regression, MNIST, SGD 0.001, batch 128, weights N(0, 1), 100 epochs",
        "03_softmax_regression.py", ("--slow",), "mnist", least=0.70, most=0.74, seeds=5,
    ),
    Reference(
        "softmax", "softmax regression, MNIST, a good rate, zero weights", "03_softmax_regression.py", (), "mnist",
        least=0.92, seeds=5,
    ),
    Reference(
        "784-50-50-10", "ReLU, MNIST, Adam 0.001, batch 100, 10% validation, 5 epochs", "04_mlp.py",
        ("--network", "784-50-50-10"), "", r"test accuracy (\d\.\d+)$", 0.965, seeds=5,
    ),
    Reference(
        "784-100-100-10", "100 hidden units and a schedule, MNIST", "04_mlp.py",
        ("--network", "784-100-100-10"), "", r"test accuracy (\d\.\d+)$", 0.974, seeds=5,
    ),
    Reference(
        "784-256-100-10", "ReLU, He's weights, MNIST, Adam 0.001, batch 100, L2 5e-5, 10,000 steps", "04_mlp.py",
        ("--network", "784-256-100-10"), "", r"test accuracy (\d\.\d+)$", 0.978, seeds=5,
    ),
    Reference(
        "784-256-100-10 decay", "the same with a rate that decays", "04_mlp.py",
        ("--network", "784-256-100-10 decay"), "", r"test accuracy (\d\.\d+)$", 0.982, seeds=5,
    ),
    Reference(
        "lenet", "LeNet-5, MNIST, one-cycle AdamW, 5 epochs", "05_lenet.py", (), "mnist", least=0.990, seeds=5,
    ),
    Reference(
        "lenet best", "LeNet-5, MNIST, the best schedule", "05_lenet.py", ("--best",), "mnist", least=0.992, seeds=5,
    ),
    Reference(
        "cifar10 100-50-25", "fully connected, CIFAR-10, Adam, batch 200, 10 epochs: validation and test", "04_mlp.py",
        ("--network", "cifar10 100-50-25"), "", BOTH, 0.50, seeds=5,
    ),
    Reference(
        "cifar10 cnn", "small CNN with dropout, CIFAR-10", "06_cifar_cnn.py", ("--plain", "--epochs", "20"), "cifar10",
        least=0.80,
    ),
    Reference(
        "cifar10 resnet", "residual network, CIFAR-10: test, with one look at each image and with six",
        "17_cifar_resnet.py", (), "cifar10", r"^(?:with one look at each image|test accuracy) (\d\.\d+)$",
        (0.93, 0.94),
    ),
)  # fmt: skip


def data_folder(given: str | None) -> Path | None:
    """The folder with the data sets, or None to have them downloaded."""
    for candidate in (given, os.environ.get("TILEGRAD_DATA"), ROOT.parent / "shared" / "data"):
        if candidate and Path(candidate).is_dir():
            return Path(candidate).resolve()
    return None


def run(reference: Reference, data: Path | None) -> Outcome:
    """All seeds of a run."""
    shown = ["python", f"examples/{reference.example}", *reference.arguments]
    if reference.data is not None:
        shown += ["--data", "DIR" if not reference.data else f"DIR/{reference.data}"]
    command_line = " ".join(f"'{a}'" if " " in a else a for a in shown)
    outcome = Outcome(reference.name, reference.set_up, command_line, reference.bounds())
    if reference.seeds > 1:
        outcome.command += f" --seed S, S = 0 to {reference.seeds - 1}"
    begin = time.perf_counter()
    for seed in range(reference.seeds):
        command = [sys.executable, str(ROOT / "examples" / reference.example), *reference.arguments]
        if reference.data is not None and data is not None:
            command += ["--data", str(data / reference.data)]
        if reference.seeds > 1:
            command += ["--seed", str(seed)]
        with tempfile.TemporaryDirectory(prefix="reference-") as folder:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{reference.name}, seed {seed}: exit status {done.returncode}\n{done.stderr}")
        found = re.findall(reference.pattern, done.stdout, re.MULTILINE)
        if not found:
            raise SystemExit(f"{reference.name}, seed {seed}: no figure in what it printed:\n{done.stdout}")
        parts = [part for match in found for part in (match if isinstance(match, tuple) else (match,))]
        outcome.figures.append([float(part) for part in parts])
    outcome.seconds = round(time.perf_counter() - begin, 1)
    outcome.mean = [round(mean(column), 5) for column in zip(*outcome.figures, strict=True)]
    outcome.met = reference.is_met(outcome.mean)
    return outcome


def save(path: Path, outcomes: Sequence[Outcome], started: str, rev: str) -> None:
    """Add to a file of the day; a run that is there already is replaced."""
    known = {entry["name"]: entry for entry in json.loads(path.read_text())["runs"]} if path.exists() else {}
    about = {
        "started": started,
        "machine": machine(),
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "revision": rev,
        "threads": int(os.environ.get("TILEGRAD_NUM_THREADS") or allowed_cpus()),
    }
    known.update({outcome.name: {**about, **dataclasses.asdict(outcome)} for outcome in outcomes})
    order = {reference.name: position for position, reference in enumerate(REFERENCES)}
    entries = sorted(known.values(), key=lambda entry: order.get(entry["name"], len(order)))
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".tmp")
    beside.write_text(json.dumps({"runs": entries}, indent=1) + "\n")
    beside.replace(path)


def main(given: Sequence[str] | None = None) -> int:
    """Run, print, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [reference.name for reference in REFERENCES]
    parser.add_argument("--data", metavar="DIR", help="a folder with mnist/ and cifar10/")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    parser.add_argument("--results", type=Path, help="the file to write; by default of the machine and the day")
    options = parser.parse_args(given)
    if options.list:
        for reference in REFERENCES:
            print(f"{reference.name:22} {reference.set_up}")
        return 0
    now = datetime.datetime.now(datetime.timezone.utc)
    path = options.results or FOLDER / f"reference-runs-{file_name(machine(), now.date().isoformat())}"
    rev, data, missed = revision(), data_folder(options.data), 0
    for reference in REFERENCES:
        if reference.name not in options.only:
            continue
        outcome = run(reference, data)
        save(path, [outcome], now.isoformat(timespec="seconds"), rev)
        missed += not outcome.met
        printed = " ".join("/".join(f"{value:g}" for value in figures) for figures in outcome.figures)
        means = "/".join(f"{value:.4f}" for value in outcome.mean)
        verdict = "met" if outcome.met else "MISSED"
        print(f"{outcome.name}: {means} ({outcome.reference}: {verdict}); by seed {printed}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
