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


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: Any) -> None:
    """The whole suite runs on all CPUs; whoever selects tests wants them in this process."""
    if hasattr(config, "workerinput"):  # a worker must not start workers of its own
        return
    option = config.option
    selected = config.args_source.name == "ARGS" or option.keyword or option.markexpr or option.usepdb
    if config.pluginmanager.hasplugin("xdist") and option.numprocesses is None and not selected:
        option.numprocesses, option.dist = "auto", "worksteal"


def pytest_sessionfinish(session: Any) -> None:
    """A worker hands on what it compared."""
    from . import test_ops

    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["compared"] = [[*key, count] for key, count in test_ops.compared.items()]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    from . import test_ops

    for op, dtype, isa, threads, count in getattr(node, "workeroutput", {}).get("compared", ()):
        test_ops.compared[op, dtype, isa, threads] += count


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
