"""Train a small VGG-like network on CIFAR-10.

python examples/06_cifar_cnn.py --data DIR                 # five epochs
python examples/06_cifar_cnn.py --data DIR --epochs 20     # the longer run

DIR has the archive cifar-10-binary.tar.gz (or .tar.xz) or its .bin files; without --data the archive is downloaded into
the cache folder.
"""

from __future__ import annotations

import argparse

import numpy as np

import tilegrad as tg


def main() -> None:
    """Train, test, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", metavar="DIR", help="the archive or a folder; without it the archive is downloaded")
    parser.add_argument("--seed", type=int, default=0, help="of the initial weights, the shuffles and the dropout")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--model", default="cifar10.safetensors", help="where to save the model")
    options = parser.parse_args()
    tg.manual_seed(options.seed)

    train, test = tg.data.CIFAR10(options.data, train=True), tg.data.CIFAR10(options.data, train=False)
    # Each channel is standardised with the statistics of the training set.
    mean = train.images.mean(axis=(0, 1, 2)).astype(np.float32)
    deviation = train.images.std(axis=(0, 1, 2)).astype(np.float32)
    x_train, x_test = (train.images - mean) / deviation, (test.images - mean) / deviation

    model = tg.models.small_vgg()
    print(model.summary((32, 32, 3)))

    loader = tg.data.DataLoader((x_train, train.labels), options.batch_size, shuffle=True, seed=options.seed)
    schedule = tg.optim.schedules.OneCycle(3e-3, steps=options.epochs * len(loader))
    optimizer = tg.optim.AdamW(model.parameters(), lr=schedule)
    trainer = tg.train.Trainer(model, tg.nn.CrossEntropyLoss(), optimizer, metrics=["accuracy"], capture=True)
    history = trainer.fit(loader, options.epochs, validation_data=(x_test, test.labels))

    print(f"{np.median(history['samples_per_second']):,.0f} samples per second")
    print(f"test accuracy {trainer.evaluate((x_test, test.labels))['accuracy']:.4f}")
    tg.save(model, options.model)
    print(f"saved to {options.model}")


if __name__ == "__main__":
    main()
