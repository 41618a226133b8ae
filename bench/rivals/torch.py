"""PyTorch, eager: contiguous (NCHW) and channels_last where there are images, fused optimizers."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from bench import probes
from bench.case import Arrays, Builder, Probe, Run, Spec
from bench.cases.optimizers import BETAS, EPSILON, MOMENTUM, RATE, STEPS
from bench.rivals import torch_everyday, torch_nets
from bench.shapes import Shape

LAYOUTS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}
aten = torch.ops.aten


def versions() -> dict[str, str]:
    return {"torch": torch.__version__}


def set_threads(count: int) -> None:
    torch.set_num_threads(count)


def images(array: np.ndarray, layout: Any) -> torch.Tensor:
    """[N, H, W, C] as PyTorch's [N, C, H, W] in that memory format."""
    return torch.from_numpy(array.transpose(0, 3, 1, 2)).contiguous(memory_format=layout)


def back(tensor: torch.Tensor) -> np.ndarray:
    """An image of PyTorch's as [N, H, W, C]."""
    array = tensor.detach().numpy()
    return array.transpose(0, 2, 3, 1) if array.ndim == 4 else array


def run(variant: str, call: Callable[[], Any], *names: str) -> Run:
    """A run whose outputs are those of the call, in order; names may be fewer."""

    def value() -> Arrays:
        results = call()
        results = results if isinstance(results, (tuple, list)) else (results,)
        return {name: back(result) for name, result in zip(names, results, strict=False) if name}

    return Run(variant, call, value)


def matmul(spec: Spec, arrays: Arrays) -> list[Run]:
    a, b = (
        torch.from_numpy(arrays[name]).T if letter == "T" else torch.from_numpy(arrays[name])
        for name, letter in zip("ab", spec["layout"], strict=True)
    )
    out = torch.empty(spec["M"], spec["N"], dtype=a.dtype)
    return [run("eager", partial(torch.mm, a, b, out=out), "product")]


def conv2d(spec: Spec, arrays: Arrays) -> list[Run]:
    shape, what = Shape(*spec["shape"]), spec["pass"]
    runs = []
    for name, layout in LAYOUTS.items():
        x, dy = images(arrays["x"], layout), images(arrays["dy"], layout)
        w = torch.from_numpy(arrays["w"].transpose(3, 2, 0, 1)).contiguous(memory_format=layout)
        b = torch.from_numpy(arrays["b"])
        if what == "forward":
            # Without the ReLU, which ours includes; the values are compared after it.
            call: Callable[[], Any] = partial(F.conv2d, x, w, b, shape.stride, shape.padding, 1, shape.groups)
            value = lambda call=call: {"y": np.maximum(back(call()), 0)}  # noqa: E731
        else:
            call = partial(
                aten.convolution_backward, dy, x, w, None, [shape.stride] * 2, [shape.padding] * 2, [1, 1], False,
                [0, 0], shape.groups, [what == "data", what == "weights", False],
            )  # fmt: skip
            if what == "data":
                value = lambda call=call: {"dx": back(call()[0])}  # noqa: E731
            else:
                value = lambda call=call: {"dw": call()[1].numpy().transpose(2, 3, 1, 0)}  # noqa: E731
        runs.append(Run(name, call, value))
    return runs


def pool(spec: Spec, arrays: Arrays) -> list[Run]:
    runs = []
    for name, layout in LAYOUTS.items():
        x, dy = images(arrays["x"], layout), images(arrays["dy"], layout)
        window = [2, 2]
        index = aten.max_pool2d_with_indices(x, window)[1]
        call, output = {
            "max forward": (partial(aten.max_pool2d_with_indices, x, window), "y"),
            "max backward": (
                partial(aten.max_pool2d_with_indices_backward, dy, x, window, window, [0, 0], [1, 1], False, index),
                "dx",
            ),
            "avg forward": (partial(aten.avg_pool2d, x, window), "y"),
            "avg backward": (
                partial(aten.avg_pool2d_backward, dy, x, window, window, [0, 0], False, False, None),
                "dx",
            ),
        }[f"{spec['function']} {spec['pass']}"]
        runs.append(run(name, call, output))
    return runs


