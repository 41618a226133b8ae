"""The extension's type stub, where the build made one: it names exactly what the extension has."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tilegrad import _C


def test_stub_and_extension_agree() -> None:
    stub = Path(_C.__file__).with_name("_C.pyi")
    if not stub.exists():
        pytest.skip("built without TILEGRAD_STUBS")
    declared: set[str] = set()
    for part in ast.parse(stub.read_text()).body:
        if isinstance(part, (ast.FunctionDef, ast.ClassDef)):
            declared.add(part.name)
        elif isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
            declared.add(part.target.id)
    compiled = {name for name in dir(_C) if not name.startswith("__")}
    assert compiled - declared == set()
    assert declared - compiled == {"DTypeLike", "_Rule"}
