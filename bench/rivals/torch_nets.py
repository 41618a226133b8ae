"""The networks of bench/nets.py in PyTorch: training steps with fused Adam, and inference."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from bench.case import Arrays, Run, Spec
from bench.cases.training import RATE, STEPS
from bench.nets import NETS, Net, flatten_sizes

FORMATS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}


class Block(nn.Module):
    """ResNet's basic block with a shortcut without parameters (option A)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride, self.margin = stride, (out_channels - in_channels) // 2
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)), inplace=True)))
        if self.stride > 1:
            x = x[:, :, :: self.stride, :: self.stride]
        if self.margin:
            x = F.pad(x, (0, 0, 0, 0, self.margin, self.margin))
        return F.relu(inner + x, inplace=True)


class ConvBN(nn.Module):
    """3 x 3 convolution, batch norm and ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class LastOutput(nn.Module):
    """An LSTM of which the last step's output counts."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.lstm(x)[0][:, -1]
        return output


class Mean(nn.Module):
    """The mean over all pixels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=(2, 3))


def layers(kind: str, name: str, step: list[Any]) -> list[tuple[str, nn.Module]]:
    if kind == "dense":
        made: list[tuple[str, nn.Module]] = [(name, nn.Linear(step[1], step[2]))]
        return [*made, (f"{name}_relu", nn.ReLU(inplace=True))] if step[3] else made
    if kind == "conv":
        conv = nn.Conv2d(step[1], step[2], step[3], padding=step[4])
        return [(name, conv), (f"{name}_relu", nn.ReLU(inplace=True))]
    makers: dict[str, Callable[[], nn.Module]] = {
        "convbn": lambda: ConvBN(*step[1:]),
        "block": lambda: Block(*step[1:]),
        "pool": lambda: nn.MaxPool2d(2),
        "flatten": nn.Flatten,
        "mean": Mean,
        "lstm": lambda: LastOutput(*step[1:]),
    }
    return [(name, makers[kind]())]


def model(net: Net, weights: Arrays, dtype: torch.dtype = torch.float32) -> nn.Module:
    made = nn.Sequential()
    for number, (kind, *step) in enumerate(net.steps):
        for name, module in layers(kind, step[0] if step else f"{kind}{number}", step):
            made.add_module(name, module)
    made.to(dtype)
    state = made.state_dict()
    flat = flatten_sizes(net)
    for name, array in weights.items():
        path, _, last = name.rpartition(".")
        if last == "w" and array.ndim == 4:
            target = f"{path}.conv.weight" if f"{path}.conv.weight" in state else f"{path}.weight"
            state[target] = torch.tensor(array.transpose(3, 2, 0, 1).copy(), dtype=dtype)
        elif f"{path}.lstm.weight_ih_l0" in state:
            target = {"w": "weight_ih_l0", "u": "weight_hh_l0", "b": "bias_ih_l0"}[last]
            state[f"{path}.lstm.{target}"] = torch.tensor(array.T.copy(), dtype=dtype)
            state[f"{path}.lstm.bias_hh_l0"] = torch.zeros_like(state[f"{path}.lstm.bias_ih_l0"])
        elif last == "w":
            if path in flat:  # its rows come in the order of H, W, C; PyTorch flattens C, H, W
                array = array.reshape(*flat[path], -1).transpose(2, 0, 1, 3).reshape(array.shape)
            state[f"{path}.weight"] = torch.tensor(array.T.copy(), dtype=dtype)
        else:
            names = {"b": "bias", "gamma": "weight", "beta": "bias", "mean": "running_mean", "var": "running_var"}
            state[f"{path}.{names[last]}"] = torch.tensor(array, dtype=dtype)
    made.load_state_dict(state)
    return made


def samples(array: np.ndarray, layout: str, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    if array.ndim != 4:
        return torch.tensor(array, dtype=dtype)
    return torch.tensor(array, dtype=dtype).permute(0, 3, 1, 2).contiguous(memory_format=FORMATS[layout])


def training_step(
    spec: Spec,
    arrays: Arrays,
    layout: str,
    dtype: torch.dtype = torch.float32,
    wrap: Callable[[nn.Module], Callable[[torch.Tensor], torch.Tensor]] = lambda network: network,
) -> Callable[[], torch.Tensor]:
    net = NETS[spec["net"]]
    network = model(net, {name: array for name, array in arrays.items() if name not in ("x", "labels")}, dtype)
    if layout == "channels last":
        network.to(memory_format=torch.channels_last)
    network.train()
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE, fused=True)
    x, labels = samples(arrays["x"], layout, dtype), torch.tensor(arrays["labels"])
    forward = wrap(network)

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(forward(x), labels)
        loss.backward()
        optimizer.step()
        return loss

    return step


def losses(step: Callable[[], torch.Tensor]) -> Arrays:
    return {"losses": np.array([float(step().detach()) for _ in range(STEPS)])}


def layouts(spec: Spec) -> list[str]:
    return list(FORMATS) if len(NETS[spec["net"]].sample) == 3 else ["contiguous"]


def train(spec: Spec, arrays: Arrays) -> list[Run]:
    runs = []
    for layout in layouts(spec):
        step = training_step(spec, arrays, layout)
        runs.append(Run(layout, step, lambda step=step: losses(step)))  # type: ignore[misc]
    exact = training_step(spec, arrays, "contiguous", torch.float64)
    return [*runs, Run("float64", exact, lambda: losses(exact), "reference")]


def infer(spec: Spec, arrays: Arrays) -> list[Run]:
    """Eager, and traced, frozen and optimised for inference (which uses oneDNN's layouts)."""
    net = NETS[spec["net"]]
    weights = {name: array for name, array in arrays.items() if name != "x"}
    runs = []
    for layout in layouts(spec):
        network = model(net, weights).eval().requires_grad_(False)  # nothing is recorded
        if layout == "channels last":
            network.to(memory_format=torch.channels_last)
        x = samples(arrays["x"], layout)
        runs.append(inference_run(layout, network, x, "eager"))
        with torch.no_grad():
            traced = torch.jit.trace(network, x)
            frozen = torch.jit.optimize_for_inference(torch.jit.freeze(traced))
        runs.append(inference_run(f"{layout}, traced", frozen, x, "compiled"))
    return runs


def inference_run(variant: str, network: Any, x: torch.Tensor, mode: str) -> Run:
    return Run(variant, partial(network, x), lambda: {"logits": network(x).detach().numpy()}, mode)
