"""Readers of arrays and archives: what they give, and what they refuse, saying file, field, found and allowed."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad.data.readers import extract_tar, open_gzip, read_npy, read_npz, read_tar_members

ARRAYS = [
    np.arange(6).reshape(2, 3), np.float32(3) * np.ones(()), np.zeros((0, 5)), np.zeros((3, 0, 2), "i1"),
    np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)), np.arange(4, dtype=">i2"), np.ones((2, 2), ">c16"),
    np.array([True, False, True]), np.arange(3, dtype="u1"), np.arange(5, dtype="<f2"), np.arange(7)[::-2],
    np.longdouble([1, 2]) / 3,
]  # fmt: skip


def refused(read: Any, path: Path, content: bytes, message: str) -> None:
    path.write_bytes(content)
    before = sorted(p.name for p in path.parent.iterdir())
    with pytest.raises(tg.DataError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert sorted(p.name for p in path.parent.iterdir()) == before


# NPY.


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype.str}{list(a.shape)}")
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_npy(tmp_path: Path, array: np.ndarray[Any, Any], version: Any) -> None:
    path = tmp_path / "a.npy"
    with path.open("wb") as file:
        np.lib.format.write_array(file, array, version)
    found = read_npy(path)
    assert found.dtype == array.dtype.newbyteorder("=")
    assert found.dtype.isnative
    mapped = read_npy(path, mmap=True)
    assert mapped.dtype == array.dtype
    assert not mapped.size or not mapped.flags.writeable
    for a in (found, mapped):
        assert a.shape == array.shape
        assert np.array_equal(a, array)


def npy(header: str | bytes, data: bytes = b"", version: bytes = b"\1\0", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else header.encode()
    size = (len(text) if length is None else length).to_bytes(2 if version == b"\1\0" else 4, "little")
    return b"\x93NUMPY" + version + size + text + data


def header(descr: str = "'<f4'", order: str = "False", shape: str = "(2,)") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


NPY_WRONG = [
    (b"", "no NPY file: it begins with b''"),
    (b"\x93NUMPX\1\0", "no NPY file"),
    (npy(header(), bytes(8), version=b"\4\0"), "version 4.0 of NPY, expected 1.0, 2.0 or 3.0"),
    (npy(header(), bytes(8))[:9], "truncated: 0 bytes of a header of"),
    (npy(header(), bytes(8), length=5000), "truncated: 66 bytes of a header of 5000"),
    (npy(b"", length=2**32 - 1, version=b"\2\0"), "the header claims 4294967295 bytes, allowed are 10000"),
    (npy(header(), bytes(7)), r"truncated: shape \[2\] of float32 needs 8 bytes of elements, found 7"),
    (npy(header(), bytes(9)), r"bytes follow the array: shape \[2\] of float32 needs 8 bytes of elements, found 9"),
    (npy(header("'|O'", shape="()"), b"\x80\4."), "objects would be a pickle, and pickles are never read"),
    (npy(header("'<U3'"), bytes(24)), "descr is '<U3', expected numbers or booleans"),
    (npy(header("'<M8[s]'"), bytes(16)), "expected numbers or booleans"),
    (npy(header("[('a', '<f4')]"), bytes(8)), "arrays of structures and lists of fields are not read"),
    (npy(header("'<f3'"), bytes(6)), "expected numbers or booleans"),
    (npy(header("'<c64'"), bytes(128)), "expected numbers or booleans"),
    (npy(header("__import__('os')"), bytes(8)), "expected a dtype, an order and a shape"),
    (npy(header(order="None"), bytes(8)), "expected a dtype, an order and a shape"),
    (npy(header(order="'True'"), bytes(8)), "fortran_order is not True or False"),
    (npy(header(shape="(2)"), bytes(8)), r"shape is \(2\), which is no tuple; expected \(2,\)"),
    (npy(header(shape="(-2,)"), bytes(8)), "expected a dtype, an order and a shape"),
    (npy(header(shape="(2.0,)"), bytes(8)), "expected a dtype, an order and a shape"),
    (npy(header(shape="[2]"), bytes(8)), "expected a dtype, an order and a shape"),
    (npy(header(shape="(4294967296, 4294967296)"), bytes(8)), "more axes or elements than an array can have"),
    (npy(header(shape="(0, 4294967296, 4294967296)")), "more axes or elements than an array can have"),
    (npy(header(shape="(1000000000000,)"), bytes(8)), "truncated: .* needs 4000000000000 bytes"),
    (npy(header(shape="(" + "1," * 40 + ")"), bytes(4)), "more axes"),
    (npy(header(shape="(" + "9" * 5000 + ",)"), bytes(8)), "expected a dtype, an order and a shape"),
    (npy("{'descr': '<f4', 'shape': (2,)}", bytes(8)), "expected a dtype, an order and a shape"),
    (npy("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", bytes(8)), "expected a dtype"),
    (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 'y'}", bytes(8)), "expected a dtype"),
    (npy("{" * 5000, bytes(8)), "expected a dtype"),
    (npy("(" * 9999, bytes(8)), "expected a dtype"),
    (npy(b"\xff\xfe\0", bytes(8), version=b"\3\0"), "expected a dtype"),
    (npy(header("'|b1'"), b"\1\2"), "a boolean is the byte 2, allowed are 0 and 1"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "message"), NPY_WRONG)
@pytest.mark.parametrize("mmap", [False, True])
def test_npy_that_is_wrong(tmp_path: Path, content: bytes, message: str, mmap: bool) -> None:
    refused(lambda path: read_npy(path, mmap), tmp_path / "a.npy", content, message)


def test_headers_of_other_writers(tmp_path: Path) -> None:
    for text in (
        "{'shape':(2,),'fortran_order':False,'descr':'<f4'}",
        '{"descr": "<f4", "fortran_order": False, "shape": (2,)}   \n',
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2L,), }\n",
    ):
        (tmp_path / "a.npy").write_bytes(npy(text, np.float32([1, 2]).tobytes()))
        assert read_npy(tmp_path / "a.npy").tolist() == [1, 2]


def test_a_missing_file_is_pythons_own_error(tmp_path: Path) -> None:
    for read in (read_npy, read_npz, tg.data.read_idx, lambda path: read_tar_members(path, [])):
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "nothing")


# NPZ.


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(tmp_path: Path, save: Any) -> None:
    arrays = {f"a/{position}": array for position, array in enumerate(ARRAYS)}
    save(tmp_path / "a.npz", **arrays)
    found = read_npz(tmp_path / "a.npz")
    assert list(found) == list(arrays)
    for name, array in found.items():
        assert array.shape == arrays[name].shape
        assert np.array_equal(array, arrays[name])
    assert list(read_npz(tmp_path / "a.npz", names=["a/3", "a/0"])) == ["a/3", "a/0"]
    save(tmp_path / "none.npz")
    assert read_npz(tmp_path / "none.npz") == {}


def test_one_name_is_no_list(tmp_path: Path) -> None:
    for read in (read_npz, read_tar_members, tg.data.read_cifar10, tg.data.read_cifar100):
        with pytest.raises(tg.ArgumentError, match=rf"{read.__name__}: .* must be a list, found 'x'; give \['x'\]"):
            read(tmp_path, "x")


def test_npz_that_others_write(tmp_path: Path) -> None:
    """With data descriptors (a stream that cannot be rewound), a comment, and sizes of 64 bits."""

    class Pipe(io.RawIOBase):
        def __init__(self, file: Any) -> None:
            self.file = file

        def writable(self) -> bool:
            return True

        def write(self, content: Any) -> int:
            return int(self.file.write(content))

    array = npy(header(), np.float32([1, 2]).tobytes())
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with (tmp_path / "pipe.npz").open("wb") as file, zipfile.ZipFile(Pipe(file), "w", method) as archive:
            archive.writestr("x.npy", array)
            archive.writestr("y.npy", array)
        assert read_npz(tmp_path / "pipe.npz")["y"].tolist() == [1, 2]
        with zipfile.ZipFile(tmp_path / "wide.npz", "w", method) as archive:
            archive.comment = b"made by hand"
            with archive.open("\u00fc.npy", "w", force_zip64=True) as member:
                member.write(array)
        assert read_npz(tmp_path / "wide.npz")["\u00fc"].tolist() == [1, 2]
    many = zip_of(["x.npy", "y.npy"], array)
    end = len(many) - 22
    count, length, offset = struct.unpack("<H2L", many[end + 10 : end + 20])
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, length, offset)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, end, 1)
    last = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    (tmp_path / "zip64.npz").write_bytes(many[:end] + record + locator + last)
    assert list(read_npz(tmp_path / "zip64.npz")) == ["x", "y"]
    for change, message in (
        (many[:end] + record + locator[:-4] + last, "locator of the large directory"),
        (many[:end] + b"?" + record + locator + last, "the end of the large directory is at"),
        (many[:end] + b"PK\6\5" + record[4:] + locator + last, "end of the large directory begins"),
    ):
        refused(read_npz, tmp_path / "zip64.npz", change, message)


def zip_of(names: list[str], content: bytes, method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", method) as archive:
        warnings.simplefilter("ignore")  # of names that are there already
        for name in names:
            archive.writestr(name, content)
    return file.getvalue()


WHOLE = npy(header(), np.float32([1, 2]).tobytes())
ONE = zip_of(["x.npy"], WHOLE)
PACKED = zip_of(["x.npy"], npy(header(shape="(500,)"), bytes(2000)), zipfile.ZIP_DEFLATED)
DIRECTORY = ONE.index(b"PK\1\2")


def changed(content: bytes, position: int, new: bytes) -> bytes:
    return content[:position] + new + content[position + len(new) :]


MOVED = changed(ONE, len(ONE) - 6, struct.pack("<L", DIRECTORY + 1))

NPZ_WRONG = [
    (b"", "no zip archive, or a truncated one"),
    (WHOLE, "no zip archive"),
    (ONE[:-1], "no zip archive, or a truncated one"),
    (ONE[10:], "the directory is at"),
    (b"?" + ONE, "the directory is at"),
    (ONE + b"?", "1 bytes follow the archive, 0 are its comment"),
    (changed(ONE, len(ONE) - 10, struct.pack("<L", 2**31)), "the directory is at"),
    (changed(ONE, len(ONE) - 14, struct.pack("<HH", 9999, 9999)), "9999 members in a directory of 51 bytes"),
    (changed(ONE, len(ONE) - 14, struct.pack("<HH", 1, 2)), "part of an archive of several files"),
    (changed(ONE, len(ONE) - 14, struct.pack("<HH", 0, 0)), "51 bytes follow the 0 members in the directory"),
    (changed(ONE, DIRECTORY, b"PK\1\3"), "its entry in the directory begins with"),
    (changed(ONE, DIRECTORY + 28, b"\xff\xff"), "its entry needs .* bytes of the directory"),
    (changed(ONE, DIRECTORY + 8, b"\1"), "is encrypted"),
    (changed(ONE, DIRECTORY + 10, b"\x0e"), r"method 14, allowed are 0 \(stored\) and 8 \(deflate\)"),
    (changed(ONE, DIRECTORY + 34, b"\1"), "is on disk 1"),
    (changed(ONE, DIRECTORY + 24, struct.pack("<L", 2**31)), "claims 2147483648 bytes, which"),
    (changed(PACKED, PACKED.index(b"PK\1\2") + 24, struct.pack("<L", 2**31)), "claims 2147483648 bytes, which"),
    (changed(ONE, DIRECTORY + 42, struct.pack("<L", 9)), "begins at byte 9, expected 0"),
    (changed(ONE, 0, b"PK\3\5"), "its header begins with"),
    (changed(ONE, 8, b"\x08"), "another name or method than the directory"),
    (changed(ONE, 30, b"z"), "another name or method than the directory"),
    (changed(ONE, 14, b"????"), "other sizes or another checksum"),
    (changed(ONE, DIRECTORY - 1, b"\xff"), "damaged: checksum"),
    (ONE[:DIRECTORY] + b"?" + MOVED[DIRECTORY:], "1 bytes lie between"),
    (zip_of(["../x.npy"], WHOLE), "leads out of the archive's folder"),
    (zip_of(["/x.npy"], WHOLE), "leads out of the archive's folder"),
    (zip_of(["a\\x.npy"], WHOLE), "leads out of the archive's folder"),
    (zip_of(["x.npy", "x.npy"], WHOLE), "'x.npy' is there twice"),
    (zip_of(["x.pkl"], b"\x80\4."), "'x.pkl' is no array: its name does not end in .npy"),
    (zip_of(["x.npy"], npy(header("'|O'", shape="()"), b"\x80\4.")), "pickles are never read"),
    (zip_of(["x.npy"], WHOLE[:-1]), r"member 'x.npy': truncated: shape \[2\] of float32"),
    (zip_of(["x.npy"], WHOLE + b"?"), "bytes follow the array"),
    (zip_of([f"{n}.npy" for n in range(10_001)], b""), "10001 members, allowed are 10000"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "message"), NPZ_WRONG)
def test_npz_that_is_wrong(tmp_path: Path, content: bytes, message: str) -> None:
    refused(read_npz, tmp_path / "a.npz", content, message)


def test_npz_names_and_limits(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(1000), y=np.ones(3))
    with pytest.raises(tg.DataError, match=r"no array 'z'; there are x, y"):
        read_npz(tmp_path / "a.npz", ["x", "z"])
    with pytest.raises(tg.DataError, match=r"the arrays claim 8\d\d\d bytes, allowed are 5000 \(limit=\)"):
        read_npz(tmp_path / "a.npz", limit=5000)
    assert read_npz(tmp_path / "a.npz", ["y"], limit=5000)["y"].tolist() == [1, 1, 1]


def test_a_bomb_of_overlapping_members(tmp_path: Path) -> None:
    """Many entries of the directory for the same bytes."""
    first, entry = ONE[:DIRECTORY], ONE[DIRECTORY:-22]
    entries = b"".join(changed(entry, 46, bytes([97 + n])) for n in range(5))
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 5, 5, len(entries), DIRECTORY, 0)
    refused(read_npz, tmp_path / "a.npz", first + entries + end, "begins at byte 0, expected|another name")


# gzip.


def read_all(path: Path, limit: int | None = None) -> bytes:
    with open_gzip(path, limit) as file:
        pieces = []
        while piece := file.read(1000):
            pieces.append(piece)
    return b"".join(pieces)


def test_gzip(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    content = bytes(range(256)) * 20
    for packed in (gzip.compress(content), gzip.compress(content[:99]) + gzip.compress(content[99:])):
        path.write_bytes(packed)
        assert read_all(path) == content
        assert read_all(path, len(content)) == content
        with pytest.raises(tg.DataError, match=f"larger than the {len(content) - 1} bytes that are allowed"):
            read_all(path, len(content) - 1)
    for wrong in (b"", b"plain", packed[:-1], packed[:-9], packed + b"?", changed(packed, len(packed) - 8, b"\0\0")):
        refused(read_all, path, wrong, "damaged or truncated|it is empty")


# Tar.

PACK = {"": lambda c: c, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


def tar_of(*entries: Any, end: bytes = bytes(1024)) -> bytes:
    """Of names with contents, or of entries themselves."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in entries:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(content) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(content))
        length = archive.offset
    return file.getvalue()[:length] + end


