"""Our side of the benchmarks."""

from __future__ import annotations

import tilegrad as tg
from bench.case import Builder
from bench.ours import kernels, networks, overhead
from bench.ours.everyday import everyday
from tilegrad import _C

BUILDERS: dict[str, Builder] = {
    **kernels.BUILDERS,
    **networks.BUILDERS,
    **overhead.BUILDERS,
    "everyday": everyday,
    "op": lambda spec, arrays: spec["build"](),
}


def versions() -> dict[str, str]:
    return {"tilegrad": tg.__version__, "compiler": str(_C.compiler()), "isa": str(_C.isa())}


def set_threads(count: int) -> None:
    tg.set_num_threads(count)


def peaks() -> dict[str, float]:
    """What this machine reaches at this moment, by our own loops: FLOP/s and bytes/s."""
    from bench.peaks import measure

    return measure()
