"""torch.compile: the same networks as eager PyTorch's, in a process of their own because compiling takes its time.

Its values are checked like everybody's: Inductor has been seen to compute wrong gradients, which are then reported
instead of timed.
"""

from __future__ import annotations

import torch

from bench.case import Arrays, Builder, Run, Spec
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


BUILDERS: dict[str, Builder] = {"train": train}
