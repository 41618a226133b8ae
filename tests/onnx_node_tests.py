"""Runs the node tests that the onnx package ships; printed by hand, counted by test_onnx_import.py."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import tilegrad as tg
from tilegrad.errors import OnnxError
from tilegrad.structure import tensors_in


def cases() -> list[Any]:
    """All of them, each a model and its data."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they divide by zero on purpose
        return list(load_model_tests(kind="node"))


def array(data: Any) -> np.ndarray:
    from onnx import TensorProto, numpy_helper

    return numpy_helper.to_array(data) if isinstance(data, TensorProto) else np.array(data)


def tensor(data: Any) -> tg.Tensor:
    found = array(data)
    if found.dtype.name == "bfloat16":  # a dtype of onnx's own, which NumPy lacks
        return tg.tensor(found.astype(np.float32)).astype("bfloat16")
    return tg.tensor(found)


def operators(case: Any) -> set[str]:
    return {node.op_type for node in case.model.graph.node}


def run(case: Any, folder: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(expected, found) of each output; raises what loading or running raises."""
    path = folder / "model.onnx"
    path.write_bytes(case.model.SerializeToString())
    model = tg.io.load_onnx(path)
    for inputs, outputs in case.data_sets:
        with tg.no_grad():
            found = model(*(tensor(x) for x in inputs))
        tensors = tensors_in(found)
        assert len(tensors) == len(outputs)
        for expected, out in zip(map(array, outputs), tensors, strict=True):
            if out.dtype == "bfloat16":
                yield expected, out.astype("float32").numpy().astype(expected.dtype)
            else:
                yield expected, out.numpy()


def outcome(case: Any, folder: Path) -> str:
    """passed, refused, or what went wrong."""
    try:
        for expected, found in run(case, folder):
            if found.shape != expected.shape or found.dtype != expected.dtype:
                return f"wrong: {found.dtype}{found.shape} for {expected.dtype}{expected.shape}"
            if not np.allclose(found, expected, rtol=case.rtol, atol=case.atol, equal_nan=True):
                return "wrong: values"
    except OnnxError as error:
        return f"refused: {error}"
    except Exception as error:
        return f"failed: {type(error).__name__}: {error}"
    return "passed"


def outcomes(folder: Path) -> dict[str, str]:
    """Of the cases whose operators are all in the table."""
    from tilegrad.io.onnx import readers
    from tilegrad.io.onnx.reader import READERS

    assert readers
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {case.name: outcome(case, folder) for case in cases() if operators(case) <= set(READERS)}


if __name__ == "__main__":
    import sys
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        found = outcomes(Path(name))
    print(Counter(text.split(":")[0] for text in found.values()))
    wanted = sys.argv[1:] or ["wrong", "failed", "refused"]
    for case_name, text in sorted(found.items(), key=lambda item: item[1]):
        if text.split(":")[0] in wanted:
            print(f"{case_name}: {text[:200]}")
