"""The Tensor class: operators and methods are the ops they stand for, dtypes never mix, in-place ops write in place."""

from __future__ import annotations

import copy
import operator
import pickle
from typing import Any

import numpy as np
import pytest

import tilegrad as tg

from .targets import AVAILABLE, running_on

A = np.array([[1.5, -2.0, 3.0], [0.25, 5.0, -6.5]])
B = np.array([[2.0, 3.0, -1.0], [0.5, -2.0, 4.0]])
BINARY = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.lt,
    operator.le, operator.gt, operator.ge, operator.eq, operator.ne,
]  # fmt: skip
ARITHMETIC = BINARY[:6]


def same(found: tg.Tensor, expected: Any, dtype: str | None = None) -> None:
    assert isinstance(found, tg.Tensor)
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-13, atol=1e-13)
    if dtype is not None:
        assert found.dtype == dtype


@pytest.mark.parametrize("op", BINARY, ids=lambda op: op.__name__)
def test_operators(op: Any) -> None:
    """Between tensors, with a number or a NumPy array on either side."""
    a, b = tg.tensor(A), tg.tensor(B)
    same(op(a, b), op(A, B))
    same(op(a, 2), op(A, 2.0))
    same(op(a, 2.5), op(A, 2.5))
    same(op(2.5, b), op(2.5, B))
    same(op(a, B), op(A, B))
    same(op(A, b), op(A, B))
    same(op(np.float64(2.5), b), op(2.5, B))
    same(op(a, b[0]), op(A, B[0]))


@pytest.mark.parametrize("op", ARITHMETIC, ids=lambda op: op.__name__)
def test_dtypes_never_mix(op: Any) -> None:
    single, double, whole = tg.ones(2), tg.ones(2, dtype="float64"), tg.ones(2, dtype="int64")
    with pytest.raises(tg.DTypeError, match="float32 and float64"):
        op(single, double)
    with pytest.raises(tg.DTypeError, match="float32 and int64"):
        op(single, whole)
    with pytest.raises(tg.DTypeError, match=r"float64 and float32|float32 and float64"):
        op(single, np.ones(2))
    with pytest.raises(tg.DTypeError, match="int64"):
        op(whole, 1.5)
    with pytest.raises(tg.DTypeError):
        op(single, "x")
    assert op(single, 2).dtype == "float32"
    assert op(double, 2.5).dtype == "float64"


