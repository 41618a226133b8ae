"""What one inspected step found, and its form in JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import DataError
from ..structure import replace
from .statistics import ActivationStatistics, Histogram, ParameterStatistics, as_tree

__all__ = ["Inspection", "LayerStatistics", "from_json", "to_json"]


class LayerStatistics(NamedTuple):
    """The parameters of one layer together: ``monitor.inspections[-1].layers()["0"]``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.inspect.LayerStatistics(norm=2.0, gradient_norm=0.5, update_ratio=1e-3).gradient_norm
    0.5
    """

    norm: float
    """|w|, before the update."""
    gradient_norm: float | None
    """|g|; None where nothing in the layer has a gradient."""
    update_ratio: float | None
    """|dw| / |w|, healthy near 1e-3; None where nothing was updated."""


@dataclass(frozen=True)
class Inspection:
    """One inspected step.

    Attributes
    ----------
    step : int
        Its number, from 0, over all epochs.
    epoch : int
        The number of its epoch, from 0.
    loss : float or None
        The mean loss of the epoch so far, as the trainer shows it; None before the step has ended.
    parameters : dict of ParameterStatistics
        By path, such as ``"0.weight"``.
    activations : dict of ActivationStatistics
        By layer.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.inspect.Inspection(step=0, epoch=0, loss=2.3).layers()
    {}
    """

    step: int
    epoch: int
    loss: float | None
    parameters: dict[str, ParameterStatistics] = field(default_factory=dict)
    activations: dict[str, ActivationStatistics] = field(default_factory=dict)

    def layers(self) -> dict[str, LayerStatistics]:
        """Norms and update ratios by layer: weights and biases together."""
        found: dict[str, list[ParameterStatistics]] = {}
        for path, statistics in self.parameters.items():
            found.setdefault(path.rpartition(".")[0] or path, []).append(statistics)
        return {layer: _together(parts) for layer, parts in found.items()}

    def tree(self) -> dict[str, Any]:
        """As dictionaries, lists, numbers and strings."""
        return as_tree(self)

    @classmethod
    def of_tree(cls, tree: dict[str, Any]) -> Inspection:
        """The inspection of a tree.

        Parameters
        ----------
        tree
            What :meth:`tree` returned.

        Returns
        -------
        Inspection
            Equal to that one.
        """
        return cls(
            tree["step"],
            tree["epoch"],
            tree["loss"],
            {path: ParameterStatistics.of_tree(part) for path, part in tree["parameters"].items()},
            {name: ActivationStatistics.of_tree(part) for name, part in tree["activations"].items()},
        )


def _together(parts: list[ParameterStatistics]) -> LayerStatistics:
    whole = math.hypot(*(part.norm for part in parts))
    gradients = [part.gradient_norm for part in parts if part.gradient_norm is not None]
    moves = [part.update_ratio * part.norm for part in parts if part.update_ratio is not None]
    return LayerStatistics(
        whole,
        math.hypot(*gradients) if gradients else None,
        math.hypot(*moves) / whole if moves and whole > 0 else None,
    )


def to_json(inspections: Iterable[Inspection]) -> str:
    """As JSON; numbers that it has no form for are the strings ``"nan"``, ``"inf"`` and ``"-inf"``."""
    trees = [replace(inspection.tree(), _is_odd, str) for inspection in inspections]
    return json.dumps({"inspections": trees}, allow_nan=False)


def from_json(path: Path) -> list[Inspection]:
    """From a file with what :func:`to_json` returned.

    Raises
    ------
    DataError
        If it holds something else.
    """
    try:
        trees = json.loads(path.read_text("utf-8"))["inspections"]
        return [_checked(Inspection.of_tree(replace(tree, _is_odd_text, float))) for tree in trees]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}: not the inspections of a Monitor: {type(error).__name__}: {error}") from error


def _checked(inspection: Inspection) -> Inspection:
    """Refuses numbers that are none."""
    parts: list[Any] = [*inspection.parameters.values(), *inspection.activations.values()]
    for part in [inspection, *parts]:
        for name, value in vars(part).items():
            if isinstance(value, Histogram):
                numbers = [value.low, value.high, value.not_finite, *value.counts]
            elif isinstance(value, dict) or name == "kind":
                numbers = []
            else:
                numbers = [value]
            if any(number is not None and type(number) not in (int, float) for number in numbers):
                raise ValueError(f"{name} must be a number, found {value!r:.60}")
    return inspection


def _is_odd(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _is_odd_text(value: Any) -> bool:
    return isinstance(value, str) and value in ("nan", "inf", "-inf")
