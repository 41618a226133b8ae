"""Recurrent layers over whole sequences: one layer in one direction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _C
from ..autograd import record
from ..mixed_precision import in_float32
from .indexing import _as_indices

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["gru", "lstm", "rnn"]

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]
Grads = tuple["Tensor | None", ...]


@in_float32
def rnn(
    x: Tensor,
    w: Tensor,
    u: Tensor,
    b: Tensor | None = None,
    h0: Tensor | None = None,
    lengths: Any = None,
    nonlinearity: str = "tanh",
    reverse: bool = False,
    batch_first: bool = True,
) -> tuple[Tensor, Tensor]:
    """A simple recurrent layer: ``h[t] = tanh(x[t] w + b + h[t - 1] u)``.

    Parameters
    ----------
    x
        [N, T, I]: N sequences of T steps of I numbers, float32 or float64; [T, N, I] with ``batch_first=False``.
    w
        [I, H], the input's weights.
    u
        [H, H], the recurrent weights.
    b
        [H]; None for none.
    h0
        [N, H], the states before the first step; None for zeros.
    lengths
        [N] integers (a tensor, array or list) from 0 to T: how many steps of each sequence count; None for all. What
        lies behind, finite numbers, counts for nothing: its outputs and gradients are zero, and the last state is that
        of the last step that counts.
    nonlinearity : {"tanh", "relu"}
        What is applied to each sum.
    reverse
        From each sequence's own last step to its first. Outputs stay at the time of their input.
    batch_first
        Whether x and y are [N, T, ...] or [T, N, ...].

    Returns
    -------
    y : Tensor
        [N, T, H], the states after all steps; its memory is [T, N, H] in either layout.
    h : Tensor
        [N, H], the states after the last step.

    Raises
    ------
    ShapeError
        If an argument has another shape.
    DTypeError
        If the dtypes differ or are not floating, or lengths are no integers.
    OutOfRangeError
        If a length is negative or above T.
    ArgumentError
        If the nonlinearity is another.

    Notes
    -----
    A sequence's results do not depend on the others of its batch, to the bit.

    Source: Jeffrey L. Elman, Finding structure in time, Cognitive Science 14, 1990.

    Examples
    --------
    >>> import tilegrad as tg
    >>> one = tg.ones((1, 1))
    >>> y, h = tg.rnn(tg.tensor([[[1.0], [2.0], [-9.0]]]), one, one, nonlinearity="relu")
    >>> y[0, :, 0], h
    (tensor([1., 3., 0.]), tensor([[0.]]))
    """
    if nonlinearity not in ("tanh", "relu"):
        raise _C.ArgumentError(f"rnn: nonlinearity must be 'tanh' or 'relu', found {nonlinearity!r}")
    if lengths is not None:
        lengths = _as_indices("rnn", lengths, "lengths")
    y, h, states = _C.rnn(x, w, u, b, h0, lengths, reverse, batch_first, nonlinearity)
    saved = (x, w, u, h0, lengths, reverse, batch_first, nonlinearity, states)
    result: tuple[Tensor, Tensor] = record((y, h), _rnn_gradient, (x, w, u, b, h0), *saved)
    return result


def _rnn_gradient(
    needs: Needs,
    grads: Grads,
    x: Tensor,
    w: Tensor,
    u: Tensor,
    h0: Tensor | None,
    lengths: Tensor | None,
    reverse: bool,
    batch_first: bool,
    nonlinearity: str,
    states: Tensor,
) -> Gradients:
    dy, dh = grads
    return _C.rnn_backward(dy, dh, x, w, u, h0, lengths, reverse, batch_first, nonlinearity, states, needs)


@in_float32
def gru(
    x: Tensor,
    w: Tensor,
    u: Tensor,
    b: Tensor | None = None,
    b_n: Tensor | None = None,
    h0: Tensor | None = None,
    lengths: Any = None,
    reverse: bool = False,
    batch_first: bool = True,
) -> tuple[Tensor, Tensor]:
    """A layer of gated recurrent units.

    With ``a = x[t] w + b`` and ``s = h[t - 1] u``, each cut in three, in the order r, z, n::

        r = sigmoid(a_r + s_r)
        z = sigmoid(a_z + s_z)
        n = tanh(a_n + r * (s_n + b_n))
        h[t] = (1 - z) * n + z * h[t - 1]

    Parameters
    ----------
    x
        [N, T, I]: N sequences of T steps of I numbers, float32 or float64; [T, N, I] with ``batch_first=False``.
    w
        [I, 3 H], the input's weights.
    u
        [H, 3 H], the recurrent weights.
    b
        [3 H]; None for none.
    b_n
        [H], the one bias of the recurrent product that is not the same as a part of ``b``, because the reset gate
        multiplies it; None for none. (PyTorch's ``bias_ih`` and ``bias_hh`` are ``b = bias_ih`` with the first 2 H
        elements of ``bias_hh`` added, and ``b_n`` the rest of ``bias_hh``.)
    h0, lengths, reverse, batch_first
        As for :func:`rnn`.

    Returns
    -------
    y : Tensor
        [N, T, H], the states after all steps; its memory is [T, N, H] in either layout.
    h : Tensor
        [N, H], the states after the last step.

    Raises
    ------
    ShapeError, DTypeError, OutOfRangeError
        As :func:`rnn`.

    Notes
    -----
    The reset gate comes after the product, as in cuDNN and PyTorch; a sequence's results do not depend on the others of
    its batch, to the bit.

    Source: Cho et al., Learning phrase representations using RNN encoder-decoder for statistical machine translation,
    EMNLP 2014, in the later form with the reset gate behind the product.

    Examples
    --------
    >>> import tilegrad as tg
    >>> zeros = tg.zeros((1, 3))
    >>> y, h = tg.gru(tg.zeros((1, 2, 1)), zeros, zeros, h0=tg.ones((1, 1)))  # z = 1/2 and n = 0
    >>> y[0, :, 0], h
    (tensor([0.5 , 0.25]), tensor([[0.25]]))
    """
    if lengths is not None:
        lengths = _as_indices("gru", lengths, "lengths")
    y, h, states, gates, inner = _C.gru(x, w, u, b, b_n, h0, lengths, reverse, batch_first)
    saved = (x, w, u, h0, lengths, reverse, batch_first, states, gates, inner)
    result: tuple[Tensor, Tensor] = record((y, h), _gru_gradient, (x, w, u, b, b_n, h0), *saved)
    return result


def _gru_gradient(
    needs: Needs,
    grads: Grads,
    x: Tensor,
    w: Tensor,
    u: Tensor,
    h0: Tensor | None,
    lengths: Tensor | None,
    reverse: bool,
    batch_first: bool,
    states: Tensor,
    gates: Tensor,
    inner: Tensor,
) -> Gradients:
    dy, dh = grads
    return _C.gru_backward(dy, dh, x, w, u, h0, lengths, reverse, batch_first, states, gates, inner, needs)


@in_float32
def lstm(
    x: Tensor,
    w: Tensor,
    u: Tensor,
    b: Tensor | None = None,
    h0: Tensor | None = None,
    c0: Tensor | None = None,
    lengths: Any = None,
    reverse: bool = False,
    batch_first: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:
    """A layer of long short-term memory.

    With ``s = x[t] w + b + h[t - 1] u``, cut in four, in the order i, f, g, o::

        c[t] = sigmoid(s_f) * c[t - 1] + sigmoid(s_i) * tanh(s_g)
        h[t] = sigmoid(s_o) * tanh(c[t])

    Parameters
    ----------
    x
        [N, T, I]: N sequences of T steps of I numbers, float32 or float64; [T, N, I] with ``batch_first=False``.
    w
        [I, 4 H], the input's weights.
    u
        [H, 4 H], the recurrent weights.
    b
        [4 H]; None for none. (PyTorch's two biases are added.)
    h0, c0
        [N, H], the states and cells before the first step; None for zeros.
    lengths, reverse, batch_first
        As for :func:`rnn`.

    Returns
    -------
    y : Tensor
        [N, T, H], the states after all steps; its memory is [T, N, H] in either layout.
    h, c : Tensor
        [N, H], the states and the cells after the last step.

    Raises
    ------
    ShapeError, DTypeError, OutOfRangeError
        As :func:`rnn`.

    Notes
    -----
    A sequence's results do not depend on the others of its batch, to the bit.

    Source: Sepp Hochreiter and Jürgen Schmidhuber, Long short-term memory, Neural Computation 9, 1997, with the forget
    gate of Gers, Schmidhuber and Cummins, Learning to forget, 2000.

    Examples
    --------
    >>> import tilegrad as tg
    >>> zeros = tg.zeros((1, 4))
    >>> y, h, c = tg.lstm(tg.zeros((1, 2, 1)), zeros, zeros, c0=tg.ones((1, 1)))  # all gates are half open
    >>> c
    tensor([[0.25]])
    """
    if lengths is not None:
        lengths = _as_indices("lstm", lengths, "lengths")
    y, h, c, states, gates, cells = _C.lstm(x, w, u, b, h0, c0, lengths, reverse, batch_first)
    saved = (x, w, u, h0, c0, lengths, reverse, batch_first, states, gates, cells)
    result: tuple[Tensor, Tensor, Tensor] = record((y, h, c), _lstm_gradient, (x, w, u, b, h0, c0), *saved)
    return result


def _lstm_gradient(
    needs: Needs,
    grads: Grads,
    x: Tensor,
    w: Tensor,
    u: Tensor,
    h0: Tensor | None,
    c0: Tensor | None,
    lengths: Tensor | None,
    reverse: bool,
    batch_first: bool,
    states: Tensor,
    gates: Tensor,
    cells: Tensor,
) -> Gradients:
    dy, dh, dc = grads
    return _C.lstm_backward(dy, dh, dc, x, w, u, h0, c0, lengths, reverse, batch_first, states, gates, cells, needs)
