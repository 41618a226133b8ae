"""Ours beside PyTorch on a GPU: products, convolutions, kernels bound by memory, and training steps.

    python -m bench.cuda                       # everything; a JSON file in bench/results with --save
    python -m bench.cuda --family gemm train --nets a b --compile
    python -m bench.cuda --no-torch            # ours alone

Kernels are repeated inside a CUDA graph on both sides, so that launching them does not count; training steps run as a
user runs them: ours captured, PyTorch's eager and, with --compile, by torch.compile(mode="reduce-overhead"). Values are
compared before anything is timed. Times are medians, the sides take turns.
"""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import tilegrad as tg
from bench.nets import NETS, initial_weights
from bench.ours import networks as ours
from bench.results import FOLDER
from bench.shapes import CONVOLUTIONS, Shape
from tilegrad import _C

REPEATS = 10  # of a kernel in a graph
FAMILIES = ("memory", "gemm", "conv", "train")


class Theirs:
    """PyTorch on the same GPU; TF32 allowed, as ours is."""

    def __init__(self) -> None:
        import torch

        self.torch = torch
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True

    def tensor(self, array: np.ndarray, dtype: str = "float32") -> Any:
        made = self.torch.tensor(array, device="cuda")
        return made.to(getattr(self.torch, dtype)) if made.is_floating_point() else made

    def graph(self, call: Callable[[], Any]) -> Callable[[], None]:
        torch = self.torch
        side = torch.cuda.Stream()
        with torch.cuda.stream(side):
            for _ in range(3):
                call()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for _ in range(REPEATS):
                call()
        replay: Callable[[], None] = graph.replay
        return replay

    def seconds(self, call: Callable[[], Any], times: int) -> float:
        begin, end = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        for _ in range(times):
            call()
        end.record()
        end.synchronize()
        return float(begin.elapsed_time(end)) * 1e-3 / times


def our_graph(call: Callable[[], Any]) -> Callable[[], None]:
    def repeated() -> None:
        for _ in range(REPEATS):
            call()

    captured: Callable[[], None] = tg.capture(repeated)
    for _ in range(3):
        captured()
    return captured


def our_seconds(call: Callable[[], Any], times: int) -> float:
    watch = _C.CudaStopwatch()
    watch.start()
    for _ in range(times):
        call()
    return float(watch.stop()) * 1e-9 / times


def medians(sides: list[tuple[Callable[[Callable[[], Any], int], float], Callable[[], Any]]]) -> list[float]:
    """The median time of a call of each side, taking turns."""
    samples: list[list[float]] = [[] for _ in sides]
    times = []
    for clock, call in sides:
        clock(call, 2)
        times.append(max(1, min(200, int(0.01 / max(clock(call, 3), 1e-7)))))
    for _ in range(7):
        for (clock, call), count, found in zip(sides, times, samples, strict=True):
            found.append(clock(call, count))
    return [statistics.median(found) for found in samples]


