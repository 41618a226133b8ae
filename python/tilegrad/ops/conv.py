"""Convolution of images [N, H, W, C], and its transpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _C
from ..autograd import is_recorded, record
from ..mixed_precision import in_16_bits
from .activation import gelu

if TYPE_CHECKING:
    from ..tensor import Tensor

    Pair = int | tuple[int, int]
    Padding = str | int | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]]
    Options = tuple[Pair, Padding, Pair, int]
    TransposeOptions = tuple[Pair, Padding, Pair, Pair, int]

__all__ = ["conv2d", "conv_transpose2d"]

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]


@in_16_bits
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
    same result in every batch. Filters of 3x3 with stride 1 or 2 may run by Winograd's algorithm, in float32 with an
    error of up to 1e-5 of the largest output; ``tg.set_float32_precision("highest")`` keeps to what is as exact as the
    sum above. Both gradients are convolutions: of ``dy`` with the turned filter, and of ``x`` with ``dy``. See Dumoulin
    and Visin, "A guide to convolution arithmetic for deep learning", 2016; Lavin and Gray, "Fast algorithms for
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
    if activation == "gelu" and is_recorded(x, w, b):
        return gelu(conv2d(x, w, b, *options))  # its slope needs the sums that fusing would not keep
    out = _C.conv2d(x, w, b, *options, activation)
    return record(out, _fused_gradient, (x, w, b), x, w, options, activation, out)


def _fused_gradient(
    needs: Needs, grad: Tensor, x: Tensor, w: Tensor, options: Options, activation: str, out: Tensor
) -> Gradients:
    return _conv2d_gradient(needs, _C.activation_backward(grad, out, activation), x, w, options)


def _conv2d_gradient(needs: Needs, grad: Tensor, x: Tensor, w: Tensor, options: Options) -> Gradients:
    dx = _C.conv2d_backward_data(grad, w, x.shape[1:3], *options) if needs[0] else None
    dw = _C.conv2d_backward_weights(x, grad, w.shape[:2], *options) if needs[1] else None
    db = _C.sum(grad, (0, 1, 2), False) if needs[2] else None
    return dx, dw, db


@in_16_bits
def conv_transpose2d(
    x: Tensor,
    w: Tensor,
    b: Tensor | None = None,
    stride: Pair = 1,
    padding: Padding = "valid",
    output_padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
    activation: str | None = None,
) -> Tensor:
    """Transposed two-dimensional convolution: the gradient of :func:`conv2d` by its input, as a function.

    Every pixel of x is multiplied with the whole filter and added to the output at its place, ``stride`` pixels from
    its neighbour's: ``y[n, p·stride + r·dilation - top, q·stride + s·dilation - left, k] += x[n, p, q, c] ·
    w[r, s, k, c]``, then ``activation(y + b)``. So images grow by the stride: the way up in segmentation, autoencoders
    and generators.

    Parameters
    ----------
    x : Tensor
        [N, P, Q, C], float32 or float64.
    w : Tensor
        [R, S, K / groups, C], of the same dtype: the weight of the convolution that is transposed, which makes C
        channels of K.
    b : Tensor, optional
        [K], of the same dtype.
    stride
        Distance between the places of neighbouring pixels: an integer, or (rows, columns).
    padding
        What is cropped from the output, as it pads the input of the convolution that is transposed: ``"valid"``
        (nothing), ``"same"`` (H = P·stride), an integer, (rows, columns), or ((top, bottom), (left, right)).
    output_padding
        Rows and columns more at the bottom and right, below the larger of stride and dilation: a convolution with
        stride 2 makes images of 7 and of 8 pixels equally large, and this tells which of them comes back.
    dilation
        Distance between taps: an integer, or (rows, columns).
    groups
        Divides C and K.
    activation : {"relu", "sigmoid", "tanh", "gelu"}, optional
        Applied to every output. The bits are those of the separate op.

    Returns
    -------
    Tensor
        [N, H, W, K] with H = (P - 1)·stride + (R - 1)·dilation + 1 + output_padding - top - bottom, and W likewise.

    Raises
    ------
    ShapeError
        If a rank is wrong, the channels do not fit, or the padding crops everything.
    DTypeError
        If the dtypes differ or are not float32 or float64.
    ArgumentError
        If a stride, dilation, padding, output padding or groups makes no sense, or the activation is unknown.

    Notes
    -----
    Orders of sums, algorithms and their errors are those of the gradient of :func:`conv2d` by its input
    (docs/numerics.md). PyTorch's weights [C, K / groups, R, S] become ours by ``permute(2, 3, 1, 0)`` with one group;
    with more, each group's channels are permuted by themselves. See Dumoulin and Visin, "A guide to convolution
    arithmetic for deep learning", 2016.

    Examples
    --------
    >>> import tilegrad as tg
    >>> x, w = tg.tensor([[1.0, 2.0]]).reshape(1, 1, 2, 1), tg.ones((2, 2, 1, 1))
    >>> tg.conv_transpose2d(x, w, stride=2).reshape(2, 4)
    tensor([[1., 1., 2., 2.],
            [1., 1., 2., 2.]])
    """
    options = (stride, padding, output_padding, dilation, groups)
    if activation is None:
        out = _C.conv_transpose2d(x, w, b, *options, "none")
        return record(out, _conv_transpose2d_gradient, (x, w, b), x, w, options)
    if activation == "gelu" and is_recorded(x, w, b):
        return gelu(conv_transpose2d(x, w, b, *options))  # its slope needs the sums that fusing would not keep
    out = _C.conv_transpose2d(x, w, b, *options, activation)
    return record(out, _fused_transpose_gradient, (x, w, b), x, w, options, activation, out)


def _fused_transpose_gradient(
    needs: Needs, grad: Tensor, x: Tensor, w: Tensor, options: TransposeOptions, activation: str, out: Tensor
) -> Gradients:
    return _conv_transpose2d_gradient(needs, _C.activation_backward(grad, out, activation), x, w, options)


def _conv_transpose2d_gradient(
    needs: Needs, grad: Tensor, x: Tensor, w: Tensor, options: TransposeOptions
) -> Gradients:
    dx = _C.conv_transpose2d_backward_data(grad, w, x.shape[1:3], *options) if needs[0] else None
    dw = _C.conv_transpose2d_backward_weights(x, grad, w.shape[:2], *options) if needs[1] else None
    db = _C.sum(grad, (0, 1, 2), False) if needs[2] else None
    return dx, dw, db