def attention(spec: Spec, arrays: Arrays) -> list[Run]:
    q, k, v, dy = (torch.from_numpy(arrays[name]) for name in ("q", "k", "v", "dy"))
    forward = partial(aten._scaled_dot_product_flash_attention_for_cpu, q, k, v, 0.0, spec["causal"])

    def outputs(results: Any) -> tuple[np.ndarray, ...]:  # not through back(): these are no images
        return tuple(result.numpy() for result in results)

    if spec["pass"] == "forward":
        return [Run("eager", forward, lambda: {"y": outputs(forward())[0]})]
    y, log_sum = forward()
    call = partial(
        aten._scaled_dot_product_flash_attention_for_cpu_backward, dy, q, k, v, y, log_sum, 0.0, spec["causal"]
    )
    return [Run("eager", call, lambda: dict(zip(("dq", "dk", "dv"), outputs(call()), strict=True)))]


def normalise(spec: Spec, arrays: Arrays) -> list[Run]:
    function, forward = spec["function"], spec["pass"] == "forward"
    gamma, beta = torch.from_numpy(arrays["gamma"]), torch.from_numpy(arrays["beta"])
    if function == "layer_norm":
        x, dy, size = torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["dy"]), [arrays["x"].shape[-1]]
        if forward:
            return [run("eager", partial(aten.native_layer_norm, x, size, gamma, beta, 1e-5), "y")]
        _, mean, inverse = aten.native_layer_norm(x, size, gamma, beta, 1e-5)
        backward = partial(aten.native_layer_norm_backward, dy, x, size, mean, inverse, gamma, beta, [True, True, True])
        return [run("eager", backward, "dx", "dgamma", "dbeta")]
    runs = []
    for name, layout in LAYOUTS.items():
        x, dy = images(arrays["x"], layout), images(arrays["dy"], layout)
        runs.append(run(name, *normalised_images(function, forward, x, dy, gamma, beta)))
    return runs


def normalised_images(
    function: str, forward: bool, x: torch.Tensor, dy: torch.Tensor, gamma: torch.Tensor, beta: torch.Tensor
) -> tuple[Any, ...]:
    if function == "bias_relu":
        bias = beta.reshape(1, -1, 1, 1)

        @torch.no_grad()
        def bias_relu() -> torch.Tensor:
            return torch.relu_(torch.add(x, bias))

        return bias_relu, "y"
    norm = partial(aten.native_batch_norm, x, gamma, beta, None, None, True, 0.1, 1e-5)
    if forward:
        return (lambda: torch.relu_(norm()[0])), "y"
    y, mean, inverse = norm()
    y = torch.relu_(y)

    def backward() -> Any:
        return aten.native_batch_norm_backward(
            aten.threshold_backward(dy, y, 0), x, gamma, None, None, mean, inverse, True, 1e-5, [True, True, True]
        )

    return backward, "dx", "dgamma", "dbeta"


def elementwise(spec: Spec, arrays: Arrays) -> list[Run]:
    x, y = torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["y"])
    calls: dict[str, Callable[[], Any]] = {
        "relu_backward": partial(aten.threshold_backward, y, x, 0),
        "add": partial(torch.add, x, y),
        "multiply": partial(torch.mul, x, y),
        "gelu": partial(F.gelu, x),
    }
    function = spec["function"]
    return [run("eager", calls.get(function) or partial(getattr(torch, function), x), "y")]


def reduce(spec: Spec, arrays: Arrays) -> list[Run]:
    x, axis = torch.from_numpy(arrays["x"]), spec["axis"]
    calls: dict[str, Callable[[], Any]] = {
        "max": partial(torch.amax, x, dim=axis),
        "var": partial(torch.var, x, dim=axis, correction=0),
    }
    function = spec["function"]
    return [run("eager", calls.get(function) or partial(getattr(torch, function), x, dim=axis), "y")]


