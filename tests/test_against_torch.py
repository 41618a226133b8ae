"""PyTorch as a second witness: the samples of the table of ops, layers and optimizers, values and gradients."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn

from .opdb import OPS, Op, Sample
from .test_ops import EPSILON, call, cast, outputs, tree_map

torch = pytest.importorskip("torch")

from .torch_twins import TWINS, WITHOUT_TWIN  # noqa: E402 - imports torch

# PyTorch's gradient at a tie or a kink is another of the right ones.
OTHER_SUBGRADIENT = {"maximum", "minimum", "absolute", "sign", "clip", "relu", "add_relu"}
LACKING = {"ceil_mode", "count_include_pad"}  # options of pooling, compared in test_nn_spatial.py
REFUSES_EMPTY = {"max_pool2d", "avg_pool2d"}  # PyTorch's do
PER_OP = 14  # samples of each op, evenly chosen
LARGEST = 20_000


def records() -> list[Op]:
    """One record of each op, that of the floating numbers."""
    found: dict[str, Op] = {}
    for op in OPS:
        if "float64" in op.dtypes:
            found.setdefault(op.name, op)
    return list(found.values())


def samples(op: Op) -> list[Sample]:
    drawn = op.draw()
    return drawn[:: -(-len(drawn) // PER_OP)]


def to_torch(array: np.ndarray, dtype: str, leaves: list[Any] | None) -> Any:
    if array.dtype == np.float64:
        tensor = torch.tensor(array.astype(dtype))
        if leaves is not None:
            leaves.append(tensor.requires_grad_())
        return tensor
    return torch.tensor(array.astype(np.int64) if array.dtype.kind in "iu" else array)


def values(tensor: Any) -> np.ndarray:
    """NumPy has no bfloat16."""
    tensor = tensor.detach()
    wide = tensor.float() if "bfloat16" in str(tensor.dtype) else tensor
    return np.asarray(wide.numpy())


def distance(a: np.ndarray, b: np.ndarray, beside: float = 0.0) -> float:
    """Relative to the two together, and to the size of what they may be a small difference of."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    scale = float(np.linalg.norm(a.ravel()) + np.linalg.norm(b.ravel())) + beside
    return float(np.linalg.norm((a - b).ravel())) / scale if scale else 0.0


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("op", [pytest.param(op, id=op.name) for op in records() if op.name in TWINS])
def test_op(op: Op, dtype: str) -> None:
    """Both are within the op's tolerance of the exact value, so within twice that of each other."""
    epsilon = EPSILON[dtype]
    for sample in samples(op):
        sizes: list[int] = []
        tree_map(lambda a: sizes.append(a.size) or a, list(sample.args) + list(sample.kwargs.values()))
        if max(sizes, default=0) > LARGEST or (op.name in REFUSES_EMPTY and min(sizes) == 0):
            continue
        if LACKING & set(sample.kwargs):
            continue
        ours: list[tg.Tensor] = []
        theirs: list[Any] = []

        def leaf(a: np.ndarray, into: list[tg.Tensor] = ours) -> tg.Tensor:
            tensor = cast(a, dtype)
            if a.dtype == np.float64 and op.gradient:
                into.append(tensor.requires_grad_())
            return tensor

        results = outputs(call(op, sample, leaf))
        kept = theirs if op.gradient else None
        args = [tree_map(lambda a: to_torch(a, dtype, kept), a) for a in sample.args]
        kwargs = {k: tree_map(lambda a: to_torch(a, dtype, kept), v) for k, v in sample.kwargs.items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = outputs(TWINS[op.name](*args, **kwargs))
        assert len(results) == len(expected)
        finite = True
        for got, want in zip(results, expected, strict=True):
            value, other = values(got), values(want)
            assert value.shape == other.shape, sample
            with np.errstate(all="ignore"):
                allowed = 2 * op.tolerance(sample, other.astype(np.float64), epsilon) + 8 * epsilon * np.abs(other)
                close = (np.abs(value - other.astype(value.dtype)) <= allowed) if value.dtype.kind == "f" else False
            same = (value == other) | ((value != value) & (other != other))
            assert (close | same).all(), (sample, value, other)
            finite &= value.dtype.kind != "f" or bool(np.isfinite(value).all())
        if not (op.gradient and finite) or op.name in OTHER_SUBGRADIENT:
            continue
        start = 0.0
        for got, want in zip(results, expected, strict=True):
            if got.requires_grad and want.requires_grad:
                seed = np.random.default_rng(0).normal(size=got.shape).astype(dtype)
                start += float(np.linalg.norm(seed.ravel()))
                got.backward(tg.tensor(seed), retain_graph=True)
                want.backward(torch.tensor(seed), retain_graph=True)
        for mine, other_leaf in zip(ours, theirs, strict=True):
            if mine.grad is None or other_leaf.grad is None:
                zero = mine.grad if mine.grad is not None else other_leaf.grad
                assert zero is None or not np.any(np.asarray(zero.numpy()))
                continue
            # Sums of up to some thousand terms, in another order: their errors grow with the root of the number.
            apart = distance(mine.grad.numpy(), other_leaf.grad.numpy(), start)
            assert apart <= 128 * epsilon or not np.isfinite(apart), (sample, apart)


def test_every_op_has_a_twin_or_a_reason() -> None:
    names = {op.name for op in OPS}
    missing = names - set(TWINS) - set(WITHOUT_TWIN)
    # Ops of later versions may come without a twin; those of the table so far must not lose theirs.
    assert missing == set(), f"give {sorted(missing)} a line in TWINS or a reason in WITHOUT_TWIN"
    assert set(TWINS) & set(WITHOUT_TWIN) == set()
    assert (set(TWINS) | set(WITHOUT_TWIN)) - names == set()


# Layers.

RNG_SEEDS = range(6)


def both(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[tg.Tensor, Any]:
    x = rng.normal(size=shape)
    return tg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)


def compare(ours: tg.Tensor, theirs: Any, x: tg.Tensor, other_x: Any, parameters: list[tuple[tg.Tensor, Any]]) -> None:
    """Values and gradients in float64, by relative distance."""
    assert distance(ours.detach().numpy(), theirs.detach().numpy()) < 1e-13
    seed = np.random.default_rng(1).normal(size=ours.shape)
    ours.backward(tg.tensor(seed))
    theirs.backward(torch.tensor(seed))
    for mine, other in [(x.grad, other_x.grad), *[(p.grad, q) for p, q in parameters]]:
        assert mine is not None
        assert distance(mine.numpy(), np.asarray(other)) < 1e-12


@pytest.mark.parametrize("seed", RNG_SEEDS)
def test_linear_layer(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, m, bias = int(rng.integers(1, 40)), int(rng.integers(1, 40)), bool(seed % 2)
    layer, twin = nn.Linear(n, m, bias=bias).to("float64"), torch.nn.Linear(n, m, bias, dtype=torch.float64)
    with torch.no_grad():
        twin.weight.copy_(torch.tensor(layer.weight.detach().numpy().T.copy()))
        if bias:
            layer.bias.detach().copy_(tg.tensor(twin.bias.detach().numpy()))
    x, other = both((5, 3, n)[seed % 2 :], rng)
    y, z = layer(x), twin(other)
    compare(y, z, x, other, [])
    assert distance(layer.weight.grad.numpy(), twin.weight.grad.numpy().T) < 1e-12
    if bias:
        assert distance(layer.bias.grad.numpy(), twin.bias.grad.numpy()) < 1e-12


@pytest.mark.parametrize("seed", range(12))
def test_conv2d_layer(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = int(rng.choice([1, 1, 2, 3]))
    C, K = groups * int(rng.integers(1, 5)), groups * int(rng.integers(1, 5))
    R, S = int(rng.integers(1, 5)), int(rng.integers(1, 5))
    stride, dilation = tuple(rng.integers(1, 4, 2).tolist()), tuple(rng.integers(1, 3, 2).tolist())
    padding = tuple(rng.integers(0, 3, 2).tolist())
    layer = nn.Conv2d(C, K, (R, S), stride, padding, dilation, groups, bias=bool(seed % 2)).to("float64")
    twin = torch.nn.Conv2d(C, K, (R, S), stride, padding, dilation, groups, bias=bool(seed % 2), dtype=torch.float64)
    with torch.no_grad():
        twin.weight.copy_(torch.tensor(layer.weight.detach().numpy().transpose(3, 2, 0, 1).copy()))
        if layer.bias is not None:
            layer.bias.detach().copy_(tg.tensor(twin.bias.detach().numpy()))
    values = rng.normal(size=(2, int(rng.integers(9, 15)), int(rng.integers(9, 15)), C))
    x, other = (
        tg.tensor(values, requires_grad=True),
        torch.tensor(values.transpose(0, 3, 1, 2).copy(), requires_grad=True),
    )
    y, z = layer(x), twin(other)
    assert distance(y.detach().numpy(), z.detach().numpy().transpose(0, 2, 3, 1)) < 1e-13
    start = rng.normal(size=y.shape)
    y.backward(tg.tensor(start))
    z.backward(torch.tensor(start.transpose(0, 3, 1, 2).copy()))
    assert distance(x.grad.numpy(), other.grad.numpy().transpose(0, 2, 3, 1)) < 1e-12  # type: ignore[union-attr]
    assert distance(layer.weight.grad.numpy(), twin.weight.grad.numpy().transpose(2, 3, 1, 0)) < 1e-12
    if layer.bias is not None:
        assert distance(layer.bias.grad.numpy(), twin.bias.grad.numpy()) < 1e-12


@pytest.mark.parametrize("seed", RNG_SEEDS)
def test_batch_norm_over_several_steps(seed: int) -> None:
    """Training with running statistics, then evaluation with them."""
    rng = np.random.default_rng(seed)
    C, momentum = int(rng.integers(1, 20)), float(rng.uniform(0.05, 0.5))
    layer = nn.BatchNorm1d(C, momentum=momentum).to("float64")
    twin = torch.nn.BatchNorm1d(C, momentum=momentum, dtype=torch.float64)
    for step in range(4):
        if step == 3:
            layer.eval()
            twin.eval()
        x, other = both((int(rng.integers(2, 30)), C), rng)
        compare(layer(x), twin(other), x, other, [])
    running = [b.numpy() for b in layer.buffers() if b.dtype == "float64"]
    assert min(distance(b, twin.running_mean.numpy()) for b in running) < 1e-13
    assert min(distance(b, twin.running_var.numpy()) for b in running) < 1e-13


@pytest.mark.parametrize("seed", RNG_SEEDS)
def test_layer_norm_layer(seed: int) -> None:
    rng = np.random.default_rng(seed)
    D = int(rng.integers(2, 40))
    layer, twin = nn.LayerNorm(D).to("float64"), torch.nn.LayerNorm(D, dtype=torch.float64)
    x, other = both((3, 4, D)[seed % 2 :], rng)
    compare(layer(x), twin(other), x, other, [])


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_has_the_statistics_of_the_twin(p: float) -> None:
    """Both keep a share of 1 - p, within four standard deviations of the draws, and scale it by 1 / (1 - p)."""
    count = 20_000
    x = nn.Dropout(p)(tg.ones(count)).numpy()
    torch.manual_seed(0)
    other = torch.nn.Dropout(p)(torch.ones(count)).numpy()
    for drawn in (x, other):
        assert abs((drawn != 0).mean() - (1 - p)) < 4 * (p * (1 - p) / count) ** 0.5
    assert np.allclose(np.unique(x), np.unique(other), rtol=1e-6)


# Optimizers.


def drawn_options(kind: str, rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, Any]]:
    rate, decay = float(10 ** rng.uniform(-3, -1)), float(rng.choice([0.0, 0.01, 0.1]))
    if kind == "SGD":
        momentum = float(rng.choice([0.0, 0.5, 0.9]))
        options = {"lr": rate, "momentum": momentum, "weight_decay": decay}
        options["nesterov"] = bool(momentum and rng.random() < 0.5)
        return options, dict(options)
    betas = float(rng.uniform(0.5, 0.95)), float(rng.uniform(0.9, 0.9999))
    options = {"lr": rate, "betas": betas, "eps": float(10 ** rng.uniform(-9, -6)), "weight_decay": decay}
    return options, dict(options)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW"])
def test_optimizer(kind: str, seed: int) -> None:
    """Twelve steps along the same gradients."""
    rng = np.random.default_rng(seed)
    options, twin_options = drawn_options(kind, rng)
    starts = [rng.normal(size=shape) for shape in ((3, 4), (7,), ())]
    ours = [nn.Parameter(tg.tensor(start)) for start in starts]
    theirs = [torch.nn.Parameter(torch.tensor(start)) for start in starts]
    optimizer, twin = getattr(tg.optim, kind)(ours, **options), getattr(torch.optim, kind)(theirs, **twin_options)
    for _ in range(12):
        for mine, other in zip(ours, theirs, strict=True):
            grad = rng.normal(size=mine.shape)
            mine.grad, other.grad = tg.tensor(grad), torch.tensor(grad)
        optimizer.step()
        twin.step()
    for mine, other in zip(ours, theirs, strict=True):
        assert distance(mine.detach().numpy(), other.detach().numpy()) < 1e-12, (options, kind)
