"""11. The doctor: a run that learns nothing, what is wrong with it, and the same run mended.

python examples/11_doctor.py            # scikit-learn's digits: a few seconds
python examples/11_doctor.py --quick    # quicker still

The first run has four faults that are easy to make: pixels from 0 to 255, initial weights that are too large, a rate
ten times too high, and a loader that gives the classes one after the other. The doctor is asked before and after
training; each round mends what it names first, until it has nothing left to say. The folder --out gets a page for the
first and the last run, with curves, findings and figures.

Printed on two cores (Zen 5), seed 0:

    broken    test accuracy 0.1002   wrong input range, unshuffled data, loss not near ln(classes) at the start,
                                     exploding gradients, dead units
    mended    test accuracy 0.9783   the doctor found nothing wrong

in five runs, each of which mended the first thing that was named: the pixels, the order, the weights, the rate.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import load_digits

import tilegrad as tg
from tilegrad import nn


class Choices(NamedTuple):
    """What a run is made of; each default is the fault."""

    scale: float = 255.0
    weights: Any = ("normal", {"std": 1.0})
    rate: float = 0.3
    shuffle: bool = False


# What mends a diagnosis: the choice, and its better value.
REMEDIES: dict[str, tuple[str, Any]] = {
    "wrong input range": ("scale", 1.0),
    "unshuffled data": ("shuffle", True),
    "loss not near ln(classes) at the start": ("weights", None),
    "exploding gradients": ("weights", None),
    "learning rate too high": ("rate", 3e-3),
}


def network(weights: Any) -> nn.Module:
    """Images [N, 8, 8, 1] to ten scores."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding="same", activation="relu", weight_init=weights),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding="same", activation="relu", weight_init=weights),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(None, 10, weight_init=weights),
    ).build((8, 8, 1))


class Run:
    """One training, examined before and after."""

    def __init__(self, choices: Choices, train: Any, test: Any, epochs: int, seed: int, folder: Path | None) -> None:
        tg.manual_seed(seed)
        x, y = train
        self.test = (test[0] * np.float32(choices.scale), test[1])
        # The fault is an order by class, as a folder with a folder for each class has it.
        order = np.argsort(y, kind="stable")
        x, y = x[order] * np.float32(choices.scale), y[order]
        loader = tg.data.DataLoader((x, y), batch_size=32, shuffle=choices.shuffle, seed=seed)
        self.model = network(choices.weights)
        optimizer = tg.optim.Adam(self.model.parameters(), lr=choices.rate)
        self.trainer = tg.train.Trainer(
            self.model, nn.CrossEntropyLoss(), optimizer, metrics=["accuracy"], capture=True
        )
        self.monitor = tg.inspect.Monitor(every=20)
        self.before = tg.inspect.doctor(self.trainer, loader)
        self.history = self.trainer.fit(
            loader, epochs=epochs, validation_data=self.test, verbose=0, callbacks=[self.monitor], checkpoint=folder
        )
        self.after = tg.inspect.doctor(self.trainer, loader, self.history, monitor=self.monitor)

    @property
    def accuracy(self) -> float:
        """On the test images."""
        return self.trainer.evaluate(self.test)["accuracy"]

    def write(self, folder: Path, name: str) -> Path:
        """A page about the run."""
        figures = {
            "filters of the first layer": tg.inspect.plot_filters(self.model),
            "test images it gets wrong": tg.inspect.plot_misclassified(self.model, self.test, count=16),
            "what it takes for what": tg.inspect.plot_confusion(self.model, self.test),
            "updates, relative to the weights": tg.inspect.plot_series(self.monitor, "update_ratio"),
        }
        return tg.inspect.report(folder, folder.parent / name, findings=self.after or self.before, figures=figures)


def main() -> None:
    """Break, ask, mend."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--quick", action="store_const", const=5, dest="epochs", help="five epochs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a new folder for the runs and their pages")
    options = parser.parse_args()

    digits = load_digits()
    images, labels = np.float32(digits.images / 16.0)[..., None], np.int64(digits.target)
    train, test = tg.data.train_validation_split(images, labels, fraction=1 / 3, seed=options.seed, stratify=labels)

    choices = Choices()
    for number in range(1, 7):
        folder = None if options.out is None else options.out / f"run{number}"
        run = Run(choices, train, test, options.epochs, options.seed, folder)
        print(f"run {number}: {choices}")
        print(f"test accuracy {run.accuracy:.4f}, training loss {run.history['loss'][-1]:.4g}")
        found = tg.inspect.Findings([*run.before, *(f for f in run.after if f.diagnosis not in run.before.diagnoses)])
        print(found, end="\n\n")
        known = [REMEDIES[name] for name in found.diagnoses if name in REMEDIES]
        if folder is not None and (number == 1 or not found):
            print(f"wrote {run.write(folder, 'broken.html' if number == 1 else 'mended.html')}")
        if not known:
            break
        # One remedy at a time, as one would: the first cause may explain the rest.
        choices = choices._replace(**dict(known[:1]))


if __name__ == "__main__":
    main()
