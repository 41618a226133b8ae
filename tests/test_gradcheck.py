"""tg.gradcheck: passes right gradients, and finds wrong ones where they are."""

from __future__ import annotations

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import _C
from tilegrad.autograd import record


def leaf(*shape: int, dtype: str = "float64") -> tg.Tensor:
    return tg.tensor(np.random.default_rng(0).normal(size=shape).astype(dtype), requires_grad=True)


def test_right_gradients_pass() -> None:
    a, b = leaf(3, 4), leaf(4, 2)
    assert tg.gradcheck(lambda a, b: tg.matmul(a, b), [a, b]) is True
    assert tg.gradcheck(lambda a: (a * a, a[0] + 1.0), a)
    assert a.grad is None


def test_values_and_gradients_of_the_inputs_are_kept() -> None:
    a = leaf(3)
    before = a.detach().clone().numpy()
    a.grad = tg.ones(3, dtype="float64")
    tg.gradcheck(lambda a: a * a, a)
    np.testing.assert_array_equal(a.detach().numpy(), before)
    np.testing.assert_array_equal(a.grad.numpy(), np.ones(3))


def _wrong_square_gradient(needs: tuple[bool, ...], grad: tg.Tensor, x: tg.Tensor) -> tuple[tg.Tensor]:
    factor = np.full(x.shape, 2.0)
    factor.flat[1] = 2.001
    return (_C.multiply(_C.multiply(grad, x), tg.tensor(factor)),)


def wrong_square(x: tg.Tensor) -> tg.Tensor:
    return record(_C.multiply(x, x), _wrong_square_gradient, (x,), x)


def test_wrong_gradient_is_found_and_named() -> None:
    with pytest.raises(
        tg.GradientError, match=r"input 1 is at a relative distance of .* worst at \[0, 1\]: analytic .*, numeric .*"
    ) as caught:
        tg.gradcheck(lambda a, b: a + wrong_square(b), [leaf(2, 3), leaf(2, 3)])
    assert isinstance(caught.value, AssertionError)
    assert tg.gradcheck(wrong_square, leaf(2, 3), tolerance=1e-2)


def test_missing_gradient_is_found() -> None:
    with pytest.raises(tg.GradientError, match="relative distance of 1 "):
        tg.gradcheck(lambda a, b: a + b.detach(), [leaf(2), leaf(2)])
    with pytest.raises(tg.GradientError, match="no output of fn requires a gradient"):
        tg.gradcheck(lambda a: a.detach(), leaf(2))


def test_bad_inputs() -> None:
    with pytest.raises(tg.DTypeError, match=r"input 1 is float32 \[2\]; differences need float64"):
        tg.gradcheck(lambda a, b: a, [leaf(2), leaf(2, dtype="float32")])
    with pytest.raises(tg.ArgumentError, match="no input requires a gradient"):
        tg.gradcheck(lambda a: a, tg.zeros(2, dtype="float64"))
    with pytest.raises(tg.ArgumentError, match="must be a contiguous leaf"):
        tg.gradcheck(lambda a: a, leaf(2) * 2.0)
    with pytest.raises(tg.ArgumentError, match="eps must be positive"):
        tg.gradcheck(lambda a: a, leaf(2), eps=0)