def test_integers() -> None:
    a = np.array([7, -7, 3])
    x = tg.tensor(a)
    same(x + 1, a + 1, "int64")
    same(x // 2, a // 2, "int64")
    same(x % 4, a % 4, "int64")
    same(x**2, a**2, "int64")
    same(-x, -a, "int64")
    same(abs(x), abs(a), "int64")
    with pytest.raises(tg.DTypeError, match=r"divide: .*int64.*cast"):
        x / 2
    assert (x > 0).dtype == "bool"


def test_unary_power_and_product() -> None:
    a = tg.tensor(A)
    same(-a, -A)
    same(+a, A)
    same(abs(a), abs(A))
    same(a**2, A**2)
    same(abs(a) ** 0.5, abs(A) ** 0.5)
    same(2.0**a, 2.0**A)
    same(a @ tg.tensor(B.T.copy()), A @ B.T)
    same(a @ B.T.copy(), A @ B.T)
    same(A @ tg.tensor(B.T.copy()), A @ B.T)


def test_logic() -> None:
    p, q = np.array([True, True, False, False]), np.array([True, False, True, False])
    x, y = tg.tensor(p), tg.tensor(q)
    same(~x, ~p, "bool")
    same(x & y, p & q, "bool")
    same(x | y, p | q, "bool")
    same(x ^ y, p ^ q, "bool")
    same(p & y, p & q, "bool")
    with pytest.raises(tg.DTypeError, match=r"&: the operator is for bool tensors, found int64 \[2\]; compare first"):
        tg.tensor([1, 2]) & tg.tensor([1, 2])


def test_equality_and_hash() -> None:
    x = tg.tensor([1.0, 2.0])
    assert (x == None) is False  # noqa: E711
    assert (x != "text") is True
    assert hash(x) == id(x)
    assert len({x, x, tg.tensor([1.0, 2.0])}) == 2
    assert 2.0 in x
    assert 3.0 not in x
    with pytest.raises(
        tg.ShapeError, match=r"bool: bool \[2\] does not have exactly one element.*any\(\) or \.all\(\)"
    ):
        bool(x == x)
    assert bool(tg.tensor([1.0]) == 1)


# Method, arguments, and NumPy's words for it.
METHODS: list[tuple[str, tuple[Any, ...], Any]] = [
    ("abs", (), np.abs), ("exp", (), np.exp), ("expm1", (), np.expm1), ("log", (), np.log), ("log1p", (), np.log1p),
    ("sqrt", (), np.sqrt), ("rsqrt", (), lambda a: 1 / np.sqrt(a)), ("square", (), np.square),
    ("reciprocal", (), np.reciprocal), ("sin", (), np.sin), ("cos", (), np.cos), ("tanh", (), np.tanh),
    ("sigmoid", (), lambda a: 1 / (1 + np.exp(-a))), ("relu", (), lambda a: np.maximum(a, 0)),
    ("silu", (), lambda a: a / (1 + np.exp(-a))), ("softplus", (), lambda a: np.log1p(np.exp(a))),
    ("sign", (), np.sign),
    ("floor", (), np.floor), ("ceil", (), np.ceil), ("round", (), np.round), ("isnan", (), np.isnan),
    ("isfinite", (), np.isfinite), ("pow", (1.5,), lambda a, p: a**p), ("clip", (1.0, 2.0), np.clip),
    ("sum", (), np.sum), ("sum", (0,), np.sum), ("mean", (1,), np.mean), ("prod", (0,), np.prod), ("max", (), np.max),
    ("min", (1,), np.min), ("argmax", (1,), np.argmax), ("argmin", (0,), np.argmin), ("var", (), np.var),
    ("std", (1,), np.std),
    ("norm", (), np.linalg.norm), ("cumsum", (1,), np.cumsum), ("any", (), np.any), ("all", (1,), np.all),
    ("softmax", (), lambda a: np.exp(a) / np.exp(a).sum(-1, keepdims=True)),
    ("log_softmax", (), lambda a: a - np.log(np.exp(a).sum(-1, keepdims=True))),
    ("logsumexp", (1,), lambda a, axis: np.log(np.exp(a).sum(axis))),
    ("reshape", (3, 2), lambda a, *s: a.reshape(s)), ("reshape", ((-1,),), np.reshape), ("flatten", (), np.ravel),
    ("permute", (1, 0), lambda a, *s: a.transpose(s)), ("transpose", (), np.transpose),
    ("transpose", (0, 1), lambda a, *s: a),
    ("swapaxes", (0, 1), np.swapaxes), ("expand_dims", (1,), np.expand_dims), ("squeeze", (), np.squeeze),
    ("broadcast_to", (2, 2, 3), lambda a, *s: np.broadcast_to(a, s)), ("contiguous", (), np.array),
    ("clone", (), np.array),
    ("copy", (), np.array), ("sort", (), np.sort), ("argsort", (0,), np.argsort), ("flip", (1,), np.flip),
    ("matmul", (tg.tensor(B.T.copy()),), lambda a, b: a @ B.T), ("dot", (tg.tensor(B[0]),), lambda a, b: a @ B[0]),
    ("take", (tg.tensor([1, 0]), 1), lambda a, i, axis: np.take(a, [1, 0], axis)), ("cpu", (), np.array),
    ("detach", (), np.array), ("double", (), np.array), ("bool", (), lambda a: a != 0),
    ("clamp", (1.0, 2.0), np.clip), ("view", (3, 2), lambda a, *s: a.reshape(s)),
    ("view", (-1,), lambda a, s: a.ravel()),
    ("expand", (4, -1, 3), lambda a, *s: np.broadcast_to(a, (4, 2, 3))),
    ("expand_as", (tg.ones((2, 2, 3)),), lambda a, other: np.broadcast_to(a, (2, 2, 3))),
    ("reshape_as", (tg.ones((3, 2)),), lambda a, other: a.reshape(3, 2)), ("unsqueeze", (1,), np.expand_dims),
    ("t", (), np.transpose), ("moveaxis", (0, 1), np.moveaxis), ("diagonal", (1,), np.diagonal),
    ("tile", (2, 2), lambda a, *r: np.tile(a, r)), ("repeat_interleave", (2, 1), np.repeat), ("roll", (1, 1), np.roll),
    ("masked_fill", (tg.tensor([True, False, True]), 9.0), lambda a, m, v: np.where([True, False, True], v, a)),
    ("masked_select", (tg.tensor([[True, False, True]] * 2),), lambda a, m: a[:, ::2].ravel()),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "reference"), METHODS, ids=lambda value: str(value)[:20])
