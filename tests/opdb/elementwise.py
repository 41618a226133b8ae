"""Elementwise ops: arithmetic, functions, activations, comparisons, choices and casts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy import special

import tilegrad as tg

from .record import EVERY, FLOATING, NUMERIC, SHAPES, Bad, Op, Sample, exact, not_tensor, ulps

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]

# Pairs of shapes that broadcast.
PAIRS = [(shape, shape) for shape in SHAPES] + [
    ((3,), ()),
    ((), (3,)),
    ((2, 3), (3,)),
    ((2, 3), (2, 1)),
    ((2, 1), (1, 3)),
    ((4, 1, 5), (3, 1)),
    ((1,), (2, 2, 2)),
    ((0, 3), (3,)),
    ((17, 33), (33,)),
    ((17, 33), (17, 1)),
    ((3, 1, 300), (2, 1)),
]
INTEGERS = ("int64", "int32", "uint8")
COMPARABLE = (*NUMERIC, "bool")


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return np.asarray(rng.normal(size=shape))


def between(low: float, high: float) -> Draw:
    return lambda rng, shape: np.asarray(rng.uniform(low, high, size=shape))


def whole(low: int, high: int) -> Draw:
    """Whole numbers, as floats: the templates cast them to each dtype under test."""
    return lambda rng, shape: rng.integers(low, high, size=shape).astype(np.float64)


def apart(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers at least 0.5 away from zero, of both signs: divisors."""
    return np.asarray(rng.uniform(0.5, 2, size=shape) * np.where(rng.random(size=shape) < 0.5, -1, 1))


def singles(draw: Draw) -> Callable[[np.random.Generator], Iterator[Sample]]:
    def samples(rng: np.random.Generator) -> Iterator[Sample]:
        for shape in SHAPES:
            yield Sample((draw(rng, shape),))

    return samples


def pairs(draw_a: Draw, draw_b: Draw, number: float = 2) -> Callable[[np.random.Generator], Iterator[Sample]]:
    def samples(rng: np.random.Generator) -> Iterator[Sample]:
        for a, b in PAIRS:
            yield Sample((draw_a(rng, a), draw_b(rng, b)))
        yield Sample((draw_a(rng, (3, 4)), number))
        yield Sample((number, draw_b(rng, (3, 4))))

    return samples


def bias_pairs(rng: np.random.Generator) -> Iterator[Sample]:
    """Short rows with one row for all are worked on many at a time: fewer and more of them than fit at once."""
    yield from pairs(normal, normal)(rng)
    for shape, row in [((700, 3), (3,)), ((3, 700), (700,)), ((41, 5, 6), (6,)), ((9, 256), (256,)), ((1030, 1), (1,))]:
        yield Sample((normal(rng, shape), normal(rng, row)))
        yield Sample((normal(rng, row), normal(rng, shape)))


def names_of(dtypes: tuple[str, ...]) -> str:
    return ", ".join(dtypes)


def unary_bad(name: str, dtypes: tuple[str, ...]) -> tuple[Bad, ...]:
    refused = np.ones(2, next(d for d in ("bool", "int64", "float16") if d not in dtypes))
    return (
        Bad(
            (refused,),
            tg.DTypeError,
            rf"{name}: {refused.dtype} is not supported \({names_of(dtypes)} are\); cast with "
            r"\.astype\(\)",
        ),
        not_tensor(name),
        not_tensor(name, found=None),
    )


def binary_bad(name: str, dtypes: tuple[str, ...]) -> tuple[Bad, ...]:
    two, three = np.ones(2, np.float32), np.ones(3, np.float32)
    refused = np.ones(2, next(d for d in ("bool", "int64", "float16") if d not in dtypes))
    return (
        Bad(
            (two, three),
            tg.ShapeError,
            rf"{name}: shapes \[2\] and \[3\] do not broadcast: axis -1 \(from the end\) is 2 "
            r"in one and 3 in the other, and neither is 1",
        ),
        Bad(
            (two, np.ones(2)),
            tg.DTypeError,
            rf"{name}: operands have dtypes float32 and float64, which are never mixed "
            r"silently; cast one with \.astype\(\)",
        ),
        Bad(
            (two, np.ones(2, np.int64)),
            tg.DTypeError,
            rf"{name}: operands have dtypes float32 and int64, which are never "
            r"mixed silently; cast one with \.astype\(\)",
        ),
        Bad(
            (two, "x"),
            tg.DTypeError,
            rf"{name}: expected two tensors, or a tensor and a number; found str and Tensor "
            r"\(tg\.tensor\(\) makes a tensor from other data\)",
        ),
        Bad(
            (refused, refused),
            tg.DTypeError,
            rf"{name}: {refused.dtype} is not supported \({names_of(dtypes)} are\); cast "
            r"with \.astype\(\)",
        ),
    )


