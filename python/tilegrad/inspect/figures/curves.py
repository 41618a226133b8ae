"""Curves over epochs and steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ... import _C
from ..overfit import overfitting
from .canvas import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..monitor import Monitor

__all__ = ["plot_curves", "plot_series"]


def plot_curves(history: Mapping[str, Sequence[float]]) -> Figure:
    """Loss and metrics over the epochs, training beside validation, with over-fitting marked.

    Parameters
    ----------
    history
        What ``Trainer.fit`` returns, or any mapping from names to one value per epoch; ``val_NAME`` is drawn with
        ``NAME``.

    Returns
    -------
    matplotlib.figure.Figure
        One panel per quantity. From the epoch on from which the validation loss rises while the training loss falls
        (:func:`overfitting`), the panels are shaded.

    Raises
    ------
    ArgumentError
        If the history is empty.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> import tilegrad as tg
    >>> history = {"loss": [2.0, 1.0, 0.5, 0.2, 0.1], "val_loss": [2.0, 1.5, 1.6, 1.8, 2.1]}
    >>> figure = tg.inspect.plot_curves(history)
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['training', 'validation', 'over-fitting from epoch 2']
    """
    names = [name for name in history if not name.startswith("val_") and name != "samples_per_second"]
    names += [name[4:] for name in history if name.startswith("val_") and name[4:] not in history]
    if not names:
        raise _C.ArgumentError("plot_curves: the history is empty")
    found = overfitting(history)
    figure = new_figure(5.0 * min(2, len(names)), 3.2 * -(-len(names) // 2))
    axes = figure.subplots(-(-len(names) // 2), min(2, len(names)), squeeze=False).flat
    for axis, name in zip(axes, names, strict=False):
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            if key in history:
                values = list(history[key])
                axis.plot(range(1, len(values) + 1), values, label=label, marker="." if len(values) < 40 else None)
        if found is not None:
            end = len(history["val_loss"])
            axis.axvspan(
                found.epoch + 1, end, color="tab:red", alpha=0.12, label=f"over-fitting from epoch {found.epoch + 1}"
            )
        axis.set(xlabel="epoch", ylabel=name)
        axis.grid(alpha=0.3)
        axis.legend()
    for axis in list(axes):
        axis.axis("off")
    return figure


def plot_series(monitor: Monitor, name: str = "update_ratio") -> Figure:
    """One of the numbers of :meth:`Monitor.series` over the steps, a line for each layer.

    Parameters
    ----------
    monitor
        After, or while, a model is trained.
    name
        As in :meth:`Monitor.series`. Update ratios have the band from 1e-4 to 1e-2 marked, around the healthy 1e-3.

    Returns
    -------
    matplotlib.figure.Figure
        One panel; norms and update ratios are on a logarithmic scale, unless all are 0.

    Raises
    ------
    ArgumentError
        If there is no number of that name, or no inspected step has it.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> import tilegrad as tg
    >>> x = tg.randn((32, 4))
    >>> y = tg.randint(0, 2, 32)
    >>> model = tg.nn.Sequential(tg.nn.Linear(4, 2))
    >>> trainer = tg.train.Trainer(model, tg.nn.CrossEntropyLoss(), tg.optim.SGD(model.parameters(), lr=0.1))
    >>> monitor = tg.inspect.Monitor(every=1, budget=None)
    >>> history = trainer.fit((x, y), verbose=0, batch_size=8, callbacks=[monitor])
    >>> figure = tg.inspect.plot_series(monitor, "update_ratio")
    >>> figure.axes[0].lines[0].get_xdata().tolist()
    [0, 1, 2, 3]
    """
    series = monitor.series(name)
    if not series:
        raise _C.ArgumentError(f"plot_series: no inspected step has a {name!r}")
    figure = new_figure(7.0, 4.0)
    axis = figure.subplots()
    for layer, (steps, values) in series.items():
        axis.plot(steps, values, label=layer, marker="." if len(steps) < 40 else None)
    if name in ("update_ratio", "gradient_norm", "norm") and any(
        v > 0 for _, values in series.values() for v in values
    ):
        axis.set_yscale("log")
    if name == "update_ratio":
        axis.axhspan(1e-4, 1e-2, color="tab:green", alpha=0.1, label="healthy")
    axis.set(xlabel="step", ylabel=name.replace("_", " "))
    axis.grid(alpha=0.3)
    axis.legend(fontsize="small")
    return figure