def test_methods(name: str, arguments: tuple[Any, ...], reference: Any) -> None:
    a = np.abs(A) + 0.1
    same(getattr(tg.tensor(a), name)(*arguments), reference(a, *arguments))


def test_every_method_is_tested() -> None:
    """A method that is neither in the table nor named in this file or its neighbours is not tested."""
    elsewhere = {
        "astype", "cuda", "requires_grad_", "backward", "item", "numpy", "tolist", "data_ptr", "is_contiguous",
        "nonzero", "to", "split", "topk", "add_", "sub_", "mul_", "div_", "clip_", "copy_", "fill_", "zero_", "erf",
        "gelu", "T",
        "uniform_", "normal_", "bernoulli_", "exponential_", "register_hook", "retain_grad", "float", "half", "int",
        "long", "is_floating_point", "numel", "dim", "chunk", "unbind", "clamp_", "pow_", "neg_", "abs_", "exp_",
        "log_", "sqrt_", "square_", "reciprocal_", "relu_", "sigmoid_", "tanh_", "masked_fill_",
    }  # fmt: skip
    public = {name for name in dir(tg.Tensor) if not name.startswith("_") and callable(getattr(tg.Tensor, name))}
    assert public - {name for name, _, _ in METHODS} - elsewhere == set()


def test_methods_of_tuples_and_special_functions() -> None:
    x = tg.tensor(A)
    assert [part.shape for part in x.split([1, 2], axis=1)] == [(2, 1), (2, 2)]
    values, indices = x.topk(1)
    assert (values.tolist(), indices.tolist()) == ([[3.0], [5.0]], [[2], [1]])
    assert [i.tolist() for i in (x > 2.0).nonzero()] == [[0, 1], [2, 1]]
    assert x.T.shape == (3, 2)
    assert x.T.data_ptr() == x.data_ptr()
    same(x.gelu(), 0.5 * A * (1 + x.numpy() * 0 + (x / 2**0.5).erf().numpy()))


def test_parts_and_transposes() -> None:
    x = tg.tensor(A)
    assert [part.shape for part in x.chunk(2, axis=1)] == [(2, 2), (2, 1)]
    assert [part.tolist() for part in x.unbind()] == A.tolist()
    assert tg.ones((4, 2, 3)).mT.shape == (4, 3, 2)
    with pytest.raises(tg.ShapeError, match=r"mT: float32 \[3\] has fewer than two axes"):
        _ = tg.ones(3).mT
    with pytest.raises(tg.ShapeError, match=r"t: .* is no matrix"):
        tg.ones((1, 2, 3)).t()
    with pytest.raises(tg.ShapeError, match=r"view: float64 \[3, 2\] with strides \[1, 3\] has no view of shape \[6\]"):
        x.T.view(-1)
    assert x.view(6).data_ptr() == x.data_ptr()
    with pytest.raises(tg.ShapeError, match="has -1 for an axis"):
        x.expand(-1, 2, 3)
    assert tg.ones(1).expand(np.int64(4)).shape == (4,)
    with pytest.raises(tg.ShapeError, match="expand: shape must be an integer or a sequence of integers, found None"):
        x.expand(None)


