"""Convolutions and pooling against the machine's peak and, where it is installed, PyTorch.

    python bench/conv2d.py --threads 1 2 --pass forward data weights
    python bench/conv2d.py --pass pool

Prints, for every shape and pass, the time, GFLOP/s and the share of the peak that this run measured (GB/s for
pooling), and PyTorch's time over ours: the better of its contiguous and channels_last modes, with bias (ours has bias
and ReLU). Values are compared with the definition in float64 before anything is timed. Both are timed in turn; a figure
is the smallest of the rounds' medians. On a busy machine --clock cpu measures the CPU time of one thread.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from shapes import CONVOLUTIONS, POOLS, Shape

import tilegrad as tg
from tilegrad import _C


def cpu_model() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
        return f"{names[0]} x {len(names)}"
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


def median(function: Callable[[], object], seconds: float, clock: Callable[[], float]) -> float:
    """The median time of as many calls as fit into `seconds`."""
    times = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = clock()
        function()
        times.append(clock() - start)
    return statistics.median(times)


def in_turn(functions: list[Callable[[], object]], seconds: float, clock: Callable[[], float]) -> list[float]:
    """The smallest median of five rounds of each function, round by round in turn."""
    for function in functions:
        function()
    rounds = [[median(f, seconds / 5, clock) for f in functions] for _ in range(5)]
    return [min(times) for times in zip(*rounds, strict=True)]


def expected(shape: Shape, x: np.ndarray, w: np.ndarray, dy: np.ndarray, what: str) -> np.ndarray:
    """One image's forward result or input gradient, or the weights' gradient, in float64."""
    N = x.shape[0]
    padded = np.pad(x.astype(np.float64), ((0, 0), *((shape.padding, shape.padding),) * 2, (0, 0)))
    y = np.zeros((N, shape.P, shape.P, shape.K))
    dx, dw = np.zeros_like(padded), np.zeros(w.shape)
    w, dy = w.astype(np.float64), dy.astype(np.float64)
    stop = (shape.P - 1) * shape.stride + 1
    for g, r, s in itertools.product(range(shape.groups), range(shape.R), range(shape.R)):
        channels = (slice(size // shape.groups * g, size // shape.groups * (g + 1)) for size in (shape.C, shape.K))
        c, k = channels
        seen = (slice(None), slice(r, r + stop, shape.stride), slice(s, s + stop, shape.stride), c)
        if what == "forward":
            y[..., k] += padded[seen] @ w[r, s, :, k]
        elif what == "data":
            dx[seen] += dy[..., k] @ w[r, s, :, k].T
        else:
            dw[r, s, :, k] = np.tensordot(padded[seen], dy[..., k], axes=((0, 1, 2), (0, 1, 2)))
    inside = slice(shape.padding, shape.padding + shape.H)
    return {"forward": y, "data": dx[:, inside, inside], "weights": dw}[what]


def torch_rivals(torch: Any, shape: Shape, arrays: tuple[np.ndarray, ...], what: str) -> list[Callable[[], object]]:
    """The same pass in PyTorch, contiguous and channels_last."""
    x, w, b, dy = arrays
    rivals: list[Callable[[], object]] = []
    for layout in (torch.contiguous_format, torch.channels_last):
        images = torch.from_numpy(x.transpose(0, 3, 1, 2)).contiguous(memory_format=layout)
        filters = torch.from_numpy(w.transpose(3, 2, 0, 1)).contiguous(memory_format=layout)
        gradient = torch.from_numpy(dy.transpose(0, 3, 1, 2)).contiguous(memory_format=layout)
        bias = torch.from_numpy(b)
        if what == "forward":
            rivals.append(
                partial(torch.nn.functional.conv2d, images, filters, bias, shape.stride, shape.padding, 1, shape.groups)
            )
        else:
            mask = [what == "data", what == "weights", False]
            rivals.append(
                partial(
                    torch.ops.aten.convolution_backward, gradient, images, filters, None, [shape.stride] * 2,
                    [shape.padding] * 2, [1, 1], False, [0, 0], shape.groups, mask,
                )
            )  # fmt: skip
    return rivals


def bench_convolution(
    shape: Shape, what: str, dtype: str, peak: float, seconds: float, torch: Any, clock: Any
) -> float | None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(shape.N, shape.H, shape.H, shape.C)).astype(dtype)
    w = rng.normal(size=(shape.R, shape.R, shape.C // shape.groups, shape.K)).astype(dtype)
    b, dy = np.zeros(shape.K, dtype), rng.normal(size=(shape.N, shape.P, shape.P, shape.K)).astype(dtype)
    tensors = [tg.from_numpy(a) for a in (x, w, b, dy)]
    options = (shape.stride, shape.padding, 1, shape.groups)
    ours: Callable[[], Any] = {
        "forward": partial(_C.conv2d, *tensors[:3], *options, "relu"),
        "data": partial(_C.conv2d_backward_data, tensors[3], tensors[1], shape.H, *options),
        "weights": partial(_C.conv2d_backward_weights, tensors[0], tensors[3], shape.R, *options),
    }[what]
    few = slice(None) if what == "weights" else slice(0, 1)  # images whose values are compared
    found, want = ours().numpy()[few], expected(shape, x[few], w, dy[few], what)
    terms = {"forward": shape.R**2 * shape.C, "data": shape.R**2 * shape.K, "weights": shape.N * shape.P**2}[what]
    if what == "forward":
        want = np.maximum(want, 0)
    if not np.allclose(found, want, rtol=0, atol=8 * float(np.finfo(dtype).eps) * terms):
        raise SystemExit(f"{shape} {what}: values differ from the definition's")
    rivals = torch_rivals(torch, shape, (x, w, b, dy), what) if torch else []
    mine, *theirs = in_turn([ours, *rivals], seconds, clock)
    rate = 1e-9 * shape.flops / mine
    text = f"  {what:>7} {shape}: {1e3 * mine:8.3f} ms {rate:7.1f} GFLOP/s {100 * rate / peak:4.0f} % of peak"
    print(
        text + (f"; PyTorch {1e3 * min(theirs):8.3f} ms, ratio {min(theirs) / mine:.2f}" if theirs else ""), flush=True
    )
    return min(theirs) / mine if theirs else None


def bench_pools(size: tuple[int, int, int], dtype: str, seconds: float, torch: Any, clock: Any) -> list[float]:
    N, H, C = size
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, H, H, C)).astype(dtype)
    dy = rng.normal(size=(N, H // 2, H // 2, C)).astype(dtype)
    images, gradient = tg.from_numpy(x), tg.from_numpy(dy)
    index = _C.max_pool2d(images, 2, None, "valid", False, True)[1]
    windows = x.reshape(N, H // 2, 2, H // 2, 2, C)
    if not np.array_equal(_C.max_pool2d(images, 2, None, "valid", False, False)[0].numpy(), windows.max(axis=(2, 4))):
        raise SystemExit(f"max pooling of {size}: values differ from NumPy's")
    passes: dict[str, tuple[Callable[[], object], Callable[[Any, Any], Callable[[], object]] | None]] = {
        "max": (
            partial(_C.max_pool2d, images, 2, None, "valid", False, True),
            lambda t, d: partial(torch.ops.aten.max_pool2d_with_indices, t, [2, 2]),
        ),
        "max back": (
            partial(_C.max_pool2d_backward, gradient, index, H, 2, None, "valid", False),
            lambda t, d: partial(
                torch.ops.aten.max_pool2d_with_indices_backward, d, t, [2, 2], [2, 2], [0, 0], [1, 1], False,
                torch.ops.aten.max_pool2d_with_indices(t, [2, 2])[1],
            ),
        ),
        "avg": (
            partial(_C.avg_pool2d, images, 2, None, "valid", False, False),
            lambda t, d: partial(torch.ops.aten.avg_pool2d, t, [2, 2]),
        ),
        "avg back": (
            partial(_C.avg_pool2d_backward, gradient, H, 2, None, "valid", False, False),
            lambda t, d: partial(torch.ops.aten.avg_pool2d_backward, d, t, [2, 2], [2, 2], [0, 0], False, False, None),
        ),
    }  # fmt: skip
    ratios = []
    for what, (ours, make) in passes.items():
        rivals = []
        if torch and make:
            for layout in (torch.contiguous_format, torch.channels_last):
                both = (torch.from_numpy(a.transpose(0, 3, 1, 2)).contiguous(memory_format=layout) for a in (x, dy))
                rivals.append(make(*both))
        mine, *theirs = in_turn([ours, *rivals], seconds, clock)
        text = f"  {what:>8} {N} x {H}² x {C}: {1e6 * mine:8.1f} us {1e-9 * (x.nbytes + dy.nbytes) / mine:6.1f} GB/s"
        print(
            text + (f"; PyTorch {1e6 * min(theirs):8.1f} us, ratio {min(theirs) / mine:.2f}" if theirs else ""),
            flush=True,
        )
        ratios += [min(theirs) / mine] if theirs else []
    return ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--isa", default=_C.isa(), choices=_C.available_isas())
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, tg.get_num_threads()}))
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    parser.add_argument("--pass", dest="passes", nargs="+", default=["forward", "data", "weights", "pool"],
                        choices=["forward", "data", "weights", "pool"])  # fmt: skip
    parser.add_argument("--seconds", type=float, default=0.5, help="about how long each shape is timed, for each side")
    parser.add_argument("--clock", default="wall", choices=["wall", "cpu"])
    parser.add_argument("--only", default="", help="only shapes whose name, as printed, contains one of these, by ;")
    parser.add_argument("--no-torch", action="store_true")
    arguments = parser.parse_args()

    torch: Any = None
    if not arguments.no_torch:
        try:
            torch = importlib.import_module("torch")
        except ImportError:
            print("PyTorch is not installed: no rival (the extra `bench` brings it)")
    clock = time.perf_counter if arguments.clock == "wall" else time.thread_time
    _C.set_isa(arguments.isa)
    rival = f"; PyTorch {torch.__version__}" if torch else ""
    print(f"{cpu_model()}; tilegrad {arguments.isa} {arguments.dtype}{rival}; {arguments.clock} clock")
    for threads in arguments.threads:
        tg.set_num_threads(threads)
        if torch:
            torch.set_num_threads(threads)
        peak = _C.measure_fma_peak(arguments.dtype, threads)
        print(f"{threads} thread(s): measured fma peak {peak:.0f} GFLOP/s")
        for what in arguments.passes:
            if what == "pool":
                ratios = [
                    r for size in POOLS for r in bench_pools(size, arguments.dtype, arguments.seconds, torch, clock)
                ]
            else:
                found = [
                    bench_convolution(shape, what, arguments.dtype, peak, arguments.seconds, torch, clock)
                    for shape in CONVOLUTIONS
                    if any(part in str(shape) for part in arguments.only.split(";"))
                ]
                ratios = [r for r in found if r is not None]
            if ratios:
                mean = statistics.geometric_mean(ratios)
                print(f"  {what}: geometric mean of the ratios {mean:.2f}, least {min(ratios):.2f}")


if __name__ == "__main__":
    main()
