"""The CPUs of a host, shared among the ranks that run there."""

from __future__ import annotations

import os
from typing import Any

from .. import _C

__all__ = ["share_processors"]


def share_processors(comm: Any) -> None:
    """Give each rank of a host its share of the threads, where the launcher has not bound ranks to CPUs of their own.

    Ranks with as many threads each as the host has CPUs would wait for each other. ``TILEGRAD_NUM_THREADS`` and later
    calls of :func:`tilegrad.set_num_threads` count more; results have the same bits for any number.
    """
    from mpi4py import MPI

    local = comm.Split_type(MPI.COMM_TYPE_SHARED)
    cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    alike = sum(others == cpus for others in local.allgather(cpus))
    local.Free()
    if alike > 1 and "TILEGRAD_NUM_THREADS" not in os.environ:
        _C.set_num_threads(max(1, _C.get_num_threads() // alike))
