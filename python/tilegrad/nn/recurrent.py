"""Recurrent layers: any number of layers, one or two directions, sequences of different lengths."""

from __future__ import annotations

import warnings
from typing import Any

from .. import _C, ops
from ..ops.indexing import _as_indices
from ..tensor import Tensor
from . import initial
from .arguments import check_optional_size, check_size
from .module import Module
from .parameter import Parameter
from .registry import register

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell"]

States = tuple["Tensor | None", ...]


class _Recurrent(Module):
    """What layers and cells share: a kind's gates, states and op, and its parameters under names with a suffix."""

    _gates: int
    _states: tuple[str, ...] = ("h0",)
    _hidden: int
    _has_bias: bool

    def _make(self, inputs: int, suffix: str = "") -> None:
        """The parameters of one layer in one direction."""
        H = self._hidden
        setattr(self, f"weight_ih{suffix}", initial.weight((inputs, self._gates * H), fan_in=inputs))
        setattr(self, f"weight_hh{suffix}", initial.recurrent(H, self._gates))
        if self._has_bias:
            self._make_biases(suffix)

    def _make_biases(self, suffix: str) -> None:
        setattr(self, f"bias{suffix}", initial.bias(self._gates * self._hidden))

    def _weights(self, suffix: str) -> tuple[Parameter, Parameter, Parameter | None]:
        own = vars(self)
        return own[f"weight_ih{suffix}"], own[f"weight_hh{suffix}"], own.get(f"bias{suffix}")

    def _apply(
        self, x: Tensor, states: States, suffix: str, lengths: Any, reverse: bool, batch_first: bool
    ) -> tuple[Tensor, ...]:
        """The outputs and the last states."""
        raise NotImplementedError

    def _split_states(self, state: Any) -> States:
        """The initial states as the caller gave them, one by one."""
        if state is None:
            return (None,) * len(self._states)
        given = state if isinstance(state, (tuple, list)) else (state,)
        if len(given) != len(self._states) or not all(isinstance(part, Tensor) for part in given):
            expected = f"a pair ({', '.join(self._states)})" if len(self._states) == 2 else "a tensor"
            raise _C.ArgumentError(f"{type(self).__name__}: the initial state must be {expected} or None")
        return tuple(given)


class _RNN(_Recurrent):
    _gates = 1
    nonlinearity: str

    def _set_nonlinearity(self, nonlinearity: str) -> None:
        if nonlinearity not in ("tanh", "relu"):
            kind = type(self).__name__
            raise _C.ArgumentError(f"{kind}: nonlinearity must be 'tanh' or 'relu', found {nonlinearity!r}")
        self.nonlinearity = nonlinearity

    def _apply(
        self, x: Tensor, states: States, suffix: str, lengths: Any, reverse: bool, batch_first: bool
    ) -> tuple[Tensor, ...]:
        return ops.rnn(x, *self._weights(suffix), states[0], lengths, self.nonlinearity, reverse, batch_first)


class _GRU(_Recurrent):
    _gates = 3

    def _make_biases(self, suffix: str) -> None:
        super()._make_biases(suffix)
        setattr(self, f"bias_hn{suffix}", initial.bias(self._hidden))

    def _apply(
        self, x: Tensor, states: States, suffix: str, lengths: Any, reverse: bool, batch_first: bool
    ) -> tuple[Tensor, ...]:
        b_n = vars(self).get(f"bias_hn{suffix}")
        return ops.gru(x, *self._weights(suffix), b_n, states[0], lengths, reverse, batch_first)


class _LSTM(_Recurrent):
    _gates = 4
    _states = ("h0", "c0")

    def _make_biases(self, suffix: str) -> None:
        super()._make_biases(suffix)
        H = self._hidden
        _C.fill_(_C.slice(vars(self)[f"bias{suffix}"].detach(), 0, H, H, 1), 1.0)  # the forget gate starts open

    def _apply(
        self, x: Tensor, states: States, suffix: str, lengths: Any, reverse: bool, batch_first: bool
    ) -> tuple[Tensor, ...]:
        h0, c0 = states
        return ops.lstm(x, *self._weights(suffix), h0, c0, lengths, reverse, batch_first)


