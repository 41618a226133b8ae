"""Pictures of layers: filters, feature maps, and the images that a unit answers to most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _C, nn, ops
from ...structure import tensors_in
from ...train.batches import first_of
from ...train.evaluation import Evaluating
from ...train.placement import on_host
from ..predictions import batches, call
from .canvas import grid, show_image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ...nn.module import Module
    from ...tensor import Tensor

__all__ = ["plot_feature_maps", "plot_filters", "plot_most_activating"]

NDArray = np.ndarray[Any, Any]


def plot_filters(
    model: Module,
    layer: str = "",
    image_shape: Sequence[int] | None = None,
    most: int = 64,
    columns: int = 8,
) -> Figure:
    """The weights of a convolution or a dense layer as images.

    Parameters
    ----------
    model
        Any module.
    layer
        The layer's path; by default the first convolution, or the first dense layer.
    image_shape
        For a dense layer: the [H, W] or [H, W, C] that its inputs were before they were flattened; by default a
        square, where there is one.
    most
        How many pictures are drawn at most.
    columns
        Pictures in a row.

    Returns
    -------
    matplotlib.figure.Figure
        One picture per filter [R, S, C, K]: in colour where C is 3, else one per pair of filter and channel; red is
        positive, blue negative, white zero.

    Raises
    ------
    ArgumentError
        If there is no such layer, or it has no weights of that kind.
    ShapeError
        If ``image_shape`` does not fit.

    Examples
    --------
    >>> import tilegrad as tg
    >>> model = tg.nn.Sequential(tg.nn.Conv2d(1, 6, 5), tg.nn.ReLU())
    >>> len(tg.inspect.plot_filters(model).axes)
    6
    """
    found = _weighted(model, layer)
    weights = on_host(found.weight)
    if isinstance(found, nn.Linear):
        pictures = _rows_as_images(weights, image_shape)
    elif weights.ndim == 4:
        pictures = weights
    else:
        raise _C.ArgumentError(
            f"plot_filters: {layer!r} ({type(found).__name__}) has weights {list(weights.shape)}; expected a 2-D "
            "convolution or a dense layer"
        )
    C, K = pictures.shape[2:]
    is_colour = C == 3
    shown = [(k, None) for k in range(K)] if is_colour else [(k, c) for k in range(K) for c in range(C)]
    shown = shown[:most]
    figure, axes = grid(len(shown), columns)
    for axis, (k, c) in zip(axes, shown, strict=True):
        picture = pictures[:, :, :, k] if c is None else pictures[:, :, c, k]
        show_image("plot_filters", axis, picture, symmetric=not is_colour)
        axis.set_title(f"{k}" if c is None or C == 1 else f"{k}, channel {c}", fontsize=7)
    return figure


def _weighted(model: Module, layer: str) -> Any:
    """The layer at a path, or the first one with weights that can be drawn."""
    if layer:
        found: Any = model.get_submodule(layer)
        if not isinstance(getattr(found, "weight", None), _C.TensorBase):
            raise _C.ArgumentError(f"plot_filters: {layer!r} ({type(found).__name__}) has no weights")
        return found
    for kind in (nn.Conv2d, nn.Linear):
        for inner in model.modules():
            if isinstance(inner, kind) and inner.weight is not None:
                return inner
    raise _C.ArgumentError("plot_filters: the model has no convolution or dense layer; build it, or name a layer")


def _rows_as_images(weights: NDArray, image_shape: Sequence[int] | None) -> NDArray:
    """[in, out] as [H, W, C, out]."""
    size = weights.shape[0]
    if image_shape is None:
        side = round(size**0.5)
        if side * side != size:
            raise _C.ArgumentError(f"plot_filters: {size} inputs are no square image; give image_shape, [H, W, C]")
        image_shape = (side, side)
    shape = tuple(image_shape) if len(image_shape) == 3 else (*image_shape, 1)
    if int(np.prod(shape)) != size or len(shape) != 3:
        raise _C.ShapeError(
            f"plot_filters: image_shape {tuple(image_shape)} has {int(np.prod(shape))} values, the layer {size} inputs"
        )
    return weights.reshape(*shape, weights.shape[1])


def _outputs(owner: str, model: Module, layer: str, inputs: Any) -> Tensor:
    """What a layer returns for a batch, in evaluation mode."""
    seen: list[Tensor] = []

    def note(_: Module, given: tuple[Any, ...], output: Any) -> None:
        seen.extend(tensors_in(output)[:1])

    with Evaluating(model), model.get_submodule(layer).register_forward_hook(note):
        call(model, inputs)
    if not seen:
        raise _C.ArgumentError(f"{owner}: the model does not call its layer {layer!r}")
    return seen[0]


def plot_feature_maps(model: Module, image: Any, layer: str, most: int = 64, columns: int = 8) -> Figure:
    """What a layer makes of one image, channel by channel.

    Parameters
    ----------
    model
        Any module.
    image
        One sample [H, W, C], or a batch of one.
    layer
        The path of a layer whose output is [N, H, W, K].
    most, columns
        How many pictures are drawn at most, and how many in a row.

    Returns
    -------
    matplotlib.figure.Figure
        One picture [H, W] per channel, the first ones, titled with its number: black is the least value of the
        channel, white the greatest.

    Raises
    ------
    ArgumentError
        If there is no such layer, or the model does not call it.
    ShapeError
        If ``image`` is not one image, or the layer's output is of another form.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> model = tg.nn.Sequential(tg.nn.Conv2d(1, 6, 5), tg.nn.ReLU())
    >>> len(tg.inspect.plot_feature_maps(model, np.zeros((9, 9, 1), np.float32), "1").axes)
    6
    """
    x = on_host(image) if isinstance(image, _C.TensorBase) else np.asarray(image)
    if x.ndim == 3:
        x = x[None]
    if x.ndim != 4 or len(x) != 1:
        raise _C.ShapeError(f"plot_feature_maps: expected one image [H, W, C], found {list(x.shape)}")
    maps = on_host(_outputs("plot_feature_maps", model, layer, ops.tensor(x)))
    if maps.ndim != 4:
        raise _C.ShapeError(
            f"plot_feature_maps: the output of {layer!r} must be [N, H, W, C], found {list(maps.shape)}"
        )
    count = min(most, maps.shape[-1])
    figure, axes = grid(count, columns)
    for channel, axis in enumerate(axes):
        show_image("plot_feature_maps", axis, maps[0, :, :, channel])
        axis.set_title(str(channel), fontsize=7)
    return figure


def plot_most_activating(
    model: Module, data: Any, layer: str, unit: int, count: int = 9, columns: int = 9, batch_size: int = 128
) -> Figure:
    """The images for which a unit of a layer is largest.

    Parameters
    ----------
    model
        Any module.
    data
        Arrays ``(images, labels)``, a data set, or batches of pairs; images [N, H, W, C].
    layer
        The layer's path; its output is [N, units] or [N, H, W, units].
    unit
        Which unit or channel.
    count, columns
        How many images are drawn, the largest first, and how many in a row.
    batch_size
        For arrays and data sets.

    Returns
    -------
    matplotlib.figure.Figure
        Each image's title is the unit's value; for a channel that is its largest, whose place is marked.

    Raises
    ------
    OutOfRangeError
        If there is no such unit.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> model = tg.nn.Sequential(tg.nn.Flatten(), tg.nn.Linear(4, 3))
    >>> images = np.arange(20, dtype=np.float32).reshape(5, 2, 2, 1)
    >>> figure = tg.inspect.plot_most_activating(model, (images, np.zeros(5, np.int64)), "1", unit=0, count=2)
    >>> len(figure.axes)
    2
    """
    best: list[tuple[float, NDArray, tuple[float, float] | None]] = []
    for batch in batches("plot_most_activating", data, batch_size):
        values = on_host(_outputs("plot_most_activating", model, layer, batch.inputs))
        if values.ndim < 2:
            raise _C.ShapeError(
                f"plot_most_activating: the output of {layer!r} must be [N, ..., units], found {list(values.shape)}"
            )
        if not 0 <= unit < values.shape[-1]:
            raise _C.OutOfRangeError(
                f"plot_most_activating: unit must be from 0 to {values.shape[-1] - 1} in {layer!r}, found {unit}"
            )
        found = values[..., unit]
        flat = found.reshape(len(found), -1)
        images = on_host(first_of(batch.inputs))
        for row in np.argsort(-flat.max(axis=1), kind="stable")[:count]:
            place = None
            if found.ndim == 3:
                h, w = np.unravel_index(int(flat[row].argmax()), found.shape[1:])
                H, W = images.shape[1:3]  # the middle of the cell, in the image's pixels
                place = ((w + 0.5) * W / found.shape[2] - 0.5, (h + 0.5) * H / found.shape[1] - 0.5)
            best.append((float(flat[row].max()), images[row].copy(), place))
        best = sorted(best, key=lambda item: -item[0])[:count]
    figure, axes = grid(len(best), columns)
    for axis, (value, image, place) in zip(axes, best, strict=True):
        show_image("plot_most_activating", axis, image)
        axis.set_title(f"{value:.3g}", fontsize=8)
        if place is not None:
            axis.plot(*place, marker="+", color="tab:red", markersize=8)
    figure.suptitle(f"unit {unit} of {layer}", fontsize=9)
    return figure
