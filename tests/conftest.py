"""Fixtures and the table of compared cases."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Where the real data sets lie: TILEGRAD_DATA, or ../shared/data beside the repository."""
    candidates = [os.environ.get("TILEGRAD_DATA"), Path(__file__).parents[2] / "shared" / "data"]
    for candidate in candidates:
        if candidate and Path(candidate).is_dir():
            return Path(candidate)
    pytest.skip("no data sets: set TILEGRAD_DATA to a folder with mnist/ and cifar10/")


def pytest_addoption(parser: Any) -> None:
    parser.addoption(
        "--compared", action="store_true", help="print how many cases were compared, per op, dtype, ISA, threads"
    )


def pytest_terminal_summary(terminalreporter: Any, config: Any) -> None:
    from . import test_ops

    total = sum(test_ops.compared.values())
    if total:
        terminalreporter.write_line(f"compared {total} cases of {len({k[0] for k in test_ops.compared})} ops")
    if config.getoption("--compared"):
        by_op: dict[tuple[str, str], Counter[str]] = {}
        for (op, dtype, isa, threads), count in sorted(test_ops.compared.items()):
            by_op.setdefault((op, dtype), Counter())[f"{isa}/{threads}"] += count
        for (op, dtype), counts in by_op.items():
            terminalreporter.write_line(f"{op} {dtype}: " + ", ".join(f"{k} {v}" for k, v in counts.items()))
