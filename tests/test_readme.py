"""README.md and the other pages: the example runs, the commands and the links are there, nothing is left to fill in."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "examples" / "README.md"])


def test_example_runs(tmp_path: Path) -> None:
    (program,) = re.findall(r"^```python\n(.*?)^```$", README, re.M | re.S)
    assert len([line for line in program.splitlines() if line.strip()]) <= 20
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    accuracy = re.fullmatch(r"accuracy (0\.\d+|1\.0)\n", done.stdout)
    assert accuracy, done.stdout
    assert float(accuracy[1]) >= 0.95


def test_commands() -> None:
    """The two that CI runs: each makes the virtual environment it runs in."""
    commands = re.findall(r"^python3 -m venv .*$", README, re.M)
    assert [command.split(" && ", 2)[2] for command in commands] == [
        'pip install ".[examples]" && python examples/digits.py',
        'pip install ".[test]" && pytest',
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_files_exist(page: Path) -> None:
    """A path in code font that names a folder of ours is there."""
    folders = "csrc|python|tests|tools|bench|examples|docs"
    for path in re.findall(rf"`((?:{folders})/[\w./-]+)`", page.read_text()):
        made_by_page = (page.name == "adding-an-op.md" and "softsign" in path) or "MACHINE-DATE" in path
        assert made_by_page or (ROOT / path).exists(), f"{page.name} names {path}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tables(page: Path) -> None:
    """Each row of a table has the cells of its head, on one line."""
    for table in re.findall(r"^(?:\|.*\n)+", page.read_text(), re.M):
        cells = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
        assert len(cells) == 1, table
        assert re.search(r"^\|[-| ]+\|$", table, re.M), table
        assert all(row.rstrip().endswith("|") for row in table.splitlines()), table


def test_nothing_is_left_to_fill_in() -> None:
    for page in PAGES:
        assert not re.search(r"TODO|TBD|FIXME|XXX|\?\?\?", page.read_text()), page.name
