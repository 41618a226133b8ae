"""1. The perceptron: one unit, a threshold, and a rule that learns.

python examples/01_perceptron.py

A perceptron answers 1 where x w + b > 0. Its rule corrects the weights after every mistake, w += (target - output) x,
and ends after finitely many corrections wherever one line separates the classes (Rosenblatt 1958). AND, OR and NAND are
such classes; XOR is not. Three perceptrons in two layers give XOR by hand, and a network of two layers learns it by
gradients. On every machine the same figures:

    AND      separated after 6 epochs, 4 of 4 right
    OR       separated after 4 epochs, 4 of 4 right
    NAND     separated after 6 epochs, 4 of 4 right
    XOR      never separated by one unit: at least 2 mistakes an epoch in 1,000 epochs
    AND(OR, NAND), two layers by hand: 4 of 4 right
    XOR by gradients, two layers: 4 of 4 right for 5 of 5 seeds
"""

from __future__ import annotations

import argparse

import numpy as np

import tilegrad as tg
from tilegrad import nn

INPUTS = np.float32([[0, 0], [0, 1], [1, 0], [1, 1]])
TARGETS = {"AND": [0, 0, 0, 1], "OR": [0, 1, 1, 1], "NAND": [1, 1, 1, 0], "XOR": [0, 1, 1, 0]}


def right(answers: np.ndarray, name: str) -> int:
    """How many of the four answers are those of the table."""
    return int((answers == np.array(TARGETS[name])).sum())


def by_gradients(seed: int, steps: int) -> int:
    """How many rows of XOR two layers get right after some steps of Adam."""
    tg.manual_seed(seed)
    model = tg.models.xor_net()
    optimizer, loss = tg.optim.Adam(model.parameters(), lr=0.05), nn.BCEWithLogitsLoss()

    @tg.capture
    def step(x: tg.Tensor, y: tg.Tensor) -> None:
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()

    x, y = tg.tensor(INPUTS), tg.tensor(np.float32(TARGETS["XOR"])[:, None])
    for _ in range(steps):
        step(x, y)
    return right(model(x).detach().numpy()[:, 0] > 0, "XOR")


def main() -> None:
    """Four gates by the rule, then XOR by two layers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer epochs for the unit that cannot learn, fewer seeds")
    options = parser.parse_args()

    units = {}
    for name, targets in TARGETS.items():
        unit = units[name] = tg.models.Perceptron(2)
        mistakes = unit.fit(INPUTS, targets, epochs=50 if options.quick else 1000)
        if mistakes[-1] == 0:
            answers = unit(tg.tensor(INPUTS)).numpy()
            print(f"{name:8} separated after {len(mistakes)} epochs, {right(answers, name)} of 4 right")
        else:
            print(
                f"{name:8} never separated by one unit: at least {min(mistakes)} mistakes an epoch in "
                f"{len(mistakes):,} epochs"
            )

    # XOR is what OR and NAND agree on: the outputs of a first layer are the inputs of a second.
    hidden = tg.stack([units["OR"](tg.tensor(INPUTS)), units["NAND"](tg.tensor(INPUTS))], axis=1)
    print(f"AND(OR, NAND), two layers by hand: {right(units['AND'](hidden).numpy(), 'XOR')} of 4 right")

    # Nobody tells the first layer of a network what to compute: the slopes do, where thresholds have none.
    seeds = 2 if options.quick else 5
    found = [by_gradients(seed, steps=500) for seed in range(seeds)]
    print(f"XOR by gradients, two layers: {min(found)} of 4 right for {found.count(4)} of {seeds} seeds")


if __name__ == "__main__":
    main()
