"""PyTorch's files read without PyTorch: what comes back, and what damaged and hostile files do: nothing."""

from __future__ import annotations

import pickle
import pickletools
import struct
import zipfile
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilegrad as tg

# Files written by hand.


def entry(text: str) -> bytes:
    """A text as a pickle stream has it."""
    encoded = text.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def number(value: int) -> bytes:
    return pickle.dumps(value, 2)[2:-1]


def storage(kind: str = "FloatStorage", key: str = "0", length: int = 4, old: bool = False) -> bytes:
    return (
        b"(" + entry("storage") + f"ctorch\n{kind}\n".encode() + entry(key) + entry("cpu") + number(length)
        + (b"N" if old else b"") + b"tQ"
    )  # fmt: skip


def view(source: bytes, offset: int = 0, shape: tuple[int, ...] = (2, 2), strides: tuple[int, ...] = (2, 1)) -> bytes:
    def sizes(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(number(v) for v in values) + b"t"

    arguments = source + number(offset) + sizes(shape) + sizes(strides) + b"\x89" + b"ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"tR"


def stream(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."


def zipped(path: Path, pickled: bytes, data: dict[str, bytes] | None = None, **more: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        for name, content in {**(data or {}), **more}.items():
            archive.writestr(f"archive/{name}", content)
    return path


def streamed(path: Path, pickled: bytes, storages: list[tuple[str, int, bytes]]) -> Path:
    head = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}]
    content = b"".join(pickle.dumps(part, 2) for part in head) + pickled
    content += pickle.dumps([key for key, _, _ in storages], 2)
    content += b"".join(struct.pack("<q", length) + data for _, length, data in storages)
    path.write_bytes(content)
    return path


FOUR = np.float32([1, 2, 3, 4]).tobytes()


def test_files_by_hand(tmp_path: Path) -> None:
    new = zipped(tmp_path / "new", stream(view(storage())), {"data/0": FOUR})
    old = streamed(tmp_path / "old", stream(view(storage(old=True))), [("0", 4, FOUR)])
    for path in (new, old):
        assert tg.io.read_torch_checkpoint(path).tolist() == [[1, 2], [3, 4]]


# What PyTorch has written comes back.

DTYPES = {
    "float32": "float32", "float64": "float64", "float16": "float16", "bfloat16": "bfloat16", "int64": "int64",
    "int32": "int32", "int16": "int32", "int8": "int32", "uint8": "uint8", "bool": "bool",
}  # fmt: skip


def save(torch: Any, value: Any, path: Path, new: bool) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=new)
    return path