def test_what_a_tensor_knows_of_itself() -> None:
    x = tg.zeros((2, 3), dtype="float64")
    assert (x.numel(), x.dim(), x.itemsize, x.nbytes, len(x)) == (6, 2, 8, 48, 2)
    assert x.is_floating_point()
    assert not x.long().is_floating_point()
    dtypes = [x.float(), x.half(), x.int(), x.long(), x.bool(), x.double()]
    assert [t.dtype.name for t in dtypes] == ["float32", "float16", "int32", "int64", "bool", "float64"]
    assert [range(5)[tg.tensor(3)], list(range(5))[tg.tensor(1) :]] == [3, [1, 2, 3, 4]]
    with pytest.raises(TypeError, match="only a 0-d integer tensor is an index"):
        range(5)[tg.tensor(3.0)]
    with pytest.raises(TypeError, match=r"len\(\) of a 0-d tensor"):
        len(tg.tensor(1.0))
    with pytest.raises(TypeError, match="0-d tensor cannot be iterated"):
        iter(tg.tensor(1.0))


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16", "int64", "int32", "uint8", "bool"])
def test_pickle(dtype: str) -> None:
    x = tg.tensor(A.T).abs().astype(dtype)
    made = pickle.loads(pickle.dumps(x))
    assert (made.dtype, made.shape, made.tolist()) == (x.dtype, x.shape, x.tolist())
    assert not made.requires_grad


def test_pickle_keeps_the_kind_and_refuses_results() -> None:
    parameter = pickle.loads(pickle.dumps(tg.nn.Parameter(tg.ones(2))))
    assert isinstance(parameter, tg.nn.Parameter)
    assert parameter.requires_grad
    with pytest.raises(tg.AutogradError, match=r"pickle: the tensor is the result of a recorded op; pickle its detach"):
        pickle.dumps(parameter * 2.0)


def test_random_numbers_in_place() -> None:
    x = tg.empty((50, 40))
    tg.manual_seed(3)
    assert x.bernoulli_(0.25) is x
    same_draws = tg.Generator(3)
    assert x.tolist() == tg.bernoulli(0.25, (50, 40), generator=same_draws).tolist()
    assert x.exponential_(2.0, generator=tg.Generator(1)) is x
    # The mean of 2000 draws is within four of its own standard deviations, 0.5 / sqrt(2000).
    assert abs(x.mean().item() - 0.5) < 4 * 0.5 / 2000**0.5
    u = tg.rand((50, 40), generator=tg.Generator(1)).numpy().astype(np.float64)
    np.testing.assert_allclose(x.numpy(), -np.log1p(-u) / 2, rtol=4 * 2.0**-23)
    with pytest.raises(tg.ArgumentError, match="exponential_: rate must be positive, found 0"):
        x.exponential_(0)


def test_keepdims() -> None:
    x = tg.tensor(A)
    for name in ("sum", "mean", "prod", "max", "min", "any", "all", "var", "std", "norm", "logsumexp", "argmax"):
        assert getattr(x, name)(axis=1, keepdims=True).shape == (2, 1), name


def test_astype_and_to() -> None:
    x = tg.tensor([1.5, -2.5, 0.0])
    assert x.astype("int32").tolist() == [1, -2, 0]
    assert x.to(tg.float64).dtype == "float64"
    assert x.to(np.float64).dtype == "float64"
    assert x.astype("bool").tolist() == [True, True, False]
    assert x.to("cpu") is x
    assert x.cpu() is x
    assert x.astype("float32") is x
    with pytest.raises(tg.DeviceError, match="'cuda:70' is none of"):
        x.to("cuda:70")
    with pytest.raises(tg.DTypeError, match="'floaty' is not one of"):
        x.to("floaty")