def function(name: str, reference: Any, draw: Draw, bound: float, **more: Any) -> Op:
    """An op of one floating tensor, with its bound in ULPs; NumPy's own function may be off by one more."""
    return Op(name, reference, singles(draw), ulps(bound + 1), unary_bad(name, FLOATING), **more)


def binary(
    name: str, reference: Any, samples: Any, tolerance: Any, dtypes: tuple[str, ...], whole_samples: Any
) -> list[Op]:
    """An op of two numeric tensors: one record for floating numbers, one for integers, which are exact."""
    integers = tuple(d for d in dtypes if d not in FLOATING)
    return [
        Op(name, reference, samples, tolerance, binary_bad(name, dtypes), gradient=tolerance is not None),
        Op(name, reference, whole_samples, exact, dtypes=integers, gradient=False),
    ]


def integer_power(a: Any, b: Any) -> np.ndarray:
    dtype = a.dtype if isinstance(a, np.ndarray) else b.dtype
    return np.power(np.asarray(a, dtype), np.asarray(b, dtype))


def comparison(name: str, reference: Any) -> Op:
    few = whole(0, 2)  # so that many are equal
    return Op(
        name, reference, pairs(few, few, 1), exact, binary_bad(name, COMPARABLE), dtypes=COMPARABLE, gradient=False
    )


def extremum(name: str, reference: Any) -> list[Op]:
    few = whole(0, 2)
    return [
        Op(name, reference, pairs(normal, normal), exact, binary_bad(name, COMPARABLE)),
        Op(name, reference, pairs(few, few, 1), exact, dtypes=(*INTEGERS, "bool"), gradient=False),
    ]


def clips(rng: np.random.Generator) -> Iterator[Sample]:
    for shape in SHAPES:
        yield Sample((normal(rng, shape), -0.5, 0.75))
    yield Sample((normal(rng, (3, 4)), None, 0.5))
    yield Sample((normal(rng, (3, 4)), -0.5, None))
    yield Sample((normal(rng, (3, 4)), np.full(4, -0.25), np.full((3, 1), 0.5)))


def clip_reference(x: Any, low: Any, high: Any) -> np.ndarray:
    return np.clip(
        x, None if low is None else np.asarray(low, x.dtype), None if high is None else np.asarray(high, x.dtype)
    )


def wheres(rng: np.random.Generator) -> Iterator[Sample]:
    for a, b in PAIRS:
        shape = np.broadcast_shapes(a, b)
        yield Sample((np.asarray(rng.random(size=shape) < 0.5), whole(0, 2)(rng, a), whole(0, 2)(rng, b)))
    yield Sample((rng.random(size=(3, 1)) < 0.5, whole(0, 2)(rng, (4,)), 1))
    yield Sample((rng.random(size=(3, 1)) < 0.5, 1, whole(0, 2)(rng, (3, 4))))


def where_reference(condition: np.ndarray, a: Any, b: Any) -> np.ndarray:
    dtype = a.dtype if isinstance(a, np.ndarray) else b.dtype
    return np.where(condition, a, b).astype(dtype)


def casts(rng: np.random.Generator) -> Iterator[Sample]:
    for i, shape in enumerate(SHAPES):
        for target in (EVERY[i % 8], EVERY[(i + 3) % 8]):
            yield Sample((whole(0, 100)(rng, shape), target))


def cast_reference(x: np.ndarray, target: str) -> np.ndarray:
    if target in ("bfloat16", "float16", "float32", "float64"):  # small whole numbers are exact in all of them
        return x.astype(np.float64)
    return x.astype(target)


