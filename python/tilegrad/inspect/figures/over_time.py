"""Histograms over the steps of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ... import _C
from ..statistics import Histogram
from .canvas import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..monitor import Monitor

__all__ = ["plot_histograms"]


def plot_histograms(monitor: Monitor, name: str, of: str = "weights", bins: int = 60) -> Figure:
    """How the values of a parameter or a layer were spread at each inspected step.

    Parameters
    ----------
    monitor
        After, or while, a model is trained.
    name
        A parameter's path such as ``"0.weight"``; for outputs a layer's.
    of : {"weights", "gradients", "outputs"}
        What is drawn.
    bins
        Rows of the picture.

    Returns
    -------
    matplotlib.figure.Figure
        Steps from left to right, values upwards, darker where more of the values are; each column sums to 1.

    Raises
    ------
    ArgumentError
        If no inspected step has it.

    Examples
    --------
    >>> import tilegrad as tg
    >>> x = tg.randn((32, 4))
    >>> y = tg.randint(0, 2, 32)
    >>> model = tg.nn.Sequential(tg.nn.Linear(4, 2))
    >>> trainer = tg.train.Trainer(model, tg.nn.CrossEntropyLoss(), tg.optim.SGD(model.parameters(), lr=0.1))
    >>> monitor = tg.inspect.Monitor(every=1, budget=None)
    >>> history = trainer.fit((x, y), verbose=0, batch_size=8, callbacks=[monitor])
    >>> figure = tg.inspect.plot_histograms(monitor, "0.weight")
    >>> figure.axes[0].get_title()
    'weights of 0.weight'
    """
    found: list[tuple[int, Histogram]] = []
    names: set[str] = set()
    for inspection in monitor.inspections:
        if of == "outputs":
            histograms = {layer: part.outputs for layer, part in inspection.activations.items()}
        elif of in ("weights", "gradients"):
            parts = {path: getattr(part, of) for path, part in inspection.parameters.items()}
            histograms = {path: part for path, part in parts.items() if part is not None}
        else:
            raise _C.ArgumentError(f"plot_histograms: of must be weights, gradients or outputs, found {of!r}")
        names |= set(histograms)
        if name in histograms:
            found.append((inspection.step, histograms[name]))
    if not found:
        known = f"those of {', '.join(sorted(names))}" if names else "none"
        raise _C.ArgumentError(f"plot_histograms: no inspected step has {of} of {name!r}; there are {known}")
    low, high = min(h.low for _, h in found), max(h.high for _, h in found)
    edges = np.linspace(low, high if high > low else low + 1.0, bins + 1)
    shares = np.stack([_shares(h, edges) for _, h in found], axis=1)
    steps = np.array([step for step, _ in found], np.float64)
    if len(steps) > 1:
        middles = (steps[1:] + steps[:-1]) / 2
        sides = np.concatenate([[2 * steps[0] - middles[0]], middles, [2 * steps[-1] - middles[-1]]])
    else:
        sides = np.array([steps[0] - 0.5, steps[0] + 0.5])
    figure = new_figure(7.0, 4.0)
    axis = figure.subplots()
    picture = axis.pcolormesh(sides, edges, shares, cmap="Blues")
    figure.colorbar(picture, ax=axis, label="share of the values")
    axis.set(xlabel="step", ylabel="value", title=f"{of} of {name}")
    return figure


def _shares(histogram: Histogram, edges: np.ndarray) -> np.ndarray:
    """A histogram in other bins, as if values were spread evenly in each of its own; sums to 1."""
    total = sum(histogram.counts)
    if not total:
        return np.zeros(len(edges) - 1)
    if histogram.high <= histogram.low:  # all values are equal
        place = min(max(int(np.searchsorted(edges, histogram.low, side="right")) - 1, 0), len(edges) - 2)
        shares: np.ndarray = np.eye(len(edges) - 1)[place]
        return shares
    below = np.concatenate([[0], np.cumsum(histogram.counts)]) / total
    found: np.ndarray = np.diff(np.interp(edges, histogram.edges, below))
    return found
