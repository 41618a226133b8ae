"""Every op of tests/opdb: its smallest and its largest sample, checked by the record's own reference and tolerance.

They have no rival: the references are written to be right, not to be quick. Samples are small, so this is mostly what
a call costs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from tests.opdb import OPS, Op, Sample
from tests.test_ops import EPSILON, as_reference, call, call_reference, cast, is_tensor_argument, outputs, tree_map

from bench.case import Case, Run


def elements(sample: Sample) -> int:
    total = 0

    def count(array: np.ndarray) -> np.ndarray:
        nonlocal total
        total += array.size
        return array

    tree_map(count, list(sample.args) + list(sample.kwargs.values()))
    return total


def chosen(op: Op) -> dict[str, Sample]:
    """The smallest sample with anything in it, and the largest."""
    samples = sorted((sample for sample in op.draw() if elements(sample)), key=elements) or op.draw()[:1]
    return {"small": samples[0], "large": samples[-1]}


def dtype_of(op: Op) -> str:
    return "float32" if "float32" in op.dtypes else op.dtypes[0]


def run_of(op: Op, sample: Sample) -> Run:
    dtype = dtype_of(op)

    def make(array: np.ndarray) -> Any:
        return cast(array, dtype) if is_tensor_argument(array) else array

    args = tuple(tree_map(make, a) for a in sample.args)
    kwargs = {name: tree_map(make, value) for name, value in sample.kwargs.items()}
    return Run("eager", lambda: op(*args, **kwargs), lambda: checked(op, sample, dtype))


def checked(op: Op, sample: Sample, dtype: str) -> dict[str, np.ndarray]:
    """Nothing, if the values are the reference's; an error otherwise."""
    found = [as_reference(result) for result in outputs(call(op, sample, lambda a: cast(a, dtype)))]
    for got, want in zip(found, call_reference(op, sample, dtype), strict=True):
        if want is None:
            continue
        allowed = op.tolerance(sample, want, EPSILON.get(dtype, 0.0))
        with np.errstate(invalid="ignore"):
            close = (np.abs(got.astype(np.float64) - want) <= allowed) | (got == want)
        if not np.all(close | ((got != got) & (want != want))):
            raise ValueError(f"{op.name}: the values are not those of the reference")
    return {}


def case(op: Op, size: str, sample: Sample) -> Case:
    shapes: list[str] = []

    def note(array: np.ndarray) -> np.ndarray:
        shapes.append("x".join(map(str, array.shape)) or "1")
        return array

    tree_map(note, list(sample.args) + list(sample.kwargs.values()))
    build: Callable[[], list[Run]] = lambda: [run_of(op, sample)]  # noqa: E731
    return Case(
        family="ops",
        group="ops",
        name=f"{op.name} {size} {' '.join(shapes[:4])}".strip(),
        kind="op",
        spec={"build": build},
        reference=lambda spec, arrays: {},
        sides=("ours",),
        quick=size == "large",
    )


# A record without dtypes holds bad inputs only.
CASES = [case(op, size, sample) for op in OPS if op.dtypes for size, sample in chosen(op).items()]
