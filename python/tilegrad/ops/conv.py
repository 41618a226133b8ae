"""Convolution of images [N, H, W, C]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _C
from ..autograd import grad_enabled, record

if TYPE_CHECKING:
    from ..tensor import Tensor

    Pair = int | tuple[int, int]
    Padding = str | int | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]]
    Options = tuple[Pair, Padding, Pair, int]

__all__ = ["conv2d"]

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]


def conv2d(
    x: Tensor,
    w: Tensor,
    b: Tensor | None = None,
    stride: Pair = 1,
    padding: Padding = "valid",
    dilation: Pair = 1,
    groups: int = 1,
    activation: str | None = None,
) -> Tensor:
    """Two-dimensional convolution (cross-correlation) of images, with bias and activation in the same pass.

    ``y[n, p, q, k] = activation(b[k] + sum over r, s, c of x[n, p·stride + r·dilation - top, q·stride + s·dilation
    - left, c] · w[r, s, c, k])``, with zeros outside the image. With ``groups``, output channels fall into that many
    equal groups, each of which sees the matching group of input channels.

    Parameters
    ----------
    x : Tensor
        [N, H, W, C], float32 or float64.
    w : Tensor
        [R, S, C / groups, K], of the same dtype.
    b : Tensor, optional
        [K], of the same dtype.
    stride
        Distance between windows: an integer, or (rows, columns).
    padding
        ``"valid"`` (none), ``"same"`` (TensorFlow's rule: P = ceil(H / stride), the odd pixel at the bottom and right),
        an integer, (rows, columns), or ((top, bottom), (left, right)).
    dilation
        Distance between taps: an integer, or (rows, columns).
    groups
        Divides C and K. ``groups == C`` is a depthwise convolution.
    activation : {"relu", "sigmoid", "tanh", "gelu"}, optional
        Applied to every output. The bits are those of the separate op.

    Returns
    -------
    Tensor
        [N, P, Q, K] with P = (H + top + bottom - (R - 1)·dilation - 1) // stride + 1, and Q likewise.

    Raises
    ------
    ShapeError
        If a rank is wrong, the channels do not fit, or the kernel is larger than the padded image.
    DTypeError
        If the dtypes differ or are not float32 or float64.
    ArgumentError
        If a stride, dilation, padding or groups makes no sense, or the activation is unknown.

    Notes
    -----
    The order of each sum depends on sizes of channels, filter and image alone (docs/numerics.md), so an image has the
    same result in every batch. Filters of 3x3 with stride 1 may run by Winograd's algorithm, in float32 with an error
    of up to 1e-5 of the largest output; ``tg.set_float32_precision("highest")`` keeps to what is as exact as the sum
    above. Both gradients are convolutions: of ``dy`` with the turned filter, and of ``x`` with ``dy``. See Dumoulin and
    Visin, "A guide to convolution arithmetic for deep learning", 2016; Lavin and Gray, "Fast algorithms for
    convolutional neural networks", 2016.

    Examples
    --------
    >>> import tilegrad as tg
    >>> x, w = tg.ones((1, 4, 4, 1)), tg.ones((3, 3, 1, 1))
    >>> tg.conv2d(x, w, padding="same").reshape(4, 4)
    tensor([[4., 6., 6., 4.],
            [6., 9., 9., 6.],
            [6., 9., 9., 6.],
            [4., 6., 6., 4.]])
    """
    options = (stride, padding, dilation, groups)
    if activation is None:
        return record(_C.conv2d(x, w, b, *options, "none"), _conv2d_gradient, (x, w, b), x, w, options)
    if activation == "gelu" and grad_enabled() and any(t is not None and t.requires_grad for t in (x, w, b)):
        from .activation import gelu

        return gelu(conv2d(x, w, b, *options))  # its slope needs the sums that fusing would not keep
    out = _C.conv2d(x, w, b, *options, activation)
    return record(out, _fused_gradient, (x, w, b), x, w, options, activation, out)


def _fused_gradient(
    needs: Needs, grad: Tensor, x: Tensor, w: Tensor, options: Options, activation: str, out: Tensor
) -> Gradients:
    slope = {"relu": _C.relu_backward, "sigmoid": _C.sigmoid_backward, "tanh": _C.tanh_backward}[activation]
    return _conv2d_gradient(needs, slope(grad, out), x, w, options)


def _conv2d_gradient(needs: Needs, grad: Tensor, x: Tensor, w: Tensor, options: Options) -> Gradients:
    dx = _C.conv2d_backward_data(grad, w, x.shape[1:3], *options) if needs[0] else None
    dw = _C.conv2d_backward_weights(x, grad, w.shape[:2], *options) if needs[1] else None
    db = _C.sum(grad, (0, 1, 2), False) if needs[2] else None
    return dx, dw, db
