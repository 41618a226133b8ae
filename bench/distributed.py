"""What ranks tell each other in a step: mpirun -n 2 python bench/distributed.py

For some networks the seconds of gradients (captured), of waiting for the other ranks, of the exchange of gradients and
of the update (captured), on rank 0: the median and the least of many steps. The exchange is what a backward pass that
sends gradients as they come could hide at most, and no more than the backward pass takes; on one host, where ranks
share memory, sending takes processors too.

2 ranks of one thread on 2 CPUs that others use too, Open MPI 5.0.11, the least of 140 steps in ms: gradients 0.9 and
exchange 1.0 (MLP), 3.5 and 0.7 (LeNet-5), 213 and 2.7 (ResNet-20).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np

import tilegrad as tg
from tilegrad import nn

NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "MLP 784-256-128-10": (lambda: tg.models.mlp(10, (256, 128), in_features=784), (784,)),
    "LeNet-5": (lambda: tg.models.lenet5(), (28, 28, 1)),
    "ResNet-20": (lambda: tg.models.resnet20(), (32, 32, 3)),
}


def measured(make: Callable[[], nn.Module], shape: tuple[int, ...], batch: int, steps: int) -> list[list[float]]:
    """Seconds of gradients, waiting, exchange and update, of each step."""
    model = make().build(shape)
    optimizer = tg.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    replicas = tg.distributed.DataParallel(model, optimizer)
    rng = np.random.default_rng(tg.distributed.rank())
    x, y = tg.tensor(rng.normal(size=(batch, *shape)).astype(np.float32)), tg.tensor(rng.integers(0, 10, batch))

    @tg.capture
    def gradients() -> None:
        optimizer.zero_grad()
        nn.CrossEntropyLoss()(model(x), y).backward()

    update = tg.capture(optimizer.step)
    found: list[list[float]] = []
    for step in range(steps + 5):
        times = [time.perf_counter()]
        for work in (gradients, tg.distributed.barrier, lambda: replicas.average_gradients(batch), update):
            work()
            times.append(time.perf_counter())
        if step >= 5:  # the first are recorded
            found.append([end - start for start, end in pairwise(times)])
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64, help="samples of each rank")
    parser.add_argument("--steps", type=int, default=50)
    options = parser.parse_args()
    if tg.distributed.is_main():
        print(f"{tg.distributed.size()} ranks of {tg.get_num_threads()} threads, {options.batch} samples each; ms of")
        print(" " * 20 + "".join(f"{part:>20}" for part in ("gradients", "waiting", "exchange", "update")))
    for name, (make, shape) in NETWORKS.items():
        columns = list(zip(*measured(make, shape, options.batch, options.steps), strict=True))
        if tg.distributed.is_main():
            shown = (f"{statistics.median(c) * 1e3:8.3f} ({min(c) * 1e3:.3f})" for c in columns)
            print(f"{name:20}" + "".join(f"{part:>20}" for part in shown))


if __name__ == "__main__":
    main()
