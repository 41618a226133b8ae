"""What looking inside a training run costs: python bench/monitor.py

The same captured training of two networks without a monitor, with one that never looks, and with one that looks every
K steps within its budget of 2 %: seconds per step, in interleaved rounds on the same data. The share that the monitor
itself accounts for is printed beside the one measured from outside. The bound is 2 %, and 0 for a monitor that is off.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

import tilegrad as tg
from tilegrad import nn

BOUND = 0.02


def mlp() -> nn.Module:
    """MNIST's dense network."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 256, activation="relu"), nn.Linear(256, 128, activation="relu"), nn.Linear(128, 10)
    )


def cnn() -> nn.Module:
    """LeNet's size."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, padding="same", activation="relu"),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 5, padding="same", activation="relu"),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(1568, 128, activation="relu"),
        nn.Linear(128, 10),
    )


class Run:
    """One network that is trained again and again, with its own callbacks."""

    def __init__(self, network: Any, monitors: Sequence[tg.inspect.Monitor]) -> None:
        tg.manual_seed(0)
        self.model = network()
        optimizer = tg.optim.Adam(self.model.parameters(), lr=1e-3)
        self.trainer = tg.train.Trainer(self.model, nn.CrossEntropyLoss(), optimizer, capture=True)
        self.monitors = list(monitors)
        self.shares: list[float] = []

    def seconds(self, data: Any, epochs: int) -> float:
        """Of all steps of some epochs."""
        start = time.perf_counter()
        self.trainer.fit(data, epochs=epochs, batch_size=64, verbose=0, callbacks=self.monitors)
        seconds = time.perf_counter() - start
        self.shares += [monitor.overhead for monitor in self.monitors]
        return seconds


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=100)
    parser.add_argument("--steps", type=int, default=2000, help="in a round, at least")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--check", action="store_true", help="fail where the bound is passed")
    options = parser.parse_args()
    if options.threads:
        tg.set_num_threads(options.threads)
    rng = np.random.default_rng(0)
    batches = 50
    data = (rng.normal(size=(64 * batches, 28, 28, 1)).astype(np.float32), rng.integers(0, 10, 64 * batches))
    epochs = -(-options.steps // batches)
    failed = False
    for name, network in (("MLP 784-256-128-10", mlp), ("CNN 16-32-128-10", cnn)):
        runs = {
            "without": Run(network, []),
            "never looks": Run(network, [tg.inspect.Monitor(every=10**9)]),
            f"every {options.every}": Run(network, [tg.inspect.Monitor(every=options.every)]),
        }
        times: dict[str, list[float]] = {kind: [] for kind in runs}
        for round_number in range(options.rounds + 1):
            for kind, run in runs.items():
                taken = run.seconds(data, epochs)
                if round_number:  # the first makes programs and looks at step 0
                    times[kind].append(taken / (epochs * batches))
        looks = len(runs[f"every {options.every}"].monitors[0].inspections)
        print(f"{name}, batches of 64, {epochs * batches} steps a round, median of {options.rounds} rounds")
        for kind, values in times.items():
            shares = [taken / least - 1 for taken, least in zip(values, times["without"], strict=True)]
            line = f"  {kind:<12} {1e6 * statistics.median(values):9.1f} us a step"
            if kind != "without":
                own = statistics.median(runs[kind].shares[1:])
                line += f"  measured {statistics.median(shares):+7.2%}, its own account {own:.2%}"
                failed |= kind != "never looks" and own > BOUND
            print(line)
        print(f"  {looks} inspections kept")
    return 1 if options.check and failed else 0


if __name__ == "__main__":
    sys.exit(main())
