"""The table of vectors that stand for words."""

from __future__ import annotations

from typing import Any

from .. import _C, ops
from ..tensor import Tensor
from . import init
from .arguments import check_size
from .module import Module
from .parameter import Parameter
from .registry import register

__all__ = ["Embedding"]


@register
class Embedding(Module):
    """A row of a table for each index: integers of any shape [...] to [..., embedding_dim].

    Parameters
    ----------
    num_embeddings
        How many rows there are: indices are from 0 to ``num_embeddings - 1``.
    embedding_dim
        The size of each row.
    padding_idx
        An index that stands for nothing, such as what fills short sentences: its row starts as zeros and gets no
        gradient.

    Attributes
    ----------
    weight : Parameter
        [num_embeddings, embedding_dim], standard normal numbers at first.

    Examples
    --------
    >>> import tilegrad as tg
    >>> layer = tg.nn.Embedding(100, 8, padding_idx=0)
    >>> layer(tg.tensor([[4, 7, 0], [1, 0, 0]])).shape
    (2, 3, 8)
    """

    weight: Parameter

    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None) -> None:
        self.num_embeddings = check_size("Embedding", "num_embeddings", num_embeddings)
        self.embedding_dim = check_size("Embedding", "embedding_dim", embedding_dim)
        if padding_idx is not None and (
            not isinstance(padding_idx, int) or not -num_embeddings <= padding_idx < num_embeddings
        ):
            raise _C.ArgumentError(
                f"Embedding: padding_idx must be from {-num_embeddings} to {num_embeddings - 1} or None, found "
                f"{padding_idx!r}"
            )
        self.padding_idx = padding_idx
        table = init.normal((num_embeddings, embedding_dim))
        if padding_idx is not None:
            _C.fill_(_C.select(table, 0, padding_idx), 0.0)
        self.weight = Parameter(table)

    def forward(self, indices: Tensor | Any) -> Tensor:
        """[...] to [..., embedding_dim]."""
        return ops.embedding(self.weight, indices, self.padding_idx)
