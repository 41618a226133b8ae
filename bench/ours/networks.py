"""The networks of bench/nets.py with tg.nn: training steps, eager and captured, and inference."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import tilegrad as tg
from bench.case import Arrays, Builder, Run, Spec
from bench.cases.training import RATE, STEPS
from bench.nets import NETS, Net
from tilegrad import nn

# What a weight of bench/nets.py is called in a layer.
NAMES = {"w": "weight", "b": "bias", "gamma": "weight", "beta": "bias", "mean": "running_mean", "var": "running_var"}


class Block(nn.Module):
    """ResNet's basic block with a shortcut without parameters (option A)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        self.stride, self.margin = stride, (out_channels - in_channels) // 2
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels, activation="relu")
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)

    def forward(self, x: Any) -> Any:
        inner = self.bn2(self.conv2(self.bn1(self.conv1(x))))
        if self.stride > 1:
            x = x[:, :: self.stride, :: self.stride]
        if self.margin:
            x = tg.pad(x, ((0, 0), (0, 0), (0, 0), (self.margin, self.margin)))
        return tg.relu(inner + x)


class ConvBN(nn.Module):
    """3 x 3 convolution, batch norm and ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, activation="relu")

    def forward(self, x: Any) -> Any:
        return self.bn(self.conv(x))


class GlobalMean(nn.Module):
    """The mean over all pixels."""

    def forward(self, x: Any) -> Any:
        return tg.global_avg_pool2d(x)


class LastOutput(nn.Module):
    """An LSTM of which the last step's output counts."""

    def __init__(self, lstm: nn.Module) -> None:
        self.lstm = lstm

    def forward(self, x: Any) -> Any:
        return self.lstm(x)[0][:, -1]


def layer(kind: str, step: list[Any]) -> nn.Module:
    if kind == "dense":
        return nn.Linear(step[1], step[2], activation="relu" if step[3] else None)
    if kind == "conv":
        return nn.Conv2d(step[1], step[2], step[3], padding=step[4], activation="relu" if step[5] else None)
    if kind == "lstm":
        return LastOutput(nn.LSTM(step[1], step[2]))
    makers: dict[str, Callable[[], nn.Module]] = {
        "convbn": lambda: ConvBN(*step[1:]),
        "block": lambda: Block(*step[1:]),
        "pool": lambda: nn.MaxPool2d(2),
        "flatten": nn.Flatten,
        "mean": GlobalMean,
    }
    return makers[kind]()


def model(net: Net, weights: Arrays, dtype: str = "float32") -> nn.Sequential:
    layers = OrderedDict(
        (step[0] if step else f"{kind}{number}", layer(kind, step)) for number, (kind, *step) in enumerate(net.steps)
    )
    made = nn.Sequential(layers)
    if dtype != "float32":
        made.to(dtype)
    state = made.state_dict()
    renamed: dict[str, np.ndarray] = {}
    for name, array in weights.items():
        path, _, last = name.rpartition(".")
        if f"{path}.{NAMES.get(last)}" in state:
            renamed[f"{path}.{NAMES[last]}"] = array.astype(dtype)
        elif f"{path}.conv.{NAMES.get(last)}" in state:
            renamed[f"{path}.conv.{NAMES[last]}"] = array.astype(dtype)
        elif last in ("w", "u", "b"):  # an LSTM
            inner = {"w": "weight_ih", "u": "weight_hh", "b": "bias"}[last]
            renamed[next(key for key in state if key.startswith(path) and inner in key)] = array.astype(dtype)
    made.load_state_dict({name: tg.tensor(array) for name, array in renamed.items()}, strict=True)
    return made


def training_step(net: Net, arrays: Arrays, dtype: str = "float32") -> tuple[Callable[..., Any], Any, Any]:
    """The step, and the batch it is called with."""
    weights = {name: array for name, array in arrays.items() if name not in ("x", "labels")}
    network = model(net, weights, dtype)
    network.train()
    optimizer = tg.optim.Adam(network.parameters(), lr=RATE)
    x, labels = tg.tensor(arrays["x"].astype(dtype)), tg.tensor(arrays["labels"])

    def step(x: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        loss = tg.cross_entropy(network(x), labels)
        loss.backward()
        optimizer.step()
        return loss

    return step, x, labels


def run_of(step: Callable[..., Any], x: Any, labels: Any, variant: str, mode: str) -> Run:
    def value() -> Arrays:
        return {"losses": np.array([float(step(x, labels).item()) for _ in range(STEPS)])}

    return Run(variant, lambda: step(x, labels), value, mode)


def train(spec: Spec, arrays: Arrays) -> list[Run]:
    net = NETS[spec["net"]]
    runs = [run_of(*training_step(net, arrays), "eager", "eager")]
    if hasattr(tg, "capture"):
        step, x, labels = training_step(net, arrays)
        runs.append(run_of(tg.capture(step), x, labels, "captured", "captured"))
    runs.append(run_of(*training_step(net, arrays, "float64"), "float64", "reference"))
    return runs


def trained(spec: Spec, arrays: Arrays) -> nn.Sequential:
    """In evaluation and frozen: nothing is recorded."""
    network = model(NETS[spec["net"]], {name: array for name, array in arrays.items() if name != "x"})
    network.eval()
    network.freeze()
    return network


def infer(spec: Spec, arrays: Arrays) -> list[Run]:
    x = tg.tensor(arrays["x"])

    def run(forward: Callable[[Any], Any], variant: str, mode: str) -> Run:
        return Run(variant, partial(forward, x), lambda: {"logits": np.array(forward(x).detach().numpy())}, mode)

    runs = [run(trained(spec, arrays), "eager", "eager")]
    compile_for_inference = getattr(tg, "compile_for_inference", None)
    if compile_for_inference:
        runs.append(run(compile_for_inference(trained(spec, arrays)), "compiled", "captured"))
    return runs


BUILDERS: dict[str, Builder] = {"train": train, "infer": infer}
