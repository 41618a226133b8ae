"""Pooling of images [N, H, W, C]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _C
from ..autograd import grad_enabled, record

if TYPE_CHECKING:
    from ..tensor import Tensor
    from .conv import Padding, Pair

    Options = tuple[Pair, Pair | None, Padding]

__all__ = ["avg_pool2d", "global_avg_pool2d", "global_max_pool2d", "max_pool2d"]

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]


def max_pool2d(x: Tensor, kernel_size: Pair, stride: Pair | None = None, padding: Padding = "valid") -> Tensor:
    """The maximum of every window, channel by channel.

    ``y[n, p, q, c] = max over r, s of x[n, p·stride + r - top, q·stride + s - left, c]``. Pixels outside the image
    count as -inf; NaN counts as more than any number.

    Parameters
    ----------
    x : Tensor
        [N, H, W, C], float32 or float64.
    kernel_size
        Size of the windows: an integer, or (rows, columns).
    stride
        Distance between windows; by default ``kernel_size``.
    padding
        As for :func:`conv2d`; must be smaller than ``kernel_size``.

    Returns
    -------
    Tensor
        [N, P, Q, C] with P and Q as for :func:`conv2d`.

    Raises
    ------
    ShapeError
        If x is not of rank 4 or a window is larger than the padded image.
    DTypeError
        If x is not float32 or float64.
    ArgumentError
        If a kernel size, stride or padding makes no sense.

    Notes
    -----
    Among equal values the first in row-major order wins, and receives the gradient. Where windows overlap, gradients
    are added in row-major order of windows.

    Examples
    --------
    >>> import tilegrad as tg
    >>> x = tg.tensor([[1.0, 5.0, 2.0, 0.0], [3.0, 4.0, 1.0, 7.0]]).reshape(1, 2, 4, 1)
    >>> tg.max_pool2d(x, 2).reshape(2)
    tensor([5., 7.])
    """
    recorded = grad_enabled() and x.requires_grad
    out, index = _C.max_pool2d(x, kernel_size, stride, padding, recorded)
    if not recorded:
        return out
    return record(out, _max_pool2d_gradient, (x,), index, x.shape[1:3], (kernel_size, stride, padding))


def _max_pool2d_gradient(
    needs: Needs, grad: Tensor, index: Tensor, image: tuple[int, int], options: Options
) -> Gradients:
    return (_C.max_pool2d_backward(grad, index, image, *options),)


def avg_pool2d(x: Tensor, kernel_size: Pair, stride: Pair | None = None, padding: Padding = "valid") -> Tensor:
    """The mean of every window, channel by channel; pixels outside the image do not count.

    ``y[n, p, q, c] = (sum over r, s of x[n, p·stride + r - top, q·stride + s - left, c]) / (number of pixels of the
    window inside the image)``, summed in row-major order.

    Parameters, result and errors are those of :func:`max_pool2d`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> x = tg.tensor([[1.0, 5.0, 2.0, 0.0], [3.0, 4.0, 1.0, 7.0]]).reshape(1, 2, 4, 1)
    >>> tg.avg_pool2d(x, 2).reshape(2)
    tensor([3.25, 2.5 ])
    """
    out = _C.avg_pool2d(x, kernel_size, stride, padding)
    return record(out, _avg_pool2d_gradient, (x,), x.shape[1:3], (kernel_size, stride, padding))


def _avg_pool2d_gradient(needs: Needs, grad: Tensor, image: tuple[int, int], options: Options) -> Gradients:
    return (_C.avg_pool2d_backward(grad, image, *options),)


def _require_images(op: str, x: Tensor) -> None:
    if x.ndim != 4:
        raise _C.ShapeError(f"{op}: x must have 4 dimensions [N, H, W, C], found {list(x.shape)}")
    if 0 in x.shape[1:3]:
        raise _C.ShapeError(f"{op}: x has no pixels to pool over, found {list(x.shape)}")


def global_avg_pool2d(x: Tensor) -> Tensor:
    """The mean over all pixels: [N, H, W, C] -> [N, C].

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.global_avg_pool2d(tg.tensor([[1.0, 2.0], [3.0, 6.0]]).reshape(1, 2, 2, 1))
    tensor([[3.]])
    """
    from .reduce import mean

    _require_images("global_avg_pool2d", x)
    return mean(x, axis=(1, 2))


def global_max_pool2d(x: Tensor) -> Tensor:
    """The maximum over all pixels: [N, H, W, C] -> [N, C].

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.global_max_pool2d(tg.tensor([[1.0, 2.0], [3.0, 6.0]]).reshape(1, 2, 2, 1))
    tensor([[6.]])
    """
    from .reduce import max as max_axes

    _require_images("global_max_pool2d", x)
    return max_axes(x, axis=(1, 2))