class _Layers(_Recurrent):
    """Layers on top of each other, in one or two directions."""

    def __init__(
        self,
        input_size: int | None = None,
        hidden_size: int | None = None,
        num_layers: int = 1,
        batch_first: bool = True,
        bidirectional: bool = False,
        dropout: float = 0.0,
        bias: bool = True,
    ) -> None:
        kind = type(self).__name__
        self.input_size = check_optional_size(kind, "input_size", input_size)
        self.hidden_size = self._hidden = check_size(kind, "hidden_size", hidden_size)
        self.num_layers = check_size(kind, "num_layers", num_layers)
        if not isinstance(dropout, (int, float)) or not 0 <= dropout < 1:
            raise _C.ArgumentError(f"{kind}: dropout must be at least 0 and below 1, found {dropout!r}")
        if dropout and self.num_layers == 1:
            warnings.warn(f"{kind}: dropout acts between layers, and there is one: it does nothing", stacklevel=2)
        self.batch_first, self.bidirectional, self.dropout = bool(batch_first), bool(bidirectional), float(dropout)
        self._has_bias = bool(bias)
        self._make_if_known(input_size)

    def _suffixes(self, layer: int) -> list[str]:
        return [f"_l{layer}", f"_l{layer}_reverse"] if self.bidirectional else [f"_l{layer}"]

    def _make_parameters(self) -> None:
        assert self.input_size is not None
        for layer in range(self.num_layers):
            suffixes = self._suffixes(layer)
            for suffix in suffixes:
                self._make(self.input_size if layer == 0 else len(suffixes) * self.hidden_size, suffix)

    def _create(self, x: Tensor, *rest: Any) -> None:
        kind = type(self).__name__
        if x.ndim != 3:
            letters = "[N, T, input_size]" if self.batch_first else "[T, N, input_size]"
            raise _C.ShapeError(f"{kind.lower()}: the input must be {letters}, found {list(x.shape)}")
        self._infer(input_size=check_size(kind, "the input's last axis", x.shape[-1]))

    def _run(self, x: Tensor, state: Any, lengths: Any) -> tuple[Tensor, list[Tensor]]:
        """The outputs of the last layer, and the last states: [layers * directions, N, H]."""
        initial_states = self._split_states(state)
        directions = 2 if self.bidirectional else 1
        if x.ndim == 3:
            expected = (self.num_layers * directions, x.shape[0 if self.batch_first else 1], self.hidden_size)
            for name, given in zip(self._states, initial_states, strict=True):
                if given is not None and given.shape != expected:
                    raise _C.ShapeError(
                        f"{type(self).__name__.lower()}: {name} must be [layers * directions, N, hidden_size] = "
                        f"{list(expected)}, found {list(given.shape)}"
                    )
        if lengths is not None:
            lengths = _as_indices(type(self).__name__.lower(), lengths, "lengths")
        last: list[list[Tensor]] = [[] for _ in self._states]
        for layer in range(self.num_layers):
            if layer > 0:
                x = ops.dropout(x, self.dropout, self.training)
            outputs = []
            for direction, suffix in enumerate(self._suffixes(layer)):
                index = layer * directions + direction
                states = tuple(None if given is None else given[index] for given in initial_states)
                y, *after = self._apply(x, states, suffix, lengths, direction == 1, self.batch_first)
                outputs.append(y)
                for collected, value in zip(last, after, strict=True):
                    collected.append(value)
            x = outputs[0] if directions == 1 else ops.concat(outputs, axis=-1)
        return x, [ops.stack(values) if len(values) > 1 else ops.expand_dims(values[0], 0) for values in last]