def everyday(spec: Spec, arrays: Arrays) -> list[Run]:
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return [run("eager", partial(torch_everyday.WAYS[spec["what"]], tensors), "y")]


def loss(spec: Spec, arrays: Arrays) -> list[Run]:
    logits = torch.from_numpy(arrays["logits"]).requires_grad_()
    entropy = spec["function"] == "cross_entropy"
    target = torch.from_numpy(arrays["labels" if entropy else "target"])
    function: Any = F.cross_entropy if entropy else F.mse_loss

    def call() -> tuple[Any, Any]:
        value = function(logits, target)
        return value, *torch.autograd.grad(value, logits)

    return [run("eager", call, "loss", "gradient")]


def optimizer(spec: Spec, arrays: Arrays) -> list[Run]:
    parameters = [torch.tensor(arrays[f"p{i}"], requires_grad=True) for i in range(spec["tensors"])]
    for i, parameter in enumerate(parameters):
        parameter.grad = torch.tensor(arrays[f"g{i}"])
    made: Any
    if spec["function"] == "sgd":
        made = torch.optim.SGD(parameters, lr=RATE, momentum=MOMENTUM, fused=True)
    else:
        made = torch.optim.Adam(parameters, lr=RATE, betas=BETAS, eps=EPSILON, fused=True)

    def value() -> Arrays:
        for _ in range(STEPS):
            made.step()
        return {"p": parameters[0].detach().numpy().copy()}

    return [Run("fused", made.step, value)]


def add4(spec: Spec, arrays: Arrays) -> list[Run]:
    a, b = (torch.tensor(arrays[name], requires_grad=spec["recorded"]) for name in "ab")
    return [run("eager", partial(operator.add, a, b), "sum")]


def mlp16(spec: Spec, arrays: Arrays) -> list[Run]:
    layers: list[Any] = []
    for i in range(3):
        layer = torch.nn.Linear(16, 16)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(arrays[f"w{i}"].T))
            layer.bias.copy_(torch.from_numpy(arrays[f"b{i}"]))
        layers += [layer, torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    x, target = torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["target"])
    made = torch.optim.SGD(model.parameters(), lr=1e-3)

    def call() -> Any:
        if spec["stage"]:
            made.zero_grad()
        value = F.mse_loss(model(x), target)
        if spec["stage"]:
            value.backward()
        if spec["stage"] == 2:
            made.step()
        return value

    def value() -> Arrays:
        found = {"loss": np.array(call().detach().numpy())}
        return {**found, "gradient": layers[-2].bias.grad.numpy().copy()} if spec["stage"] else found

    return [Run("eager", call, value)]


def allocate(spec: Spec, arrays: Arrays) -> list[Run]:
    n = spec["bytes"] // 4
    return [Run("eager", partial(torch.ones if spec["fill"] else torch.empty, n), dict)]


def peak_memory(spec: Spec, arrays: Arrays) -> list[Probe]:
    step = torch_nets.training_step(spec, arrays, "contiguous")
    return [Probe("contiguous", lambda seconds: probes.peak_memory(step, seconds))]


def alternate(spec: Spec, arrays: Arrays) -> list[Probe]:
    step = torch_nets.training_step(spec, arrays, "contiguous")
    return [Probe("eager", lambda seconds: probes.alternating(step, seconds))]


BUILDERS: dict[str, Builder] = {
    "matmul": matmul,
    "conv2d": conv2d,
    "pool": pool,
    "attention": attention,
    "normalise": normalise,
    "elementwise": elementwise,
    "reduce": reduce,
    "everyday": everyday,
    "loss": loss,
    "optimizer": optimizer,
    "add4": add4,
    "mlp16": mlp16,
    "allocate": allocate,
    "peak memory": peak_memory,
    "alternate": alternate,
    "import": lambda spec, arrays: [probes.import_time("torch")],
    "train": torch_nets.train,
    "infer": torch_nets.infer,
}
