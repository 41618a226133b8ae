"""Every example in a docstring of tilegrad runs and prints what it says."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import Any

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


# Without an example: what cannot be shown in a few lines that run anywhere, with the reason.
WITHOUT_EXAMPLE = {
    "Optimizer": "the base of those that have examples",
    "Dataset": "the base of those that have examples",
    "MNIST": "needs the files of the data set", "FashionMNIST": "needs the files of the data set",
    "CIFAR10": "needs the files of the data set", "CIFAR100": "needs the files of the data set",
    "read_cifar10": "needs the files of the data set", "read_cifar100": "needs the files of the data set",
    "CharLSTM": "made by char_lstm()", "Outputs": "a named tuple", "Checkpoint": "a named tuple",
    "Captured": "made by capture(), which has one", "grad_enabled": "native", "record": "native; the module shows it",
    "record_in_place": "native", "record_shapes": "native", "DType": "native",
}  # fmt: skip


def public() -> list[tuple[str, Any]]:
    """The functions and classes that ``tg`` and its packages offer."""
    packages = [m.name for m in pkgutil.walk_packages(tg.__path__, "tilegrad.") if m.ispkg]
    found: dict[int, tuple[str, Any]] = {}
    for module in [tg, *(importlib.import_module(name) for name in packages), tg.nn.init, tg.autograd]:
        for name in getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]:
            value = getattr(module, name)
            if callable(value) and str(getattr(value, "__module__", "")).startswith("tilegrad"):
                found.setdefault(id(value), (f"{module.__name__}.{name}", value))
    return list(found.values())


def test_every_public_name_has_a_docstring_with_an_example() -> None:
    silent, without = [], []
    for name, value in public():
        text = inspect.getdoc(value) or ""
        if not text:
            silent.append(name)
        is_error = isinstance(value, type) and issubclass(value, BaseException)
        if ">>>" not in text and not is_error and name.rsplit(".", 1)[-1] not in WITHOUT_EXAMPLE:
            without.append(name)
        if isinstance(value, type) and not is_error:
            for part, member in vars(value).items():
                method = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
                if not part.startswith("_") and inspect.isroutine(method) and not inspect.getdoc(method):
                    silent.append(f"{name}.{part}")
    assert (silent, without) == ([], [])
