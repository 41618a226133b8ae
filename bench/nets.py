"""The networks of the benchmarks: what they are made of, their first weights, and their forward pass in NumPy float64.

A network is a list of steps, each a tuple that starts with its kind. Weights are named "STEP.w", "STEP.b", ... with
dense weights [in, out] and filters [R, S, C, K]; images are [N, H, W, C].

    dense name in out relu          x w + b
    conv name C K R padding relu    with bias
    convbn name C K                 3 x 3 without bias, batch norm, ReLU
    block name C K stride           ResNet's two 3 x 3 convolutions with batch norm; the shortcut takes every
                                    `stride`-th pixel and pads channels with zeros on both sides (option A)
    pool                            maxima of 2 x 2
    mean                            over all pixels
    flatten                         row-major: rows, columns, channels
    lstm name in hidden             gates i, f, g, o; the output of the last step
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from bench.case import Arrays

EPSILON = 1e-5


class Net(NamedTuple):
    """A network, the shape of its samples, and the batch it is trained with."""

    title: str
    sample: tuple[int, ...]
    steps: tuple[tuple[Any, ...], ...]
    batch: int = 128
    classes: int = 10


def resnet_blocks() -> tuple[tuple[Any, ...], ...]:
    widths, before, blocks = (16, 32, 64), 16, []
    for stage, width in enumerate(widths, start=1):
        for number in (1, 2, 3):
            stride = 2 if stage > 1 and number == 1 else 1
            blocks.append(("block", f"stage{stage}block{number}", before, width, stride))
            before = width
    return tuple(blocks)


NETS: dict[str, Net] = {
    "a": Net(
        "MLP 784-256-128-10",
        (784,),
        (
            ("dense", "fc1", 784, 256, True),
            ("dense", "fc2", 256, 128, True),
            ("dense", "fc3", 128, 10, False),
        ),
    ),
    "b": Net(
        "LeNet-5",
        (28, 28, 1),
        (
            ("conv", "conv1", 1, 6, 5, 2, True),
            ("pool",),
            ("conv", "conv2", 6, 16, 5, 0, True),
            ("pool",),
            ("flatten",),
            ("dense", "fc1", 400, 120, True),
            ("dense", "fc2", 120, 84, True),
            ("dense", "fc3", 84, 10, False),
        ),
    ),
    "c": Net(
        "VGG-like",
        (32, 32, 3),
        (
            ("conv", "conv1", 3, 32, 3, 1, True),
            ("conv", "conv2", 32, 32, 3, 1, True),
            ("pool",),
            ("conv", "conv3", 32, 64, 3, 1, True),
            ("conv", "conv4", 64, 64, 3, 1, True),
            ("pool",),
            ("flatten",),
            ("dense", "fc1", 4096, 512, True),
            ("dense", "fc2", 512, 10, False),
        ),
    ),
    "d": Net(
        "ResNet-20",
        (32, 32, 3),
        (("convbn", "conv1", 3, 16), *resnet_blocks(), ("mean",), ("dense", "fc", 64, 10, False)),
    ),
    "e": Net(
        "LSTM",
        (64, 32),
        (("lstm", "lstm", 32, 128), ("dense", "fc", 128, 10, False)),
        batch=64,
    ),
}


def flatten_sizes(net: Net) -> dict[str, tuple[int, int, int]]:
    """The image [H, W, C] that each dense layer behind a "flatten" sees: layouts other than NHWC permute its rows."""
    H, C, found, seen = net.sample[0], net.sample[-1], {}, False
    for kind, *step in net.steps:
        if kind == "conv":
            _, C, R, padding = step[1:5]
            H = H + 2 * padding - R + 1
        elif kind == "pool":
            H //= 2
        elif kind == "flatten":
            seen = True
        elif kind == "dense" and seen:
            found[step[0]] = (H, H, C)
            seen = False
    return found


def initial_weights(net: Net, rng: np.random.Generator) -> Arrays:
    """He's normal weights, small random biases, and running statistics as after some training."""
    weights: dict[str, Any] = {}

    def normal(name: str, *shape: int) -> None:
        fan_in = int(np.prod(shape[:-1]))
        weights[name] = rng.normal(0, np.sqrt(2 / fan_in), size=shape)

    def batch_norm(name: str, channels: int) -> None:
        weights[f"{name}.gamma"] = rng.uniform(0.8, 1.2, size=channels)
        weights[f"{name}.beta"] = rng.normal(0, 0.1, size=channels)
        weights[f"{name}.mean"] = rng.normal(0, 0.1, size=channels)
        weights[f"{name}.var"] = rng.uniform(0.5, 1.5, size=channels)

    for kind, *step in net.steps:
        name = step[0] if step else ""
        if kind == "dense":
            normal(f"{name}.w", step[1], step[2])
        elif kind == "conv":
            normal(f"{name}.w", step[3], step[3], step[1], step[2])
        elif kind == "convbn":
            normal(f"{name}.w", 3, 3, step[1], step[2])
            batch_norm(f"{name}.bn", step[2])
        elif kind == "block":
            normal(f"{name}.conv1.w", 3, 3, step[1], step[2])
            batch_norm(f"{name}.bn1", step[2])
            normal(f"{name}.conv2.w", 3, 3, step[2], step[2])
            batch_norm(f"{name}.bn2", step[2])
        elif kind == "lstm":
            weights[f"{name}.w"] = rng.normal(0, np.sqrt(1 / step[1]), size=(step[1], 4 * step[2]))
            weights[f"{name}.u"] = rng.normal(0, np.sqrt(1 / step[2]), size=(step[2], 4 * step[2]))
            weights[f"{name}.b"] = np.zeros(4 * step[2])
        if kind == "dense" and not step[3]:
            weights[f"{name}.w"] *= 0.1  # small logits at the start, so that losses are about log(10)
        if kind in ("dense", "conv"):
            weights[f"{name}.b"] = rng.normal(0, 0.01, size=weights[f"{name}.w"].shape[-1])
    return {name: array.astype(np.float32) for name, array in weights.items()}


