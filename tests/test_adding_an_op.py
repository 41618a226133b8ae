"""docs/adding-an-op.md, followed literally: its blocks go into a copy of the sources, which is built and tested."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "adding-an-op.md"
SOURCES = ["CMakeLists.txt", "CMakePresets.json", "pyproject.toml", "csrc", "python", "tests", "tools"]


def blocks() -> list[tuple[str, str | None, str]]:
    """(path, the line to insert after or None for a new file, text) of every block that says where it goes."""
    found = []
    for body in re.findall(r"^```\w+\n(.*?)^```$", PAGE.read_text(), re.M | re.S):
        head, text = body.split("\n", 1)
        if new := re.fullmatch(r"new file (\S+)", head):
            found.append((new[1], None, text))
        elif after := re.fullmatch(r'(\S+), after "(.*)"', head):
            found.append((after[1], after[2], text))
    return found


def apply(root: Path) -> None:
    for path, anchor, text in blocks():
        file = root / path
        if anchor is None:
            assert not file.exists(), f"{path} exists already: the page needs another example"
            file.write_text(text)
        else:
            lines = file.read_text().splitlines(keepends=True)
            at = [i for i, line in enumerate(lines) if line.startswith(anchor)]
            assert len(at) == 1, f"{path}: {len(at)} lines begin with {anchor!r}"
            lines.insert(at[0] + 1, text)
            file.write_text("".join(lines))


def test_page_has_its_blocks() -> None:
    assert [(path, anchor is None) for path, anchor, _ in blocks()] == [
        ("csrc/elementwise.inc", False),
        ("csrc/elementwise.inc", False),
        ("python/tilegrad/ops/softsign.py", True),
        ("python/tilegrad/ops/__init__.py", False),
        ("tests/opdb/softsign.py", True),
    ]


@pytest.mark.slow
def test_following_the_page_adds_the_op(tmp_path: Path) -> None:
    missing = [tool for tool in ("cmake", "ninja", "c++") if not shutil.which(tool)]
    if missing or importlib.util.find_spec("pybind11") is None:
        pytest.skip(f"building needs {', '.join([*missing, 'pybind11'])}")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__", "*.so", "_C.pyi")
            shutil.copytree(ROOT / name, tmp_path / name, ignore=ignore)
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    apply(tmp_path)

    def run(*command: str | Path, **more: str) -> str:
        environment = {name: value for name, value in os.environ.items() if name not in ("LD_PRELOAD", "PYTHONPATH")}
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**environment, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-5000:]}\n{done.stderr[-5000:]}"
        return done.stdout

    # One instruction set and little optimisation, for time.
    options = [
        "-DTILEGRAD_ISAS=generic",
        "-DTILEGRAD_STUBS=OFF",
        "-DTILEGRAD_WERROR=ON",
        "-DCMAKE_BUILD_TYPE=Debug",
        "-DCMAKE_CXX_FLAGS_DEBUG=-O1",
    ]
    if shutil.which("ccache"):
        options.append("-DCMAKE_CXX_COMPILER_LAUNCHER=ccache")
    run("cmake", "-S", ".", "-B", "build", "-G", "Ninja", f"-DPython_EXECUTABLE={sys.executable}", *options)
    run("ninja", "-C", "build", "_C")
    package = tmp_path / "python" / "tilegrad"
    (extension,) = (tmp_path / "build").glob("_C.*")
    shutil.copy(extension, package)
    python = {"PYTHONPATH": str(tmp_path / "python")}
    where = run(
        sys.executable, "-c", "import tilegrad as tg; print(tg.__file__, tg.softsign(tg.tensor([1.0])))", **python
    )
    assert where == f"{package / '__init__.py'} tensor([0.5])\n"
    pytest_run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "softsign"]
    report = run(*pytest_run, "tests/test_ops.py", "tests/test_docstrings.py", **python)
    # Two dtypes each: value, bits, four layouts; a gradient, a bad input, the docstring and its example.
    passed = re.search(r"(\d+) passed", report)
    assert passed, report
    assert int(passed[1]) >= 2 + 2 + 8 + 1 + 1 + 1, report