@register
class RNN(_RNN, _Layers):
    """Simple recurrent layers: ``h[t] = tanh(x[t] W + b + h[t - 1] U)``; see :func:`tilegrad.rnn`.

    Parameters
    ----------
    input_size
        The size of the last axis of the input; None (or left out) to infer it from the first input.
    hidden_size
        H, the size of the state.
    num_layers
        How many layers; each but the first takes the outputs of the one before.
    batch_first
        Whether input and output are [N, T, ...] or [T, N, ...].
    bidirectional
        Whether every layer has a second one that goes from each sequence's end to its start; their outputs lie side by
        side.
    dropout
        The share of each layer's outputs, but for the last layer's, that is set to zero while training.
    bias
        Whether there are biases.
    nonlinearity : {"tanh", "relu"}
        What is applied to each sum.

    Attributes
    ----------
    weight_ih_l0, weight_ih_l1, ... : Parameter
        [input_size, H], and [H, H] from layer 1 on, [2 H, H] if bidirectional.
    weight_hh_l0, ... : Parameter
        [H, H], orthogonal at first.
    bias_l0, ... : Parameter
        [H]
    weight_ih_l0_reverse, ... : Parameter
        Of the second direction.

    Examples
    --------
    >>> import tilegrad as tg
    >>> layer = tg.nn.RNN(8, 16, num_layers=2)
    >>> y, h = layer(tg.zeros((3, 5, 8)))
    >>> y.shape, h.shape
    ((3, 5, 16), (2, 3, 16))
    """

    def __init__(
        self,
        input_size: int | None = None,
        hidden_size: int | None = None,
        num_layers: int = 1,
        batch_first: bool = True,
        bidirectional: bool = False,
        dropout: float = 0.0,
        bias: bool = True,
        nonlinearity: str = "tanh",
    ) -> None:
        self._set_nonlinearity(nonlinearity)
        super().__init__(input_size, hidden_size, num_layers, batch_first, bidirectional, dropout, bias)

    def forward(self, x: Tensor, state: Tensor | None = None, lengths: Any = None) -> tuple[Tensor, Tensor]:
        """Of x [N, T, input_size], state [layers * directions, N, H] and lengths [N]: the outputs and last states."""
        y, (h,) = self._run(x, state, lengths)
        return y, h


@register
class GRU(_GRU, _Layers):
    """Layers of gated recurrent units; see :func:`tilegrad.gru` for the formula and :class:`RNN` for the arguments.

    The reset gate comes after the product, as in cuDNN and PyTorch.

    Attributes
    ----------
    weight_ih_l0, ... : Parameter
        [input_size, 3 H], gates in the order r, z, n.
    weight_hh_l0, ... : Parameter
        [H, 3 H], each gate's part orthogonal at first.
    bias_l0, ... : Parameter
        [3 H]
    bias_hn_l0, ... : Parameter
        [H], the bias inside the reset gate.

    Examples
    --------
    >>> import tilegrad as tg
    >>> layer = tg.nn.GRU(8, 16, bidirectional=True)
    >>> y, h = layer(tg.zeros((3, 5, 8)), lengths=[5, 2, 3])
    >>> y.shape, h.shape
    ((3, 5, 32), (2, 3, 16))
    """

    def forward(self, x: Tensor, state: Tensor | None = None, lengths: Any = None) -> tuple[Tensor, Tensor]:
        """Of x [N, T, input_size], state [layers * directions, N, H] and lengths [N]: the outputs and last states."""
        y, (h,) = self._run(x, state, lengths)
        return y, h


