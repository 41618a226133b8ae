"""Train LeNet-5 on MNIST.

python examples/mnist.py --data DIR     # a folder with the four IDX files
python examples/mnist.py                # downloads them into the cache folder
"""

from __future__ import annotations

import argparse

import numpy as np

import tilegrad as tg


def main() -> None:
    """Train, test, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", metavar="DIR", help="the folder with the IDX files; without it they are downloaded")
    parser.add_argument("--seed", type=int, default=0, help="of the initial weights and the shuffles")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--model", default="mnist.safetensors", help="where to save the model")
    options = parser.parse_args()
    tg.manual_seed(options.seed)

    train, test = tg.data.MNIST(options.data, train=True), tg.data.MNIST(options.data, train=False)
    mean, deviation = np.float32(train.images.mean()), np.float32(train.images.std())
    x_train, x_test = (train.images - mean) / deviation, (test.images - mean) / deviation

    model = tg.models.lenet5()
    print(model.summary((28, 28, 1)))

    loader = tg.data.DataLoader((x_train, train.labels), options.batch_size, shuffle=True, seed=options.seed)
    schedule = tg.optim.schedules.OneCycle(2e-3, steps=options.epochs * len(loader))
    optimizer = tg.optim.AdamW(model.parameters(), lr=schedule, weight_decay=0.05)
    trainer = tg.train.Trainer(model, tg.nn.CrossEntropyLoss(), optimizer, metrics=["accuracy"], capture=True)
    history = trainer.fit(loader, epochs=options.epochs)

    print(f"{np.median(history['samples_per_second']):,.0f} samples per second")
    print(f"test accuracy {trainer.evaluate((x_test, test.labels))['accuracy']:.4f}")
    tg.save(model, options.model)
    print(f"saved to {options.model}")


if __name__ == "__main__":
    main()
