"""Convolution and pooling of sequences [N, L, C]: those of images that are one row high."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import _C
from .arguments import require_tensors
from .conv import conv2d, conv_transpose2d
from .pool import avg_pool2d, max_pool2d
from .views import expand_dims, squeeze

if TYPE_CHECKING:
    from ..tensor import Tensor

    Sides = str | int | tuple[int, int]

__all__ = ["avg_pool1d", "conv1d", "conv_transpose1d", "max_pool1d"]


def conv1d(
    x: Tensor,
    w: Tensor,
    b: Tensor | None = None,
    stride: int = 1,
    padding: Sides = "valid",
    dilation: int = 1,
    groups: int = 1,
    activation: str | None = None,
) -> Tensor:
    """Convolution (cross-correlation) of sequences, with bias and activation in the same pass.

    ``y[n, q, k] = activation(b[k] + sum over s, c of x[n, q·stride + s·dilation - left, c] · w[s, c, k])``, with zeros
    outside the sequence: :func:`conv2d` of images that are one row high, with its bits.

    Parameters
    ----------
    x : Tensor
        [N, L, C], float32 or float64.
    w : Tensor
        [S, C / groups, K], of the same dtype.
    b : Tensor, optional
        [K], of the same dtype.
    stride
        Distance between windows.
    padding
        ``"valid"`` (none), ``"same"`` (TensorFlow's rule), ``"causal"`` ((S - 1)·dilation in front, so that no output
        depends on later inputs), an integer, or (left, right).
    dilation
        Distance between taps.
    groups
        Divides C and K.
    activation : {"relu", "sigmoid", "tanh", "gelu"}, optional
        Applied to every output.

    Returns
    -------
    Tensor
        [N, Q, K] with Q = (L + left + right - (S - 1)·dilation - 1) // stride + 1.

    Raises
    ------
    ShapeError
        If a rank is wrong, the channels do not fit, or the kernel is longer than the padded sequence.
    DTypeError
        If the dtypes differ or are not float32 or float64.
    ArgumentError
        If a stride, dilation, padding or groups makes no sense, or the activation is unknown.

    Examples
    --------
    >>> import tilegrad as tg
    >>> x, w = tg.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1), tg.ones((2, 1, 1))
    >>> tg.conv1d(x, w, padding="causal").reshape(4)
    tensor([1., 3., 5., 7.])
    """
    _require("conv1d", x, w, "[S, C / groups, K]")
    if isinstance(groups, int) and groups > 0 and x.shape[2] % groups == 0 and w.shape[1] * groups != x.shape[2]:
        raise _C.ShapeError(
            f"conv1d: x has {x.shape[2]} channels, so w's second dimension must be {x.shape[2] // groups} (x's "
            f"channels / groups), found {w.shape[1]}"
        )
    step, apart = _whole("conv1d", "stride", stride), _whole("conv1d", "dilation", dilation)
    sides = ((0, 0), (max((w.shape[0] - 1) * apart, 0), 0)) if padding == "causal" else _sides("conv1d", padding)
    return _of_rows("conv1d", "conv2d", lambda: _flat(
        conv2d(expand_dims(x, 1), expand_dims(w, 0), b, (1, step), sides, (1, apart), groups, activation)
    ))  # fmt: skip


def conv_transpose1d(
    x: Tensor,
    w: Tensor,
    b: Tensor | None = None,
    stride: int = 1,
    padding: Sides = "valid",
    output_padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
    activation: str | None = None,
) -> Tensor:
    """Transposed convolution of sequences: the gradient of :func:`conv1d` by its input, as a function.

    ``y[n, q·stride + s·dilation - left, k] += x[n, q, c] · w[s, k, c]``, then ``activation(y + b)``:
    :func:`conv_transpose2d` of images that are one row high, with its bits.

    Parameters
    ----------
    x : Tensor
        [N, Q, C], float32 or float64.
    w : Tensor
        [S, K / groups, C], of the same dtype: the weight of the convolution that is transposed.
    b : Tensor, optional
        [K], of the same dtype.
    stride
        Distance between the places of neighbouring inputs.
    padding
        What is cropped from the output: ``"valid"`` (nothing), ``"same"`` (L = Q·stride), an integer, or (left, right).
    output_padding
        How much longer the output is at the right, below the larger of stride and dilation.
    dilation, groups, activation
        As for :func:`conv1d`.

    Returns
    -------
    Tensor
        [N, L, K] with L = (Q - 1)·stride + (S - 1)·dilation + 1 + output_padding - left - right.

    Raises
    ------
    ShapeError, DTypeError, ArgumentError
        As :func:`conv_transpose2d`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> x, w = tg.tensor([1.0, 2.0]).reshape(1, 2, 1), tg.ones((2, 1, 1))
    >>> tg.conv_transpose1d(x, w, stride=2).reshape(4)
    tensor([1., 1., 2., 2.])
    """
    _require("conv_transpose1d", x, w, "[S, K / groups, C]")
    step, apart = _whole("conv_transpose1d", "stride", stride), _whole("conv_transpose1d", "dilation", dilation)
    more = (0, _whole("conv_transpose1d", "output_padding", output_padding))
    sides = _sides("conv_transpose1d", padding)
    return _of_rows("conv_transpose1d", "conv_transpose2d", lambda: _flat(
        conv_transpose2d(
            expand_dims(x, 1), expand_dims(w, 0), b, (1, step), sides, more, (1, apart), groups, activation
        )
    ))  # fmt: skip


def max_pool1d(
    x: Tensor, kernel_size: int, stride: int | None = None, padding: Sides = "valid", ceil_mode: bool = False
) -> Tensor:
    """The maximum of every window of sequences, channel by channel; :func:`max_pool2d` says the rest.

    Parameters
    ----------
    x : Tensor
        [N, L, C], float32 or float64.
    kernel_size
        Length of the windows.
    stride
        Distance between windows; by default ``kernel_size``.
    padding
        ``"valid"``, ``"same"``, an integer or (left, right); must be smaller than ``kernel_size``.
    ceil_mode
        Whether a last window may stick out behind the padded sequence.

    Returns
    -------
    Tensor
        [N, Q, C]

    Raises
    ------
    ShapeError
        If x is not of rank 3 or a window is longer than the padded sequence.
    DTypeError
        If x is not float32 or float64.
    ArgumentError
        If a kernel size, stride or padding makes no sense.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.max_pool1d(tg.tensor([1.0, 5.0, 2.0, 3.0]).reshape(1, 4, 1), 2).reshape(2)
    tensor([5., 3.])
    """
    kernel, step, sides = _windows("max_pool1d", x, kernel_size, stride, padding)
    return _of_rows(
        "max_pool1d", "max_pool2d", lambda: _flat(max_pool2d(expand_dims(x, 1), kernel, step, sides, ceil_mode))
    )


def avg_pool1d(
    x: Tensor,
    kernel_size: int,
    stride: int | None = None,
    padding: Sides = "valid",
    ceil_mode: bool = False,
    count_include_pad: bool = False,
) -> Tensor:
    """The mean of every window of sequences, channel by channel; :func:`avg_pool2d` says the rest.

    Parameters
    ----------
    x, kernel_size, stride, padding, ceil_mode
        As for :func:`max_pool1d`; errors likewise.
    count_include_pad
        Whether the zeros of the padding count as numbers of the window.

    Returns
    -------
    Tensor
        [N, Q, C]

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.avg_pool1d(tg.tensor([1.0, 5.0, 2.0, 3.0]).reshape(1, 4, 1), 2).reshape(2)
    tensor([3. , 2.5])
    """
    kernel, step, sides = _windows("avg_pool1d", x, kernel_size, stride, padding)
    return _of_rows(
        "avg_pool1d",
        "avg_pool2d",
        lambda: _flat(avg_pool2d(expand_dims(x, 1), kernel, step, sides, ceil_mode, count_include_pad)),
    )


def _flat(y: Tensor) -> Tensor:
    return squeeze(y, 1)


def _require_sequences(op: str, x: Tensor) -> None:
    require_tensors(op, x=x)
    if x.ndim != 3:
        hint = "; add a batch dimension of 1 in front" if x.ndim == 2 else ""
        raise _C.ShapeError(f"{op}: x must have 3 dimensions [N, L, C], found {list(x.shape)}{hint}")


def _require(op: str, x: Tensor, w: Tensor, letters: str) -> None:
    _require_sequences(op, x)
    require_tensors(op, w=w)
    if w.ndim != 3:
        raise _C.ShapeError(f"{op}: w must have 3 dimensions {letters}, found {list(w.shape)}")


def _whole(op: str, name: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise _C.ArgumentError(f"{op}: {name} must be an integer, found {value!r}") from None


def _sides(op: str, padding: Any) -> Any:
    """As an image's padding: rows get none."""
    if isinstance(padding, str) and padding in ("valid", "same"):
        return padding
    sides = padding if isinstance(padding, (tuple, list)) else (padding, padding)
    try:
        left, right = (operator.index(side) for side in sides)
    except (TypeError, ValueError):
        causal = ', "causal"' if op == "conv1d" else ""
        raise _C.ArgumentError(
            f'{op}: padding must be "valid", "same"{causal}, an integer or (left, right); found {padding!r}'
        ) from None
    return ((0, 0), (left, right))


def _windows(op: str, x: Tensor, kernel_size: Any, stride: Any, padding: Any) -> tuple[Any, Any, Any]:
    _require_sequences(op, x)
    kernel = _whole(op, "kernel_size", kernel_size)
    return (1, kernel), (1, kernel if stride is None else _whole(op, "stride", stride)), _sides(op, padding)


def _of_rows(op: str, images: str, compute: Callable[[], Tensor]) -> Tensor:
    """The result, with errors of the images' op named after the sequences'."""
    try:
        return compute()
    except _C.TilegradError as error:
        text = str(error).replace(f"{images}:", f"{op}:").replace(" columns", " positions")
        error.args = (text,)
        raise
