"""Losses of pairs and triples of embeddings, for siamese networks: made of other ops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _C
from ..mixed_precision import in_float32
from .activation import relu
from .arguments import number_of, renamed, require_tensors
from .comparison import maximum, minimum, where
from .elementwise import add, divide, multiply, square, subtract
from .reduce import mean, norm
from .reduce import sum as sum_axes

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["contrastive_loss", "cosine_embedding_loss", "cosine_similarity", "triplet_margin_loss"]


@in_float32
def cosine_similarity(a: Tensor, b: Tensor, axis: int = -1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors: ``sum(a b) / (max(|a|, eps) max(|b|, eps))``.

    Parameters
    ----------
    a, b
        Floating, of one dtype; shapes broadcast.
    axis
        The axis along which the vectors lie.
    eps
        The least length that is divided by, so that vectors of zeros have the cosine 0.

    Returns
    -------
    Tensor
        Of the broadcast shape without that axis.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    DTypeError
        If the dtypes differ or are not floating.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.cosine_similarity(tg.tensor([3.0, 4.0]), tg.tensor([0.0, 2.0]))
    tensor(0.8)
    """
    require_tensors("cosine_similarity", a=a, b=b)
    op = "cosine_similarity"
    least = number_of(op, "eps", eps)
    try:
        lengths = multiply(maximum(norm(a, axis, keepdims=True), least), maximum(norm(b, axis, keepdims=True), least))
        return sum_axes(divide(multiply(a, b), lengths), axis)
    except _C.TilegradError as error:
        raise renamed(error, op) from None


@in_float32
def cosine_embedding_loss(a: Tensor, b: Tensor, target: Tensor, margin: float = 0.0, reduction: str = "mean") -> Tensor:
    """Draws like vectors to one direction: ``1 - cos`` for pairs that belong together, else ``max(0, cos - margin)``.

    Parameters
    ----------
    a, b
        float32 or float64 [..., D], of one shape and dtype. Gradients flow to both.
    target
        [...]: positive for pairs that belong together, as 1, else -1 or 0; of any dtype but float16 and bfloat16.
    margin
        The cosine of pairs that do not belong together that is low enough; from -1 to 1.
    reduction
        ``"mean"`` over the pairs, ``"sum"`` or ``"none"``: a loss for every pair.

    Returns
    -------
    Tensor
        One number, or [...] for ``reduction="none"``, of the dtype of ``a``.

    Raises
    ------
    ShapeError
        If the shapes do not fit, or the batch is empty and a mean is asked for.
    DTypeError
        If the dtypes do not fit.
    ArgumentError
        For another ``reduction``.

    Examples
    --------
    >>> import tilegrad as tg
    >>> a, b = tg.tensor([[3.0, 4.0], [3.0, 4.0]]), tg.tensor([[0.0, 2.0], [0.0, 2.0]])
    >>> tg.cosine_embedding_loss(a, b, tg.tensor([1, -1]), margin=0.3, reduction="none")
    tensor([0.19999999, 0.5       ])
    """
    op = "cosine_embedding_loss"
    _check_vectors(op, a=a, b=b)
    _check_target(op, a, target)
    cosine, most = cosine_similarity(a, b), number_of(op, "margin", margin)
    losses = where(_together(target), subtract(1.0, cosine), relu(subtract(cosine, most)))
    return _reduced(op, losses, reduction)


