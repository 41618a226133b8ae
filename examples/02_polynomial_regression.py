"""2. Polynomial regression: a model with too much freedom, and what a penalty takes from it.

python examples/02_polynomial_regression.py --plot fits.png

Twenty noisy points of y = x on [-1, 1] are fitted by a polynomial of order 5: a linear layer over x, x^2, ..., x^5. Its
mean squared error is the least that such a polynomial can have (the normal equations give the same), which is too good:
the curve follows the noise. An L2 penalty on the weights costs error on the twenty points, and the fit is closer to
y = x between them. Root mean square distance to y = x at 201 places, mean of ten draws of the noise:

    without L2  0.2147
    L2 0.02     0.1247, closer for 10 of 10 draws
"""

from __future__ import annotations

import argparse

import numpy as np

import tilegrad as tg
from tilegrad import nn

ORDER = 5


def powers(x: np.ndarray) -> np.ndarray:
    """[N] to [N, ORDER]: x, x^2, ..."""
    return x[:, None] ** np.arange(1, ORDER + 1)


def points(seed: int, count: int = 20, noise: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Places on [-1, 1] and noisy values of y = x there."""
    random = np.random.default_rng(seed)
    x = np.sort(random.uniform(-1, 1, count))
    return x, x + noise * random.normal(size=count)


def fitted(x: np.ndarray, y: np.ndarray, l2: float, steps: int) -> nn.Linear:
    """The polynomial after some steps down the gradient of all points' error, in float64."""
    tg.manual_seed(0)
    model = nn.Linear(ORDER, 1, weight_init="zeros").to("float64")
    rate = tg.optim.schedules.Cosine(0.05, steps=steps)
    # The penalty l2 * |w|^2 belongs to the weights; a constant is no wiggle.
    groups = [{"params": [model.weight], "weight_decay": 2 * l2}, {"params": [model.bias]}]
    optimizer = tg.optim.Adam(groups, lr=rate)

    @tg.capture
    def step(features: tg.Tensor, target: tg.Tensor) -> None:
        optimizer.zero_grad()
        tg.mse_loss(model(features), target).backward()
        optimizer.step()

    features, target = tg.tensor(powers(x)), tg.tensor(y[:, None])
    for _ in range(steps):
        step(features, target)
    return model


def main() -> None:
    """Fit with and without the penalty, for several draws of the noise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="how many draws of the noise")
    parser.add_argument("--l2", type=float, default=0.02, help="the factor of the penalty")
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--plot", metavar="FILE", help="draw the fits to the first draw's points")
    parser.add_argument("--quick", action="store_true", help="two draws, fewer steps")
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.steps = 2, 2_000

    held_out = np.linspace(-1, 1, 201)
    distances: dict[float, list[float]] = {0.0: [], options.l2: []}
    print("draw  penalty  error on the points  distance to y = x on held-out points")
    for seed in range(options.seeds):
        x, y = points(seed)
        for l2, found in distances.items():
            model = fitted(x, y, l2, options.steps)
            with tg.no_grad():
                fit, line = (model(tg.tensor(powers(at))).numpy()[:, 0] for at in (x, held_out))
            found.append(float(np.sqrt(np.mean((line - held_out) ** 2))))
            print(f"{seed:4}  {l2:7g}  {np.sqrt(np.mean((fit - y) ** 2)):19.4f}  {found[-1]:.4f}")
            if not l2:
                best = np.linalg.lstsq(np.c_[np.ones(len(x)), powers(x)], y, rcond=None)[0]
                exact = np.sqrt(np.mean((np.c_[np.ones(len(x)), powers(x)] @ best - y) ** 2))
                print(f"      exact    {exact:19.4f}")

    without, with_l2 = (np.array(found) for found in distances.values())
    print(f"mean distance without L2 {without.mean():.4f}, with L2 {with_l2.mean():.4f}")
    print(f"the L2 fit is closer for {(with_l2 < without).sum()} of {options.seeds} draws")
    if options.plot:
        plot(options.plot, options.l2, options.steps)


def plot(path: str, l2: float, steps: int) -> None:
    """Draw the points, y = x and both fits."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    x, y = points(0)
    line = np.linspace(-1, 1, 201)
    figure, axis = pyplot.subplots(layout="constrained")
    axis.plot(line, line, "k:", label="y = x")
    axis.plot(x, y, "ko", label="points")
    for factor in (0.0, l2):
        model = fitted(x, y, factor, steps)
        axis.plot(line, model(tg.tensor(powers(line))).detach().numpy(), label=f"L2 {factor:g}")
    axis.legend()
    figure.savefig(path)
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
