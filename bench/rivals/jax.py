"""JAX: whole steps under jit, with the parameters and moments donated."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from bench import probes
from bench.case import Arrays, Builder, Probe, Run, Spec
from bench.cases.training import RATE, STEPS
from bench.nets import EPSILON, NETS, Net

Weights = dict[str, Any]
DIMENSIONS = ("NHWC", "HWIO", "NHWC")
BETAS, ADAM_EPSILON = (0.9, 0.999), 1e-8


def versions() -> dict[str, str]:
    return {"jax": jax.__version__}


def set_threads(count: int) -> None:
    """XLA makes as many threads as CPUs are allowed when its CPU client is made, at the first use."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def conv(x: Any, w: Any, padding: int, stride: int = 1) -> Any:
    return lax.conv_general_dilated(x, w, (stride, stride), [(padding, padding)] * 2, dimension_numbers=DIMENSIONS)


def forward(net: Net, W: Weights, x: Any, training: bool) -> tuple[Any, Weights]:
    """The logits, and the running statistics as they are after this batch."""
    running: Weights = {}

    def normalised(y: Any, name: str) -> Any:
        if training:
            mean, var = y.mean(axis=(0, 1, 2)), y.var(axis=(0, 1, 2))
            count = y.size // y.shape[-1]
            running[f"{name}.mean"] = 0.9 * W[f"{name}.mean"] + 0.1 * mean
            running[f"{name}.var"] = 0.9 * W[f"{name}.var"] + 0.1 * var * (count / (count - 1))
        else:
            mean, var = W[f"{name}.mean"], W[f"{name}.var"]
        return (y - mean) * (lax.rsqrt(var + EPSILON) * W[f"{name}.gamma"]) + W[f"{name}.beta"]

    for kind, *step in net.steps:
        name = step[0] if step else ""
        if kind == "dense":
            x = x @ W[f"{name}.w"] + W[f"{name}.b"]
            x = jax.nn.relu(x) if step[3] else x
        elif kind == "conv":
            x = jax.nn.relu(conv(x, W[f"{name}.w"], step[4]) + W[f"{name}.b"])
        elif kind == "convbn":
            x = jax.nn.relu(normalised(conv(x, W[f"{name}.w"], 1), f"{name}.bn"))
        elif kind == "block":
            inner = jax.nn.relu(normalised(conv(x, W[f"{name}.conv1.w"], 1, step[3]), f"{name}.bn1"))
            inner = normalised(conv(inner, W[f"{name}.conv2.w"], 1), f"{name}.bn2")
            margin = (step[2] - step[1]) // 2
            x = jnp.pad(x[:, :: step[3], :: step[3]], ((0, 0), (0, 0), (0, 0), (margin, margin)))
            x = jax.nn.relu(inner + x)
        elif kind == "pool":
            x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        elif kind == "mean":
            x = x.mean(axis=(1, 2))
        elif kind == "flatten":
            x = x.reshape(len(x), -1)
        elif kind == "lstm":
            x = lstm(x, W[f"{name}.w"], W[f"{name}.u"], W[f"{name}.b"])
    return x, running


def lstm(x: Any, w: Any, u: Any, b: Any) -> Any:
    """All products with the input at once, then a scan over the steps."""
    inner = x @ w + b
    zero = jnp.zeros((x.shape[0], u.shape[0]), x.dtype)

    def cell(state: tuple[Any, Any], projected: Any) -> tuple[tuple[Any, Any], None]:
        h, c = state
        i, f, g, o = jnp.split(projected + h @ u, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    (h, _), _ = lax.scan(cell, (zero, zero), inner.swapaxes(0, 1))
    return h


def make_step(net: Net) -> Callable[..., Any]:
    def loss_of(trained: Weights, fixed: Weights, x: Any, labels: Any) -> tuple[Any, Weights]:
        logits, running = forward(net, {**trained, **fixed}, x, training=True)
        chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)
        return -chosen.mean(), running

    @partial(jax.jit, donate_argnums=(0,))
    def step(state: dict[str, Any], x: Any, labels: Any) -> tuple[dict[str, Any], Any]:
        (loss, running), gradients = jax.value_and_grad(loss_of, has_aux=True)(
            state["trained"], state["fixed"], x, labels
        )
        count = state["count"] + 1
        first, second = (1 - beta**count for beta in BETAS)
        m = jax.tree.map(lambda m, g: BETAS[0] * m + (1 - BETAS[0]) * g, state["m"], gradients)
        v = jax.tree.map(lambda v, g: BETAS[1] * v + (1 - BETAS[1]) * g * g, state["v"], gradients)
        trained = jax.tree.map(
            lambda p, m, v: p - RATE * (m / first) / (jnp.sqrt(v / second) + ADAM_EPSILON), state["trained"], m, v
        )
        return {"trained": trained, "fixed": running, "m": m, "v": v, "count": count}, loss

    return step


def training_step(spec: Spec, arrays: Arrays) -> Callable[[], Any]:
    weights = {name: jnp.array(array) for name, array in arrays.items() if name not in ("x", "labels")}
    fixed = {name: w for name, w in weights.items() if name.endswith((".mean", ".var"))}
    trained = {name: w for name, w in weights.items() if name not in fixed}
    state = {
        "trained": trained,
        "fixed": fixed,
        "m": jax.tree.map(jnp.zeros_like, trained),
        "v": jax.tree.map(jnp.zeros_like, trained),
        "count": jnp.zeros((), jnp.float32),
    }
    x, labels = jnp.array(arrays["x"]), jnp.array(arrays["labels"].astype(np.int32))
    jitted = make_step(NETS[spec["net"]])

    def step() -> Any:
        nonlocal state
        state, loss = jitted(state, x, labels)
        jax.block_until_ready((state, loss))
        return loss

    return step


def train(spec: Spec, arrays: Arrays) -> list[Run]:
    step = training_step(spec, arrays)
    return [Run("jit", step, lambda: {"losses": np.array([float(step()) for _ in range(STEPS)])}, "compiled")]


def infer(spec: Spec, arrays: Arrays) -> list[Run]:
    net = NETS[spec["net"]]
    weights = {name: jnp.array(array) for name, array in arrays.items() if name != "x"}
    x = jnp.array(arrays["x"])
    jitted = jax.jit(lambda weights, x: forward(net, weights, x, training=False)[0])

    def call() -> Any:
        return jax.block_until_ready(jitted(weights, x))

    return [Run("jit", call, lambda: {"logits": np.array(call())}, "compiled")]


def add4(spec: Spec, arrays: Arrays) -> list[Run]:
    if spec["recorded"]:
        return []
    a, b = jnp.array(arrays["a"]), jnp.array(arrays["b"])
    return [Run("eager", lambda: jax.block_until_ready(a + b), lambda: {"sum": np.array(a + b)})]


BUILDERS: dict[str, Builder] = {
    "train": train,
    "infer": infer,
    "add4": add4,
    "peak memory": lambda spec, arrays: [
        Probe("jit", partial(probes.peak_memory, training_step(spec, arrays)), "compiled")
    ],
    "import": lambda spec, arrays: [probes.import_time("jax")],
}
