"""7. Transfer learning: what to do with a trained network depends on how much new data there is, and how similar it is.

python examples/07_transfer.py --data DIR                       # all four cases
python examples/07_transfer.py --data DIR --case small-similar  # one of them
python examples/07_transfer.py --data DIR --source fashion-mnist

DIR has the folders mnist/ and fashion-mnist/ with four IDX files each; without --data they are downloaded into the
cache folder. A small network learns the first five classes of the source (the digits 0 to 4). Similar data are its
other five classes (5 to 9), different data all ten classes of the other set. Small is 500 images, large is all:

    small-similar     the features fit, the data are too few to change them: freeze all, train a new head
    small-different   only simple features fit: freeze the first layer, train a linear head on it
    large-similar     fine-tune all, the old layers with a small rate
    large-different   train all at the full rate, starting from these weights

Every case prints its accuracy on the test images, beside that of the same network trained from scratch on the same
data for the same number of steps. Test accuracy of transfer / from scratch, for the seeds 0, 1 and 2, and with
--source fashion-mnist for 0 and 1:

    small-similar     0.957/0.953  0.961/0.945  0.959/0.945      0.940/0.933  0.943/0.934
    small-different   0.812/0.809  0.815/0.807  0.819/0.808      0.866/0.894  0.870/0.903
    large-similar     0.987/0.986  0.986/0.985  0.986/0.983      0.957/0.960  0.946/0.933
    large-different   0.878/0.876  0.878/0.879  0.881/0.879      0.979/0.979  0.979/0.980

Old features help most where data are few and similar, and matter little where data are many.
"""

from __future__ import annotations

import argparse
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np

import tilegrad as tg
from tilegrad import nn

CASES = ("small-similar", "small-different", "large-similar", "large-different")
SETS = {"mnist": tg.data.MNIST, "fashion-mnist": tg.data.FashionMNIST}


class Data(NamedTuple):
    """Images [N, 28, 28, 1] and labels from 0, for training and testing."""

    x_train: Any
    y_train: Any
    x_test: Any
    y_test: Any

    def first(self, count: int | None) -> Data:
        """The same with fewer images for training."""
        return self._replace(x_train=self.x_train[:count], y_train=self.y_train[:count])


def read(name: str, folder: str | None, classes: range, limit: int | None) -> Data:
    """Some classes of a data set, numbered from 0; pixels from 0 to 1."""
    parts: list[Any] = []
    for train in (True, False):
        found = SETS[name](None if folder is None else f"{folder}/{name}", train=train)
        chosen = np.isin(found.labels, classes)
        parts += [found.images[chosen][:limit] / np.float32(255), found.labels[chosen][:limit] - classes.start]
    return Data(*parts)


def network(classes: int) -> nn.Sequential:
    """Two convolutions that make features, and a head that tells classes by them."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 16, 3, padding="same", bias=False),
            norm1=nn.BatchNorm2d(16, activation="relu"),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(16, 32, 3, padding="same", bias=False),
            norm2=nn.BatchNorm2d(32, activation="relu"),
            pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            head=nn.Linear(7 * 7 * 32, classes),
        )
    )


def train(model: nn.Module, groups: list[dict[str, Any]], data: Data, epochs: int, seed: int) -> float:
    """The accuracy on the test images after training groups of parameters, each with a rate of its own."""
    optimizer = tg.optim.Adam(groups)
    trainer = tg.train.Trainer(model, nn.CrossEntropyLoss(), optimizer, metrics=["accuracy"], capture=True)
    trainer.fit((data.x_train, data.y_train), epochs, batch_size=50, seed=seed, verbose=0)
    return trainer.evaluate((data.x_test, data.y_test))["accuracy"]


def adapted(case: str, trained: nn.Sequential, classes: int) -> tuple[nn.Module, list[dict[str, Any]]]:
    """What to train in a case, and how."""
    if case == "small-different":
        early = nn.Sequential(trained.conv1, trained.norm1, trained.pool1).freeze(statistics=True)
        head = nn.Linear(14 * 14 * 16, classes)
        return nn.Sequential(early, nn.Flatten(), head), [{"params": head.parameters(), "lr": 1e-3}]
    old = list(trained.parameters())[:-2]
    if case == "small-similar":
        trained.freeze(statistics=True)
    trained.head = nn.Linear(7 * 7 * 32, classes)
    head_group = {"params": trained.head.parameters(), "lr": 1e-3}
    rates = {"large-similar": 3e-4, "large-different": 1e-3}
    return trained, [head_group, *([{"params": old, "lr": rates[case]}] if case in rates else [])]


def main() -> None:
    """Train on the source, then go through the cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", metavar="DIR", help="a folder with mnist/ and fashion-mnist/; without it: downloads")
    parser.add_argument("--case", choices=[*CASES, "all"], default="all")
    parser.add_argument("--source", choices=list(SETS), default="mnist", help="what the network learns first")
    parser.add_argument("--seed", type=int, default=0, help="of the initial weights and the shuffles")
    parser.add_argument("--limit", type=int, help="at most so many images of everything, for a quick look")
    parser.add_argument("--model", default="transfer.safetensors", help="where to save the network of the source")
    parser.add_argument("--quick", action="store_true", help="--limit 500")
    options = parser.parse_args()
    if options.quick and options.limit is None:
        options.limit = 500
    tg.manual_seed(options.seed)

    other = next(name for name in SETS if name != options.source)
    source = read(options.source, options.data, range(5), options.limit)
    model = network(5)
    accuracy = train(model, [{"params": model.parameters()}], source, epochs=3, seed=options.seed)
    print(f"{options.source}, classes 0 to 4: {len(source.x_train)} images, test accuracy {accuracy:.4f}")
    tg.save(model, options.model)

    targets = {
        "similar": read(options.source, options.data, range(5, 10), options.limit),
        "different": read(other, options.data, range(10), options.limit),
    }
    for case in CASES if options.case == "all" else (options.case,):
        size, similarity = case.split("-")
        data = targets[similarity].first(500 if size == "small" else None)
        epochs = 30 if size == "small" else 1
        classes = int(data.y_test.max()) + 1
        tg.manual_seed(options.seed)
        transferred = train(*adapted(case, tg.load(options.model), classes), data, epochs, options.seed)
        scratch = network(classes)
        alone = train(scratch, [{"params": scratch.parameters()}], data, epochs, options.seed)
        print(f"{case}: {len(data.x_train)} images, transfer {transferred:.4f}, from scratch {alone:.4f}")


if __name__ == "__main__":
    main()