def test_conversion_to_python() -> None:
    assert tg.tensor(2.5).item() == 2.5
    assert tg.tensor([True]).item() is True
    assert isinstance(tg.tensor(3).item(), int)
    assert tg.tensor([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert float(tg.tensor(2.5)) == 2.5
    assert int(tg.tensor(2)) == 2
    assert f"{tg.tensor(2.125):.2f}" == "2.12"
    assert f"{tg.tensor([1.0, 2.0])}" == "tensor([1., 2.])"
    with pytest.raises(tg.ShapeError, match="does not have exactly one element"):
        tg.tensor([1.0, 2.0]).item()


def test_repr() -> None:
    assert repr(tg.tensor([1.0, 2.0], requires_grad=True)) == "tensor([1., 2.], requires_grad=True)"
    assert repr(tg.zeros(1, dtype="float64")) == "tensor([0.], dtype=float64)"
    assert repr(tg.full((2,), 1.5, dtype="bfloat16")) == "tensor([1.5, 1.5], dtype=bfloat16)"
    assert tg.full((2,), 1.5, dtype="bfloat16").tolist() == [1.5, 1.5]


def test_copies() -> None:
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    for made in (copy.copy(x), copy.deepcopy(x)):
        assert made.requires_grad
        assert made.is_leaf
        assert made.data_ptr() != x.data_ptr()
        assert made.tolist() == [1.0, 2.0]
    with pytest.raises(tg.AutogradError, match="result of a recorded op"):
        copy.deepcopy(x * 2.0)
    assert (x * 2.0).clone().requires_grad


def test_requires_grad_() -> None:
    x = tg.ones(2)
    assert x.requires_grad_() is x
    assert x.requires_grad
    assert not x.requires_grad_(False).requires_grad


IN_PLACE = [
    ("add_", operator.iadd, operator.add), ("sub_", operator.isub, operator.sub), ("mul_", operator.imul, operator.mul),
    ("div_", operator.itruediv, operator.truediv),
]  # fmt: skip


@pytest.mark.parametrize(("name", "statement", "plain"), IN_PLACE, ids=lambda value: str(value)[:12])
def test_in_place(name: str, statement: Any, plain: Any) -> None:
    """The same numbers as the op, in the same memory, through every view; returns the tensor itself."""
    for other in (tg.tensor(B), 2.0, 3, B, tg.tensor(B[:, :1])):
        reference = other.numpy() if isinstance(other, tg.Tensor) else other
        for write in (lambda x, o: getattr(x, name)(o), statement):
            x = tg.tensor(A)
            view, version = x[0, ::-1], x._version
            assert write(x, other) is x
            same(x, plain(A, reference))
            same(view, plain(A, reference)[0, ::-1])
            assert x._version > version


def test_in_place_on_strided_views() -> None:
    x = tg.tensor(A)
    x[:, ::2].mul_(10.0)
    x.T.add_(tg.tensor([[1.0, 2.0]], dtype="float64"))
    expected = A.copy()
    expected[:, ::2] *= 10
    expected += [[1], [2]]
    same(x, expected)


def test_in_place_with_itself() -> None:
    x = tg.tensor(A[:, :2].copy())
    x.add_(x.T)
    same(x, A[:, :2] + A[:, :2].T)
    x = tg.tensor(A[0])
    x.sub_(x[::-1])
    same(x, A[0] - A[0][::-1])


def test_fill_copy_clip() -> None:
    x = tg.tensor(A)
    assert x.clip_(0.0, 3.0) is x
    same(x, np.clip(A, 0, 3))
    same(x.clip_(high=1.0), np.clip(A, 0, 1))
    same(x.copy_(tg.tensor(B[0])), np.broadcast_to(B[0], (2, 3)))
    same(x.fill_(7), np.full((2, 3), 7.0))
    same(x.zero_(), np.zeros((2, 3)))


@pytest.mark.parametrize("name", ["add_", "sub_", "mul_", "div_", "copy_"])
def test_in_place_is_refused_before_anything_is_written(name: str) -> None:
    x = tg.ones((2, 3))
    write = getattr(x, name)
    with pytest.raises(tg.DTypeError, match=f"{name}: operands have dtypes float32 and float64"):
        write(tg.ones((2, 3), dtype="float64"))
    with pytest.raises(
        tg.ShapeError, match=rf"{name}: a value of shape \[3, 2, 3\] does not broadcast to the shape \[2, 3\]"
    ):
        write(tg.ones((3, 2, 3)))
    with pytest.raises(tg.ShapeError, match="does not broadcast"):
        write(tg.ones(2))
    with pytest.raises(tg.DTypeError, match=f"{name}: expected a tensor or a number, found str"):
        write("x")
    whole = tg.ones(2, dtype="int64")
    with pytest.raises(tg.DTypeError, match=r"the number 1\.5 is floating and the tensor is int64"):
        getattr(whole, name)(1.5)
    assert x.tolist() == [[1.0] * 3] * 2
    assert whole.tolist() == [1, 1]


def test_clip_gradient() -> None:
    x = tg.tensor(A, requires_grad=True)
    assert tg.gradcheck(lambda x: (x * 2.0).clip_(-1.0, 4.0), x)
    assert tg.gradcheck(lambda x: (x * 2.0).clip_(low=1.0), x)
    low, high = (
        tg.tensor([1.0, -1.0, 0.25], dtype="float64", requires_grad=True),
        tg.tensor(B + 3.25, requires_grad=True),
    )
    assert tg.gradcheck(lambda x, low, high: (x * 2.0).clip_(low, high), [x, low, high])
    assert tg.gradcheck(lambda low: tg.tensor(A).clip_(low=low), low)


def test_empty_and_0d() -> None:
    empty = tg.zeros((0, 3))
    assert (empty + 1.0).shape == (0, 3)
    assert empty.add_(1.0) is empty
    scalar = tg.tensor(2.0)
    scalar += 1
    assert scalar.item() == 3.0
    assert scalar[()].item() == 3.0
    scalar[()] = 5
    assert scalar[...].item() == 5.0


def test_dtypes_are_numpys_too() -> None:
    for dtype in ("float32", "float64", "float16", "int64", "int32", "uint8"):
        ours = getattr(tg, dtype)
        assert ours == np.dtype(dtype) == ours == getattr(np, dtype) == ours == dtype
    assert all(tg.float32 != other for other in (np.float64, np.dtype("float64"), float, 5, None))


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "var", "std", "norm", "prod", "logsumexp"])
def test_an_axis_may_be_numpys_integer(name: str) -> None:
    """In the gradient as in the value."""
    gradients = []
    for axis in (1, np.int64(1)):
        x = tg.tensor(A, requires_grad=True)
        getattr(x, name)(axis=axis).sum().backward()
        gradients.append(x.grad.tolist())
    assert gradients[0] == gradients[1]


