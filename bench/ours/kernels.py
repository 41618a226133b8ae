"""Single operations. Public functions where there are any; gradients of convolutions and pools by the native calls that
their rules make.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import tilegrad as tg
from bench.case import Arrays, Builder, Run, Spec
from bench.cases.optimizers import BETAS, EPSILON, MOMENTUM, RATE, STEPS
from bench.shapes import Shape
from tilegrad import _C


def array(result: Any) -> np.ndarray:
    return np.array(result.detach().numpy())


def checked(call: Callable[[], Any], *names: str) -> Run:
    """A run whose outputs are those of the call, in order."""

    def value() -> Arrays:
        results = call()
        results = results if isinstance(results, (tuple, list)) else (results,)
        return {name: array(result) for name, result in zip(names, results, strict=False)}

    return Run("eager", call, value)


def matmul(spec: Spec, arrays: Arrays) -> list[Run]:
    a, b = (
        tg.from_numpy(arrays[name].T if letter == "T" else arrays[name])
        for name, letter in zip("ab", spec["layout"], strict=True)
    )
    return [checked(partial(tg.matmul, a, b), "product")]


def conv2d(spec: Spec, arrays: Arrays) -> list[Run]:
    shape, what = Shape(*spec["shape"]), spec["pass"]
    x, w, b, dy = (tg.from_numpy(arrays[name]) for name in ("x", "w", "b", "dy"))
    options = (shape.stride, shape.padding, 1, shape.groups)
    call, name = {
        "forward": (partial(tg.conv2d, x, w, b, *options, activation="relu"), "y"),
        "data": (partial(_C.conv2d_backward_data, dy, w, shape.H, *options), "dx"),
        "weights": (partial(_C.conv2d_backward_weights, x, dy, shape.R, *options), "dw"),
    }[what]
    return [checked(call, name)]


def pool(spec: Spec, arrays: Arrays) -> list[Run]:
    x, dy, H = tg.from_numpy(arrays["x"]), tg.from_numpy(arrays["dy"]), spec["shape"][1]
    if spec["function"] == "avg":
        if spec["pass"] == "forward":
            return [checked(partial(_C.avg_pool2d, x, 2, None, "valid", False, False), "y")]
        return [checked(partial(_C.avg_pool2d_backward, dy, H, 2, None, "valid", False, False), "dx")]
    if spec["pass"] == "forward":
        return [checked(partial(_C.max_pool2d, x, 2, None, "valid", False, True), "y")]
    index = _C.max_pool2d(x, 2, None, "valid", False, True)[1]
    return [checked(partial(_C.max_pool2d_backward, dy, index, H, 2, None, "valid", False), "dx")]


def attention(spec: Spec, arrays: Arrays) -> list[Run]:
    q, k, v, dy = (tg.from_numpy(arrays[name]) for name in ("q", "k", "v", "dy"))
    options = (spec["shape"][3] ** -0.5, spec["causal"], 0.0)
    forward = partial(_C.attention, q, k, v, None, None, *options, True)
    if spec["pass"] == "forward":
        return [checked(forward, "y")]
    y, log_sum, _ = forward()
    return [checked(partial(_C.attention_backward, dy, q, k, v, None, y, log_sum, None, *options), "dq", "dk", "dv")]


def normalise(spec: Spec, arrays: Arrays) -> list[Run]:
    x, gamma, beta, dy = (tg.from_numpy(arrays[name]) for name in ("x", "gamma", "beta", "dy"))
    function, forward = spec["function"], spec["pass"] == "forward"
    if function == "bias_relu":
        return [checked(partial(tg.add_relu, x, beta), "y")]
    if function == "layer_norm":
        row = gamma.shape
        call = partial(_C.layer_norm, x, gamma, beta, row, 1e-5)
        if forward:
            return [checked(call, "y")]
        _, mean, inverse = call()
        wanted = (True, True, True)
        backward = partial(_C.layer_norm_backward, x, gamma, mean, inverse, dy, row, True, *wanted)
        return [checked(backward, "dx", "dgamma", "dbeta")]
    call = partial(_C.batch_norm, x, gamma, beta, None, None, None, True, 0.1, 1e-5, "relu")
    if forward:
        return [checked(call, "y")]
    _, mean, inverse = call()
    backward = partial(_C.batch_norm_backward, x, gamma, beta, mean, inverse, dy, True, "relu", True)
    return [checked(backward, "dx", "dgamma", "dbeta")]


def elementwise(spec: Spec, arrays: Arrays) -> list[Run]:
    x, y = tg.from_numpy(arrays["x"]), tg.from_numpy(arrays["y"])
    calls: dict[str, Callable[[], Any]] = {
        "relu_backward": partial(_C.relu_backward, y, x),
        "add": partial(tg.add, x, y),
        "multiply": partial(tg.multiply, x, y),
    }
    function = spec["function"]
    return [checked(calls.get(function) or partial(getattr(tg, function), x), "y")]


def reduce(spec: Spec, arrays: Arrays) -> list[Run]:
    x = tg.from_numpy(arrays["x"])
    return [checked(partial(getattr(tg, spec["function"]), x, axis=spec["axis"]), "y")]


def loss(spec: Spec, arrays: Arrays) -> list[Run]:
    logits = tg.tensor(arrays["logits"], requires_grad=True)
    target = tg.tensor(arrays["labels" if spec["function"] == "cross_entropy" else "target"])
    function = tg.cross_entropy if spec["function"] == "cross_entropy" else tg.mse_loss

    def call() -> tuple[Any, Any]:
        logits.grad = None
        value = function(logits, target)
        value.backward()
        return value, logits.grad

    return [checked(call, "loss", "gradient")]


def optimizer(spec: Spec, arrays: Arrays) -> list[Run]:
    parameters = [tg.tensor(arrays[f"p{i}"], requires_grad=True) for i in range(spec["tensors"])]
    for i, parameter in enumerate(parameters):
        parameter.grad = tg.tensor(arrays[f"g{i}"])
    if spec["function"] == "sgd":
        made: Any = tg.optim.SGD(parameters, lr=RATE, momentum=MOMENTUM)
    else:
        made = tg.optim.Adam(parameters, lr=RATE, betas=BETAS, eps=EPSILON)

    def value() -> Arrays:
        for _ in range(STEPS):
            made.step()
        return {"p": array(parameters[0])}

    return [Run("eager", made.step, value)]


BUILDERS: dict[str, Builder] = {
    "matmul": matmul,
    "conv2d": conv2d,
    "pool": pool,
    "attention": attention,
    "normalise": normalise,
    "elementwise": elementwise,
    "reduce": reduce,
    "loss": loss,
    "optimizer": optimizer,
}