def of_type(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


FILES = {"a.bin": b"", "b.bin": b"x" * 511, "c.bin": b"y" * 512, "d.bin": b"z" * 70_000}
LONG = "long/" * 40


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_tar(tmp_path: Path, kind: str, form: int) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, f"w:{kind}", format=form) as archive:  # type: ignore[call-overload]
        archive.addfile(of_type("folder/empty", tarfile.DIRTYPE))
        for name, content in FILES.items():
            info = tarfile.TarInfo(f"{LONG}{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    found = read_tar_members(path, ["d.bin", "a.bin"])
    assert list(found) == ["d.bin", "a.bin"]
    assert found == {name: FILES[name] for name in found}
    extract_tar(path, tmp_path / "new" / "out")
    written = {p.name: p.read_bytes() for p in (tmp_path / "new" / "out" / LONG).iterdir()}
    assert written == FILES
    assert (tmp_path / "new" / "out" / "folder" / "empty").is_dir()
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["out"]
    with pytest.raises(tg.DataError, match=r"the archive lacks e\.bin"):
        read_tar_members(path, ["a.bin", "e.bin"])
    with pytest.raises(tg.DataError, match=r"larger than the 2000 bytes|claims 70000 bytes"):
        read_tar_members(path, ["a.bin"], limit=2000)
    with pytest.raises(tg.ArgumentError, match="holds something"):
        extract_tar(path, tmp_path / "new")


GOOD = tar_of(*FILES.items())
PAX_BOMB = tarfile.TarInfo("x")
PAX_BOMB.type, PAX_BOMB.size = tarfile.XHDTYPE, 1 << 40
NEGATIVE = changed(tar_of(("a.bin", b"abc")), 124, b"\xff" * 11 + b"\xfc")


def checked(block: bytes) -> bytes:
    """With the sum that a header must have."""
    blank = changed(block, 148, b" " * 8)
    return changed(block, 148, b"%06o\0 " % sum(blank[:512]))


TAR_WRONG = [
    (b"", "damaged, truncated or of another kind"),
    (b"no archive", "damaged, truncated or of another kind"),
    (GOOD[:100], "damaged, truncated or of another kind"),
    (GOOD[:-1500], "truncated"),
    (tar_of(*FILES.items(), end=b""), "begins neither a member nor the end"),
    (tar_of(*FILES.items(), end=bytes(300)), "begins neither a member nor the end"),
    (GOOD + b"?", "bytes follow the archive's end"),
    (changed(GOOD, 512, b"?" * 512), "begins neither a member nor the end"),
    (changed(GOOD, 600, b"?"), "begins neither a member nor the end"),
    (PAX_BOMB.tobuf(tarfile.GNU_FORMAT), "a header claims 10995116.* bytes, allowed are 1048576"),
    (checked(NEGATIVE), "claims -4 bytes|leads back|damaged"),
    (tar_of(("a.bin", b""), ("x/a.bin", b"")), "two members are called 'a.bin', the second is 'x/a.bin'"),
    (of_type("x", tarfile.GNUTYPE_LONGNAME).tobuf() * 3000, "header claims|damaged"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "message"), TAR_WRONG)
@pytest.mark.parametrize("kind", PACK)
def test_tar_that_is_wrong(tmp_path: Path, content: bytes, message: str, kind: str) -> None:
    refused(lambda path: read_tar_members(path, ["a.bin"]), tmp_path / "a.tar", PACK[kind](content), message)


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_compressed_tar_that_is_damaged(tmp_path: Path, kind: str) -> None:
    packed = PACK[kind](GOOD)
    for wrong in (
        packed[:-3],
        packed[: len(packed) // 2],
        changed(packed, len(packed) // 2, b"????"),
        packed + b"junk",
    ):
        refused(lambda path: read_tar_members(path, ["a.bin"]), tmp_path / "a.tar", wrong, "damaged|truncated|follow")


def test_xz_that_claims_much_memory(tmp_path: Path) -> None:
    packed = bytearray(lzma.compress(GOOD))
    size = (packed[12] + 1) * 4  # of the block's header
    packed[packed.index(b"\x21\x01") + 2] = 40  # a dictionary of 4 GiB
    packed[12 + size - 4 : 12 + size] = zlib.crc32(packed[12 : 12 + size - 4]).to_bytes(4, "little")
    refused(lambda path: read_tar_members(path, ["a.bin"]), tmp_path / "a.tar", bytes(packed), "[Mm]emory")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([("../evil", b"x")], "'../evil' leads out of the folder"),
        ([("/etc/evil", b"x")], "leads out of the folder"),
        ([("a/../../evil", b"x")], "leads out of the folder"),
        ([("a\\..\\evil", b"x")], "leads out of the folder"),
        ([("C:evil", b"x")], "leads out of the folder"),
        ([("a", b"x"), ("a", b"y")], "member 'a' is where another one is"),
        ([("a", b"x"), ("a/b", b"y")], "member 'a/b' is where another one is"),
        ([("a/b", b"x"), ("a", b"y")], "member 'a' is where another one is"),
        ([(of_type("link", tarfile.SYMTYPE, "/etc"), b""), ("link/evil", b"x")], "is of type b'2', expected a file or"),
        ([("a", b"x"), (of_type("hard", tarfile.LNKTYPE, "a"), b"")], "is of type b'1'"),
        ([(of_type("device", tarfile.CHRTYPE), b"")], "is of type b'3'"),
        ([(of_type("pipe", tarfile.FIFOTYPE), b"")], "is of type b'6'"),
    ],
)
def test_extraction_leaves_nothing_outside_or_behind(tmp_path: Path, entries: Any, message: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "a.tar").write_bytes(tar_of(("fine", b"x"), *entries))
    with pytest.raises(tg.DataError, match=message):
        extract_tar(inner / "a.tar", inner / "out")
    assert [p.name for p in tmp_path.rglob("*")] == ["inner", "a.tar"]
