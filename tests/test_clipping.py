"""The clipping of gradients and the largest norm of weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad.optim import SGD, clip_grad_norm_, clip_grad_value_, max_norm_, penalties

from .optimizer_formulas import drawn, leaves, set_gradients
from .targets import AVAILABLE, THREADS, running_on


@pytest.mark.parametrize(
    ("name", "act"),
    [
        ("clip_grad_norm_", clip_grad_norm_),
        ("clip_grad_value_", clip_grad_value_),
        ("max_norm_", max_norm_),
        ("l1", penalties.l1),
        ("l2", penalties.l2),
        ("elastic_net", lambda given, factor: penalties.elastic_net(given, factor, factor)),
    ],
)
def test_what_are_no_parameters_is_told(name: str, act: Any) -> None:
    for given, told in (
        (tg.nn.Linear(2, 2), "parameters is a Linear; give its parameters()"),
        (None, "parameter 0 must be a tensor, found NoneType"),
        ([tg.zeros(2), 1.0], "parameter 1 must be a tensor, found float"),
    ):
        with pytest.raises(tg.ArgumentError) as caught:
            act(given, 1.0)
        assert str(caught.value) == f"{name}: {told}"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_clip_grad_norm(dtype: str) -> None:
    arrays, gradients = drawn(dtype)
    exact = np.sqrt(sum((g.astype(np.float64) ** 2).sum() for g in gradients[0]))
    expected: bytes | None = None
    for isa in AVAILABLE:
        for threads in THREADS:
            with running_on(isa, threads):
                parameters = leaves(arrays)
                set_gradients(parameters, gradients[0])
                norm = clip_grad_norm_(parameters, 2.0)
            found = b"".join([norm.numpy().tobytes()] + [p.grad.numpy().tobytes() for p in parameters])
            expected = expected or found
            assert found == expected
            assert abs(norm.item() - exact) <= 2e-15 * exact
            for p, g in zip(parameters, gradients[0], strict=True):
                assert np.allclose(p.grad.numpy(), g * (2.0 / exact), rtol=4 * np.finfo(dtype).eps, atol=0)
    parameters = leaves(arrays)
    set_gradients(parameters, gradients[0])
    clip_grad_norm_(parameters, 1e6)
    assert all(p.grad.numpy().tobytes() == g.tobytes() for p, g in zip(parameters, gradients[0], strict=True))
    assert clip_grad_norm_(leaves(arrays), 1.0).item() == 0.0


def test_clipping_of_numbers_that_are_not_finite() -> None:
    x = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    x.grad = tg.tensor([float("inf"), 1.0, -1.0])
    assert clip_grad_norm_(x, 1.0).item() == float("inf")
    assert np.isnan(x.grad.numpy()[0])
    assert x.grad.tolist()[1:] == [0.0, 0.0]
    x.grad = tg.tensor([float("nan"), 5.0, -float("inf")])
    clip_grad_value_(x, 2.0)
    assert np.isnan(x.grad.numpy()[0])
    assert x.grad.tolist()[1:] == [2.0, -2.0]
    assert np.isnan(clip_grad_norm_(x, 1.0).item())
    huge = tg.tensor([0.0, 0.0], requires_grad=True)
    huge.grad = tg.tensor([3e38, 0.0])  # its square is beyond float32
    assert clip_grad_norm_(huge, 1.0).item() == pytest.approx(3e38, rel=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(3, 5), (2500, 3), (1030, 70), (3, 3, 4, 9), (1, 1), (0, 4), (4, 0)])
def test_max_norm(shape: tuple[int, ...], dtype: str) -> None:
    """Columns whose norm is within the bound keep their bits; the others end at the bound, to rounding."""
    rng = np.random.default_rng(2)
    array = (rng.normal(size=shape) * rng.uniform(0.01, 2, size=shape[-1])).astype(dtype)
    rows = array.reshape(math.prod(shape[:-1]), shape[-1]).astype(np.float64)
    norms = np.array([math.sqrt(math.fsum(column**2)) for column in rows.T])
    bound = float(np.median(norms)) * 1.001 if array.size else 1.0
    expected: bytes | None = None
    for isa in AVAILABLE:
        for threads in THREADS:
            with running_on(isa, threads):
                w = tg.tensor(array, dtype=dtype)
                max_norm_(w, bound)
            expected = expected or w.numpy().tobytes()
            assert w.numpy().tobytes() == expected
    found = w.numpy().reshape(rows.shape)
    scaled = rows * np.minimum(1, bound / np.where(norms > 0, norms, 1))
    assert np.allclose(found, scaled, rtol=2 * np.finfo(dtype).eps, atol=0)
    assert (found[:, norms <= bound] == rows[:, norms <= bound]).all()


def test_max_norm_of_an_optimizer_is_kept_after_every_step() -> None:
    w, b = leaves([np.full((4, 2), 0.1), np.full(2, 9.0)])
    optimizer = SGD([{"params": [w, b], "max_norm": 1.0}], lr=0.5)
    for _ in range(5):
        set_gradients([w, b], [-np.ones((4, 2)), np.ones(2)])
        optimizer.step()
        assert (np.linalg.norm(w.detach().numpy(), axis=0) <= 1 + 1e-15).all()
    assert np.allclose(w.detach().numpy(), 0.5)
    assert b.tolist() == [6.5, 6.5]  # biases are not limited
    nan = tg.tensor([[float("nan"), 2.0], [1.0, 0.0]])
    max_norm_([nan, tg.ones(3) * 100.0], 1.0)
    assert nan.numpy()[1].tolist() == [1.0, 0.0]
    assert nan.numpy()[0, 1] == 1.0
