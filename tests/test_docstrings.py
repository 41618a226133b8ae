"""Every example in a docstring of tilegrad runs and prints what it says."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re
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


def described(text: str) -> set[str]:
    """The names that the sections Parameters and Attributes of a docstring in NumPy's style describe."""
    names: set[str] = set()
    for section in re.findall(r"^(?:Parameters|Attributes)\n-+\n(.*?)(?=^\S[^\n]*\n-+\n|\Z)", text, re.M | re.S):
        for line in re.findall(r"^\S.*$", section, re.M):
            names.update(name.strip(" *") for name in line.split(" : ")[0].split(","))
    return names


def undescribed(function: Any, text: str) -> list[str]:
    parameters = set(inspect.signature(function).parameters) - {"self", "cls"}
    missing = sorted(parameters - described(text))
    is_function = inspect.isfunction(function)
    answers = is_function and function.__annotations__.get("return", "None") not in ("None", "NoReturn")
    return missing + ["Returns"] * (answers and not re.search(r"^(Returns|Yields)\n-", text, re.M))


def is_inherited(kind: type, name: str) -> bool:
    return any(name in vars(base) for base in kind.__mro__[1:] if base is not object)


def test_every_parameter_and_result_of_what_is_public_is_described() -> None:
    """What a class inherits, or does as its base says, its base describes."""
    lacking: dict[str, list[str]] = {}
    for name, value in public():
        if isinstance(value, type):
            makes_its_own = "__init__" in vars(value) and not getattr(value, "_is_protocol", False)
            if makes_its_own and not issubclass(value, BaseException):
                lacking[name] = undescribed(value, inspect.getdoc(value) or "")
            for part, member in vars(value).items():
                method = getattr(member, "__func__", member)
                is_function_too = value is tg.Tensor and hasattr(tg, part)  # the function of the name describes it
                if part.startswith("_") or not inspect.isfunction(method) or is_inherited(value, part):
                    continue
                if not is_function_too:
                    missing = undescribed(method, inspect.getdoc(method) or "")
                    lacking[f"{name}.{part}"] = [] if missing == ["Returns"] else missing
        elif inspect.isfunction(value):
            lacking[name] = undescribed(value, inspect.getdoc(value) or "")
    assert {name: missing for name, missing in lacking.items() if missing} == {}
