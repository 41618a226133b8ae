"""Figures without pyplot: no window, no global state, any thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _C
from ...errors import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["grid", "new_figure", "show_image"]

NDArray = np.ndarray[Any, Any]


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches; ``savefig`` writes it, notebooks show it."""
    made: Figure = require("matplotlib.figure", "plot", "a figure").Figure(
        figsize=(width, height), layout="constrained"
    )
    return made


def grid(count: int, columns: int, size: float = 1.2) -> tuple[Figure, list[Axes]]:
    """A figure with ``count`` small pictures without axes, row by row."""
    columns = max(1, min(columns, count))
    rows = max(1, -(-count // columns))
    figure = new_figure(max(2.4, size * columns), max(1.6, size * rows + 0.4))
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis in axes:
        axis.axis("off")
    return figure, axes[:count]


def show_image(owner: str, axis: Axes, image: NDArray, symmetric: bool = False) -> None:
    """Draw [H, W], [H, W, 1] or [H, W, 3]; colours are scaled to the image's own range.

    ``symmetric``: zero is white, negative blue, positive red.
    """
    image = np.asarray(image)
    if image.ndim == 3 and image.shape[-1] == 1:
        image = image[..., 0]
    if image.ndim == 3 and image.shape[-1] in (3, 4) and not symmetric:
        if image.dtype != np.uint8:
            low, high = float(image.min()), float(image.max())
            image = (image - low) / (high - low if high > low else 1.0)
        axis.imshow(image)
    elif image.ndim == 2:
        reach = float(np.abs(image).max()) or 1.0
        limits = {"cmap": "RdBu_r", "vmin": -reach, "vmax": reach} if symmetric else {"cmap": "gray"}
        axis.imshow(image, **limits)
    else:
        raise _C.ShapeError(
            f"{owner}: an image must be [H, W], [H, W, 1] or [H, W, 3], found {list(image.shape)}; images are NHWC"
        )