@in_float32
def contrastive_loss(a: Tensor, b: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """Draws like vectors together: ``d^2 / 2`` for pairs that belong together, ``max(0, margin - d)^2 / 2`` for others.

    ``d`` is the Euclidean distance ``|a - b|``.

    Parameters
    ----------
    a, b
        float32 or float64 [..., D], of one shape and dtype. Gradients flow to both, 0 where they are equal.
    target
        As for :func:`cosine_embedding_loss`.
    margin
        The distance of pairs that do not belong together that is far enough.
    reduction
        As for :func:`cosine_embedding_loss`, over the pairs; errors likewise.

    Returns
    -------
    Tensor
        One number, or [...] for ``reduction="none"``, of the dtype of ``a``.

    Notes
    -----
    Hadsell, Chopra and LeCun, Dimensionality reduction by learning an invariant mapping, 2006. Mind that they write 0
    for pairs that belong together.

    Examples
    --------
    >>> import tilegrad as tg
    >>> a, b = tg.tensor([[0.0, 0.0], [0.0, 0.0]]), tg.tensor([[0.3, 0.4], [0.3, 0.4]])
    >>> tg.contrastive_loss(a, b, tg.tensor([1, 0]), reduction="none")
    tensor([0.125, 0.125])
    """
    op = "contrastive_loss"
    _check_vectors(op, a=a, b=b)
    _check_target(op, a, target)
    distance = norm(subtract(a, b), -1)
    gap = where(_together(target), distance, relu(subtract(number_of(op, "margin", margin), distance)))
    return _reduced(op, multiply(square(gap), 0.5), reduction)


@in_float32
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """Brings the anchor closer to the positive than to the negative: ``max(0, d(a, p) - d(a, n) + margin)``.

    ``d(a, b)`` is the ``p``-norm of ``a - b + eps``.

    Parameters
    ----------
    anchor, positive, negative
        float32 or float64 [..., D], of one shape and dtype. Gradients flow to all three.
    margin
        By how much closer is close enough.
    p
        The norm: 1, 2 or infinity.
    eps
        Keeps the distance of equal vectors from 0, where its gradient would be 0.
    swap
        Whether the distance of positive and negative counts where it is smaller than that of anchor and negative.
    reduction
        As for :func:`cosine_embedding_loss`, over the triplets; errors likewise.

    Returns
    -------
    Tensor
        One number, or [...] for ``reduction="none"``, of the dtype of ``anchor``.

    Raises
    ------
    ArgumentError
        For another ``p``.

    Notes
    -----
    Balntas, Riba, Ponsa and Mikolajczyk, Learning local feature descriptors with triplets and shallow convolutional
    neural networks, 2016.

    Examples
    --------
    >>> import tilegrad as tg
    >>> a, p, n = tg.tensor([[0.0]]), tg.tensor([[2.0]]), tg.tensor([[-1.5]])
    >>> round(tg.triplet_margin_loss(a, p, n).item(), 4)
    1.5
    """
    op = "triplet_margin_loss"
    _check_vectors(op, anchor=anchor, positive=positive, negative=negative)
    if p not in (1, 2, float("inf")):
        raise _C.ArgumentError(f"{op}: p must be 1, 2 or infinity, found {p!r}")
    least, gap = number_of(op, "eps", eps), number_of(op, "margin", margin)
    to_positive = norm(add(subtract(anchor, positive), least), -1, p)
    to_negative = norm(add(subtract(anchor, negative), least), -1, p)
    if swap:
        to_negative = minimum(to_negative, norm(add(subtract(positive, negative), least), -1, p))
    return _reduced(op, relu(add(subtract(to_positive, to_negative), gap)), reduction)


def _together(target: Tensor) -> Tensor:
    together: Tensor = _C.greater(target, 0)
    return together


def _check_vectors(op: str, **vectors: Tensor) -> None:
    """All are of one shape and floating dtype, with an axis along which they lie."""
    require_tensors(op, **vectors)
    first = next(iter(vectors))
    like = vectors[first]
    if not like.dtype.is_floating:
        raise _C.DTypeError(f"{op}: expected floating tensors, found {like.dtype.name} {list(like.shape)}")
    if not like.ndim:
        raise _C.ShapeError(f"{op}: {first} must be [..., D], found a single number")
    for name, vector in vectors.items():
        if vector.dtype != like.dtype:
            raise _C.DTypeError(f"{op}: {first} is {like.dtype.name} and {name} {vector.dtype.name}; cast one")
        if vector.shape != like.shape:
            raise _C.ShapeError(
                f"{op}: {first} is {list(like.shape)} and {name} {list(vector.shape)}; a loss never broadcasts"
            )


def _check_target(op: str, x: Tensor, target: Tensor) -> None:
    require_tensors(op, target=target)
    if target.shape != x.shape[:-1]:
        raise _C.ShapeError(
            f"{op}: of vectors {list(x.shape)} the target must be {list(x.shape[:-1])}, found {list(target.shape)}"
        )


def _reduced(op: str, losses: Tensor, reduction: str) -> Tensor:
    if reduction not in ("mean", "sum", "none"):
        raise _C.ArgumentError(f'{op}: reduction must be "mean", "sum" or "none", found "{reduction}"')
    if reduction == "none":
        return losses
    if reduction == "sum":
        return sum_axes(losses)
    if not losses.size:
        raise _C.ShapeError(f'{op}: the batch is empty and has no mean loss; skip it, or use reduction="sum"')
    return mean(losses)