def test_shapes_may_be_numpys_integers() -> None:
    two, shape = np.int64(2), np.array([3, 2])
    for made in (tg.zeros, tg.ones, tg.empty, tg.rand, lambda s: tg.full(s, 1)):
        assert (made(two).shape, made(shape).shape) == ((2,), (3, 2))
    x = tg.tensor(A)
    assert x.reshape(shape).shape == x.reshape(tg.tensor([3, 2])).shape == x.view(shape).shape == (3, 2)
    assert tg.reshape(x, 6).shape == (6,)
    same(x.permute(np.array([1, 0])), A.T)
    same(tg.concat(x.split(two)), A)
    same(x.split(np.array([1, 2]), axis=1)[1], A[:, 1:])
    same(tg.pad(x, np.int64(1)), np.pad(A, 1))
    same(tg.pad(x, np.array([[1, 0], [0, 2]])), np.pad(A, [(1, 0), (0, 2)]))
    same(x.flip(np.int64(1)), A[:, ::-1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tg.zeros(2.0), r"zeros: shape must be an integer or a sequence of integers, found 2\.0"),
        (lambda: tg.ones((2, 1.5)), r"ones: shape must be .* found \(2, 1\.5\)"),
        (lambda: tg.ones(3).reshape(3.0), r"reshape: shape must be .* found 3\.0"),
        (lambda: tg.ones(3).split([1.0, 2.0]), r"split: sizes must be .* found \[1\.0, 2\.0\]"),
        (lambda: tg.pad(tg.ones(3), 1.5), r"pad: widths must be .* found 1\.5"),
    ],
)
def test_what_is_no_shape_is_named(call: Any, message: str) -> None:
    with pytest.raises(tg.ShapeError, match=message):
        call()


