"""TensorFlow with Keras: steps as tf.function, and compiled by XLA."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from bench import probes
from bench.case import Arrays, Builder, Probe, Run, Spec
from bench.cases.training import RATE, STEPS
from bench.nets import EPSILON, NETS, Net


def versions() -> dict[str, str]:
    return {"tensorflow": tf.__version__, "keras": keras.__version__}


def set_threads(count: int) -> None:
    tf.config.threading.set_intra_op_parallelism_threads(count)
    tf.config.threading.set_inter_op_parallelism_threads(count)


def batch_norm(name: str) -> Any:
    return layers.BatchNormalization(momentum=0.9, epsilon=EPSILON, name=name.replace(".", "_"))


def apply(kind: str, step: list[Any], x: Any) -> Any:
    """One step of a network in Keras's functional style."""
    name = step[0] if step else ""
    if kind == "dense":
        return layers.Dense(step[2], activation="relu" if step[3] else None, name=name)(x)
    if kind == "conv":
        x = layers.ZeroPadding2D(step[4])(x) if step[3] // 2 != step[4] and step[4] else x
        padding = "same" if step[3] // 2 == step[4] else "valid"
        return layers.Conv2D(step[2], step[3], padding=padding, activation="relu", name=name)(x)
    if kind == "convbn":
        x = layers.Conv2D(step[2], 3, padding="same", use_bias=False, name=name)(x)
        return layers.ReLU()(batch_norm(f"{name}.bn")(x))
    if kind == "block":
        channels, stride = step[2], step[3]
        # "same" would put the odd pixel at the end only: PyTorch's padding by one on both sides is asked for.
        inner = layers.ZeroPadding2D(1)(x) if stride > 1 else x
        padding = "valid" if stride > 1 else "same"
        inner = layers.Conv2D(channels, 3, stride, padding, use_bias=False, name=f"{name}_conv1")(inner)
        inner = layers.ReLU()(batch_norm(f"{name}.bn1")(inner))
        inner = layers.Conv2D(channels, 3, padding="same", use_bias=False, name=f"{name}_conv2")(inner)
        inner = batch_norm(f"{name}.bn2")(inner)
        if stride > 1:
            margin = (channels - step[1]) // 2
            x = layers.Lambda(lambda x: tf.pad(x[:, ::stride, ::stride], ((0, 0), (0, 0), (0, 0), (margin, margin))))(x)
        return layers.ReLU()(layers.Add()([inner, x]))
    if kind == "lstm":
        return layers.LSTM(step[2], name=name)(x)
    plain: dict[str, Callable[[], Any]] = {
        "pool": lambda: layers.MaxPooling2D(2),
        "flatten": layers.Flatten,
        "mean": layers.GlobalAveragePooling2D,
    }
    return plain[kind]()(x)


def model(net: Net, weights: Arrays) -> Any:
    start = x = keras.Input(net.sample)
    for kind, *step in net.steps:
        x = apply(kind, step, x)
    made = keras.Model(start, x)
    for layer in made.layers:
        name = layer.name
        if isinstance(layer, layers.BatchNormalization):
            path, last = name.rsplit("_", 1)
            values = [weights[f"{path}.{last}.{part}"] for part in ("gamma", "beta", "mean", "var")]
        elif isinstance(layer, layers.LSTM):
            values = [weights[f"{name}.{part}"] for part in "wub"]
        elif layer.weights:
            path = name.replace("_conv", ".conv")
            values = [weights[f"{path}.{part}"] for part in ("w", "b") if f"{path}.{part}" in weights]
        else:
            continue
        layer.set_weights(values)
    return made


def training_step(spec: Spec, arrays: Arrays, xla: bool) -> Callable[[], Any]:
    network = model(NETS[spec["net"]], {k: v for k, v in arrays.items() if k not in ("x", "labels")})
    optimizer = keras.optimizers.Adam(RATE, epsilon=1e-8)
    optimizer.build(network.trainable_variables)
    entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    x, labels = tf.constant(arrays["x"]), tf.constant(arrays["labels"].astype(np.int32))

    @tf.function(jit_compile=xla)
    def step(x: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = entropy(labels, network(x, training=True))
        gradients = tape.gradient(loss, network.trainable_variables)
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        return loss

    return lambda: step(x, labels).numpy()


def train(spec: Spec, arrays: Arrays) -> list[Run]:
    runs = []
    for variant, xla in (("tf.function", False), ("XLA", True)):
        step = training_step(spec, arrays, xla)

        def value(step: Callable[[], Any] = step) -> Arrays:
            return {"losses": np.array([float(step()) for _ in range(STEPS)])}

        runs.append(Run(variant, step, value, "compiled"))
    return runs


def infer(spec: Spec, arrays: Arrays) -> list[Run]:
    network = model(NETS[spec["net"]], {name: array for name, array in arrays.items() if name != "x"})
    x = tf.constant(arrays["x"])
    runs = []
    for variant, xla in (("tf.function", False), ("XLA", True)):
        function = tf.function(lambda x: network(x, training=False), jit_compile=xla)
        call = lambda function=function: function(x).numpy()  # noqa: E731
        runs.append(Run(variant, call, lambda call=call: {"logits": call()}, "compiled"))  # type: ignore[misc]
    return runs


def add4(spec: Spec, arrays: Arrays) -> list[Run]:
    if spec["recorded"]:
        return []
    a, b = tf.constant(arrays["a"]), tf.constant(arrays["b"])
    return [Run("eager", lambda: a + b, lambda: {"sum": (a + b).numpy()})]


BUILDERS: dict[str, Builder] = {
    "train": train,
    "infer": infer,
    "add4": add4,
    "peak memory": lambda spec, arrays: [
        Probe("tf.function", partial(probes.peak_memory, training_step(spec, arrays, False)), "compiled")
    ],
    "import": lambda spec, arrays: [probes.import_time("tensorflow")],
}
