"""Attention of several heads."""

from __future__ import annotations

import math
from typing import Any

from .. import _C, ops
from ..ops.attention import attention_weights, split_heads
from ..tensor import Tensor
from . import init, initial
from .arguments import check_size
from .linear import Linear
from .module import Module
from .parameter import Parameter
from .registry import register

__all__ = ["MultiheadAttention"]


@register
class MultiheadAttention(Module):
    """Attention of ``num_heads`` heads to a sequence, or to itself.

    Queries, keys and values are projected to ``embed_dim`` features, which the heads share out among them; each head
    attends by itself (:func:`tilegrad.scaled_dot_product_attention`), and what they found is projected once more.

    Parameters
    ----------
    embed_dim
        The features of queries and of the result.
    num_heads
        How many heads; must divide ``embed_dim``.
    dropout
        The share of attention weights that is set to zero while training.
    bias
        Whether the projections have biases.
    kdim, vdim
        The features of keys and values, by default ``embed_dim``.

    Attributes
    ----------
    in_proj_weight : Parameter or None
        [embed_dim, 3 * embed_dim] of queries, keys and values side by side; None where ``kdim`` or ``vdim`` differ.
    q_proj_weight, k_proj_weight, v_proj_weight : Parameter or None
        [embed_dim, embed_dim], [kdim, embed_dim] and [vdim, embed_dim] where they do.
    in_proj_bias : Parameter or None
        [3 * embed_dim]
    out_proj : Linear

    Notes
    -----
    Source: Vaswani et al., "Attention is all you need", 2017. Weights start as Glorot's uniform ones, biases at zero.

    Examples
    --------
    >>> import tilegrad as tg
    >>> layer = tg.nn.MultiheadAttention(16, 4)
    >>> layer(tg.zeros((5, 7, 16))).shape
    (5, 7, 16)
    >>> y, weights = layer(tg.zeros((5, 7, 16)), tg.zeros((5, 9, 16)), need_weights=True)
    >>> weights.shape
    (5, 7, 9)
    """

    in_proj_weight: Parameter | None
    in_proj_bias: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        kdim: int | None = None,
        vdim: int | None = None,
    ) -> None:
        self.embed_dim = check_size("MultiheadAttention", "embed_dim", embed_dim)
        self.num_heads = check_size("MultiheadAttention", "num_heads", num_heads)
        if self.embed_dim % self.num_heads:
            raise _C.ArgumentError(f"MultiheadAttention: num_heads={num_heads} must divide embed_dim={embed_dim}")
        if not isinstance(dropout, (int, float)) or not 0 <= dropout < 1:
            raise _C.ArgumentError(f"MultiheadAttention: dropout must be at least 0 and below 1, found {dropout!r}")
        self.dropout = dropout
        self.kdim = self.embed_dim if kdim is None else check_size("MultiheadAttention", "kdim", kdim)
        self.vdim = self.embed_dim if vdim is None else check_size("MultiheadAttention", "vdim", vdim)
        self.in_proj_weight = self.q_proj_weight = self.k_proj_weight = self.v_proj_weight = None
        if self.kdim == self.vdim == self.embed_dim:
            self.in_proj_weight = Parameter(init.xavier_uniform((embed_dim, 3 * embed_dim)))
        else:
            self.q_proj_weight = Parameter(init.xavier_uniform((embed_dim, embed_dim)))
            self.k_proj_weight = Parameter(init.xavier_uniform((self.kdim, embed_dim)))
            self.v_proj_weight = Parameter(init.xavier_uniform((self.vdim, embed_dim)))
        self.in_proj_bias = initial.bias(3 * embed_dim) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias)
        self.out_proj.weight = Parameter(init.xavier_uniform((embed_dim, embed_dim)))

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        mask: Tensor | None = None,
        key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
        need_weights: bool = False,
        average_attn_weights: bool = True,
    ) -> Any:
        """[N, T, embed_dim] to the same.

        Parameters
        ----------
        query
            [N, T, embed_dim].
        key, value
            [N, S, kdim] and [N, S, vdim]; by default the query, and the key.
        mask
            Broadcasts to [T, S], [N, T, S] or [N, num_heads, T, S]: bools that are true where a query sees a key, or
            numbers that are added to the scores.
        key_padding_mask
            Bools [N, S], true where a key is padding that nobody sees.
        is_causal
            Whether query t sees keys 0 to t alone.
        need_weights
            Whether the weights are returned, too: [N, T, S], or [N, num_heads, T, S] unless they are averaged.
            They are those before dropout, and are computed apart.
        average_attn_weights
            Whether weights are averaged over heads.
        """
        key = query if key is None else key
        value = key if value is None else value
        features = (self.embed_dim, self.kdim, self.vdim)
        for name, x, size in zip(("query", "key", "value"), (query, key, value), features, strict=True):
            if x.ndim != 3 or x.shape[2] != size:
                raise _C.ShapeError(f"multihead_attention: {name} must be [N, length, {size}], found {list(x.shape)}")
        q, k, v = self._project(query, key, value)
        visible = self._mask(mask, key_padding_mask, key)
        out = ops.scaled_dot_product_attention(q, k, v, visible, is_causal, self.dropout if self.training else 0.0)
        merged = self.out_proj(ops.reshape(ops.permute(out, (0, 2, 1, 3)), query.shape))
        if not need_weights:
            return merged
        weights = attention_weights(q, k, visible, is_causal, 1 / math.sqrt(self.embed_dim // self.num_heads))
        return merged, ops.mean(weights, 1) if average_attn_weights else weights

    def _project(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, ...]:
        """Queries, keys and values, [N, heads, length, features]: by one product where all come from one sequence."""
        heads, size = self.num_heads, self.embed_dim
        if self.in_proj_weight is not None and query is key is value:
            return split_heads(ops.linear(query, self.in_proj_weight, self.in_proj_bias), 3, heads)
        if self.in_proj_weight is not None:
            weights = ops.split(self.in_proj_weight, 3, axis=1)
        else:
            weights = self.q_proj_weight, self.k_proj_weight, self.v_proj_weight  # type: ignore[assignment]
        biases: Any = (None,) * 3 if self.in_proj_bias is None else ops.split(self.in_proj_bias, [size] * 3)
        projected = (ops.linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True))
        return tuple(split_heads(x, 1, heads)[0] for x in projected)

    def _mask(self, mask: Tensor | None, padding: Tensor | None, key: Tensor) -> Tensor | None:
        """Both masks as one that broadcasts to [N, heads, T, S]."""
        if mask is not None and mask.ndim == 3:
            mask = ops.expand_dims(mask, 1)
        if padding is None:
            return mask
        if padding.dtype != "bool" or padding.shape != key.shape[:2]:
            raise _C.ShapeError(
                f"multihead_attention: key_padding_mask must be bool {list(key.shape[:2])}, found {padding.dtype.name} "
                f"{list(padding.shape)}"
            )
        seen = ops.reshape(ops.logical_not(padding), (padding.shape[0], 1, 1, padding.shape[1]))
        if mask is None:
            return seen
        return ops.logical_and(mask, seen) if mask.dtype == "bool" else ops.where(seen, mask, -math.inf)