def test_data_keep_their_values() -> None:
    """Python floats are doubles until they are cast, once: 2^24 + 1 is no float32, and the second no tie."""
    assert tg.tensor([16777217.0], dtype="int64").tolist() == [16777217]
    assert tg.tensor(1.00390625 + 2.0**-40, dtype="bfloat16").item() == 1.0078125
    assert tg.tensor([2**63], dtype="float64").tolist() == [2.0**63]
    assert tg.tensor(np.array([2**63], dtype=np.uint64), dtype="float32").tolist() == [2.0**63]
    assert tg.tensor(np.uint64([0, 2**63 - 1])).tolist() == [0, 2**63 - 1]
    assert tg.tensor(np.empty((0, 2), np.uint64)).dtype == tg.int64
    assert tg.tensor(0.1).dtype == "float32"


@pytest.mark.parametrize(
    ("data", "dtype", "found"),
    [
        ([2**63], None, f"{2**63} does not fit in int64"),
        (np.array([2**64 - 1], dtype=np.uint64), None, f"{2**64 - 1} does not fit in int64"),
        ([1, 256], "uint8", "256 does not fit in uint8"),
        (-1, "uint8", "-1 does not fit in uint8"),
        ([[2**31]], "int32", f"{2**31} does not fit in int32"),
    ],
)
def test_integers_do_not_wrap_on_the_way_in(data: Any, dtype: str | None, found: str) -> None:
    with pytest.raises(tg.ArgumentError, match=f"tensor: the number {found}"):
        tg.tensor(data, dtype=dtype)
    x = tg.zeros(1, dtype="uint8")
    with pytest.raises(tg.ArgumentError, match="the number 300 does not fit in uint8"):
        x[:] = [300]
    assert tg.tensor(np.array([300]), dtype="uint8").tolist() == [44]  # a cast, as astype's


@pytest.mark.parametrize("shape", [3, np.int64(3), [2, 3], np.array([2, 3]), (np.int32(2), 3), ()])
def test_shapes_are_what_numpy_takes(shape: Any) -> None:
    expected = np.zeros(shape).shape
    made = [make(shape) for make in (tg.zeros, tg.ones, tg.empty, tg.rand)]
    assert {x.shape for x in [*made, tg.full(shape, 2.0)]} == {expected}
    assert tg.reshape(tg.zeros(shape), shape).shape == tg.broadcast_to(tg.ones(()), shape).shape == expected


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tg.zeros(3, 4), r"zeros: the sizes are one argument: write zeros\(\(3, 4, \.\.\.\)\)"),
        (lambda: tg.ones(3, 4, 5), r"ones: the sizes are one argument"),
        (lambda: tg.empty(3, 4), r"empty: the sizes are one argument"),
        (lambda: tg.zeros(3.0), r"zeros: shape must be an integer or a sequence of integers, found 3\.0"),
        (lambda: tg.zeros((3, 2.5)), r"zeros: shape must be .*, found \(3, 2\.5\)"),
        (lambda: tg.ones(4).reshape((np.array([2, 2]),)), r"reshape: shape must be .*, found \(array"),
        (lambda: tg.full("ab", 0), r"full: shape must be .*, found 'ab'"),
        (lambda: tg.zeros((2, 3)).reshape(6 / 2, 2), r"reshape: shape must be .* integers, found \(3\.0, 2\)"),
        (lambda: tg.broadcast_to(tg.zeros(3), None), r"broadcast_to: shape must be .* integers, found None"),
    ],
)  # fmt: skip
def test_shapes_that_are_none(call: Any, message: str) -> None:
    with pytest.raises(tg.ShapeError, match=f"^{message}"):
        call()