@pytest.mark.parametrize("new", [True, False], ids=["zip", "streams"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_and_view(dtype: str, new: bool, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    base = (torch.arange(60) % (2 if dtype == "bool" else 60)).to(getattr(torch, dtype)).reshape(3, 4, 5)
    value = {
        "whole": base,
        "turned": base.permute(2, 0, 1),
        "part": base[1:, ::2, 3],
        "repeated": base[0, 0, :1].expand(1) if dtype == "bfloat16" else base[0, 0, :1].expand(7),
        "empty": base[:0],
        "one": base[1, 1, 1],
        "shared": base[2],
    }
    found = tg.io.read_torch_checkpoint(save(torch, value, tmp_path / "m", new))
    assert list(found) == list(value)
    for name, tensor in value.items():
        assert found[name].dtype.name == DTYPES[dtype], name
        assert found[name].shape == tuple(tensor.shape), name
        assert found[name].astype("float64").tolist() == tensor.double().tolist(), name
    if dtype != "bfloat16":  # its views with gaps are copies
        before = found["turned"].astype("float64").tolist()
        found["shared"].fill_(0 if dtype == "bool" else 99)
        assert found["turned"].astype("float64").tolist() != before
    assert found["whole"][2].tolist() == found["shared"].tolist()


@pytest.mark.parametrize("new", [True, False], ids=["zip", "streams"])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_checkpoints_of_a_training(new: bool, protocol: int, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.Flatten())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    model(torch.ones(2, 2, 4, 4)).sum().backward()
    optimizer.step()
    value = {
        "state_dict": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3, "big": 2**80, "loss": -0.5,
        "name": "größer", "flags": [True, False, None], "size": torch.Size([1, 2]), "device": torch.device("cuda", 1),
        "dtype": torch.bfloat16, "pair": (1, (2, "x")), "parameter": torch.nn.Parameter(torch.ones(2)), "nothing": {},
    }  # fmt: skip
    path = tmp_path / "m"
    torch.save(value, path, pickle_protocol=protocol, _use_new_zipfile_serialization=new)
    found = tg.io.read_torch_checkpoint(path)
    assert type(found["state_dict"]) is OrderedDict
    for name, tensor in value["state_dict"].items():
        assert found["state_dict"][name].tolist() == tensor.tolist()
    moments = found["optimizer"]["state"][0]["exp_avg"]
    assert moments.tolist() == optimizer.state_dict()["state"][0]["exp_avg"].tolist()
    assert found["optimizer"]["param_groups"][0]["betas"] == (0.9, 0.999)
    plain = ("epoch", "big", "loss", "name", "flags", "size", "device", "pair", "nothing")
    assert {key: found[key] for key in plain} == {
        "epoch": 3, "big": 2**80, "loss": -0.5, "name": "größer", "flags": [True, False, None], "size": (1, 2),
        "device": "cuda:1", "pair": (1, (2, "x")), "nothing": {},
    }  # fmt: skip
    assert found["dtype"] == tg.bfloat16
    assert found["parameter"].tolist() == [1, 1]


def test_damage_anywhere_in_a_real_file(tmp_path: Path) -> None:
    """Whatever is cut off or flipped, the answer is a CheckpointError or (in data that no checksum covers) a value."""
    torch = pytest.importorskip("torch")
    for new in (True, False):
        path = save(torch, {"w": torch.arange(6.0).reshape(2, 3).t(), "n": [1, "a"]}, tmp_path / "m", new)
        content = path.read_bytes()
        for length in range(0, len(content), 7):
            path.write_bytes(content[:length])
            with pytest.raises(tg.CheckpointError):
                tg.io.read_torch_checkpoint(path)
        rng = np.random.default_rng(0)
        for position in range(0, len(content), 3):
            changed = bytearray(content)
            changed[position] ^= 1 << int(rng.integers(8))
            path.write_bytes(changed)
            with suppress(tg.CheckpointError):
                tg.io.read_torch_checkpoint(path)


# What is refused, without anything being executed.

called: list[str] = []


class Evil:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.what = function, arguments

    def __reduce__(self) -> Any:
        return self.what


def mark(text: str) -> str:
    called.append(text)
    return text


HOSTILE = {
    "os.system": (b"cos\nsystem\n" + entry("true") + b"\x85R", r"os\.system"),
    "posix.system": (b"cposix\nsystem\n" + entry("true") + b"\x85R", r"posix\.system"),
    "eval": (b"c__builtin__\neval\n" + entry("1") + b"\x85R", r"__builtin__\.eval"),
    "getattr": (b"cbuiltins\ngetattr\nctorch\nFloatStorage\n" + entry("data") + b"\x86R", r"builtins\.getattr"),
    "by stack": (entry("os") + entry("system") + b"\x93" + entry("true") + b"\x85R", r"os\.system"),
    "dotted": (entry("torch") + entry("Size.__class__") + b"\x93", r"torch\.Size\.__class__"),
    "torch itself": (b"ctorch\nload\n" + entry("x") + b"\x85R", r"torch\.load"),
    "a rebuilder": (b"ctorch._utils\n_rebuild_wrapper_subclass\n)R", r"torch\._utils\._rebuild_wrapper_subclass"),
    "inst": (b"(" + entry("true") + b"ios\nsystem\n", "opcode INST"),
    "obj": (b"(cos\nsystem\n" + entry("true") + b"o", r"os\.system"),
    "newobj": (b"ccollections\nOrderedDict\n)\x81", "opcode NEWOBJ"),
    "extension": (b"\x82\x01", "opcode EXT1"),
    "bytes": (b"C\x01a", "opcode SHORT_BINBYTES"),
    "set": (b"\x8f", "opcode EMPTY_SET"),
    "a name as a value": (b"ctorch\nSize\n", r"uses torch\.Size as a value"),
    "build on a name": (b"ccollections\nOrderedDict\n}" + entry("x") + b"Nsb", "treats a _Name as a dict"),
    "build on a storage": (storage() + b"}" + entry("length") + number(9) + b"sb", "treats a _Storage as a dict"),
    "build on a tensor": (view(storage()) + b"}" + entry("offset") + number(9) + b"sb", "treats a _View as a dict"),
    "calling a dict": (b"})R", "calls what cannot be called"),
    "calling with a list": (b"ctorch\nSize\n]R", "calls what cannot be called"),
    "calling a storage": (b"ctorch\nFloatStorage\n)R", "calls what cannot be called"),
    "persistent text": (b"Pabc\n", "opcode PERSID"),
    "persistent number": (b"K\x01Q", "not that of a storage"),
    "a storage alone": (storage(), "where a tensor was expected"),
    "a kind alone": (b"ctorch\nFloatStorage\n", "where a tensor was expected"),
    "unknown storage": (view(storage("ComplexFloatStorage")), r"torch\.ComplexFloatStorage"),
    "a storage twice": (b"(" + view(storage()) + view(storage(length=5)) + b"t", "in two ways"),
    "of another file": (view(storage(key="../../etc/passwd")), r"lacks the entry 'archive/data/\.\./\.\./etc/passwd'"),
    "negative length": (view(storage(length=-1)), "not described by its kind, key and length"),
    "huge length": (view(storage(length=2**61)), "its tensors need"),
    "more than there is": (view(storage(length=5)), "has 16 bytes, its tensors need 20"),
    "offset": (view(storage(), 1), "reaches beyond the 4 elements"),
    "offset of nothing": (view(storage(), 9, (0,), (1,)), "reaches beyond"),
    "strides": (view(storage(), 0, (2, 2), (3, 1)), "reaches beyond the 4 elements"),
    "negative strides": (view(storage(), 3, (4,), (-1,)), "sizes or strides that cannot be"),
    "negative sizes": (view(storage(), 0, (-1,), (1,)), "sizes or strides that cannot be"),
    "sizes and strides": (view(storage(), 0, (2, 2), (1,)), "do not fit each other"),
    "overflow": (view(storage(), 0, (2**61, 2**61), (2**61, 1)), "reaches beyond"),
    "repeated beyond counting": (view(storage(), 0, (2**40, 2**40), (0, 0)), "cannot be"),
    "rank": (view(storage(), 0, (1,) * 40, (1,) * 40), "sizes or strides that cannot be"),
    "bools as sizes": (b"ctorch\nSize\n(\x88t\x85R", "no sizes"),
    "tensor of nothing": (b"ctorch._utils\n_rebuild_tensor_v2\n)R", "damaged"),
    "parameter of nothing": (b"ctorch._utils\n_rebuild_parameter\n(NNNtR", "made of what is no tensor"),
    "size of texts": (b"ctorch\nSize\n(" + entry("a") + b"t\x85R", "no sizes"),
    "holds itself": (b"]q\x00h\x00a", "holds itself"),
    "holds itself in a tuple": (b"]q\x00h\x00\x85a", "holds itself"),
    "deep": (b"]" * 100_000 + b"a" * 99_999, "nested deeper"),
    "deep tuple": (b"N" + b"\x85" * 100_000, "nested deeper"),
    "a tuple as a key": (b"}N" + b"\x85" * 100_000 + b"Ns", "a tuple as the key"),
    "a list as a key": (b"}]Ns", "a list as the key"),
    "key without value": (b"}(Nu", "key without a value"),
    "no pair": (b"ccollections\nOrderedDict\n(]]NaatR", "no pair"),
    "nothing kept": (b"h\x07", "value 7, which it has not kept"),
    "empty stack": (b"0", "damaged"),
    "mark as value": (b"(\x85", "takes a value where there is none"),
    "kept mark": (b"(q\x00", "keeps a value where there is none"),
    "two values": (b"NN", "ends with 2 values"),
    "protocol": (b"\x80\x63N", "protocol 99"),
    "long number": (b"L" + b"9" * 100_000 + b"L\n", "damaged"),
    "huge text": (b"X\xff\xff\xff\x7fabc", "claims 2147483647 bytes"),
    "huge text of 8 bytes": (b"\x8d" + b"\xff" * 7 + b"\x7fabc", "claims"),
    "no opcode": (b"\xff", "damaged"),
    "not utf-8": (b"X\x01\x00\x00\x00\xff", "damaged"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_streams(name: str, tmp_path: Path) -> None:
    body, message = HOSTILE[name]
    before = tg.memory_stats()["peak_bytes_in_use"]
    path = zipped(tmp_path / "m", stream(body), {"data/0": FOUR})
    with pytest.raises(tg.CheckpointError, match=message) as caught:
        tg.io.read_torch_checkpoint(path)
    assert str(caught.value).startswith(str(path))
    assert tg.memory_stats()["peak_bytes_in_use"] <= before + 4096


def test_nothing_is_called(tmp_path: Path) -> None:
    for protocol in range(2, 6):
        for value in (Evil(mark, "x"), {"w": Evil(mark, "x")}, [Evil(eval, "mark('x')")], Evil(__import__, "os")):
            path = zipped(tmp_path / "m", pickle.dumps(value, protocol))
            with pytest.raises(tg.CheckpointError, match=r"names \S+, but may build dicts.*nothing was executed"):
                tg.io.read_torch_checkpoint(path)
    assert called == []
    pickle.loads(pickle.dumps(Evil(mark, "x")))  # as it is with Python's own
    assert called == ["x"]
    called.clear()


def test_repeated_references_take_no_more_memory_than_the_file(tmp_path: Path) -> None:
    """A list of ten times the list before it, forty times over: 10^40 values if each were built."""
    body = b"]q\x00"
    for level in range(40):
        body += b"]q" + bytes([level + 1]) + b"(" + (b"h" + bytes([level])) * 10 + b"e"
    body += b"q\x29" + b"0" * 41 + b"h\x29"  # all off the stack, and the last one back
    found = tg.io.read_torch_checkpoint(zipped(tmp_path / "m", stream(body)))
    depth = 0
    while found:
        assert len(found) == 10
        assert all(item is found[0] for item in found)
        found, depth = found[0], depth + 1
    assert depth == 40


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({}, "0 entries NAME/data.pkl, expected one"),
        ({"a/data.pkl": stream(b"N"), "b/data.pkl": stream(b"N")}, "2 entries NAME/data.pkl"),
        ({"a/data.pkl": stream(b"N"), "a/byteorder": b"big"}, "not little-endian"),
        ({"a/data.pkl": stream(view(storage()))}, "lacks the entry 'a/data/0'"),
        ({"a/data.pkl": stream(view(storage())), "a/data/0": FOUR + b"x"}, "has 17 bytes, its tensors need 16"),
        ({"a/data.pkl": stream(view(storage("BoolStorage"))), "a/data/0": b"\0\1\2\1"}, "of bools has a byte 2"),
        ({"a/data.pkl": b""}, "damaged"),
    ],
)  # fmt: skip
def test_wrong_archives(entries: dict[str, bytes], message: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m", "w") as archive:
        archive.writestr("first", b"")  # an archive without entries begins otherwise
        for name, content in entries.items():
            archive.writestr(name, content)
    with pytest.raises(tg.CheckpointError, match=message):
        tg.io.read_torch_checkpoint(tmp_path / "m")


def test_archives_that_would_unfold(tmp_path: Path) -> None:
    """Compressed entries, entries that lie over each other, and two of one name."""
    path = tmp_path / "m"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", stream(view(storage(length=2**26))))
        archive.writestr("a/data/0", b"\0" * 2**28)
    assert path.stat().st_size < 2**20
    with pytest.raises(tg.CheckpointError, match=r"entry 'a/data.pkl' is compressed or encrypted"):
        tg.io.read_torch_checkpoint(path)

    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", stream(b"N"))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a/data.pkl", stream(b"N"))
    with pytest.raises(tg.CheckpointError, match="two entries of one name"):
        tg.io.read_torch_checkpoint(path)

    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", stream(b"N"))
        archive.writestr("a/data/0", b"\0" * 1000)
        first = archive.infolist()[1]
        for number in range(1, 9):  # eight more names for the same bytes
            again = zipfile.ZipInfo(f"a/data/{number}")
            again.header_offset, again.file_size, again.compress_size, again.CRC = (
                first.header_offset, 1000, 1000, first.CRC,
            )  # fmt: skip
            archive.filelist.append(again)
    with pytest.raises(tg.CheckpointError, match="claim more bytes than the file has"):
        tg.io.read_torch_checkpoint(path)


@pytest.mark.parametrize(
    ("head", "storages", "message"),
    [
        ([1, 1001, {"little_endian": True}], [], "magic number is wrong"),
        ([0x1950A86A20F9469CFC6C, 1000, {"little_endian": True}], [], "another version of the format"),
        ([0x1950A86A20F9469CFC6C, 1001, {"little_endian": False}], [], "not little-endian"),
        ([0x1950A86A20F9469CFC6C, 1001, None], [], "not little-endian"),
        (None, [], "lacks storage '0'"),
        (None, [("0", 5, FOUR)], "has 5 elements, its tensors need 4"),
        (None, [("0", -4, FOUR)], "has -4 elements, its tensors need 4"),
        (None, [("0", 4, FOUR[:-1])], "and 15 bytes follow"),
        (None, [("0", 4, FOUR + b"x")], "1 bytes follow the last storage"),
        (None, [("0", 4, FOUR), ("1", 4, FOUR)], "storage '1' belongs to no tensor"),
        (None, [("0", 4, FOUR), ("0", 4, FOUR)], "not a list of different texts"),
        (None, [(3, 4, FOUR)], "not a list of different texts"),
    ],
)  # fmt: skip
def test_wrong_streams(head: Any, storages: Any, message: str, tmp_path: Path) -> None:
    path = streamed(tmp_path / "m", stream(view(storage(old=True))), storages)
    if head is not None:
        path.write_bytes(b"".join(pickle.dumps(part, 2) for part in head))
    with pytest.raises(tg.CheckpointError, match=message):
        tg.io.read_torch_checkpoint(path)


def test_a_view_of_a_storage_as_it_was_before_torch_0_4(tmp_path: Path) -> None:
    body = storage(old=True).replace(b"NtQ", entry("1") + b"K\x00K\x04\x87tQ")
    with pytest.raises(tg.CheckpointError, match=r"storage '0' is a view of another"):
        tg.io.read_torch_checkpoint(streamed(tmp_path / "m", stream(view(body)), [("0", 4, FOUR)]))


@pytest.mark.parametrize(
    "content", [b"", b"x", b"PK", b"PK\x03\x04", b"\x80", b"\x80\x02", b"\x89HDF\r\n\x1a\n", b"ustar" * 99]
)
def test_other_files(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(tg.CheckpointError):
        tg.io.read_torch_checkpoint(tmp_path / "m")
    with pytest.raises(FileNotFoundError):
        tg.io.read_torch_checkpoint(tmp_path / "missing")


def test_every_opcode_is_allowed_or_refused(tmp_path: Path) -> None:
    """None falls through to anything that would call, import or change: pickletools knows them all."""
    plain = {"NONE", "NEWTRUE", "NEWFALSE", "EMPTY_LIST", "EMPTY_TUPLE", "EMPTY_DICT"}
    values = ("INT", "LONG", "FLOAT", "STRING", "UNICODE")
    for opcode in pickletools.opcodes:
        argument = b"" if opcode.arg is None else b"\x00" * 16 + b"\n"
        try:
            tg.io.read_torch_checkpoint(zipped(tmp_path / "m", stream(opcode.code.encode("latin-1") + argument)))
        except tg.CheckpointError:
            continue
        assert opcode.name in plain or any(value in opcode.name for value in values)
