"""Findings of the data alone: its range and its order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ... import nn
from ...autograd import no_grad
from ..activity import Activity
from ..predictions import call
from .case import Case
from .finding import Finding

__all__ = ["input_range", "order"]

NDArray = np.ndarray[Any, Any]

# Initial weights are scaled for inputs of size 1: pixels from 0 to 1 have a root mean square of 0.1 to 0.6,
# standardised ones 1. Five times that makes the first layer's answers and gradients five times what the initialisation
# meant them to be; under a twentieth of 1 at most, the biases drown the inputs.
LARGE, SMALL = 5.0, 0.05
# One column 100 times as wide as the middle one is all that a first layer sees of a table.
UNEQUAL = 100.0

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm1d, nn.InstanceNorm2d)


def input_range(case: Case) -> Iterator[Finding]:
    """Whether inputs are finite and of a size that networks are initialised for."""
    if isinstance(_first_layer(case), _NORMS):
        return  # brings them there itself
    for position, x in enumerate(case.sample.inputs):
        if x.dtype.kind != "f":  # tokens, indices
            continue
        name = "the inputs" if len(case.sample.inputs) == 1 else f"input {position}"
        finite = np.isfinite(x)
        if not finite.all():
            row = int(np.flatnonzero(~finite.reshape(len(x), -1).all(axis=1))[0])
            yield Finding(
                "wrong input range",
                f"{int((~finite).sum())} of {x.size} values of {name} are NaN or infinite, the first in sample {row}",
                "leave such samples out or fill the gaps before training; one NaN makes all weights NaN",
                "error",
            )
            continue
        wide = x.astype(np.float64)
        size, low, high = float(np.sqrt((wide**2).mean())), float(x.min()), float(x.max())
        seen = f"{name} run from {low:.4g} to {high:.4g} with mean {wide.mean():.3g} and deviation {wide.std():.3g}"
        if size > LARGE:
            advice = "scale them to about mean 0 and deviation 1: (x - mean) / std of the training data"
            if low >= 0 and 128 <= high <= 255:
                advice = "these look like bytes: divide by 255, or subtract the mean and divide by the deviation"
            yield Finding(
                "wrong input range",
                f"{seen}; their root mean square {size:.3g} is {size:.0f} times what initial weights are made for",
                advice,
                "error" if size > 20 else "warning",
            )
        elif 0 < max(-low, high) < SMALL:
            yield Finding(
                "wrong input range",
                f"{seen}: next to the weights' own size they are nearly nothing",
                "scale them to about mean 0 and deviation 1; were they divided twice?",
            )
        elif x.ndim == 2 and x.shape[1] > 1:
            yield from _unequal(name, wide)


def _unequal(name: str, x: NDArray) -> Iterator[Finding]:
    """Columns of a table, in units of their own."""
    widths = x.std(axis=0)
    some = widths[widths > 0]
    if len(some) > 1 and widths.max() > UNEQUAL * np.median(some) and widths.max() > 1:
        yield Finding(
            "wrong input range",
            f"column {int(widths.argmax())} of {name} has deviation {widths.max():.3g}, the middle one of all "
            f"{np.median(some):.3g}: the first layer sees little else",
            "standardise each column: subtract its mean, divide by its deviation in the training data",
        )


def _first_layer(case: Case) -> Any:
    """The first layer with parameters that is called."""
    seen: list[str] = []
    with no_grad(), Activity(case.current, lambda name, kind, output: seen.append(name)):
        call(case.current, case.sample.first(2).inputs)
    layers = dict(case.current.named_modules())
    return next((layers[name] for name in seen if name in layers), None)


# How much likelier than by chance two neighbours have one label before an order is taken as sorted: a quarter of the
# way from chance to always, and six standard errors, so that no shuffle of any data is ever taken for one.
EXCESS, ERRORS = 0.25, 6.0


def order(case: Case) -> Iterator[Finding]:
    """Whether samples of one class, or of nearly one target, follow each other."""
    labels, n = case.sample.labels, case.sample.count
    if n < 32:
        return
    if labels is not None:
        seen = _sorted_labels(case, labels)
    else:
        seen = _sorted_numbers(case)
    if seen is None:
        return
    if case.sample.is_arrays:
        yield Finding(
            "unshuffled data",
            f"{seen}; fit shuffles arrays itself, so this matters only where something else reads them in their order",
            "shuffle once, inputs and targets together, before arrays are cut into parts by position",
            "note",
        )
        return
    yield Finding(
        "unshuffled data",
        f"{seen}; every batch then pulls the network towards what it holds, and away from what came before",
        "give the loader shuffle=True; for a generator use a shuffle buffer as long as the runs of one class",
        "error",
    )


def _sorted_labels(case: Case, labels: NDArray) -> str | None:
    n, (_, counts) = len(labels), np.unique(labels, return_counts=True)
    if len(counts) == 1:
        outputs = _output_width(case)
        if outputs is None or outputs < 2:
            return None
        return f"the first {n} samples all have label {labels[0]}, of {outputs} classes"
    expected = float(((counts / n) ** 2).sum())
    found = float((labels[1:] == labels[:-1]).mean())
    error = np.sqrt(expected * (1 - expected) / (n - 1))
    if found - expected < max(EXCESS * (1 - expected), ERRORS * error):
        return None
    size = min(case.sample.batch_size, n)
    batches = [len(np.unique(labels[k : k + size])) for k in range(0, n - size + 1, size)]
    return (
        f"neighbouring samples have the same label in {found:.0%} of all cases, by chance it would be {expected:.0%}; "
        f"a batch holds {np.mean(batches):.1f} of {len(counts)} classes"
    ).replace("%", " %")


def _sorted_numbers(case: Case) -> str | None:
    """Numbers as targets: whether neighbours are alike."""
    if len(case.sample.targets) != 1 or case.sample.targets[0].size != case.sample.count:
        return None
    y = case.sample.targets[0].reshape(-1).astype(np.float64)
    if not np.isfinite(y).all() or y.std() == 0:
        return None
    y = (y - y.mean()) / y.std()
    found = float((y[1:] * y[:-1]).mean())
    # By chance 0 with a standard error of 1 / sqrt(n).
    if found < max(2 * EXCESS, ERRORS / np.sqrt(len(y))):
        return None
    return f"the targets of neighbouring samples are correlated by {found:.2f}, by chance it would be 0"


def _output_width(case: Case) -> int | None:
    with no_grad():
        output = call(case.current, case.sample.first(2).inputs)
    shape: tuple[int, ...] = getattr(output, "shape", ())
    return shape[-1] if len(shape) == 2 else None
