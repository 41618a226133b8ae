"""Model files: what comes back, what is refused, and what a death in the middle of writing leaves."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn
from tilegrad.io import atomic, safetensors
from tilegrad.io.architecture import changed


@nn.register("tests.Weighted")
class Weighted(nn.Module):
    """Registered: a file can name it."""

    def __init__(self, size: int, scale: float = 1.0, inner: nn.Module | None = None) -> None:
        self.size, self.scale = size, scale
        self.weight = nn.Parameter(tg.full((size,), scale))
        self.register_buffer("steps", tg.zeros((), dtype="int64"))
        self.inner = inner

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        x = x * self.weight
        return x if self.inner is None else self.inner(x)


class Private(Weighted):
    """Not registered."""


def bits(model: nn.Module) -> dict[str, bytes]:
    return {name: bytes(safetensors.as_bytes(tensor)) for name, tensor in model.state_dict().items()}


def model_of(scale: float = 2.0) -> nn.Sequential:
    return nn.Sequential(Weighted(3, scale=scale), Weighted(3, 0.5, inner=Weighted(3)))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    tg.save(model_of(), path)
    return path


def test_a_model_comes_back_with_the_same_bits(saved: Path) -> None:
    model = tg.load(saved)
    assert repr(model) == repr(model_of())
    assert bits(model) == bits(model_of())
    assert model.training
    tg.save(model.eval(), saved)
    assert not tg.load(saved).training


def test_the_same_model_gives_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    tg.save(model_of(), tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == saved.read_bytes()


def test_a_layer_used_twice_stays_one(tmp_path: Path) -> None:
    shared = Weighted(2)
    tg.save(nn.Sequential(shared, nn.Sequential(shared)), tmp_path / "m")
    model: Any = tg.load(tmp_path / "m")
    assert model[0] is model[1][0]


@pytest.mark.parametrize(
    "value", [None, True, 3, 0.1, float("inf"), "text", (1, (2, "x")), [1, None], {"a": (1,)}, tg.float64]
)
def test_arguments_come_back(tmp_path: Path, value: Any) -> None:
    @nn.register("tests.Anything")
    class Anything(nn.Module):
        def __init__(self, value: Any) -> None:
            self.value = value

    tg.save(Anything(value), tmp_path / "m")
    loaded: Any = tg.load(tmp_path / "m")
    assert loaded.value == value
    assert type(loaded.value) is type(value)


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16", "int64", "int32", "uint8", "bool"])
def test_every_dtype(tmp_path: Path, dtype: str) -> None:
    model = Weighted(2)
    tensor = tg.empty((3, 5), dtype=dtype)
    random = np.random.default_rng(0)
    content = safetensors.as_bytes(tensor)
    content[:] = random.integers(0, 2 if dtype == "bool" else 256, len(content)).astype("uint8")
    model.register_buffer("extra", tensor)
    tg.save(model, tmp_path / "m")
    target = Weighted(2)
    target.register_buffer("extra", tg.empty((3, 5), dtype=dtype))
    tg.load(tmp_path / "m", into=target)
    assert bits(target) == bits(model)


def test_the_package_safetensors_reads_our_files(saved: Path) -> None:
    package = pytest.importorskip("safetensors.numpy")
    found = package.load_file(saved)
    expected = model_of().state_dict()
    assert set(found) == set(expected)
    for name, array in found.items():
        assert np.array_equal(array, expected[name].numpy())
        assert array.dtype == expected[name].dtype.name


def test_we_read_the_files_of_the_package(tmp_path: Path) -> None:
    package = pytest.importorskip("safetensors.numpy")
    arrays = {"weight": np.float32([7, 8]), "steps": np.array(3, np.int64)}
    package.save_file(arrays, tmp_path / "m", metadata={"format": "np"})
    with pytest.raises(tg.CheckpointError, match=r"weights only \(it was not written by tg.save\).*into=model"):
        tg.load(tmp_path / "m")
    model = tg.load(tmp_path / "m", into=Weighted(2))
    assert np.array_equal(model.weight.detach().numpy(), [7, 8])
    assert model.steps.item() == 3


def test_open_files_take_and_give_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    file = io.BytesIO(b"head")
    file.seek(4)
    tg.save(tg.load(saved), file)
    assert file.getvalue() == b"head" + saved.read_bytes()
    file.seek(4)
    assert str(tg.load(file)) == str(tg.load(saved))
    with pytest.raises(tg.CheckpointError, match=r"^the file: not a safetensors file, or a truncated one"):
        tg.load(io.BytesIO(saved.read_bytes()[:-8][:50]))


def test_a_network_of_another_dtype_comes_back(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(None, 3), nn.BatchNorm1d()).build((2,)).to("float64")
    tg.save(model, tmp_path / "model")
    x = tg.ones((2, 2), dtype="float64")
    assert np.array_equal(tg.load(tmp_path / "model").eval()(x).detach().numpy(), model.eval()(x).detach().numpy())


def test_a_network_of_several_dtypes_comes_back(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
    model[0].to("float16")
    model[2].to("float64")
    tg.save(model, tmp_path / "model")
    assert bits(tg.load(tmp_path / "model")) == bits(model)
    found = tg.load(tmp_path / "model").state_dict()
    assert [(name, tensor.dtype) for name, tensor in found.items()] == [
        (name, tensor.dtype) for name, tensor in model.state_dict().items()
    ]


def test_an_unregistered_class_saves_weights_only(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="class Private is not registered"):
        tg.save(Private(2, 5.0), tmp_path / "m")
    with pytest.raises(tg.CheckpointError, match=r"class Private is not registered.*into=model"):
        tg.load(tmp_path / "m")
    assert bits(tg.load(tmp_path / "m", into=Private(2))) == bits(Private(2, 5.0))
    with pytest.raises(tg.StateDictError, match="misshaped"):
        tg.load(tmp_path / "m", into=Private(3))


def test_a_name_is_registered_once() -> None:
    with pytest.raises(tg.ArgumentError, match="is taken by"):
        nn.register("tests.Weighted")(Private)
    for thing in (5, int):
        with pytest.raises(tg.ArgumentError, match="register: expected a class of modules or a name for one, found"):
            nn.register(thing)  # type: ignore[call-overload]
        with pytest.raises(tg.ArgumentError, match="register: expected a class of modules"):
            nn.register("tests.Number")(thing)  # type: ignore[type-var]


def test_saving_follows_a_link_and_refuses_a_folder(saved: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(saved)
    tg.save(model_of(9.0), link)
    assert link.is_symlink()
    assert bits(tg.load(saved)) == bits(model_of(9.0))
    with pytest.raises(tg.ArgumentError, match="is a folder"):
        tg.save(model_of(), tmp_path)
    with pytest.raises(tg.ArgumentError, match="expected a module, found dict"):
        tg.save({}, tmp_path / "x")  # type: ignore[arg-type]


# What is refused.


def test_every_flipped_byte_is_found(saved: Path) -> None:
    content = saved.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    for position in range(len(content)):
        saved.write_bytes(content[:position] + bytes([content[position] ^ 0x10]) + content[position + 1 :])
        with pytest.raises(tg.CheckpointError) as caught:
            tg.load(saved)
        for name, entry in header.items():
            if (
                name != "__metadata__"
                and start + entry["data_offsets"][0] <= position < start + entry["data_offsets"][1]
            ):
                assert f"the checksum differs for '{name}'" in str(caught.value)


def test_every_truncation_is_found(saved: Path) -> None:
    content = saved.read_bytes()
    for length in range(len(content)):
        saved.write_bytes(content[:length])
        with pytest.raises(tg.CheckpointError):
            tg.load(saved)
    saved.write_bytes(content + b"\0")
    with pytest.raises(tg.CheckpointError, match="follow the header"):
        tg.load(saved)


def write(path: Path, header: Any, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def entry(dtype: str, shape: Any, offsets: Any) -> dict[str, Any]:
    return {"t": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


def test_a_short_file_that_claims_gigabytes_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "m"
    for claim in (8 << 30, 2**63, 2**64 - 1):
        path.write_bytes(claim.to_bytes(8, "little") + b"{}  ")
        assert path.stat().st_size == 12
        before = tg.memory_stats()["peak_bytes_in_use"]
        with pytest.raises(tg.CheckpointError, match=f"has 12 bytes and claims a header of {claim}"):
            tg.load(path)
        assert tg.memory_stats()["peak_bytes_in_use"] == before
    huge = 1 << 40
    with pytest.raises(tg.CheckpointError, match="bytes, but 0 follow"):
        tg.load(write(path, entry("F32", [huge], [0, 4 * huge])))


@pytest.mark.parametrize(
    ("header", "data", "message"),
    [
        (b"{", b"", "not the JSON"),
        (b"[1]", b"", "not a JSON object"),
        (b"[" * 100_000, b"", "not the JSON"),
        (b'{"a":' * 50_000, b"", "not the JSON"),
        (b'{"t": %s, "t": %s}' % ((json.dumps(entry("U8", [0], [0, 0])["t"]).encode(),) * 2), b"", "twice"),
        (b'{"__metadata__": {"a": "", "a": ""}}', b"", "twice"),
        (b'{"__metadata__": {"a": ""},}', b"", "a name expected at character 27"),
        (b'{"__metadata__": {"a": ""}} {}', b"", "more follows"),
        (b'{"__metadata__": {"a": ""', b"", "',' or '}' expected"),
        (b'{"t" 1}', b"", "':' expected at character 5"),
        (b'{t: 1}', b"", "a name expected"),
        (b'{"t": {"dtype": "U8", ' + b" " * 5000 + b"}}", b"", "more than 4096 characters"),
        (b'{"t": {"dtype": {"U8": 1}}}', b"", "not the JSON"),
        (b'{"t": {"dtype": {}, ' + b"[]," * 3000 + b"[]}}", b"", "not the JSON"),
        (b'{"__metadata__": []}', b"", "not a JSON object at character 17"),
        (b"\xff\xfe{}", b"", "not the JSON"),
        ({"__metadata__": {"a": 1}}, b"", "__metadata__"),
        ({"t": 1}, b"", "not described by"),
        ({"t": {"dtype": "F32", "shape": []}}, b"", "not described by"),
        (entry("F8_E4M3", [1], [0, 1]), b"\0", "dtype 'F8_E4M3'"),
        (entry([], [1], [0, 1]), b"\0", "dtype"),  # type: ignore[arg-type]
        (entry("F32", [1], [0, 2]), b"\0\0", r"has 2 bytes, but F32 \[1\] has 4"),
        (entry("F32", [-1], [0, -4]), b"", "not lists of sizes"),
        (entry("F32", [1.0], [0, 4]), b"\0" * 4, "not lists of sizes"),
        (entry("F32", [True], [0, 4]), b"\0" * 4, "not lists of sizes"),
        (entry("F32", [2**40, 2**40], [0, 4]), b"\0" * 4, "bytes, but"),
        (entry("F32", [1] * 40, [0, 4]), b"\0" * 4, "not lists of sizes"),
        (entry("F32", [1], [4, 8]), b"\0" * 8, "begins at byte 4, expected 0"),
        (entry("F32", [1], [0, 4]), b"\0" * 5, "the tensors have 4 bytes, but 5 follow"),
    ],
)  # fmt: skip
def test_malformed_files(tmp_path: Path, header: Any, data: bytes, message: str) -> None:
    with pytest.raises(tg.CheckpointError, match=message):
        tg.load(write(tmp_path / "m", header, data))


def described(path: Path, architecture: Any, **changes: Any) -> Path:
    """A file whose description is what it says, checksums included, so that only its content is wrong."""
    import hashlib

    from tilegrad.io.sealing import as_text

    about = {"version": 1, "training": True, "architecture": architecture, "inferred": {}, "sha256": {}, **changes}
    about["self"] = hashlib.sha256(as_text(about).encode()).hexdigest()
    return write(path, {"__metadata__": {"tilegrad": as_text(about)}})


def nested(depth: int) -> Any:
    found: Any = {"kind": "Sequential", "arguments": [], "named": {}}
    for _ in range(depth):
        found = {"kind": "Sequential", "arguments": [{"module": found}], "named": {}}
    return found


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ({"kind": "os.system", "arguments": ["true"], "named": {}}, "kind 'os.system', which this program has not"),
        ({"kind": ["Linear"], "arguments": [], "named": {}}, "where a module was expected"),
        ({"kind": "Sequential", "arguments": {}, "named": {}}, "where a module was expected"),
        ({"kind": "Sequential"}, "where a module was expected"),
        ([1], "where a module was expected"),
        (None, "where a module was expected"),
        ({"same": 0}, "refers to module 0"),
        ({"same": -1}, "refers to module -1"),
        ({"kind": "Sequential", "arguments": [{"module": {"same": 0}}], "named": {}}, "refers to module 0"),
        ({"kind": "Sequential", "arguments": [{"eval": "1"}], "named": {}}, "where an argument was expected"),
        ({"kind": "Sequential", "arguments": [{"dtype": "object"}], "named": {}}, "where an argument was expected"),
        ({"kind": "Sequential", "arguments": [{"dict": [[1]]}], "named": {}}, "where an argument was expected"),
        ({"kind": "Sequential", "arguments": [1], "named": {}}, "Sequential cannot be made"),
        ({"kind": "tests.Weighted", "arguments": [], "named": {"nothing": 1}}, "cannot be made from its arguments"),
        (nested(100), "nested deeper than 64"),
    ],
)  # fmt: skip
def test_wrong_architectures(tmp_path: Path, architecture: Any, message: str) -> None:
    with pytest.raises(tg.CheckpointError, match=message):
        tg.load(described(tmp_path / "m", architecture))


def test_absurd_nesting_of_the_architecture(tmp_path: Path) -> None:
    text = '{"architecture":' + "[" * 200_000
    with pytest.raises(tg.CheckpointError, match="not readable"):
        tg.load(write(tmp_path / "m", {"__metadata__": {"tilegrad": text}}))


def test_another_version_and_missing_weights(tmp_path: Path) -> None:
    empty = {"kind": "Sequential", "arguments": [], "named": {}}
    assert len(list(tg.load(described(tmp_path / "m", empty)).modules())) == 1
    with pytest.raises(tg.CheckpointError, match="layout 2, this version of tilegrad reads 1"):
        tg.load(described(tmp_path / "m", empty, version=2))
    with pytest.raises(tg.CheckpointError, match=r"missing: weight float32 \[4\]"):
        tg.load(described(tmp_path / "m", {"kind": "tests.Weighted", "arguments": [4], "named": {}}))
    with pytest.raises(tg.CheckpointError, match="not in both lists"):
        tg.load(described(tmp_path / "m", empty, sha256={"ghost": ""}))


@nn.register("tests.Doubling")
class Doubling(nn.Module):
    """Its attribute is not its argument."""

    def __init__(self, size: int, p: float = 0.5) -> None:
        self.size = 2 * size
        self.drop = nn.Dropout(p)

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        return self.drop(x)


def test_attributes_that_were_set_later_come_back(tmp_path: Path) -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3, stride=2), nn.BatchNorm2d(2), nn.LeakyReLU(0.1), nn.MaxPool2d(2), Doubling(3)
    )
    conv, norm, activation, pool, own = model
    conv.stride, conv.bias = (1, 2), None
    norm.eps, activation.negative_slope, pool.stride, own.drop.p = 0.5, 0.3, 1, 0.25
    tg.save(model.eval(), tmp_path / "m")
    loaded = tg.load(tmp_path / "m")
    assert bits(loaded) == bits(model)
    assert (loaded[3].stride, loaded[4].size, loaded[4].drop.p) == (1, 6, 0.25)
    assert changed(loaded) == changed(model)
    assert changed(nn.Sequential(nn.Conv2d(1, 2, (3, 1), bias=False), nn.LayerNorm(3), nn.GRU(2, 3))) == {}
    x = tg.randn((2, 9, 9, 1))
    assert np.array_equal(loaded(x).numpy(), model(x).numpy())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ([], "lacks layers whose attributes it changes"),
        ({"1": {}}, "lacks layers whose attributes it changes"),
        ({"0": [1]}, r"no attribute of '0': \[1\]"),
        ({"0": {"forward": 1}}, "no attribute of '0'"),
        ({"0": {"training": False}}, "no attribute of '0'"),
        ({"0": {"p": {"dict": []}}}, "where a plain value was expected"),
        ({"0": {"p": {"eval": "1"}}}, "where an argument was expected"),
    ],
)
def test_wrong_changes(tmp_path: Path, changed: Any, message: str) -> None:
    dropout = {"kind": "Dropout", "arguments": [], "named": {}}
    model = {"kind": "Sequential", "arguments": [{"module": dropout}], "named": {}}
    with pytest.raises(tg.CheckpointError, match=message):
        tg.load(described(tmp_path / "m", model, changed=changed))


def test_a_missing_file_is_pythons_own_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        tg.load(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match=r"folder does not exist: .*nowhere'$"):
        tg.save(nn.ReLU(), tmp_path / "nowhere" / "m")
    with pytest.raises(tg.ArgumentError, match="load: into must be a module, found int"):
        tg.load(tmp_path / "nothing", into=5)  # type: ignore[type-var]


# A death at every step of writing.

CALLS = ("open", "write", "fsync", "close", "replace")


class StepError(Exception):
    pass


class Steps:
    """Counts the calls by which a file is written, and ends things before number ``fatal``."""

    def __init__(self, fatal: int, end: Any) -> None:
        self.count, self.fatal, self.end = 0, fatal, end
        self.real = {name: getattr(os, name) for name in CALLS}

    def wrapped(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.count += 1
            if self.count == self.fatal:
                if name == "close":
                    self.real[name](*args)  # the system closes what a dead process had open
                self.end()
            if name == "write":  # in small pieces, so that the middle of the file is a step too
                args = (args[0], bytes(args[1])[:1000])
            return self.real[name](*args, **kwargs)

        return call


def test_an_error_at_every_step_leaves_the_old_file_or_the_new(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = bits(tg.load(saved)), bits(model_of(7.0))

    def fail() -> None:
        raise StepError

    fatal, outcomes = 1, []
    while True:
        tg.save(model_of(), saved)
        steps = Steps(fatal, fail)
        with monkeypatch.context() as patch:
            for name in CALLS:
                patch.setattr(atomic.os, name, steps.wrapped(name))
            try:
                tg.save(model_of(7.0), saved)
                finished = True
            except StepError:
                finished = False
        found = bits(tg.load(saved))
        assert found in (old, new)
        outcomes.append(found == new)
        assert [p.name for p in saved.parent.iterdir()] == [saved.name]
        if finished:
            break
        fatal += 1
    assert fatal >= 9  # open, two or more writes, fsync, close, replace, and the folder's open, fsync, close
    assert outcomes == sorted(outcomes)
    assert not outcomes[0]
    assert outcomes[-1]


def test_a_kill_at_every_step_leaves_the_old_file_or_the_new(saved: Path) -> None:
    program = textwrap.dedent(f"""
        import os, signal, sys
        sys.path.insert(0, {str(Path(__file__).parents[1])!r})
        from tests.test_io import CALLS, Steps, model_of
        import tilegrad as tg
        from tilegrad.io import atomic
        first, last, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
        for fatal in range(first, last):
            child = os.fork()
            if child == 0:
                steps = Steps(fatal, lambda: os.kill(os.getpid(), signal.SIGKILL))
                for name in CALLS:
                    setattr(atomic.os, name, steps.wrapped(name))
                tg.save(model_of(7.0), f"{{path}}.{{fatal}}")
                os._exit(0)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """)
    steps = range(1, 40)
    for step in steps:
        Path(f"{saved}.{step}").write_bytes(saved.read_bytes())
    result = subprocess.run(
        [sys.executable, "-c", program, "1", "40", str(saved)], capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode == 0, result.stderr
    codes = [int(line) for line in result.stdout.split()]
    killed = codes.count(-signal.SIGKILL)
    assert killed >= 9
    assert codes == [-signal.SIGKILL] * killed + [0] * (len(codes) - killed)
    old, new = bits(model_of()), bits(model_of(7.0))
    outcomes = [bits(tg.load(f"{saved}.{step}")) for step in steps]
    assert all(found in (old, new) for found in outcomes)
    assert outcomes[0] == old
    assert outcomes[killed] == new


def test_a_network_that_inferred_its_sizes_comes_back(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(None, 4, 3, activation="relu"), nn.Flatten(), nn.Linear(None, 5))
    model.build((6, 6, 2)).eval()
    tg.save(model, tmp_path / "m")
    tg.manual_seed(4)
    loaded = tg.load(tmp_path / "m")
    assert repr(loaded) == repr(model)
    x = tg.tensor(np.random.default_rng(0).normal(size=(3, 6, 6, 2)).astype(np.float32))
    assert np.array_equal(loaded(x).detach().numpy(), model(x).detach().numpy())
    after = tg.rand(3).tolist()
    tg.manual_seed(4)
    assert tg.rand(3).tolist() == after  # loading draws nothing
    with pytest.raises(tg.ArgumentError, match=r"0 \(Conv2d\) has no parameters yet"):
        tg.save(nn.Sequential(nn.Conv2d(None, 4, 3)), tmp_path / "unbuilt")


@nn.register("tests.Classifier")
class Classifier(nn.Module):
    """Its constructor leaves a size out."""

    def __init__(self, classes: int) -> None:
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(None, classes))

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        return self.body(x)


def test_sizes_inferred_inside_a_registered_class_come_back(tmp_path: Path) -> None:
    model = Classifier(3).build((2, 5))
    tg.save(model, tmp_path / "m")
    assert bits(tg.load(tmp_path / "m")) == bits(model)
