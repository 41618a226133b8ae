"""Where ops are tested: every ISA of the build, with a reason for those that this machine lacks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import tilegrad as tg
from tilegrad import _C

BUILT = ("generic", "avx2", "avx512", "neon")
AVAILABLE: tuple[str, ...] = tuple(_C.available_isas())
THREADS = (1, 2, 3, 7)

TARGETS = [
    pytest.param(
        isa,
        id=f"cpu.{isa}",
        marks=() if isa in AVAILABLE else pytest.mark.skip(reason=f"this CPU or build has no {isa}"),
    )
    for isa in BUILT
]


@contextmanager
def running_on(isa: str, threads: int | None = None) -> Iterator[None]:
    """Kernels of one ISA; with a thread count, even the smallest launch gets that many threads."""
    isa_before, threads_before = _C.isa(), tg.get_num_threads()
    _C.set_isa(isa)
    if threads is not None:
        tg.set_num_threads(threads)
        _C.set_work_per_member(0)
    try:
        yield
    finally:
        _C.set_isa(isa_before)
        tg.set_num_threads(threads_before)
        _C.set_work_per_member()
