"""How functions of the extension read their arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import _C

X = tg.tensor([[1.0, 2.0], [3.0, 5.0]])


@pytest.mark.parametrize(
    "call",
    [
        lambda: _C.cumsum(X, 0, False),
        lambda: _C.cumsum(X, 0),
        lambda: _C.cumsum(X, axis=0),
        lambda: _C.cumsum(axis=np.int64(0), x=X),
        lambda: _C.cumsum(X, reverse=False, axis=tg.tensor(0)),
    ],
)
def test_arguments_by_place_and_by_name(call: Any) -> None:
    assert call().tolist() == [[1.0, 2.0], [4.0, 7.0]]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: _C.cumsum(X), TypeError, "cumsum: axis is missing"),
        (lambda: _C.cumsum(X, 0, False, 1), TypeError, "cumsum: 4 arguments for x, axis, reverse"),
        (lambda: _C.cumsum(X, 0, x=X), TypeError, "cumsum: x is given twice"),
        (lambda: _C.cumsum(X, axes=0), TypeError, "cumsum: no argument is called axes; there are x, axis, reverse"),
        (lambda: _C.isa(1), TypeError, "isa: 1 arguments for none"),
        (lambda: _C.cumsum(X, 0.0), tg.DTypeError, "cumsum: axis must be an integer, found 0.0"),
        (lambda: _C.cumsum(X, np.float32(0)), tg.DTypeError, "cumsum: axis must be an integer, found numpy.float32"),
        (lambda: _C.cumsum(X, "a" * 80), tg.DTypeError, "cumsum: axis must be an integer, found str"),
        (lambda: _C.cumsum(X, -(10**25)), tg.ArgumentError, f"cumsum: axis {-(10**25)} does not fit in 64 bits"),
        (lambda: _C.cumsum(X, 0, "no"), tg.DTypeError, "cumsum: reverse must be True or False, found 'no'"),
        (lambda: _C.cumsum([1.0], 0), tg.DTypeError,
         "cumsum: x must be a tensor, found list; tg.tensor() makes one from other data"),
        (lambda: _C.linear(X, X, 0, "none"), tg.DTypeError,
         "linear: b must be a tensor or None, found int; tg.tensor() makes one from other data"),
        (lambda: _C.linear(X, X, None, None), tg.DTypeError, "linear: activation must be a string, found None"),
        (lambda: _C.concat([X, 2], 0), tg.DTypeError,
         "concat: tensors[1] must be a tensor, found int; tg.tensor() makes one from other data"),
        (lambda: _C.concat("ab", 0), tg.DTypeError, "concat: tensors must be a sequence of tensors, found 'ab'"),
        (lambda: _C.reshape(X, (2, "a")), tg.ShapeError,
         "reshape: shape must be an integer or a sequence of integers, found (2, 'a')"),
        (lambda: _C.mean(X, 0.5, False), tg.DTypeError,
         "mean: axis must be an integer, a sequence of integers or None, found 0.5"),
        # Where a function serves several ops, or is called otherwise in Python.
        (lambda: _C.top("topk", X, 0, "a", True), tg.DTypeError, "topk: k must be an integer, found 'a'"),
        (lambda: _C.fill_(X, "a"), tg.DTypeError, "fill: value must be a number, found 'a'"),
        (lambda: _C.norm2(X, "a", False), tg.DTypeError,
         "norm: axis must be an integer, a sequence of integers or None, found 'a'"),
        # What is refused where the op is not known begins with its name all the same.
        (lambda: _C.empty((-1,), "float32"), tg.ShapeError, "empty: negative dimension in shape [-1]"),
        (lambda: _C.full((2,), 1, "float33", op="zeros"), tg.DTypeError, "zeros: dtype 'float33' is not one of"),
        (lambda: _C.permute(X, (0, 2**70)), tg.ArgumentError, f"permute: {2**70} does not fit in 64 bits"),
        (lambda: _C.empty((2,) * 65, "float32"), tg.ShapeError, "empty: a tensor has at most"),
    ],
)  # fmt: skip
def test_refusals(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value).startswith(message)
    assert caught.type is error


def test_out_of_memory_names_the_op() -> None:
    with pytest.raises(MemoryError, match=r"^ones: out of memory: could not allocate"):
        tg.ones(2**50)


def test_signatures() -> None:
    """The first line of a function's description is what the stub is made from."""
    assert _C.cumsum.__doc__ is not None
    assert _C.cumsum.__doc__.splitlines()[0].startswith("cumsum(x: Tensor, axis: ")
    assert _C.cumsum.__doc__.splitlines()[0].endswith("reverse: bool = False) -> Tensor")
    assert (_C.cumsum.__name__, _C.cumsum.__module__) == ("cumsum", "tilegrad._C")
