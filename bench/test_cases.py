"""Our side of every case under pytest-benchmark: pytest bench --benchmark-only [-k gemm]

Each case's values are checked before it is timed. The README's plain `pytest` does not collect this folder.
"""

from __future__ import annotations

from typing import Any

import pytest

from bench import cases, ours
from bench.case import Case, Run, compare

CASES = [
    pytest.param(case, id=case.key)
    for family in cases.FAMILIES
    for case in cases.of_family(family)
    if case.unit == "s" and "ours" in (case.sides or ("ours",))
]


@pytest.mark.parametrize("case", CASES)
def test_case(case: Case, benchmark: Any) -> None:
    arrays = case.draw()
    try:
        runs = [run for run in ours.BUILDERS[case.kind](case.spec, arrays) if isinstance(run, Run)]
    except NotImplementedError as error:
        pytest.skip(str(error))
    values = {run.variant: run.value() for run in runs}
    exact = [run.variant for run in runs if run.mode == "reference"]
    reference = case.reference(case.spec, arrays) if case.reference else values[exact[0]]
    for variant, value in values.items():
        assert compare(case, value, reference) == "", variant
    # The quickest way of ours: replayed where it can be.
    chosen = [run for run in runs if run.mode != "reference"][-1]
    benchmark.extra_info.update(run=chosen.variant, flops=case.flops, bytes=case.bytes)
    benchmark(chosen.call)
