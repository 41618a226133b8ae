"""The processes of a program that an MPI launcher started, or this one alone."""

from __future__ import annotations

import functools
import os
import sys
from typing import Any, NamedTuple

from ..errors import DistributedError, require

__all__ = ["World", "world"]

# What launchers tell the processes that they start: mpirun of Open MPI, of MPICH and those that grew from it (Intel's,
# Microsoft's), of MVAPICH, and srun.
_SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")
_RANKS = ("PMIX_RANK", "PMI_RANK")


class World(NamedTuple):
    """All processes of the program, seen from one."""

    rank: int
    size: int
    comm: Any
    """The communicator of mpi4py, a duplicate that nobody else sends on; None where there is one process."""


@functools.cache
def world() -> World:
    """The processes of this program: one, without MPI, unless a launcher started it.

    Raises
    ------
    MissingExtraError
        If a launcher started several processes and mpi4py is not there: each would train by itself.
    DistributedError
        If it is the launcher of another MPI than mpi4py's, with the same outcome.
    """
    if not _is_launched():
        return World(0, 1, None)
    mpi = require("mpi4py.MPI", "distributed", "tilegrad.distributed under mpirun")
    if mpi.COMM_WORLD.Get_size() == 1:
        _check_launcher(mpi)
        return World(0, 1, None)
    from .failure import end_all_at_failure
    from .processors import share_processors

    comm = mpi.COMM_WORLD.Dup()
    end_all_at_failure(comm)
    share_processors(comm)
    return World(comm.Get_rank(), comm.Get_size(), comm)


def _is_launched() -> bool:
    if any(os.environ.get(name, "1") != "1" for name in _SIZES) or any(name in os.environ for name in _RANKS):
        return True
    return "mpi4py.MPI" in sys.modules  # the program uses MPI itself


def _check_launcher(mpi: Any) -> None:
    told = next((os.environ[name] for name in _SIZES if os.environ.get(name, "1") != "1"), None)
    if told is not None:
        raise DistributedError(
            f"the launcher tells of {told} processes, and mpi4py sees one: it uses {mpi.Get_library_version()[:40]!r}; "
            "start the program with the mpirun of that MPI"
        )
