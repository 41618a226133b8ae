"""Every example in a docstring of tilegrad runs and prints what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from types import ModuleType

import pytest

import tilegrad as tg

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def modules() -> list[ModuleType]:
    names = [m.name for m in pkgutil.walk_packages(tg.__path__, "tilegrad.") if not m.name.endswith("._C")]
    return [tg, *(importlib.import_module(name) for name in sorted(names))]


EXAMPLES = [
    pytest.param(test, id=test.name)
    for module in modules()
    for test in doctest.DocTestFinder(exclude_empty=True).find(module)
    if test.examples
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_example(example: doctest.DocTest, tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(str(tmp_path))  # examples may write files
    output: list[str] = []
    result = doctest.DocTestRunner(optionflags=FLAGS).run(example, out=output.append)
    assert result.failed == 0, "".join(output)


def test_every_op_has_an_example() -> None:
    tested = {param.id.rsplit(".", 1)[-1] for param in EXAMPLES}
    ops = [getattr(tg.ops, name) for name in dir(tg.ops) if not name.startswith("_")]
    assert {op.__name__ for op in ops if callable(op)} - tested == set()  # an alias has its op's name
