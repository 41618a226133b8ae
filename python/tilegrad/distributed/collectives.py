"""What all ranks do together."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from .. import _C, ops
from ..structure import replace
from .ordered import reduce_in_rank_order
from .world import world

__all__ = ["all_gather", "all_reduce", "barrier", "broadcast", "is_main", "rank", "size"]

T = TypeVar("T")

_JOINS = {"sum": np.add, "mean": np.add, "max": np.maximum, "min": np.minimum}


def rank() -> int:
    """The number of this process, from 0.

    Returns
    -------
    int
        From 0 to :func:`size` - 1; 0 in a program that was started without mpirun.

    Raises
    ------
    MissingExtraError
        If a launcher started several processes and mpi4py is not there.
    DistributedError
        If it is the launcher of another MPI than mpi4py's.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.distributed.rank()
    0
    """
    return world().rank


def size() -> int:
    """The number of processes: 1 in a program that was started without mpirun.

    Returns
    -------
    int
        As mpirun was told. Errors as in :func:`rank`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.distributed.size()
    1
    """
    return world().size


def is_main() -> bool:
    """Whether this is rank 0: the one that prints and writes files.

    Returns
    -------
    bool
        Of one process always True. Errors as in :func:`rank`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> if tg.distributed.is_main():
    ...     print("done")
    done
    """
    return world().rank == 0


def barrier() -> None:
    """Wait until all ranks are here.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.distributed.barrier()
    """
    comm = world().comm
    if comm is not None:
        comm.Barrier()


def broadcast(value: T, root: int = 0) -> T:
    """What ``root`` gave, on every rank.

    Parameters
    ----------
    value
        A tensor, or any object that pickle takes; of the other ranks it does not count.
    root
        The number of the rank whose value it is.

    Returns
    -------
    object
        On ``root`` the object itself that was given; on the others a copy, whose tensors are on the CPU and have no
        graph.

    Raises
    ------
    ArgumentError
        If there is no such rank.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.distributed.broadcast({"seed": 7})
    {'seed': 7}
    """
    here = world()
    if type(root) is not int or not 0 <= root < here.size:
        raise _C.ArgumentError(f"broadcast: root must be a rank from 0 to {here.size - 1}, found {root!r}")
    if here.comm is None:
        return value
    # A tensor is pickled without its device, which may not be there on another host, and without its graph.
    found: T = here.comm.bcast(_plain(value) if here.rank == root else None, root)
    return value if here.rank == root else found


def all_gather(value: Any) -> list[Any]:
    """What each rank gave, in the order of ranks.

    Parameters
    ----------
    value
        A tensor, which may be of another shape on every rank, or any object that pickle takes.

    Returns
    -------
    list
        One value of each rank, this one's among them. Tensors are copies without a graph: where the values are tensors,
        on the device of this rank's; inside of other objects, on the CPU. One process alone gets the object that it
        gave.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.distributed.all_gather("here")
    ['here']
    """
    here = world()
    if here.comm is None:
        return [value]
    found: list[Any] = here.comm.allgather(_plain(value))
    device = value.device if isinstance(value, _C.TensorBase) else "cpu"
    return found if device == "cpu" else [_C.to_device(item, device) for item in found]


def all_reduce(value: Any, op: str = "sum") -> Any:
    """The sum, mean, largest or smallest over all ranks, element by element: the same bits on each of them.

    Sums are made in the order of ranks, ((x0 + x1) + x2) + ..., whatever the size of the tensor, the network or the
    order of arrival. bfloat16 and float16 are added in float32 and rounded once; sums of integers and booleans are
    int64, as those of :func:`tilegrad.sum`.

    Parameters
    ----------
    value
        A tensor, of one shape and dtype on all ranks, or a number. It stays as it is.
    op : {"sum", "mean", "max", "min"}
        What is computed. NaN on one rank is NaN in the result.

    Returns
    -------
    Tensor or number
        On every rank.

    Raises
    ------
    ArgumentError
        If ``op`` is none of these, or ranks differ in shape or dtype.
    DTypeError
        If it is the mean of integers.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.distributed.all_reduce(tg.tensor([1.0, 2.0]), "mean")
    tensor([1., 2.])
    >>> tg.distributed.all_reduce(3)
    3
    """
    if op not in _JOINS:
        raise _C.ArgumentError(f"all_reduce: op must be {', '.join(map(repr, _JOINS))}, found {op!r}")
    if isinstance(value, (bool, int, float)):
        number = np.array(value, np.float64 if isinstance(value, float) else np.int64)
        return all_reduce(ops.tensor(number), op).item()
    if not isinstance(value, _C.TensorBase):
        raise _C.ArgumentError(f"all_reduce: expected a tensor or a number, found {type(value).__name__}")
    tensor: Any = value.detach()
    if op == "mean" and not tensor.dtype.is_floating:
        raise _C.DTypeError(f"all_reduce: the mean of {tensor.dtype.name} is no integer; cast with .astype(tg.float32)")
    result = tensor.dtype if tensor.dtype.is_floating or op in ("max", "min") else _C.int64
    here = world()
    if here.comm is None:
        return _C.copy(tensor) if tensor.dtype == result else ops.astype(tensor, result)
    _check_alike(here.comm, (tensor.dtype.name, tensor.shape))
    wide = _C.float32 if tensor.dtype in (_C.bfloat16, _C.float16) else result
    array = np.array(ops.astype(_C.to_device(tensor, "cpu"), wide).numpy(), order="C")  # a copy, which is changed
    reduce_in_rank_order(here.comm, array.reshape(-1), _JOINS[op])
    if op == "mean":
        array /= array.dtype.type(here.size)
    return _C.to_device(ops.astype(ops.tensor(array), result), tensor.device)


def _check_alike(comm: Any, form: Any) -> None:
    forms = comm.allgather(form)
    for number, other in enumerate(forms):
        if other != forms[0]:
            raise _C.ArgumentError(
                f"all_reduce: found {other[0]} {list(other[1])} on rank {number} and {forms[0][0]} {list(forms[0][1])} "
                "on rank 0; all ranks must give one shape and dtype"
            )


def _plain(value: Any) -> Any:
    return replace(value, lambda part: isinstance(part, _C.TensorBase), lambda tensor: tensor.detach())
