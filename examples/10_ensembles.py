"""10. Ensembles: networks that err differently are together better than the best of them.

python examples/10_ensembles.py --data DIR                 # five seeds
python examples/10_ensembles.py --data DIR --members 10

DIR has Fashion-MNIST's four IDX files; without --data they are downloaded into the cache folder. 2,000 training images,
and a small convolutional network, trained several times from other weights and on other draws of the images (bagging);
then once, on all images, with a rate that falls and jumps up again, whose weights at the end of each cycle are members
that cost nothing (snapshots); then with a rate that stays high, and averages of its weights. Test accuracy of five
seeds, mean and deviation:

    one member, mean         0.8351 +- 0.0033
    one member, best         0.8399 +- 0.0044
    majority vote            0.8542 +- 0.0045
    confidence vote          0.8545 +- 0.0046
    mean probability         0.8552 +- 0.0037
    last snapshot            0.8488 +- 0.0044
    snapshots together       0.8500 +- 0.0029
    high rate, last weights  0.8442 +- 0.0050
    high rate, EMA           0.8494 +- 0.0036
    high rate, SWA           0.8502 +- 0.0056
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np

import tilegrad as tg
from tilegrad import nn

BATCH, RATE, HIGH_RATE = 50, 3e-3, 1e-2


def network() -> nn.Sequential:
    """Two convolutions and a dense layer: 20,000 weights."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding="same", bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding="same", bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(7 * 7 * 32, 10),
    )  # fmt: skip


def trainer_of(rate: Any, seed: int) -> tg.train.Trainer:
    """A trainer with a network of its own seed."""
    tg.manual_seed(seed)
    model = network()
    return tg.train.Trainer(model, nn.CrossEntropyLoss(), tg.optim.Adam(model.parameters(), lr=rate), capture=True)


def share_right(labels: Any, predicted: tg.Tensor) -> float:
    """The accuracy."""
    return float((predicted.numpy() == labels).mean())


def alone(model: nn.Module, test: Any) -> float:
    """The accuracy of one network."""
    return share_right(test[1], tg.train.Ensemble([model]).predict(test[0]))


def bagged(data: Any, test: Any, members: int, epochs: int, seed: int) -> dict[str, float]:
    """Members of other weights, each on as many images drawn with replacement; and how they decide."""
    images, labels = data
    models: list[nn.Module] = []
    for member in range(members):
        drawn = np.random.default_rng([seed, member]).integers(0, len(images), len(images))
        schedule = tg.optim.schedules.Cosine(RATE, steps=epochs * -(-len(images) // BATCH))
        trainer = trainer_of(schedule, 100 * seed + member)
        trainer.fit((images[drawn], labels[drawn]), epochs, BATCH, seed=seed, verbose=0)
        models.append(trainer.model)
    accuracies = [alone(model, test) for model in models]
    found = {"one member, mean": float(np.mean(accuracies)), "one member, best": max(accuracies)}
    for method, name in (("vote", "majority vote"), ("confidence", "confidence vote"), ("mean", "mean probability")):
        found[name] = share_right(test[1], tg.train.Ensemble(models, method).predict(test[0]))
    return found


def endless(loader: tg.data.DataLoader) -> Iterator[Any]:
    """Epoch after epoch."""
    while True:
        yield from loader


def snapshots(data: Any, test: Any, members: int, epochs: int, seed: int) -> dict[str, float]:
    """One training whose rate falls and jumps up again: a checkpoint at the end of each cycle."""
    loader = tg.data.DataLoader(data, BATCH, shuffle=True, seed=seed)
    cycle = epochs // 2 * len(loader)
    trainer = trainer_of(tg.optim.schedules.CosineRestarts(RATE, cycle), seed)
    with tempfile.TemporaryDirectory() as run:
        folder = tg.train.CheckpointFolder(run, keep_last=members, keep_best=0)
        # What the trainer calls an epoch is a cycle.
        trainer.fit(endless(loader), members, steps_per_epoch=cycle, checkpoint=folder, verbose=0)
        together = tg.train.Ensemble.from_checkpoints(folder, trainer.model)
        right = share_right(test[1], together.predict(test[0]))
    return {"last snapshot": alone(trainer.model, test), "snapshots together": right}


def averages(data: Any, test: Any, epochs: int, seed: int) -> dict[str, float]:
    """One training at a high rate, and two averages of its weights."""
    trainer = trainer_of(HIGH_RATE, seed)
    ema, swa = tg.train.EMA(decay=0.99, apply_at_end=False), tg.train.SWA(start=epochs // 2)
    trainer.fit(data, epochs, BATCH, callbacks=[ema], seed=seed, verbose=0)
    found = {"high rate, last weights": alone(trainer.model, test)}
    with ema.swapped() as model:
        found["high rate, EMA"] = alone(model, test)
    trainer = trainer_of(HIGH_RATE, seed)
    trainer.fit(data, epochs, BATCH, callbacks=[swa], seed=seed, verbose=0)
    found["high rate, SWA"] = alone(trainer.model, test)
    return found


def main() -> None:
    """Train for every seed, and print means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", metavar="DIR", help="the folder with the IDX files; without it they are downloaded")
    parser.add_argument("--seeds", type=int, default=5, help="how many runs of each")
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=20, help="of each member; of a snapshot's cycle half as many")
    parser.add_argument("--quick", action="store_true", help="one seed, two members, 200 images, two epochs")
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.members, options.samples, options.epochs = 1, 2, 200, 2
    full = tg.data.FashionMNIST(options.data, train=True)
    kept = tg.data.FashionMNIST(options.data, train=False)
    scaled = (kept.images / np.float32(255), kept.labels.astype(np.int64))

    results: dict[str, list[float]] = {}
    for seed in range(options.seeds):
        chosen = np.random.default_rng(seed).permutation(len(full.images))[: options.samples]
        data = (full.images[chosen] / np.float32(255), full.labels[chosen].astype(np.int64))
        found = {
            **bagged(data, scaled, options.members, options.epochs, seed),
            **snapshots(data, scaled, options.members, options.epochs, seed),
            **averages(data, scaled, options.epochs, seed),
        }
        for name, accuracy in found.items():
            results.setdefault(name, []).append(accuracy)
    print(f"test accuracy, means and deviations of {options.seeds} seeds")
    for name, values in results.items():
        deviation = np.std(values, ddof=1) if len(values) > 1 else 0.0
        print(f"{name:<24} {np.mean(values):.4f} +- {deviation:.4f}")


if __name__ == "__main__":
    main()
