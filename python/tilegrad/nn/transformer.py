"""Transformer layers."""

from __future__ import annotations

import numpy as np

from .. import _C, ops
from ..tensor import Tensor
from .arguments import check_size
from .attention import MultiheadAttention
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .normalization import LayerNorm
from .registry import register

__all__ = ["PositionalEncoding", "TransformerEncoderLayer", "sinusoidal_encoding"]

ACTIVATIONS = ("relu", "gelu")


@register
class TransformerEncoderLayer(Module):
    """Self-attention and two dense layers at every position, each with a residual sum and layer normalisation.

    Parameters
    ----------
    d_model
        The features of every position.
    nhead
        How many heads of attention; must divide ``d_model``.
    dim_feedforward
        The features between the two dense layers.
    dropout
        The share that is set to zero of the attention weights, of what both parts add, and between the dense layers.
    activation : {"relu", "gelu"}
        Between the dense layers.
    norm_first
        Whether each part reads a normalised input (which trains without a warm-up), instead of the sums being
        normalised.

    Notes
    -----
    Sources: Vaswani et al., "Attention is all you need", 2017; Xiong et al., "On layer normalization in the transformer
    architecture", 2020.

    Examples
    --------
    >>> import tilegrad as tg
    >>> layer = tg.nn.TransformerEncoderLayer(16, 4, dim_feedforward=32)
    >>> layer(tg.zeros((5, 7, 16))).shape
    (5, 7, 16)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str = "relu",
        norm_first: bool = False,
    ) -> None:
        if activation not in ACTIVATIONS:
            raise _C.ArgumentError(
                f"TransformerEncoderLayer: activation must be one of {', '.join(ACTIVATIONS)}, found {activation!r}"
            )
        self.self_attn = MultiheadAttention(d_model, nhead, dropout)
        self.linear1 = Linear(d_model, dim_feedforward, activation=activation)
        self.linear2 = Linear(dim_feedforward, d_model)
        self.norm1, self.norm2 = LayerNorm(d_model), LayerNorm(d_model)
        self.dropout, self.dropout1, self.dropout2 = Dropout(dropout), Dropout(dropout), Dropout(dropout)
        self.norm_first = norm_first

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """[N, T, d_model] to the same; masks as for :class:`MultiheadAttention`."""

        def attend(y: Tensor) -> Tensor:
            attended = self.self_attn(y, mask=mask, key_padding_mask=key_padding_mask, is_causal=is_causal)
            dropped: Tensor = self.dropout1(attended)
            return dropped

        def feed(y: Tensor) -> Tensor:
            dropped: Tensor = self.dropout2(self.linear2(self.dropout(self.linear1(y))))
            return dropped

        if self.norm_first:
            x = x + attend(self.norm1(x))
            return x + feed(self.norm2(x))
        x = self.norm1(x + attend(x))
        normalised: Tensor = self.norm2(x + feed(x))
        return normalised


def sinusoidal_encoding(length: int, features: int) -> Tensor:
    """Positions as waves: ``sin(p / 10000^(2 i / features))`` and the cosine, at features 2 i and 2 i + 1.

    Parameters
    ----------
    length
        How many positions.
    features
        How many numbers for each.

    Returns
    -------
    Tensor
        [length, features], float32; computed in float64.

    Notes
    -----
    Source: Vaswani et al., "Attention is all you need", 2017.

    Examples
    --------
    >>> from tilegrad import nn
    >>> nn.sinusoidal_encoding(2, 4)[0]
    tensor([0., 1., 0., 1.])
    """
    pairs = np.arange((features + 1) // 2)
    angles = np.arange(length)[:, None] / 10000.0 ** (2 * pairs / features)
    table = np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(length, -1)[:, :features]
    return ops.tensor(table.astype(np.float32))


@register
class PositionalEncoding(Module):
    """Adds :func:`sinusoidal_encoding` to sequences [N, T, d_model], because attention does not see an order.

    Parameters
    ----------
    d_model
        The features of every position.
    max_len
        The longest sequence.
    dropout
        The share of the sum that is set to zero while training.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.nn.PositionalEncoding(16)(tg.zeros((5, 7, 16))).shape
    (5, 7, 16)
    """

    def __init__(self, d_model: int, max_len: int = 5000, dropout: float = 0.0) -> None:
        self.d_model = check_size("PositionalEncoding", "d_model", d_model)
        self.max_len = check_size("PositionalEncoding", "max_len", max_len)
        self.dropout = Dropout(dropout)
        self._table = sinusoidal_encoding(max_len, d_model)  # follows from the arguments: no part of the state

    def forward(self, x: Tensor) -> Tensor:
        """[N, T, d_model] to the same."""
        if x.ndim != 3 or x.shape[2] != self.d_model or x.shape[1] > self.max_len:
            raise _C.ShapeError(
                f"positional_encoding: the input must be [N, T, {self.d_model}] with at most {self.max_len} positions, "
                f"found {list(x.shape)}"
            )
        summed: Tensor = self.dropout(x + self._table[: x.shape[1]].astype(x.dtype))
        return summed
