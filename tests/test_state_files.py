"""The state of a training as a file: what comes back, to the bit, and what is refused."""

from __future__ import annotations

import json
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tilegrad as tg
from tilegrad.io import safetensors, sealing, state, tree


def same(a: Any, b: Any) -> bool:
    """Equal to the bit, of the same types."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(type(k) is type(j) and same(a[k], b[j]) for k, j in zip(a, b, strict=True))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and not isinstance(a, np.generic):
        return struct.pack(">d", a) == struct.pack(">d", b)
    if isinstance(a, (np.ndarray, np.generic)):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, tg.Tensor):
        return a.dtype == b.dtype and bytes(safetensors.as_bytes(a)) == bytes(safetensors.as_bytes(b))
    return bool(a == b)


def through_file(value: Any, path: Path) -> Any:
    state.write_state(path, {"value": value}, None)
    return state.read_state(path)["value"]


NUMBERS = [
    "bool", "u1", "i1", "<u2", ">i2", "<i4", ">u4", "<i8", ">i8", "<u8", "<f2", "<f4", ">f4", "<f8", ">f8", "<c8",
    "<c16",
]  # fmt: skip
arrays = st.sampled_from(NUMBERS).flatmap(
    lambda dtype: hnp.arrays(np.dtype(dtype), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
)
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=5)
    | arrays
    | arrays.map(lambda a: a.reshape(-1)[0] if a.size else a)
)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3) | st.integers(-(2**65), 2**65), inner, max_size=3)
        | st.lists(inner, max_size=2).map(tuple)
    ),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None)
@given(trees)
def test_any_plain_tree_comes_back(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "tree"
    assert same(through_file(value, path), value)


@pytest.mark.parametrize(
    "value",
    [
        10**5000, -(2**63), 2**63, float("nan"), -float("nan"), struct.unpack(">d", b"\x7f\xf4\0\0\0\0\0\x01")[0],
        float("-inf"), -0.0, 5e-324, 1.7976931348623157e308, True, "\ud800", "a\0b", {"dict": 1}, {"array": "value"},
        {"__metadata__": np.ones(2)}, {1: "a", "1": "b"}, {10**5000: np.ones(1)},
        {"\ud800": np.ones(1)}, {"a/b": np.ones(1), "a": {"b": np.zeros(1)}}, (), [], {},
        np.float64(0.1), np.bool_(True), np.longdouble(1) / 3, np.array(3), np.zeros((0, 4), "u1"), np.ones(2, bool),
        np.ones((3, 4), np.float32).T, np.arange(6)[::-2], np.ones((2, 2), ">c16"), [[[[[]]]]],
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_special_values_come_back(tmp_path: Path, value: Any) -> None:
    assert same(through_file(value, tmp_path / "s"), value)


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16", "int64", "int32", "uint8", "bool"])
def test_tensors_come_back_as_tensors(tmp_path: Path, dtype: str) -> None:
    for tensor in (tg.zeros((2, 3), dtype=dtype), tg.zeros((), dtype=dtype), tg.zeros((0,), dtype=dtype)):
        assert same(through_file({"t": tensor}, tmp_path / "s")["t"], tensor)
    parameter = tg.tensor([1.0, 2.0], requires_grad=True)
    assert through_file(parameter, tmp_path / "s").tolist() == [1.0, 2.0]


def test_subclasses_come_back_plain(tmp_path: Path) -> None:
    mapped = np.lib.format.open_memmap(tmp_path / "m.npy", "w+", np.float32, (2,))
    found = through_file([OrderedDict(a=1), mapped], tmp_path / "s")
    assert same(found, [{"a": 1}, np.zeros(2, np.float32)])


def test_what_comes_back_may_be_written_to(tmp_path: Path) -> None:
    found = through_file(np.arange(3), tmp_path / "s")
    found += 1
    assert found.tolist() == [1, 2, 3]


def test_the_same_state_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        state.write_state(tmp_path / name, {"b": np.ones(3), "a": [1, 2.5]}, {"loss": 1.0})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "'value' is a object"),
        ({"a": [1, {2}]}, "'value/a/1' is a set"),
        ({"a": {(1, 2): 3}}, r"'value/a' has the key \(1, 2\)"),
        ({None: 3}, "has the key None"),
        (b"bytes", "'value' is a bytes"),
        (1j, "is a complex"),
        (np.array(["a"]), "array of dtype <U1"),
        (np.array([None]), "array of dtype object"),
        (np.ma.masked_array([1, 2], [0, 1]), "MaskedArray"),
        (np.zeros(1, "i4,f4"), "array of dtype"),
        (np.datetime64("2026-01-01"), "array of dtype"),
    ],
)  # fmt: skip
def test_what_is_not_plain_is_refused(tmp_path: Path, value: Any, message: str) -> None:
    with pytest.raises(tg.ArgumentError, match=message):
        through_file(value, tmp_path / "s")
    assert list(tmp_path.iterdir()) == []


def test_deep_and_endless_trees_are_refused(tmp_path: Path) -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(tg.ArgumentError, match="nested deeper than 64"):
        through_file(endless, tmp_path / "s")


def test_more_parts_than_are_read_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(tg.ArgumentError, match="texts, lists and objects, allowed are 524288"):
        through_file([[]] * 530_000, tmp_path / "s")
    assert len(through_file([0.5] * 530_000, tmp_path / "s")) == 530_000
    text = "[" + "[]," * 600_000
    (tmp_path / "s").write_bytes(b"".join(safetensors.layout({}, {"tilegrad_state": text})))
    with pytest.raises(tg.CheckpointError, match="the description of the state has more than"):
        state.read_state(tmp_path / "s")


# Files that are not whole, or not what they say.


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    content = {"step": 3, "w": np.float32([1, 2]), "mask": np.array([True, False]), "big": 2**80, "t": tg.ones(2)}
    state.write_state(tmp_path / "state", content, {"loss": 0.5})
    return tmp_path / "state"


def test_flipped_bytes_and_truncations_are_found(saved: Path) -> None:
    content = saved.read_bytes()
    for position in range(0, len(content), 3):
        saved.write_bytes(content[:position] + bytes([content[position] ^ 0x10]) + content[position + 1 :])
        with pytest.raises(tg.CheckpointError, match="state"):
            state.read_state(saved)
        saved.write_bytes(content[:position])
        with pytest.raises(tg.CheckpointError, match="state"):
            state.read_state(saved)
    saved.write_bytes(content + b"\0")
    with pytest.raises(tg.CheckpointError, match="follow the header"):
        state.read_state(saved)


def test_results_are_read_from_the_head_alone(saved: Path) -> None:
    assert state.read_results(saved) == {"loss": 0.5}
    content = saved.read_bytes()
    saved.write_bytes(content[:-1] + b"\xff")
    assert state.read_results(saved) == {"loss": 0.5}
    saved.write_bytes(content.replace(b"results", b"resulis"))
    with pytest.raises(tg.CheckpointError, match="checksum differs"):
        state.read_results(saved)


def test_a_model_is_no_state(tmp_path: Path) -> None:
    tg.save(tg.nn.Linear(2, 1), tmp_path / "m")
    with pytest.raises(tg.CheckpointError, match="no state of a training: the file has no entry 'tilegrad_state'"):
        state.read_state(tmp_path / "m")


def sealed(path: Path, described: Any, tensors: Any = (), version: int = 1, results: Any = None) -> Path:
    """A file with right checksums, so that only its content is wrong."""
    arrays = dict(tensors)
    text = sealing.seal({"version": version, "state": described, "results": results}, arrays)
    path.write_bytes(b"".join(safetensors.layout(arrays, {"tilegrad_state": text})))
    return path


def nested(depth: int) -> Any:
    found: Any = 1
    for _ in range(depth):
        found = [found]
    return found


W = {"w": np.ones(2, np.uint8)}


@pytest.mark.parametrize(
    ("described", "tensors", "message"),
    [
        (3, {}, "the state is a int, expected a dict"),
        ({"dict": [["a", {}]]}, {}, "the state has {} where"),
        ({"dict": [["a", {"eval": "1"}]]}, {}, "'eval': '1'"),
        ({"dict": [["a"]]}, {}, "where a value was expected"),
        ({"dict": [["a", 1], ["a", 2]]}, {}, "where a value was expected"),
        ({"dict": [[None, 1]]}, {}, "where a value was expected"),
        ({"dict": [[["a"], 1]]}, {}, "where a value was expected"),
        ({"dict": [["a", {"array": "w"}]]}, {}, "where a value was expected"),
        ({"dict": [["a", {"array": 1}]]}, W, "where a value was expected"),
        ({"dict": [["a", {"array": "w"}], ["b", {"array": "w"}]]}, W, "where a value was expected"),
        ({"dict": [["a", {"scalar": "w"}]]}, W, "where a value was expected"),
        ({"dict": [["a", {"tensor": "w", "dtype": "|i1"}]]}, W, "where a value was expected"),
        ({"dict": [["a", {"array": "w", "dtype": "|O8", "shape": []}]]}, W, "where a value was expected"),
        ({"dict": [["a", {"array": "w", "dtype": "|i1", "shape": [3]}]]}, W, "where a value was expected"),
        ({"dict": [["a", {"array": "w", "dtype": "|i1", "shape": [-1]}]]}, W, "where a value was expected"),
        ({"dict": [["a", {"array": "w", "dtype": "<i4", "shape": [1]}]]}, W, "where a value was expected"),
        ({"dict": [["a", {"array": "w", "dtype": "<i8", "shape": [0, 9]}]]}, W, "where a value was expected"),
        ({"dict": [["a", {"array": "w", "dtype": "|i1", "shape": [2**40, 2**40]}]]}, W, "where a value was expected"),
        ({"dict": [["a", {"int": "12"}]]}, {}, "where a value was expected"),
        ({"dict": [["a", {"float": "nan"}]]}, {}, "where a value was expected"),
        ({"dict": []}, W, "the arrays 'w' are not part of the state"),
        ({"dict": [["a", nested(200)]]}, {}, "nested deeper than 64"),
    ],
)  # fmt: skip
def test_wrong_descriptions(tmp_path: Path, described: Any, tensors: Any, message: str) -> None:
    path = sealed(tmp_path / "state", described, tensors)
    with pytest.raises(tg.CheckpointError, match=message) as caught:
        state.read_state(path)
    assert str(path) in str(caught.value)


def test_other_versions_and_wrong_results(tmp_path: Path) -> None:
    with pytest.raises(tg.CheckpointError, match="layout 2, this version of tilegrad reads 1"):
        state.read_state(sealed(tmp_path / "s", {"dict": []}, version=2))
    for results in ([1], {"dict": [["loss", "low"]]}):
        with pytest.raises(tg.CheckpointError, match="not numbers by name"):
            state.read_results(sealed(tmp_path / "s", {"dict": []}, results=results))


def test_a_boolean_is_zero_or_one(saved: Path) -> None:
    content = saved.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    first, _ = json.loads(content[8:start])["mask"]["data_offsets"]
    content = content[: start + first] + b"\2" + content[start + first + 1 :]
    saved.write_bytes(content)
    with pytest.raises(tg.CheckpointError, match="tensor 'mask' has the byte 2, BOOL allows 0 and 1"):
        state.read_state(saved)


def test_what_encode_names_decode_finds() -> None:
    described, arrays = tree.encode({"a": np.ones(2), "b": (1, tg.ones(1))})
    assert sorted(arrays) == ["a", "b/1"]
    found = tree.decode(described, {name: tg.tensor(a) for name, a in arrays.items()}, "here")
    assert found["b"][1].tolist() == [1.0]