@register
class LSTM(_LSTM, _Layers):
    """Layers of long short-term memory; see :func:`tilegrad.lstm` for the formula and :class:`RNN` for the arguments.

    Attributes
    ----------
    weight_ih_l0, ... : Parameter
        [input_size, 4 H], gates in the order i, f, g, o.
    weight_hh_l0, ... : Parameter
        [H, 4 H], each gate's part orthogonal at first.
    bias_l0, ... : Parameter
        [4 H], 1 for the forget gate and 0 for the others at first.

    Examples
    --------
    >>> import tilegrad as tg
    >>> layer = tg.nn.LSTM(8, 16)
    >>> y, (h, c) = layer(tg.zeros((3, 5, 8)))
    >>> y.shape, h.shape, c.shape
    ((3, 5, 16), (1, 3, 16), (1, 3, 16))
    """

    def forward(
        self, x: Tensor, state: tuple[Tensor, Tensor] | None = None, lengths: Any = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Of x [N, T, input_size], states (h, c) of [layers * directions, N, H] and lengths [N]: y and (h, c)."""
        y, (h, c) = self._run(x, state, lengths)
        return y, (h, c)


class _Cell(_Recurrent):
    """One step of one layer."""

    def __init__(self, input_size: int | None = None, hidden_size: int | None = None, bias: bool = True) -> None:
        kind = type(self).__name__
        self.input_size = check_optional_size(kind, "input_size", input_size)
        self.hidden_size = self._hidden = check_size(kind, "hidden_size", hidden_size)
        self._has_bias = bool(bias)
        self._make_if_known(input_size)

    def _make_parameters(self) -> None:
        assert self.input_size is not None
        self._make(self.input_size)

    def _check(self, x: Tensor) -> None:
        if x.ndim != 2:
            raise _C.ShapeError(f"{type(self).__name__}: the input must be [N, input_size], found {list(x.shape)}")

    def _create(self, x: Tensor, *rest: Any) -> None:
        self._check(x)
        self._infer(input_size=check_size(type(self).__name__, "the input's last axis", x.shape[-1]))

    def _step(self, x: Tensor, state: Any) -> tuple[Tensor, ...]:
        self._check(x)
        _, *after = self._apply(ops.expand_dims(x, 1), self._split_states(state), "", None, False, True)
        return tuple(after)


@register
class RNNCell(_RNN, _Cell):
    """One step of :class:`RNN`, for loops of your own.

    Parameters
    ----------
    input_size
        The size of the last axis of the input; None (or left out) to infer it from the first input.
    hidden_size
        H, the size of the state.
    bias
        Whether there are biases.
    nonlinearity : {"tanh", "relu"}
        What is applied to the sum.

    Attributes
    ----------
    weight_ih, weight_hh, bias : Parameter
        As in :class:`RNN`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> cell = tg.nn.RNNCell(8, 16)
    >>> h = cell(tg.zeros((3, 8)))
    >>> cell(tg.zeros((3, 8)), h).shape
    (3, 16)
    """

    def __init__(
        self,
        input_size: int | None = None,
        hidden_size: int | None = None,
        bias: bool = True,
        nonlinearity: str = "tanh",
    ) -> None:
        self._set_nonlinearity(nonlinearity)
        super().__init__(input_size, hidden_size, bias)

    def forward(self, x: Tensor, state: Tensor | None = None) -> Tensor:
        """Of x [N, input_size] and the state [N, H], zeros if None: the next state."""
        return self._step(x, state)[0]


@register
class GRUCell(_GRU, _Cell):
    """One step of :class:`GRU`, for loops of your own.

    Parameters
    ----------
    input_size, hidden_size, bias
        As in :class:`RNNCell`.

    Attributes
    ----------
    weight_ih, weight_hh, bias, bias_hn : Parameter
        As in :class:`GRU`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.GRUCell(8, 16)(tg.zeros((3, 8))).shape
    (3, 16)
    """

    def forward(self, x: Tensor, state: Tensor | None = None) -> Tensor:
        """Of x [N, input_size] and the state [N, H], zeros if None: the next state."""
        return self._step(x, state)[0]


@register
class LSTMCell(_LSTM, _Cell):
    """One step of :class:`LSTM`, for loops of your own.

    Parameters
    ----------
    input_size, hidden_size, bias
        As in :class:`RNNCell`.

    Attributes
    ----------
    weight_ih, weight_hh, bias : Parameter
        As in :class:`LSTM`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> h, c = tg.nn.LSTMCell(8, 16)(tg.zeros((3, 8)))
    >>> h.shape, c.shape
    ((3, 16), (3, 16))
    """

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """Of x [N, input_size] and the states (h, c) of [N, H], zeros if None: the next ones."""
        h, c = self._step(x, state)
        return h, c