@pytest.mark.parametrize("isa", AVAILABLE)
@pytest.mark.parametrize("target", ["int32", "int64", "uint8"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_are_truncated_and_saturated(dtype: str, target: str, isa: str) -> None:
    """All powers of two with their neighbours, fractions, infinities and NaN, in vectors and behind them."""
    powers = np.exp2(np.arange(-3, 70)).astype(dtype)
    some = [np.nextafter(powers, np.array(to, dtype)) for to in (0, np.inf)]
    positive = np.concatenate([powers, *some, np.array([0, 0.5, 1.5, 254.9, 255.5, 1e-40, np.inf], dtype)])
    values = np.concatenate([positive, -positive, np.array([np.nan, -np.nan], dtype)])
    limits = np.iinfo(target)
    ends = int(limits.min), int(limits.max)

    def integer(value: float) -> int:
        if not np.isfinite(value):
            return 0 if np.isnan(value) else ends[int(value > 0)]
        return min(max(int(value), ends[0]), ends[1])

    expected = np.array([integer(float(value)) for value in values], target)
    with running_on(isa, 1):
        for length in [*range(1, 36), values.size]:
            found = tg.tensor(values[-length:]).astype(target).numpy()
            np.testing.assert_array_equal(found, expected[-length:])
            np.testing.assert_array_equal(tg.tensor(values[:length]).astype(target).numpy(), expected[:length])


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8"])
def test_a_cube_is_two_products(dtype: str) -> None:
    rng = np.random.default_rng(0)
    x = (
        (np.abs(rng.normal(size=37)) * 10).astype(dtype)
        if dtype == "uint8"
        else (rng.normal(size=37) * 10).astype(dtype)
    )
    np.testing.assert_array_equal((tg.tensor(x) ** 3).numpy(), x * x * x)
    if dtype.startswith("float"):
        leaf = tg.tensor(x, requires_grad=True)
        (leaf**3).backward(tg.tensor(x[::-1].copy()))
        assert leaf.grad is not None
        np.testing.assert_array_equal(leaf.grad.numpy(), x[::-1] * (np.array(3, dtype) * (x * x)))


@pytest.mark.parametrize("isa", AVAILABLE)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_arithmetic_with_columns_and_numbers(dtype: str, isa: str) -> None:
    """One element for a run on either side, on both, and beside a view with gaps; runs that end within a vector."""
    rng = np.random.default_rng(0)
    operations = [operator.add, operator.sub, operator.mul] + [operator.truediv] * (dtype != "int32")
    for length in [*range(1, 36), 511, 512, 513, 1030]:
        matrix, gaps, column, number = (
            rng.integers(1, 100, size=shape).astype(dtype) for shape in ((5, length), (5, 2 * length), (5, 1), ())
        )
        with running_on(isa, 1):
            for operation in operations:
                for a in (matrix, gaps[:, ::2], column, number):
                    for b in (matrix, column, number):
                        ours = operation(tg.tensor(a) if a.base is None else tg.tensor(gaps)[:, ::2], tg.tensor(b))
                        np.testing.assert_array_equal(ours.numpy(), operation(a, b))
