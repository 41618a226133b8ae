"""What each of several processes that train together takes of an epoch."""

from __future__ import annotations

from typing import Any

from .. import _C
from ..structure import replace

__all__ = ["Shard", "checked_shard", "emptied", "share_of"]

Shard = tuple[int, int]  # a rank, and how many there are


def checked_shard(shard: Any) -> Shard:
    """``(rank, ranks)``, if it is that."""
    is_pair = isinstance(shard, (tuple, list)) and len(shard) == 2 and all(type(item) is int for item in shard)
    if not is_pair or not 0 <= shard[0] < shard[1]:
        raise _C.ArgumentError(f"DataLoader: shard must be (rank, ranks) with 0 <= rank < ranks, found {shard!r}")
    return shard[0], shard[1]


def share_of(batch: int, size: int, samples: int, shard: Shard | None) -> slice:
    """The places in an epoch's order of a batch's samples.

    The batches of all ranks lie side by side, rank by rank; the last ones share evenly what is left.

    Examples
    --------
    >>> import tilegrad as tg
    >>> [tg.data.shard.share_of(1, 4, 13, (rank, 2)) for rank in (0, 1)]
    [slice(8, 10, None), slice(10, 13, None)]
    """
    rank, ranks = shard or (0, 1)
    first = batch * size * ranks
    count = max(min(size * ranks, samples - first), 0)
    return slice(first + count * rank // ranks, first + count * (rank + 1) // ranks)


def emptied(batch: Any) -> Any:
    """The batch with none of its samples."""
    return replace(batch, lambda part: isinstance(part, _C.TensorBase) and part.ndim > 0, lambda tensor: tensor[:0])
