"""Images in another size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _C
from ..autograd import record
from ..mixed_precision import in_float32

if TYPE_CHECKING:
    from ..tensor import Tensor
    from .conv import Pair

    Factor = float | tuple[float, float]
    Options = tuple[Any, tuple[float, float], bool]

__all__ = ["interpolate"]

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]


@in_float32
def interpolate(
    x: Tensor, size: Pair | None = None, scale_factor: Factor | None = None, mode: str = "nearest"
) -> Tensor:
    """Images in another size: larger by repeating or blending pixels, smaller by picking or blending them.

    ``"nearest"`` takes pixel ``floor(p·H / P)`` for row p. ``"bilinear"`` takes pixels for squares and blends the four
    whose centres are nearest to the output's centre at ``(p + 0.5)·H / P - 0.5``, clamped to the image: PyTorch's
    ``align_corners=False``, TensorFlow's ``resize``. Nothing is averaged where images shrink by more than two.

    Parameters
    ----------
    x : Tensor
        [N, H, W, C], float32 or float64.
    size
        P and Q: an integer, or (rows, columns).
    scale_factor
        Instead of ``size``: P = floor(H·factor), and the factor is the scale where it is not whole. A number, or two.
    mode : {"nearest", "bilinear"}
        How pixels are found.

    Returns
    -------
    Tensor
        [N, P, Q, C]

    Raises
    ------
    ShapeError
        If x is not of rank 4 or has no pixels.
    DTypeError
        If x is not float32 or float64.
    ArgumentError
        If both or neither of ``size`` and ``scale_factor`` are given, are not positive, or the mode is unknown.

    Notes
    -----
    The gradient gives every input pixel its share of the outputs that it is part of, added in row-major order.

    Examples
    --------
    >>> import tilegrad as tg
    >>> x = tg.tensor([1.0, 3.0]).reshape(1, 1, 2, 1)
    >>> tg.interpolate(x, scale_factor=(1, 2)).reshape(4)
    tensor([1., 1., 3., 3.])
    >>> tg.interpolate(x, size=(1, 4), mode="bilinear").reshape(4)
    tensor([1. , 1.5, 2.5, 3. ])
    """
    if (size is None) == (scale_factor is None):
        raise _C.ArgumentError("interpolate: give either size or scale_factor")
    if mode not in ("nearest", "bilinear"):
        raise _C.ArgumentError(f"interpolate: mode must be 'nearest' or 'bilinear', found {mode!r}")
    options = (size, _factors(scale_factor), mode == "bilinear")
    return record(_C.interpolate(x, *options), _interpolate_gradient, (x,), x.shape[1:3], options)


def _factors(factor: Any) -> tuple[float, float]:
    if factor is None:
        return (0.0, 0.0)
    factors = factor if isinstance(factor, (tuple, list)) else (factor, factor)
    if len(factors) != 2 or not all(isinstance(f, (int, float)) and f > 0 for f in factors):
        raise _C.ArgumentError(
            f"interpolate: scale_factor must be a positive number or two, (rows, columns); found {factor!r}"
        )
    return float(factors[0]), float(factors[1])


def _interpolate_gradient(needs: Needs, grad: Tensor, image: tuple[int, int], options: Options) -> Gradients:
    return (_C.interpolate_backward(grad, image, *options),)
