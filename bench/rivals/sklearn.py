"""scikit-learn's multi-layer perceptron, one batch at a time by partial_fit."""

from __future__ import annotations

import numpy as np
import sklearn
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from bench import probes
from bench.case import Arrays, Builder, Run, Spec
from bench.cases.training import RATE, STEPS
from bench.nets import NETS


def versions() -> dict[str, str]:
    return {"scikit-learn": sklearn.__version__}


def set_threads(count: int) -> None:
    threadpool_limits(count)


def train(spec: Spec, arrays: Arrays) -> list[Run]:
    net = NETS[spec["net"]]
    if spec["net"] != "a":
        return []
    x, labels = arrays["x"], arrays["labels"]
    hidden = tuple(step[3] for step in net.steps[:-1])
    made = MLPClassifier(hidden, alpha=0.0, batch_size=net.batch, learning_rate_init=RATE, shuffle=False)
    made.partial_fit(x, labels, classes=np.arange(net.classes))
    # The first call has drawn weights and made a step: start again from the given ones.
    for number, (_, name, *_) in enumerate(net.steps):
        made.coefs_[number][...] = arrays[f"{name}.w"]
        made.intercepts_[number][...] = arrays[f"{name}.b"]
    optimizer = made._optimizer
    optimizer.t = 0
    for moment in (*optimizer.ms, *optimizer.vs):
        moment[...] = 0

    def step() -> float:
        made.partial_fit(x, labels)
        return float(made.loss_)

    return [Run("partial_fit", step, lambda: {"losses": np.array([step() for _ in range(STEPS)])})]


BUILDERS: dict[str, Builder] = {
    "train": train,
    "import": lambda spec, arrays: [probes.import_time("sklearn.neural_network")],
}
