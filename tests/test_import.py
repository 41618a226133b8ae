"""What `import tilegrad` brings in: little, so that it costs little more than NumPy (bench/import_time.py measures)."""

from __future__ import annotations

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
        later = ("data", "inspect", "io", "models", "nn", "optim", "sklearn", "train")
        assert not found & {f"tilegrad.{name}" for name in later}
        packages = {name.split(".")[0] for name in found}
        assert not packages & {"json", "matplotlib", "optuna", "pathlib", "PIL", "safetensors", "sklearn", "tqdm"}
        assert tg.nn.Linear(2, 3).out_features == 3
        assert "tilegrad.nn" in sys.modules
        """
    )
