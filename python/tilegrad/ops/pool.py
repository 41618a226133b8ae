"""Pooling of images [N, H, W, C]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _C
from ..autograd import grad_enabled, record
from .arguments import require_tensors

if TYPE_CHECKING:
    from ..tensor import Tensor
    from .conv import Padding, Pair

    MaxOptions = tuple[Pair, Pair | None, Padding, bool]
    MeanOptions = tuple[Pair, Pair | None, Padding, bool, bool]

__all__ = [
    "adaptive_avg_pool2d",
    "adaptive_max_pool2d",
    "avg_pool2d",
    "global_avg_pool2d",
    "global_max_pool2d",
    "max_pool2d",
]

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]


def max_pool2d(
    x: Tensor, kernel_size: Pair, stride: Pair | None = None, padding: Padding = "valid", ceil_mode: bool = False
) -> Tensor:
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
    ceil_mode
        Whether a last window that sticks out behind the padded image is there, too, provided that it begins before the
        padding there (PyTorch's rule): P is rounded up instead of down.

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
    require_tensors("max_pool2d", x=x)
    recorded = grad_enabled() and x.requires_grad
    out, index = _C.max_pool2d(x, kernel_size, stride, padding, ceil_mode, recorded)
    if not recorded:
        return out
    return record(out, _max_pool2d_gradient, (x,), index, x.shape[1:3], (kernel_size, stride, padding, ceil_mode))


def _max_pool2d_gradient(
    needs: Needs, grad: Tensor, index: Tensor, image: tuple[int, int], options: MaxOptions
) -> Gradients:
    return (_C.max_pool2d_backward(grad, index, image, *options),)


def avg_pool2d(
    x: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Padding = "valid",
    ceil_mode: bool = False,
    count_include_pad: bool = False,
) -> Tensor:
    """The mean of every window, channel by channel; pixels outside the image do not count.

    ``y[n, p, q, c] = (sum over r, s of x[n, p·stride + r - top, q·stride + s - left, c]) / (number of pixels of the
    window inside the image)``, summed in row-major order.

    Parameters
    ----------
    x : Tensor
        [N, H, W, C], float32 or float64.
    kernel_size, stride, padding, ceil_mode
        As for :func:`max_pool2d`; errors likewise.
    count_include_pad
        Whether the zeros of the padding count as pixels (PyTorch's default, TensorFlow's never). What a window of
        ``ceil_mode`` has behind the padding does not.

    Returns
    -------
    Tensor
        [N, P, Q, C] with P and Q as for :func:`max_pool2d`. The gradient is shared evenly by the pixels of a window.

    Examples
    --------
    >>> import tilegrad as tg
    >>> x = tg.tensor([[1.0, 5.0, 2.0, 0.0], [3.0, 4.0, 1.0, 7.0]]).reshape(1, 2, 4, 1)
    >>> tg.avg_pool2d(x, 2).reshape(2)
    tensor([3.25, 2.5 ])
    """
    options = (kernel_size, stride, padding, ceil_mode, count_include_pad)
    return record(_C.avg_pool2d(x, *options), _avg_pool2d_gradient, (x,), x.shape[1:3], options)


def _avg_pool2d_gradient(needs: Needs, grad: Tensor, image: tuple[int, int], options: MeanOptions) -> Gradients:
    return (_C.avg_pool2d_backward(grad, image, *options),)


def adaptive_max_pool2d(x: Tensor, output_size: Pair) -> Tensor:
    """The maximum of each of ``output_size`` windows that cover the image evenly, whatever its size.

    Window p of P has the rows from ``floor(p·H / P)`` to ``ceil((p + 1)·H / P)``, and columns likewise (PyTorch's
    rule): where P does not divide H, neighbours share a row.

    Parameters
    ----------
    x : Tensor
        [N, H, W, C], float32 or float64.
    output_size
        P and Q: an integer, or (rows, columns).

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
        If a size is not positive.

    Examples
    --------
    >>> import tilegrad as tg
    >>> x = tg.tensor([1.0, 5.0, 2.0, 0.0, 7.0]).reshape(1, 1, 5, 1)
    >>> tg.adaptive_max_pool2d(x, (1, 2)).reshape(2)
    tensor([5., 7.])
    """
    require_tensors("adaptive_max_pool2d", x=x)
    recorded = grad_enabled() and x.requires_grad
    out, index = _C.adaptive_max_pool2d(x, output_size, recorded)
    if not recorded:
        return out
    return record(out, _adaptive_max_pool2d_gradient, (x,), index, x.shape[1:3])


def _adaptive_max_pool2d_gradient(needs: Needs, grad: Tensor, index: Tensor, image: tuple[int, int]) -> Gradients:
    return (_C.adaptive_max_pool2d_backward(grad, index, image),)


def adaptive_avg_pool2d(x: Tensor, output_size: Pair) -> Tensor:
    """The mean of each of ``output_size`` windows that cover the image evenly, whatever its size.

    Windows are those of :func:`adaptive_max_pool2d`; sums are in row-major order.

    Parameters
    ----------
    x, output_size
        As for :func:`adaptive_max_pool2d`; errors likewise.

    Returns
    -------
    Tensor
        [N, P, Q, C]

    Examples
    --------
    >>> import tilegrad as tg
    >>> x = tg.tensor([1.0, 5.0, 3.0, 0.0, 9.0]).reshape(1, 1, 5, 1)
    >>> tg.adaptive_avg_pool2d(x, (1, 2)).reshape(2)
    tensor([3., 4.])
    """
    return record(_C.adaptive_avg_pool2d(x, output_size), _adaptive_avg_pool2d_gradient, (x,), x.shape[1:3])


def _adaptive_avg_pool2d_gradient(needs: Needs, grad: Tensor, image: tuple[int, int]) -> Gradients:
    return (_C.adaptive_avg_pool2d_backward(grad, image),)


def _require_images(op: str, x: Tensor) -> None:
    if x.ndim != 4:
        raise _C.ShapeError(f"{op}: x must have 4 dimensions [N, H, W, C], found {list(x.shape)}")
    if 0 in x.shape[1:3]:
        raise _C.ShapeError(f"{op}: x has no pixels to pool over, found {list(x.shape)}")


def global_avg_pool2d(x: Tensor) -> Tensor:
    """The mean over all pixels, ``y[n, c] = (sum over h, w of x[n, h, w, c]) / (H W)``.

    Parameters
    ----------
    x : Tensor
        [N, H, W, C], float32 or float64, on a GPU float16 and bfloat16 too.

    Returns
    -------
    Tensor
        [N, C], of the dtype of ``x``.

    Raises
    ------
    ShapeError
        If x is not of rank 4 or has no pixels.
    DTypeError
        If x has another dtype.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.global_avg_pool2d(tg.tensor([[1.0, 2.0], [3.0, 6.0]]).reshape(1, 2, 2, 1))
    tensor([[3.]])
    """
    require_tensors("global_avg_pool2d", x=x)
    from .reduce import mean

    _require_images("global_avg_pool2d", x)
    return mean(x, axis=(1, 2))


def global_max_pool2d(x: Tensor) -> Tensor:
    """The maximum over all pixels, channel by channel; NaN counts as more than any number.

    Parameters
    ----------
    x : Tensor
        [N, H, W, C], floating or integer, float16 and bfloat16 on a GPU alone.

    Returns
    -------
    Tensor
        [N, C], of the dtype of ``x``. The first of equal pixels in row-major order receives the gradient.

    Raises
    ------
    ShapeError
        If x is not of rank 4 or has no pixels.
    DTypeError
        If x is bool, or has 16 bits and is on the CPU.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.global_max_pool2d(tg.tensor([[1.0, 2.0], [3.0, 6.0]]).reshape(1, 2, 2, 1))
    tensor([[6.]])
    """
    require_tensors("global_max_pool2d", x=x)
    from .reduce import max as max_axes

    _require_images("global_max_pool2d", x)
    return max_axes(x, axis=(1, 2))
