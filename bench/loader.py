"""How fast the loader makes augmented batches, and whether it keeps a training step fed: python -m bench.loader

    python -m bench.loader              a minute on two cores, with images of noise in CIFAR-10's shape
    python -m bench.loader --save       the figures also go to bench/results
    python -m bench.loader --check      exits with 1 where the loader alone is less than 5 times as fast as the step

For each list of transforms: samples a second of the loader alone; of the training step of `small_vgg`, captured, with
a batch that is there already; and of that step fed by the loader. Medians of rounds, which are interleaved, so that a
change of the machine's speed meets all alike.
"""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import tilegrad as tg
from bench.results import FOLDER, file_name, machine, revision
from tilegrad.data import transforms as T

SAMPLES, BATCH, GOAL = 50_000, 128, 5.0
USUAL = [T.RandomCrop(32, padding=4), T.RandomHorizontalFlip()]
SCALED = [T.ToFloat(), T.Normalize((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))]
LISTS: dict[str, T.Compose] = {
    "crop, flip": T.Compose([*USUAL, *SCALED]),
    "crop, flip, cutout": T.Compose([*USUAL, *SCALED, T.Cutout(16)]),
    "crop, flip, rotation, jitter, cutout": T.Compose(
        [*USUAL, T.RandomRotation(15), T.ColorJitter(0.4, 0.4, 0.4, 0.1), *SCALED, T.Cutout(16)]
    ),
    "resized crop, flip": T.Compose([T.RandomResizedCrop(32), T.RandomHorizontalFlip(), *SCALED]),
}


def batches(images: np.ndarray[Any, Any], labels: np.ndarray[Any, Any], transform: T.Compose) -> Iterator[Any]:
    """Epoch after epoch."""
    loader = tg.data.DataLoader((images, labels), BATCH, shuffle=True, drop_last=True, transform=transform)
    while True:
        yield from loader


def rate(call: Callable[[], object], seconds: float) -> float:
    """Samples a second of a call that takes a batch."""
    begin, calls = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - begin) < seconds:
        call()
        calls += 1
    return calls * BATCH / elapsed


def training_step() -> Callable[[Any, Any], Any]:
    """A captured step of the network of the CIFAR-10 example."""
    model, loss = tg.models.small_vgg(), tg.nn.CrossEntropyLoss()
    model.build((32, 32, 3))
    optimizer = tg.optim.AdamW(model.parameters(), lr=1e-3)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        return value

    return tg.capture(step)


def main() -> int:
    """Measure, print, perhaps save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each figure in each round")
    parser.add_argument("--check", action="store_true", help="fail where the goal is missed")
    parser.add_argument("--save", action="store_true", help="write the figures to bench/results")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (SAMPLES, 32, 32, 3), np.uint8)
    labels = rng.integers(0, 10, SAMPLES)
    step = training_step()
    sources = {name: batches(images, labels, transform) for name, transform in LISTS.items()}
    ready = next(sources["crop, flip"])
    for _ in range(3):
        step(*ready)
    alone: dict[str, list[float]] = {name: [] for name in LISTS}
    fed: dict[str, list[float]] = {name: [] for name in LISTS}
    training: list[float] = []
    for _ in range(options.rounds):
        training.append(rate(lambda: step(*ready), options.seconds))
        for name, source in sources.items():
            fed[name].append(rate(lambda source=source: step(*next(source)), options.seconds))  # type: ignore[misc]
            alone[name].append(rate(lambda source=source: next(source), options.seconds))  # type: ignore[misc]
    trained = statistics.median(training)
    print(f"{machine()}, {tg.get_num_threads()} threads")
    print(f"{'':<38}{'loader alone':>14}{'step fed by it':>16}{'alone / step':>14}")
    print(f"{'the step, with a batch that is there':<38}{'':>14}{trained:>14,.0f}/s")
    ratios = {}
    for name in LISTS:
        found, with_loader = statistics.median(alone[name]), statistics.median(fed[name])
        ratios[name] = found / trained
        print(f"{name:<38}{found:>12,.0f}/s{with_loader:>14,.0f}/s{ratios[name]:>14.1f}")
    if options.save:
        today = datetime.date.today().isoformat()
        content = {
            "machine": machine(), "date": today, "revision": revision(), "threads": tg.get_num_threads(),
            "version": tg.__version__, "command": "python -m bench.loader", "unit": "samples per second, medians",
            "step": trained, "alone": {n: statistics.median(v) for n, v in alone.items()},
            "fed": {n: statistics.median(v) for n, v in fed.items()},
        }  # fmt: skip
        path = FOLDER / file_name(machine(), f"{today}-loader")
        path.write_text(json.dumps(content, indent=1) + "\n")
        print(f"saved to bench/results/{path.name}")
    missed = [name for name, ratio in ratios.items() if ratio < GOAL]
    print(f"goal: at least {GOAL:g} times the step: " + (f"missed by {', '.join(missed)}" if missed else "met by all"))
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
