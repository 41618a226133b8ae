"""Pictures of a classifier's answers: what it takes for what, and the samples that it gets wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _C
from ..predictions import judge
from .canvas import grid, new_figure, show_image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ...nn.module import Module

__all__ = ["plot_confusion", "plot_misclassified"]


def _names(owner: str, classes: Sequence[str] | None, count: int) -> list[str]:
    if classes is None:
        return [str(number) for number in range(count)]
    if len(classes) != count:
        raise _C.ArgumentError(f"{owner}: classes has {len(classes)} names for {count} classes")
    return [str(name) for name in classes]


def plot_misclassified(
    model: Module,
    data: Any,
    classes: Sequence[str] | None = None,
    count: int = 24,
    columns: int = 8,
    batch_size: int = 256,
) -> Figure:
    """The images that a classifier gets wrong, those it is surest of first.

    Parameters
    ----------
    model
        A classifier with outputs [N, K], logits or probabilities; or [N] or [N, 1] for two classes.
    data
        Arrays ``(images, labels)``, a data set, or batches of pairs; images [N, H, W, C] or [N, H, W].
    classes
        The names of the K classes; by default their numbers.
    count, columns
        How many images are drawn at most, and how many in a row.
    batch_size
        For arrays and data sets.

    Returns
    -------
    matplotlib.figure.Figure
        Titles are like ``"4 as 9 (87 %, 4: 11 %)"``: the label, the answer with its probability, and the probability
        that the label got.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> model = tg.nn.Sequential(tg.nn.Flatten(), tg.nn.Linear(4, 2))
    >>> images, labels = np.ones((1, 2, 2, 1), np.float32), np.zeros(1, np.int64)
    >>> with tg.no_grad():
    ...     _ = model[1].weight.fill_(0.0), model[1].bias.copy_(tg.tensor([0.0, 2.0]))
    >>> tg.inspect.plot_misclassified(model, (images, labels)).axes[0].get_title()
    '0 as 1 (88 %, 0: 12 %)'
    """
    judged = judge("plot_misclassified", model, data, batch_size)
    names = _names("plot_misclassified", classes, judged.probabilities.shape[1])
    predicted = judged.predicted
    sure = judged.probabilities[np.arange(len(predicted)), predicted]
    wrong = np.flatnonzero(predicted != judged.labels)
    wrong = wrong[np.argsort(-sure[wrong], kind="stable")]
    shown = wrong[:count]
    figure, axes = grid(len(shown), columns, size=1.5)
    for axis, row in zip(axes, shown, strict=True):
        label, answer = int(judged.labels[row]), int(predicted[row])
        show_image("plot_misclassified", axis, judged.inputs[row])
        axis.set_title(
            f"{names[label]} as {names[answer]} ({sure[row]:.0%}, {names[label]}: "
            f"{judged.probabilities[row, label]:.0%})".replace("%", " %"),
            fontsize=7,
        )
    figure.suptitle(f"{len(wrong)} of {len(predicted)} misclassified", fontsize=9)
    return figure


def plot_confusion(
    model: Module, data: Any, classes: Sequence[str] | None = None, normalize: bool = False, batch_size: int = 256
) -> Figure:
    """How often a classifier takes what for what.

    Parameters
    ----------
    model, data, classes, batch_size
        As in :func:`plot_misclassified`; inputs may be of any form.
    normalize
        Whether each row, the samples of one label, is drawn in shares instead of counts.

    Returns
    -------
    matplotlib.figure.Figure
        Rows are labels, columns answers.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> model = tg.nn.Linear(2, 2)
    >>> with tg.no_grad():
    ...     _ = model.weight.copy_(tg.tensor([[1.0, 0.0], [0.0, 1.0]]))
    >>> x = np.float32([[1, 0], [0, 1], [1, 0]])
    >>> figure = tg.inspect.plot_confusion(model, (x, np.int64([0, 1, 1])))
    >>> figure.axes[0].images[0].get_array().tolist()
    [[1, 0], [1, 1]]
    """
    judged = judge("plot_confusion", model, data, batch_size)
    K = judged.probabilities.shape[1]
    names = _names("plot_confusion", classes, K)
    bad = np.flatnonzero((judged.labels < 0) | (judged.labels >= K))
    if len(bad):
        raise _C.OutOfRangeError(
            f"plot_confusion: label {judged.labels[bad[0]]} of sample {bad[0]} is not from 0 to {K - 1}"
        )
    counts = np.bincount(judged.labels * K + judged.predicted, minlength=K * K).reshape(K, K)
    shown = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1) if normalize else counts
    side = max(3.0, 0.45 * K + 1.5)
    figure = new_figure(side + 0.8, side)
    axis = figure.subplots()
    picture = axis.imshow(shown, cmap="Blues")
    figure.colorbar(picture, ax=axis, shrink=0.8)
    if K <= 30:
        for row in range(K):
            for column in range(K):
                value = shown[row, column]
                axis.text(
                    column, row, f"{value:.2f}" if normalize else str(value), ha="center", va="center", fontsize=7,
                    color="white" if value > 0.6 * shown.max() else "black",
                )  # fmt: skip
        axis.set_xticks(range(K), names, rotation=90 if classes is not None else 0)
        axis.set_yticks(range(K), names)
    share = float((judged.predicted == judged.labels).mean())
    axis.set(xlabel="answer", ylabel="label", title=f"{share:.1%} right".replace("%", " %"))
    return figure
