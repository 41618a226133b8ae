"""Train a small convolutional network on scikit-learn's 8 x 8 handwritten digits, save it, and load it again.

python examples/digits.py --seed 0 --plot misclassified.png
"""

from __future__ import annotations

import argparse

import numpy as np
from sklearn.datasets import load_digits

import tilegrad as tg
from tilegrad import nn


def network() -> nn.Sequential:
    """Images [N, 8, 8, 1] to ten scores."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding="same", activation="relu"),
        nn.Conv2d(16, 32, 3, padding="same", activation="relu"),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Conv2d(32, 64, 3, padding="same", activation="relu"),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(None, 10),  # its input size is inferred
    )


def main() -> None:
    """Train, test, save, load."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of the split, the initial weights and the shuffles")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--quick", action="store_const", const=2, dest="epochs", help="two epochs")
    parser.add_argument("--model", default="digits.safetensors", help="where to save the model")
    parser.add_argument("--plot", metavar="FILE", help="write a figure of the misclassified digits")
    options = parser.parse_args()
    tg.manual_seed(options.seed)

    # 1,797 images of 8 x 8 pixels from 0 to 16; a third is held out.
    digits = load_digits()
    images = np.float32(digits.images / 16.0)[..., None]  # [N, H, W, C]
    labels = np.int64(digits.target)
    (x_train, y_train), (x_test, y_test) = tg.data.train_validation_split(
        images, labels, fraction=1 / 3, seed=options.seed, stratify=labels
    )

    model = network()
    print(model.summary((8, 8, 1)))

    loader = tg.data.DataLoader((x_train, y_train), batch_size=32, shuffle=True, seed=options.seed)
    schedule = tg.optim.schedules.OneCycle(6e-3, steps=options.epochs * len(loader))
    optimizer = tg.optim.Adam(model.parameters(), lr=schedule)
    trainer = tg.train.Trainer(model, nn.CrossEntropyLoss(), optimizer, metrics=["accuracy"], capture=True)
    trainer.fit(loader, epochs=options.epochs)
    print(f"test accuracy {trainer.evaluate((x_test, y_test))['accuracy']:.4f}")

    tg.save(model.eval(), options.model)
    predictions = trainer.predict(x_test).numpy()
    with tg.no_grad():
        reloaded = tg.load(options.model)(tg.tensor(x_test)).numpy()
    if not np.array_equal(predictions, reloaded):
        raise SystemExit("the model changed on its way through the file")
    print(f"saved to {options.model}, loaded again: the same predictions")

    if options.plot:
        plot_misclassified(options.plot, x_test, y_test, predictions.argmax(axis=1))


def plot_misclassified(path: str, images: np.ndarray, labels: np.ndarray, predicted: np.ndarray) -> None:
    """Write a figure with every digit that was taken for another."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    wrong = np.flatnonzero(predicted != labels)
    columns = max(1, min(8, len(wrong)))
    figure, axes = pyplot.subplots(-(-max(1, len(wrong)) // columns), columns, squeeze=False, layout="constrained")
    for axis in axes.flat:
        axis.axis("off")
    for axis, row in zip(axes.flat, wrong, strict=False):
        axis.imshow(images[row, :, :, 0], cmap="gray_r")
        axis.set_title(f"{labels[row]} as {predicted[row]}", fontsize=9)
    figure.suptitle(f"{len(wrong)} of {len(labels)} digits misclassified")
    figure.savefig(path)
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
