"""Attention."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .. import _C
from ..autograd import grad_enabled, is_recorded, no_grad, record
from ..generator import source_of
from ..mixed_precision import in_float32

if TYPE_CHECKING:
    from ..generator import Generator
    from ..tensor import Tensor

    Options = tuple[float, bool, float]

__all__ = ["scaled_dot_product_attention"]

Needs = tuple[bool, ...]
Gradients = tuple["Tensor | None", ...]


@in_float32
def scaled_dot_product_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    is_causal: bool = False,
    dropout_p: float = 0.0,
    scale: float | None = None,
    training: bool = True,
    generator: Generator | None = None,
) -> Tensor:
    """Every query's mean of the values, weighted by how well their keys fit: ``softmax(scale·q kᵀ + mask) v``.

    One pass over blocks of queries and keys, without the matrix of T x S weights in memory, forward and backward.

    Parameters
    ----------
    q : Tensor
        Queries [N, H, T, D], or [N, T, D] where there is one head; float32 or float64.
    k : Tensor
        Keys [N, H, S, D], of the same dtype, with an axis H where q has one.
    v : Tensor
        Values [N, H, S, E].
    mask : Tensor, optional
        Broadcasts to [N, H, T, S] ([N, T, S]): bools that are true where a query sees a key, or numbers of q's dtype
        that are added to the scores.
    is_causal
        Whether query t sees keys 0 to t alone, on top of the mask.
    dropout_p
        The share of weights that is set to zero while training, the others being divided by ``1 - dropout_p``.
    scale
        By default ``1 / sqrt(D)``.
    training
        Whether weights are dropped.
    generator
        What dropout draws from; by default the one that :func:`tilegrad.manual_seed` sets.

    Returns
    -------
    Tensor
        [N, H, T, E], or without H. A query that sees no key gives zeros, and no gradient. Its axes lie in memory in
        the order of q's.

    Raises
    ------
    ShapeError
        If ranks, samples, heads, lengths or features do not fit, or the mask does not broadcast.
    DTypeError
        If the dtypes differ or are not float32 or float64, or the mask's is neither bool nor q's.
    ArgumentError
        If ``dropout_p`` is out of range.

    Notes
    -----
    Keys are met in blocks of 64 in ascending order, whatever else is computed (docs/numerics.md), so a query's result
    has the same bits in any batch. The gradient computes the weights once more instead of keeping them. Where the mask
    itself needs a gradient (a learned bias of positions) the weights are kept and the same function is put together
    from products and a softmax. Sources: Vaswani et al., "Attention is all you need", 2017; Dao, Fu, Ermon, Rudra and
    Re, "FlashAttention", 2022.

    Examples
    --------
    >>> import tilegrad as tg
    >>> q, k = tg.zeros((1, 2, 4)), tg.zeros((1, 2, 4))
    >>> v = tg.tensor([[[1.0], [3.0]]])
    >>> tg.scaled_dot_product_attention(q, k, v, is_causal=True).reshape(2)
    tensor([1., 2.])
    """
    if not 0 <= dropout_p < 1:
        raise _C.ArgumentError(
            f"scaled_dot_product_attention: dropout_p must be at least 0 and below 1, found {dropout_p:g}"
        )
    factor = float(scale) if scale is not None else 1 / math.sqrt(max(q.shape[-1], 1)) if q.ndim else 1.0
    dropped = float(dropout_p) if training else 0.0
    if mask is not None and mask.requires_grad and grad_enabled():
        return _composed(q, k, v, mask, is_causal, dropped, factor, generator)
    recorded = is_recorded(q, k, v)
    options = (factor, is_causal, dropped)
    if dropped == 0:
        out, log_sum, used = _C.attention(q, k, v, mask, None, *options, recorded)
    else:
        source = source_of("scaled_dot_product_attention", generator)
        with source._lock:
            out, log_sum, used = _C.attention(q, k, v, mask, source._state_on(q.device), *options, recorded)
    if not recorded:
        return out
    return record(out, _attention_gradient, (q, k, v), q, k, v, mask, out, log_sum, used, options)


def _attention_gradient(
    needs: Needs,
    grad: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None,
    out: Tensor,
    log_sum: Tensor,
    used: Tensor | None,
    options: Options,
) -> Gradients:
    return _C.attention_backward(grad, q, k, v, mask, out, log_sum, used, *options)


def _composed(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor, is_causal: bool, dropout_p: float, scale: float, generator: Any
) -> Tensor:
    """The same from other ops, for a mask that is trained: the weights are in memory."""
    from .dropout import dropout
    from .matmul import matmul

    with no_grad():
        _C.attention(q, k, v, mask, None, scale, is_causal, 0.0, False)  # checks everything, with its errors
    return matmul(dropout(attention_weights(q, k, mask, is_causal, scale), dropout_p, True, generator), v)


def attention_weights(q: Tensor, k: Tensor, mask: Tensor | None, is_causal: bool, scale: float) -> Tensor:
    """The weights [..., T, S] themselves: softmax of the scores, and zeros for queries that see no key."""
    from .comparison import greater, where
    from .creation import ones
    from .matmul import matmul
    from .reduce import max as largest
    from .softmax import softmax
    from .triangles import tril
    from .views import swapaxes

    scores = matmul(q, swapaxes(k, -1, -2)) * scale
    if mask is not None:
        scores = where(mask, scores, -math.inf) if mask.dtype == "bool" else scores + mask
    if is_causal:
        scores = where(tril(ones(scores.shape[-2:], "bool")), scores, -math.inf)
    if mask is None:  # every query sees a key
        return softmax(scores, -1)
    sees = greater(largest(scores.detach(), -1, keepdims=True), -math.inf)
    return where(sees, softmax(where(sees, scores, 0.0), -1), 0.0)


def split_heads(x: Tensor, parts: int, heads: int) -> tuple[Tensor, ...]:
    """Views [N, heads, T, D] of the parts of [N, T, parts·heads·D]: queries, keys and values of one product."""
    N, T, features = x.shape
    whole = _C.reshape(x, (N, T, parts, heads, features // (parts * heads)))
    views = tuple(_C.permute(_C.basic_view("split_heads", whole, _part(i)), (0, 2, 1, 3)) for i in range(parts))
    return record(views, _split_heads_gradient, (x,), x.shape, whole.shape)


def _part(i: int) -> tuple[Any, ...]:
    return (slice(None), slice(None), i)


def _split_heads_gradient(
    needs: Needs, grad: Tensor | tuple[Tensor | None, ...], shape: tuple[int, ...], whole: tuple[int, ...]
) -> Gradients:
    grads = grad if isinstance(grad, tuple) else (grad,)
    some = next(g for g in grads if g is not None)
    dx = _C.empty(whole, some.dtype, some.device)
    for i, g in enumerate(grads):
        part = _C.basic_view("split_heads", dx, _part(i))
        if g is None:
            _C.fill_(part, 0)
        else:
            _C.assign("split_heads", part, _C.permute(g, (0, 2, 1, 3)))
    return (_C.reshape(dx, shape),)
