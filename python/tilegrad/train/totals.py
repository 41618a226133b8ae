"""Sums over the samples seen, in tensors that captured steps add to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _C, ops
from .metrics import Metric
from .metrics.base import Function
from .placement import on_device, on_host

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["Results", "Totals"]


class Totals:
    """The sums behind the means of a loss and of metrics.

    The sums are made by the first batch and never replaced, because captured steps add to them where they are.
    """

    def __init__(self, metrics: Sequence[Metric | Function]) -> None:
        self._given = metrics
        self.metrics = [metric for metric in metrics if isinstance(metric, Metric)]
        self.functions = [Function(metric.function, metric.name) for metric in metrics if isinstance(metric, Function)]
        self._order = ["loss", *(metric.name for metric in metrics)]
        self.count = 0
        """Samples seen."""
        self._sums: dict[str, Any] = {}

    def add(self, loss: Tensor, output: Any, target: Any, count: int, counted: Tensor | None = None) -> None:
        """Add a batch; part of the step, so launches only.

        Its loss is a mean over ``count`` samples, or over ``counted`` labels; of none of them it is NaN and nothing.
        """
        mean = ops.astype(loss.detach(), "float64")
        if counted is None:
            self._add("loss", mean * float(count))
        else:
            divisor = ops.astype(counted, "float64")
            self._add("loss", ops.stack([ops.where(ops.greater(divisor, 0), mean * divisor, 0.0), divisor]))
        for metric in self.metrics:
            measured = metric.measure(output, target)
            self._add(metric.name, ops.astype(measured, "float64") if measured.dtype.is_floating else measured)

    def _add(self, name: str, value: Tensor) -> None:
        total = self._sums.get(name)
        if total is None:
            with _C.Unrecorded():
                total = self._sums[name] = _C.full(value.shape, 0, value.dtype, value.device)
        elif total.shape != value.shape:
            raise _C.ShapeError(
                f"metric {name!r}: a batch measured {list(value.shape)}, the ones before {list(total.shape)}"
            )
        total.add_(value)

    def add_functions(self, output: Any, target: Any, count: int) -> None:
        """Call the user's functions; not part of the step."""
        for function in self.functions:
            function.add(output, target, count)

    def clear(self) -> None:
        """Begin anew."""
        self.count = 0
        for total in self._sums.values():
            _C.fill_(total, 0)
        for function in self.functions:
            function.sum = 0.0

    def results(self) -> dict[str, Any]:
        """The loss and metrics of all samples so far, in the order they were asked for; some may be arrays."""
        if not self.count:
            return {}
        found: dict[str, Any] = {}
        if "loss" in self._sums:
            total = on_host(self._sums["loss"])
            with np.errstate(invalid="ignore"):  # of nothing it is NaN
                found["loss"] = float(total[0] / total[1]) if total.ndim else float(total) / self.count
        for metric in self.metrics:
            if metric.name in self._sums:
                found[metric.name] = metric.result(on_host(self._sums[metric.name]), self.count)
        for function in self.functions:
            found[function.name] = function.sum / self.count
        return {name: found[name] for name in self._order if name in found}

    def state(self) -> dict[str, Any]:
        """All sums."""
        return {
            "count": self.count,
            "sums": {name: np.array(on_host(total)) for name, total in self._sums.items()},
            "functions": {function.name: function.sum for function in self.functions},
        }

    def restore(self, state: Mapping[str, Any], device: str) -> None:
        """Take over what :meth:`state` returned."""
        self.clear()
        self.count = state["count"]
        for name, total in state["sums"].items():
            if name in self._order:
                self._add(name, on_device(ops.tensor(np.asarray(total)), device))
        for function in self.functions:
            function.sum = state["functions"].get(function.name, 0.0)

    def joined(self, states: Sequence[Mapping[str, Any]]) -> Totals:
        """Totals of the sums of several processes, added in the order given."""
        whole = Totals(self._given)
        whole.count = sum(state["count"] for state in states)
        for state in states:  # one that has seen no sample has no sums
            for name, total in state["sums"].items():
                whole._add(name, ops.tensor(np.asarray(total)))
            for function in whole.functions:
                function.sum += state["functions"][function.name]
        return whole


class Results(Mapping[str, float]):
    """Results that are computed when they are first looked at."""

    def __init__(self, compute: Callable[[], dict[str, float]]) -> None:
        self._compute = compute
        self._found: dict[str, float] | None = None

    def _all(self) -> dict[str, float]:
        if self._found is None:
            self._found = self._compute()
        return self._found

    def __getitem__(self, name: str) -> float:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return repr(self._all())


def numbers(results: Mapping[str, Any]) -> dict[str, float]:
    """Those results that are numbers."""
    return {name: value for name, value in results.items() if not isinstance(value, np.ndarray)}


def arrays(results: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are arrays."""
    return {name: value for name, value in results.items() if isinstance(value, np.ndarray)}
