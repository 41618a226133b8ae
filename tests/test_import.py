"""What `import tilegrad` brings in: little, so that it costs little more than NumPy (bench/import_time.py measures)."""

from __future__ import annotations

import ast
import types
from pathlib import Path

import pytest

import tilegrad as tg

from .processes import run_python


def test_numpy_comes_first() -> None:
    run_python(
        """
        import sys
        import tilegrad
        names = list(sys.modules)
        assert names.index("numpy") < names.index("tilegrad._C")
        """
    )


def test_what_not_every_program_needs_comes_later() -> None:
    run_python(
        """
        import sys
        import numpy
        before = set(sys.modules)
        import tilegrad as tg
        found = set(sys.modules) - before
        later = ("data", "distributed", "inspect", "io", "models", "nn", "optim", "sklearn", "train")
        assert not found & {f"tilegrad.{name}" for name in later}
        packages = {name.split(".")[0] for name in found}
        heavy = {"json", "matplotlib", "mpi4py", "optuna", "pathlib", "PIL", "safetensors", "sklearn", "tqdm"}
        assert not packages & heavy
        assert tg.nn.Linear(2, 3).out_features == 3
        assert "tilegrad.nn" in sys.modules
        """
    )


def test_completion_shows_what_is_there_for_users() -> None:
    shown = [name for name in dir(tg) if not name.startswith("_")]
    packages = {
        "autograd",
        "cuda",
        "data",
        "distributed",
        "inspect",
        "io",
        "models",
        "nn",
        "ops",
        "optim",
        "sklearn",
        "train",
    }
    modules = {name for name in shown if name == "sklearn" or isinstance(getattr(tg, name), types.ModuleType)}
    assert modules == packages
    assert {"Tensor", "ShapeError", "conv2d", "float32", "load", "no_grad", "save", "tensor"} <= set(shown)
    assert not {"Any", "TYPE_CHECKING", "annotations"} & set(shown)


def test_type_checkers_let_users_have_every_name() -> None:
    """Of a package with types they know what it imports for its users by ``import x as x`` or a star (PEP 484)."""
    tree = ast.parse(Path(tg.__file__).read_text())
    imports = [part for part in ast.walk(tree) if isinstance(part, ast.ImportFrom) and part.level]
    assert [alias.name for part in imports for alias in part.names if alias.name != "*" and not alias.asname] == []


def test_a_misspelt_name_is_told_with_what_is_needed_for_a_suggestion() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Tenser'") as caught:
        tg.Tenser  # noqa: B018
    assert (caught.value.name, caught.value.obj) == ("Tenser", tg)
