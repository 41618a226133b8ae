"""torch.compile: the same networks as eager PyTorch's, in a process of their own because compiling takes its time.

Its values are checked like everybody's: Inductor has been seen to compute wrong gradients, which are then reported
instead of timed.
"""

from __future__ import annotations

from typing import Any

import torch

from bench.case import Arrays, Builder, Run, Spec
from bench.nets import NETS
from bench.rivals import torch_nets


def versions() -> dict[str, str]:
    return {"torch.compile": torch.__version__}


def set_threads(count: int) -> None:
    torch.set_num_threads(count)


def train(spec: Spec, arrays: Arrays) -> list[Run]:
    runs = []
    for layout in torch_nets.layouts(spec):
        torch._dynamo.reset()
        step = torch_nets.training_step(spec, arrays, layout, wrap=torch.compile)
        runs.append(Run(layout, step, lambda step=step: torch_nets.losses(step), "compiled"))  # type: ignore[misc]
    return runs


def infer(spec: Spec, arrays: Arrays) -> list[Run]:
    layout = torch_nets.layouts(spec)[-1]
    network: Any = torch_nets.model(NETS[spec["net"]], {k: v for k, v in arrays.items() if k != "x"}).eval()
    x = torch_nets.samples(arrays["x"], layout)
    if layout == "channels last":
        network.to(memory_format=torch.channels_last)
    return [torch_nets.inference_run(layout, torch.compile(network), x, "compiled")]


BUILDERS: dict[str, Builder] = {"train": train, "infer": infer}
