"""Training on several processes and hosts over MPI: ``mpirun -n 4 python train.py``.

In a program that was started without mpirun there is one process, and nothing of MPI is needed.
"""

from __future__ import annotations

from .collectives import all_gather, all_reduce, barrier, broadcast, is_main, rank, size
from .data_parallel import DataParallel

__all__ = ["DataParallel", "all_gather", "all_reduce", "barrier", "broadcast", "is_main", "rank", "size"]
