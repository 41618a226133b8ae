"""Sums over ranks in one order: the same bits on every rank, from run to run, whatever the network does.

MPI_Allreduce may add in the order in which messages come, which depends on the topology, the size of the message and
the library. Here every element is added in the order of ranks, ((x0 + x1) + x2) + ..., by exactly one rank or by all
alike: each rank receives its part of all, adds it up, and all receive the sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from .. import _C

__all__ = ["reduce_in_rank_order"]

Array = np.ndarray[Any, Any]
Join = Callable[..., Any]

# Bytes of all ranks together up to which everybody receives everything: one message is faster than two then.
_SMALL = 1 << 16
# Bytes that are sent in one go: bounds the memory taken, and MPI counts with 32 bits.
_PIECE = 1 << 26


def reduce_in_rank_order(comm: Any, values: Array, join: Join) -> None:
    """Put ``join(...join(values of rank 0, of rank 1)..., of the last)`` in place of a contiguous array [N].

    Parameters
    ----------
    comm
        The communicator; all of its ranks call this with as many values of one dtype.
    values
        What is changed.
    join
        ``join(a, b, out=c)``, elementwise, such as ``numpy.add``.
    """
    for piece in _pieces(values):
        if piece.nbytes * comm.Get_size() <= _SMALL:
            _reduce_small(comm, piece, join)
        else:
            _reduce(comm, piece, join)


def _pieces(values: Array) -> Iterator[Array]:
    count = max(_PIECE // values.itemsize, 1)
    return (values[start : start + count] for start in range(0, len(values), count))


def _reduce_small(comm: Any, piece: Array, join: Join) -> None:
    every = _empty(comm.Get_size(), len(piece), piece.dtype)
    comm.Allgather(_bytes(piece), _bytes(every))
    np.copyto(piece, _joined(every, join))


def _reduce(comm: Any, piece: Array, join: Join) -> None:
    rank, size = comm.Get_rank(), comm.Get_size()
    bounds = [len(piece) * number // size * piece.itemsize for number in range(size + 1)]
    starts, counts = bounds[:-1], [end - start for start, end in pairwise(bounds)]
    received = _empty(size, counts[rank] // piece.itemsize, piece.dtype)
    places = [number * counts[rank] for number in range(size)]
    comm.Alltoallv([_bytes(piece), counts, starts, _byte()], [_bytes(received), [counts[rank]] * size, places, _byte()])
    comm.Allgatherv(_bytes(_joined(received, join)), [_bytes(piece), counts, starts, _byte()])


def _empty(rows: int, columns: int, dtype: Any) -> Array:
    """Memory of the tensors' allocator, whose pages have been touched before."""
    memory: Array = _C.empty((rows * columns * dtype.itemsize,), _C.uint8).numpy()
    shaped: Array = memory.view(dtype).reshape(rows, columns)
    return shaped


def _joined(every: Array, join: Join) -> Array:
    """The rows, one after the other, in the first."""
    total: Array = every[0]
    with np.errstate(all="ignore"):  # what overflows is infinite, as it is in tensors
        for row in every[1:]:
            join(total, row, out=total)
    return total


def _bytes(values: Array) -> Array:
    """The same memory as bytes: MPI has no float16, and moves all alike."""
    return values.reshape(-1).view(np.uint8)


def _byte() -> Any:
    from mpi4py import MPI

    return MPI.BYTE