class Table:
    """Rows as they are measured."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add(self, family: str, name: str, seconds: list[float], work: float, unit: str, **more: Any) -> None:
        row = {"family": family, "name": name, "ours": seconds[0], "rate": work / seconds[0], "unit": unit, **more}
        text = f"{family:<7} {name:<44} {seconds[0] * 1e6:10.1f} us {row['rate'] / 1e9:9.1f} G{unit}/s"
        if len(seconds) > 1:
            row["theirs"] = seconds[1]
            text += f"  PyTorch {seconds[1] * 1e6:10.1f} us  ratio {seconds[1] / seconds[0]:.2f}"
        for key, value in more.items():
            text += f"  {key} {value:.3g}" if isinstance(value, float) else f"  {key} {value}"
        print(text, flush=True)
        self.rows.append(row)


def compare(name: str, got: Any, want: Any, allowed: float) -> None:
    """Values first: the relative distance of the results."""
    a, b = got.astype("float64").cpu().numpy(), want.double().cpu().numpy()
    distance = float(np.linalg.norm(a - b)) / max(float(np.linalg.norm(b)), 1e-30)
    if not distance <= allowed:
        print(f"        {name}: VALUES DIFFER, relative distance {distance:.2e} > {allowed:g}", flush=True)


def kernel(table: Table, theirs: Theirs | None, family: str, name: str, mine: Callable[[], Any], other: Any,
           work: float, unit: str, allowed: float, **more: Any) -> None:  # fmt: skip
    if theirs is not None and other is not None:
        compare(name, mine(), other(), allowed)
    sides: list[Any] = [(our_seconds, our_graph(mine))]
    if theirs is not None and other is not None:
        sides.append((theirs.seconds, theirs.graph(other)))
    table.add(family, name, [s / REPEATS for s in medians(sides)], work, unit, **more)


def memory(table: Table, theirs: Theirs | None, quick: bool) -> None:
    rng = np.random.default_rng(0)
    count = 1 << (24 if quick else 27)
    host = rng.normal(size=count).astype(np.float32)
    x, y = tg.tensor(host, device="cuda"), tg.tensor(host[::-1].copy(), device="cuda")
    p: Any = theirs and theirs.tensor(host)
    q: Any = theirs and theirs.tensor(host[::-1].copy())
    torch: Any = theirs and theirs.torch

    def row(name: str, mine: Callable[[], Any], other: Any, size: float) -> None:
        kernel(table, theirs, "memory", name, mine, other if theirs else None, size, "B", 1e-5)

    row("copy", lambda: tg.copy(x), lambda: p.clone(), 8.0 * count)
    row("add", lambda: x + y, lambda: p + q, 12.0 * count)
    row("relu", lambda: tg.relu(x), lambda: torch.relu(p), 8.0 * count)
    row("gelu", lambda: tg.gelu(x), lambda: torch.nn.functional.gelu(p), 8.0 * count)
    row("sum", lambda: x.sum(), lambda: p.sum(), 4.0 * count)
    rows, columns = count // 1024, 1024
    m = x.reshape((rows, columns))
    n: Any = theirs and p.reshape(rows, columns)
    row("softmax rows of 1024", lambda: tg.softmax(m), lambda: torch.softmax(n, -1), 8.0 * count)
    row("sum over rows", lambda: m.sum(axis=0), lambda: n.sum(0), 4.0 * count)
    row("bias and ReLU", lambda: tg.relu(m + y[:columns]), lambda: torch.relu(n + q[:columns]), 16.0 * count)
    row("layer norm of 1024", lambda: tg.layer_norm(m), lambda: torch.nn.functional.layer_norm(n, (1024,)),
        8.0 * count)  # fmt: skip
    labels = rng.integers(0, columns, rows)
    ours_at = tg.tensor(labels, device="cuda")
    theirs_at: Any = theirs and theirs.tensor(labels)
    row("cross-entropy, 1024 classes", lambda: tg.cross_entropy(m, ours_at),
        lambda: torch.nn.functional.cross_entropy(n, theirs_at), 4.0 * count)  # fmt: skip


def gemm(table: Table, theirs: Theirs | None, quick: bool) -> None:
    rng = np.random.default_rng(0)
    sizes = (256, 1024, 4096) if quick else (256, 512, 1024, 2048, 4096, 8192)
    for dtype, precision, allowed in (
        ("float32", "highest", 1e-5), ("float32", "high", 2e-3), ("bfloat16", "high", 2e-2), ("float16", "high", 5e-3),
    ):  # fmt: skip
        _C.set_float32_precision(precision)
        if theirs:
            theirs.torch.backends.cuda.matmul.allow_tf32 = precision == "high"
        label = {"highest": "float32", "high": "TF32"}[precision] if dtype == "float32" else dtype
        for size in sizes:
            if precision == "highest" and size > 4096:
                continue
            a, b = (rng.normal(size=(size, size)).astype(np.float32) for _ in range(2))
            x, y = (tg.tensor(v, device="cuda").astype(dtype) for v in (a, b))
            p, q = (theirs and theirs.tensor(v, dtype) for v in (a, b))
            gemm_row(table, theirs, f"{label} {size}", (x, y), (p, q), size, allowed)
    tg.set_float32_precision("high")
    if theirs:
        theirs.torch.backends.cuda.matmul.allow_tf32 = True


def gemm_row(
    table: Table,
    theirs: Theirs | None,
    name: str,
    mine: tuple[Any, Any],
    other: tuple[Any, Any],
    size: int,
    allowed: float,
) -> None:
    def theirs_product() -> Any:
        return other[0] @ other[1]

    kernel(table, theirs, "gemm", name, lambda: mine[0] @ mine[1], theirs_product, 2.0 * size**3, "F", allowed)


def conv(table: Table, theirs: Theirs | None, quick: bool) -> None:
    rng = np.random.default_rng(0)
    shapes = [*CONVOLUTIONS[:8:3], CONVOLUTIONS[12]] if quick else CONVOLUTIONS
    large = [Shape(256, 64, 56, 64, 3, 1, 1), Shape(256, 128, 28, 128, 3, 1, 1), Shape(256, 256, 14, 256, 3, 1, 1)]
    for dtype, allowed in (("float32", 3e-3), ("bfloat16", 3e-2)):
        for shape in [*shapes, *large]:
            if shape.groups > 1 and dtype != "float32":
                continue
            convolution(table, theirs, shape, dtype, allowed, rng)


def convolution(table: Table, theirs: Theirs | None, shape: Shape, dtype: str, allowed: float, rng: Any) -> None:
    label = "TF32" if dtype == "float32" else dtype
    host = rng.normal(size=(shape.N, shape.H, shape.H, shape.C)).astype(np.float32)
    filters = rng.normal(size=(shape.R, shape.R, shape.C // shape.groups, shape.K)).astype(np.float32)
    grad = rng.normal(size=(shape.N, shape.P, shape.P, shape.K)).astype(np.float32)
    x, w, dy = (tg.tensor(v, device="cuda").astype(dtype) for v in (host, filters, grad))
    p: Any = None
    v: Any = None
    g: Any = None
    torch: Any = theirs and theirs.torch
    if theirs:
        last = torch.channels_last
        p, g = (theirs.tensor(a.transpose(0, 3, 1, 2), dtype).contiguous(memory_format=last) for a in (host, grad))
        v = theirs.tensor(filters.transpose(3, 2, 0, 1), dtype).contiguous(memory_format=last)
    padding = (shape.padding, shape.padding)
    tail = (padding, (1, 1), shape.groups)
    passes: dict[str, tuple[Callable[[], Any], Any]] = {
        "forward": (
            lambda: tg.conv2d(x, w, stride=shape.stride, padding=shape.padding, groups=shape.groups),
            lambda: torch.conv2d(p, v, None, shape.stride, *tail).permute(0, 2, 3, 1),
        ),
        "data": (
            lambda: _C.conv2d_backward_data(dy, w, (shape.H, shape.H), shape.stride, shape.padding, 1, shape.groups),
            lambda: backward(torch, g, p, v, shape, (True, False, False))[0].permute(0, 2, 3, 1),
        ),
        "weights": (
            lambda: _C.conv2d_backward_weights(x, dy, (shape.R, shape.R), shape.stride, shape.padding, 1, shape.groups),
            lambda: backward(torch, g, p, v, shape, (False, True, False))[1].permute(2, 3, 1, 0),
        ),
    }
    for what, (mine, other) in passes.items():
        name = f"{label} {what} {' '.join(str(shape).split())}"
        try:
            kernel(table, theirs, "conv", name, mine, other if theirs else None, shape.flops, "F", allowed)
        except (tg.TilegradError, TypeError) as error:
            print(f"conv    {name}: {error}", flush=True)


def backward(torch: Any, g: Any, p: Any, v: Any, shape: Shape, wanted: tuple[bool, bool, bool]) -> Any:
    return torch.ops.aten.convolution_backward(
        g, p, v, None, [shape.stride] * 2, [shape.padding] * 2, [1, 1], False, [0, 0], shape.groups, wanted
    )


def train(table: Table, theirs: Theirs | None, nets: list[str], batches: list[int], compiled: bool) -> None:
    for name in nets:
        net = NETS[name]
        for batch in batches:
            rng = np.random.default_rng(0)
            arrays = {
                **initial_weights(net, rng),
                "x": rng.normal(size=(batch, *net.sample)).astype(np.float32),
                "labels": rng.integers(0, net.classes, batch),
            }
            step, x, labels = our_step(net, arrays)
            sides: list[Any] = [(our_seconds, lambda step=step, x=x, y=labels: step(x, y))]
            if theirs:
                sides.append((theirs.seconds, their_step(theirs, name, arrays, False)))
            if theirs and compiled:
                sides.append((theirs.seconds, their_step(theirs, name, arrays, True)))
            first = [float(step(x, labels).item())] + [float(call().detach()) for _, call in sides[1:]]
            found = medians(sides)
            more = {"torch.compile": found[2] * 1e6, "to it": found[2] / found[0]} if len(found) > 2 else {}
            table.add("train", f"{net.title}, batch {batch}", found[:2], batch, "samples", **more)
            if max(first) - min(first) > 2e-2 * abs(first[0]):
                print(f"        first losses differ: {first}", flush=True)


def our_step(net: Any, arrays: dict[str, np.ndarray]) -> tuple[Callable[..., Any], Any, Any]:
    network = ours.model(net, {n: a for n, a in arrays.items() if n not in ("x", "labels")}).to("cuda")
    network.train()
    optimizer = tg.optim.Adam(network.parameters(), lr=1e-3)

    @tg.capture
    def step(x: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        loss = tg.cross_entropy(network(x), labels)
        loss.backward()
        optimizer.step()
        return loss

    return step, tg.tensor(arrays["x"], device="cuda"), tg.tensor(arrays["labels"], device="cuda")


def their_step(theirs: Theirs, name: str, arrays: dict[str, np.ndarray], compiled: bool) -> Callable[[], Any]:
    from bench.rivals import torch_nets

    torch = theirs.torch
    weights = {n: a for n, a in arrays.items() if n not in ("x", "labels")}
    network = torch_nets.model(NETS[name], weights).cuda().train()
    x = torch_nets.samples(arrays["x"], "channels last").cuda()
    if x.ndim == 4:
        network.to(memory_format=torch.channels_last)
    labels = torch.tensor(arrays["labels"], device="cuda")
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    forward = torch.compile(network, mode="reduce-overhead") if compiled else network

    def step() -> Any:
        optimizer.zero_grad(set_to_none=not compiled)
        loss = torch.nn.functional.cross_entropy(forward(x), labels)
        loss.backward()
        optimizer.step()
        return loss

    return step


def environment(theirs: Theirs | None) -> dict[str, Any]:
    found = tg.cuda.properties()
    return {
        "date": datetime.date.today().isoformat(), "gpu": found["name"], "driver": found["driver_version"],
        "tilegrad": tg.__version__, "torch": theirs.torch.__version__ if theirs else None,
    }  # fmt: skip


def arguments() -> Iterator[tuple[list[str], dict[str, Any]]]:
    yield ["--family"], {"nargs": "+", "choices": FAMILIES, "default": list(FAMILIES)}
    yield ["--nets"], {"nargs": "+", "choices": sorted(NETS), "default": ["a", "b", "c", "d"]}
    yield ["--batch"], {"nargs": "+", "type": int, "default": [128, 1024]}
    yield ["--quick"], {"action": "store_true", "help": "fewer and smaller shapes"}
    yield ["--compile"], {"action": "store_true", "help": "torch.compile too (about a minute a network)"}
    yield ["--no-torch"], {"action": "store_true"}
    yield ["--save"], {"nargs": "?", "const": str(FOLDER), "help": "a folder for the JSON file"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for names, options in arguments():
        parser.add_argument(*names, **options)
    given = parser.parse_args()
    if not tg.cuda.is_available():
        print(f"no GPU: {tg.cuda.why_not()}")
        return 1
    theirs = None if given.no_torch else Theirs()
    table, about = Table(), environment(theirs)
    print(about)
    for family in given.family:
        if family == "train":
            train(table, theirs, given.nets, given.batch, given.compile)
        else:
            {"memory": memory, "gemm": gemm, "conv": conv}[family](table, theirs, given.quick)
    if given.save:
        gpu = "-".join(about["gpu"].lower().split())
        path = f"{given.save}/{gpu}-{about['date']}.json"
        with open(path, "w") as file:
            json.dump({"environment": about, "rows": table.rows}, file, indent=1)
        print("written to", path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