def conv(x: np.ndarray, w: np.ndarray, padding: int, stride: int = 1) -> np.ndarray:
    R = w.shape[0]
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    P = (padded.shape[1] - R) // stride + 1
    reach = (P - 1) * stride + 1
    y = np.zeros((len(x), P, P, w.shape[-1]))
    for r in range(R):
        for c in range(R):
            y += padded[:, r : r + reach : stride, c : c + reach : stride] @ w[r, c]
    return y


def shortcut(x: np.ndarray, channels: int, stride: int) -> np.ndarray:
    margin = (channels - x.shape[-1]) // 2
    return np.pad(x[:, ::stride, ::stride], ((0, 0), (0, 0), (0, 0), (margin, margin)))


def forward(net: Net, weights: Arrays, x: np.ndarray) -> np.ndarray:
    """The logits of a trained network in float64: batch norm uses its running statistics."""
    W = {name: array.astype(np.float64) for name, array in weights.items()}
    x = x.astype(np.float64)

    def normalised(y: np.ndarray, name: str) -> np.ndarray:
        scale = W[f"{name}.gamma"] / np.sqrt(W[f"{name}.var"] + EPSILON)
        return (y - W[f"{name}.mean"]) * scale + W[f"{name}.beta"]

    for kind, *step in net.steps:
        name = step[0] if step else ""
        if kind == "dense":
            x = x @ W[f"{name}.w"] + W[f"{name}.b"]
            x = np.maximum(x, 0) if step[3] else x
        elif kind == "conv":
            x = np.maximum(conv(x, W[f"{name}.w"], step[4]) + W[f"{name}.b"], 0)
        elif kind == "convbn":
            x = np.maximum(normalised(conv(x, W[f"{name}.w"], 1), f"{name}.bn"), 0)
        elif kind == "block":
            inner = np.maximum(normalised(conv(x, W[f"{name}.conv1.w"], 1, step[3]), f"{name}.bn1"), 0)
            inner = normalised(conv(inner, W[f"{name}.conv2.w"], 1), f"{name}.bn2")
            x = np.maximum(inner + shortcut(x, step[2], step[3]), 0)
        elif kind == "pool":
            N, H, _, C = x.shape
            x = x.reshape(N, H // 2, 2, H // 2, 2, C).max(axis=(2, 4))
        elif kind == "mean":
            x = x.mean(axis=(1, 2))
        elif kind == "flatten":
            x = x.reshape(len(x), -1)
        elif kind == "lstm":
            x = lstm(x, W[f"{name}.w"], W[f"{name}.u"], W[f"{name}.b"])
    return x


def lstm(x: np.ndarray, w: np.ndarray, u: np.ndarray, b: np.ndarray) -> np.ndarray:
    h = c = np.zeros((len(x), u.shape[0]))
    for t in range(x.shape[1]):
        i, f, g, o = np.split(x[:, t] @ w + h @ u + b, 4, axis=1)
        c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
    return h