def gelu_tolerance(sample: Sample, reference: np.ndarray, epsilon: float) -> Any:
    """1 + erf cancels for negative x: the error is in units of |x|."""
    x = sample.args[0]
    return 2 * epsilon * np.abs(x) + np.finfo(np.float64).tiny


def gelu_reference(x: np.ndarray, approximate: str = "none") -> np.ndarray:
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * special.erfc(-x / np.sqrt(2))


def gelus(rng: np.random.Generator) -> Iterator[Sample]:
    for shape in SHAPES:
        yield Sample((normal(rng, shape),))
    for shape in ((), (33,), (3, 5), (0, 3)):
        yield Sample((normal(rng, shape),), {"approximate": "tanh"})


positive = between(0.1, 4)
sums = ulps(0.5)

OPS = [
    *binary("add", np.add, pairs(normal, normal), sums, NUMERIC, pairs(whole(0, 200), whole(0, 200))),
    *binary("subtract", np.subtract, pairs(normal, normal), sums, NUMERIC, pairs(whole(0, 200), whole(0, 200))),
    *binary("multiply", np.multiply, pairs(normal, normal), sums, NUMERIC, pairs(whole(0, 200), whole(0, 200))),
    Op("divide", np.divide, pairs(normal, apart), sums, binary_bad("divide", FLOATING)),
    *binary(
        "floor_divide", np.floor_divide, pairs(normal, apart), exact, NUMERIC, pairs(whole(0, 200), whole(0, 9), 3)
    ),
    Op(
        "floor_divide",
        np.floor_divide,
        pairs(whole(-99, 99), whole(-3, 4), 3),
        exact,
        dtypes=("int64", "int32"),
        gradient=False,
    ),
    *binary("remainder", np.remainder, pairs(normal, apart), ulps(1), NUMERIC, pairs(whole(0, 200), whole(0, 9), 3)),
    Op(
        "remainder",
        np.remainder,
        pairs(whole(-99, 99), whole(-3, 4), 3),
        exact,
        dtypes=("int64", "int32"),
        gradient=False,
    ),
    Op("power", np.power, pairs(positive, normal), ulps(2), binary_bad("power", NUMERIC)),
    Op("power", integer_power, pairs(whole(0, 20), whole(0, 9), 3), exact, dtypes=INTEGERS, gradient=False),
    Op(
        "negative", np.negative, singles(normal), exact, unary_bad("negative", ("float32", "float64", "int64", "int32"))
    ),
    Op("negative", np.negative, singles(whole(-9, 9)), exact, dtypes=("int64", "int32"), gradient=False),
    Op("absolute", np.abs, singles(normal), exact, unary_bad("absolute", NUMERIC)),
    Op("absolute", np.abs, singles(whole(-9, 9)), exact, dtypes=("int64", "int32"), gradient=False),
    Op("sign", np.sign, singles(normal), exact, unary_bad("sign", NUMERIC)),
    Op("sign", np.sign, singles(whole(0, 3)), exact, dtypes=INTEGERS, gradient=False),
    Op("square", np.square, singles(normal), sums, unary_bad("square", NUMERIC)),
    Op("square", np.square, singles(whole(0, 200)), exact, dtypes=INTEGERS, gradient=False),
    Op("sqrt", np.sqrt, singles(positive), sums, unary_bad("sqrt", FLOATING)),
    Op("rsqrt", lambda x: 1 / np.sqrt(x), singles(positive), ulps(2), unary_bad("rsqrt", FLOATING)),
    Op("reciprocal", lambda x: 1 / x, singles(apart), sums, unary_bad("reciprocal", FLOATING)),
    Op("floor", np.floor, singles(between(-9, 9)), exact, unary_bad("floor", FLOATING)),
    Op("ceil", np.ceil, singles(between(-9, 9)), exact, unary_bad("ceil", FLOATING)),
    Op("round", np.round, singles(between(-9, 9)), exact, unary_bad("round", FLOATING)),
    function("exp", np.exp, between(-5, 5), 1),
    function("expm1", np.expm1, between(-5, 5), 1.5),
    function("log", np.log, positive, 1),
    function("log1p", np.log1p, positive, 1.5),
    function("sin", np.sin, between(-20, 20), 1),
    function("cos", np.cos, between(-20, 20), 1),
    function("erf", special.erf, between(-3, 3), 1.5),
    Op("relu", lambda x: np.maximum(x, 0), singles(normal), exact, unary_bad("relu", FLOATING)),
    Op("add_relu", lambda a, b: np.maximum(a + b, 0), bias_pairs, sums, binary_bad("add_relu", FLOATING)),
    function("sigmoid", special.expit, between(-9, 9), 2.5),
    function("tanh", np.tanh, between(-3, 3), 1.5),
    function("silu", lambda x: x * special.expit(x), between(-9, 9), 2),
    Op(
        "gelu",
        gelu_reference,
        gelus,
        gelu_tolerance,
        (
            *unary_bad("gelu", FLOATING),
            Bad(
                (np.ones(2, np.float32), "fast"),
                tg.ArgumentError,
                r'gelu: approximate must be "none" or "tanh", found \'fast\'',
            ),
        ),
    ),
    function("softplus", lambda x: np.logaddexp(0, x), between(-9, 9), 2),
    function("log_sigmoid", lambda x: -np.logaddexp(0, -x), between(-9, 9), 2),
    function("mish", lambda x: x * np.tanh(np.logaddexp(0, x)), between(-9, 9), 4),
    comparison("equal", np.equal),
    comparison("not_equal", np.not_equal),
    comparison("less", np.less),
    comparison("less_equal", np.less_equal),
    comparison("greater", np.greater),
    comparison("greater_equal", np.greater_equal),
    comparison("logical_and", np.logical_and),
    comparison("logical_or", np.logical_or),
    comparison("logical_xor", np.logical_xor),
    Op(
        "logical_not",
        np.logical_not,
        singles(whole(0, 2)),
        exact,
        unary_bad("logical_not", COMPARABLE),
        dtypes=COMPARABLE,
        gradient=False,
    ),
    Op("isnan", np.isnan, singles(normal), exact, unary_bad("isnan", FLOATING), gradient=False),
    Op("isfinite", np.isfinite, singles(normal), exact, unary_bad("isfinite", FLOATING), gradient=False),
    *extremum("maximum", np.maximum),
    *extremum("minimum", np.minimum),
    Op(
        "clip",
        clip_reference,
        clips,
        exact,
        (
            Bad(
                (np.ones(2, np.float32),), tg.ArgumentError, "clip: low and high are both None; give at least one bound"
            ),
            Bad(
                (np.ones(2, np.float32), "x", 1), tg.DTypeError, "clip: a bound must be a tensor or a number, found str"
            ),
            Bad(
                ("x", 0, 1),
                tg.DTypeError,
                r"clip: x must be a tensor, found str; tg\.tensor\(\) makes one from other data",
            ),
            Bad(
                (np.ones(2, np.int64), 0.5, 1),
                tg.DTypeError,
                r"clip: the number 0\.5 is floating and the tensor is int64; .*",
            ),
        ),
    ),
    Op(
        "where",
        where_reference,
        wheres,
        exact,
        (
            Bad(
                (np.ones(2), np.ones(2), np.ones(2)),
                tg.DTypeError,
                r"where: the condition must be a bool tensor, found float64 "
                r"\[2\]; compare it, as in x != 0",
            ),
            Bad(
                (np.ones(2, bool), np.ones(2), np.ones(2, np.float32)),
                tg.DTypeError,
                r"where: operands have dtypes float64 and "
                r"float32, which are never mixed silently; cast one with \.astype\(\)",
            ),
            Bad(
                (np.ones(2, bool), np.ones(3), np.ones(3)),
                tg.ShapeError,
                r"where: shapes \[3\] and \[2\] do not broadcast: .*",
            ),
            Bad(
                (np.ones(2, bool), 1, 2),
                tg.DTypeError,
                r"where: expected two tensors, or a tensor and a number; found int and "
                r"int .*",
            ),
        ),
        dtypes=EVERY,
    ),
    Op(
        "astype",
        cast_reference,
        casts,
        exact,
        (
            Bad((np.ones(2), "float8"), tg.DTypeError, r".*float8.*"),
            Bad((np.ones(2), None), tg.DTypeError, r"astype: dtype None is not one of float32, .*"),
            not_tensor("astype", "float32"),
        ),
        dtypes=EVERY,
        gradient=False,
    ),
]
