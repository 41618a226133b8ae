"""Tables and images: what they give, and what is refused, with line and column, or chunk and byte."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad.data.readers import read_csv, read_image


def table(path: Path, content: str | bytes, **options: Any) -> Any:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_csv(path, **options)


# CSV.


def test_numbers_and_texts(tmp_path: Path) -> None:
    found = table(
        tmp_path / "a.csv",
        'x,"the ""kind""",y\r\n1,b,-2.5e-3\r\n\r\n 3 ,"a,\nb",+.5\r\n4,b,0',
        text=['the "kind"'],
    )
    assert list(found.columns) == ["x", 'the "kind"', "y"]
    assert found.columns["x"].tolist() == [1, 3, 4]
    assert found.columns["y"].tolist() == [-0.0025, 0.5, 0]
    assert found.columns['the "kind"'].tolist() == [1, 0, 1]
    assert found.categories == {'the "kind"': ["a,\nb", "b"]}
    assert len(found) == 3
    numbers = found.numbers()
    assert (numbers.shape, numbers.dtype) == ((3, 2), "float32")
    assert found.numbers(["y", "x"], "float64")[0].tolist() == [-0.0025, 1]
    with pytest.raises(tg.ArgumentError, match="no column 'z'"):
        found.numbers(["z"])
    with pytest.raises(tg.ArgumentError, match=r"names must be a list, found 'xy'"):
        found.numbers("xy")


def test_options(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    assert table(path, "1;2\n3;4\n", header=False, delimiter=";").columns["1"].tolist() == [2, 4]
    found = table(path, "a,b,c\n1,?,x\n2,-1,y\n", columns=["b", "a"], missing=["?", "-1"])
    assert list(found.columns) == ["b", "a"]
    assert np.isnan(found.columns["b"]).all()
    assert table(path, b"\xef\xbb\xbfa\n1\n").columns["a"].tolist() == [1]
    assert table(path, "gr\u00f6\u00dfe\n1\n".encode("latin1"), encoding="latin1").columns[
        "gr\u00f6\u00dfe"
    ].tolist() == [1]
    empty = table(path, "a,b\n", text=["b"])
    assert (len(empty), empty.numbers().shape, empty.categories) == (0, (0, 1), {"b": []})
    assert table(path, "a,b\nx,1\n", columns=["a"], text=["a"]).numbers().shape == (1, 0)


def test_against_numpy(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(50, 4)) * 10.0 ** np.arange(-8, 8, 4)
    np.savetxt(tmp_path / "a.csv", values, "%.17g", ",")
    assert np.array_equal(read_csv(tmp_path / "a.csv", header=False).numbers(dtype="float64"), values)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "the file is empty, expected a header"),
        ("\n\n", {"header": False}, "the file is empty, expected rows"),
        ("a,b\n1,2\n3\n", {}, "line 3: 1 fields, expected 2"),
        ("a,b\n1,2,3\n", {}, "line 2: 3 fields, expected 2"),
        ("a,b\n1,x\n", {}, "line 2, column 'b': 'x' is no finite number"),
        ("a,b\n1,\n", {}, "line 2, column 'b': '' is no finite number"),
        ("a\nnan\n", {}, "'nan' is no finite number"),
        ("a\ninf\n", {}, "'inf' is no finite number"),
        ("a\n1e999\n", {}, "'1e999' is no finite number"),
        ("a\n1_000\n", {}, "'1_000' is no finite number"),
        ("a\n\u0661\n", {}, "is no finite number"),
        ("a\n0x10\n", {}, "is no finite number"),
        ('a\n"1\n2\n', {}, "unexpected end of data"),
        ('a\n"1"2\n', {}, "line 2: ',' expected after"),
        ("a,a\n1,2\n", {}, "line 1: column 1 is called 'a' like one before"),
        ("a\n1\n", {"columns": ["b"]}, "no column 'b'; there are"),
        ("a\n1\n", {"text": ["b"]}, "no column 'b'; there are"),
        (b"a\n\xff\n", {}, "not of encoding utf-8"),
        (b"a\n1\0\n", {}, "line 2: a zero character"),
        ("a\n" + "1" * 200_000, {}, "field larger than field limit"),
        ("a\n" + "1" * 17_000_000, {}, "line 2: longer than 16777216 characters"),
        ("a," * 140_000, {}, "line 1: more than 131072 fields"),
        ('"\n",' * 140_000, {}, "more than 131072 fields"),
    ],
)  # fmt: skip
def test_tables_that_are_wrong(tmp_path: Path, text: str | bytes, options: Any, message: str) -> None:
    with pytest.raises(tg.DataError, match=message) as caught:
        table(tmp_path / "a.csv", text, **options)
    assert str(tmp_path / "a.csv") in str(caught.value)


@pytest.mark.parametrize("delimiter", ["", ",,", "\n", '"', "\0", None])
def test_bad_arguments(tmp_path: Path, delimiter: Any) -> None:
    for name in ("missing", "text", "columns"):
        with pytest.raises(tg.ArgumentError, match=rf"{name} must be a list, found 'NA'; give \['NA'\]"):
            table(tmp_path / "a.csv", "a\n1\n", **{name: "NA"})
    with pytest.raises(tg.ArgumentError, match="encoding 'utf-99' is none of Python's"):
        table(tmp_path / "a.csv", "a\n1\n", encoding="utf-99")
    with pytest.raises(tg.ArgumentError, match="delimiter must be one character"):
        table(tmp_path / "a.csv", "a\n1\n", delimiter=delimiter)
    with pytest.raises(tg.ArgumentError, match="text has 'b', which columns has not"):
        table(tmp_path / "a.csv", "a,b\n1,2\n", columns=["a"], text=["b"])
    with pytest.raises(FileNotFoundError):
        read_csv(tmp_path / "nothing")


# Images.


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(tg.MissingExtraError, match=r'needs the package .PIL., .* pip install "tilegrad\[examples\]"'):
        read_image(tmp_path / "a.png")


PIXELS = np.random.default_rng(1).integers(0, 256, (5, 7, 4)).astype(np.uint8)


def encoded(array: np.ndarray[Any, Any], kind: str, **options: Any) -> bytes:
    image = pytest.importorskip("PIL.Image").fromarray(array)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "PPM", "WEBP", "GIF", "JPEG"])
def test_formats(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "image"  # the name does not matter
    colours = np.repeat(np.repeat(PIXELS[:1, :2, :3], 16, 0), 16, 1)
    path.write_bytes(encoded(colours, kind, **({"lossless": True} if kind == "WEBP" else {})))
    found = read_image(path)
    assert (found.shape, found.dtype) == ((16, 32, 3), "uint8")
    if kind == "JPEG":
        assert np.abs(found.astype(int) - colours).max() < 40  # colours at half the resolution
    elif kind != "GIF":
        assert np.array_equal(found, colours)
    assert read_image(path, "L").shape == (16, 32, 1)
    assert (read_image(path, "RGBA")[..., 3] == 255).all()
    found[:] = 0  # it may be written to


def test_modes(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(PIXELS, "PNG"))
    assert np.array_equal(read_image(path, "RGBA"), PIXELS)
    assert np.array_equal(read_image(path), PIXELS[..., :3])
    path.write_bytes(encoded(PIXELS[..., 0], "PNG"))
    assert np.array_equal(read_image(path, "L")[..., 0], PIXELS[..., 0])
    assert np.array_equal(read_image(path), np.repeat(PIXELS[..., :1], 3, 2))
    deep = PIXELS[..., 0].astype(np.uint16) * 256 + 7
    path.write_bytes(encoded(deep, "PNG"))
    assert np.array_equal(read_image(path)[..., 1], PIXELS[..., 0])
    path.write_bytes(encoded(PIXELS[..., 0] > 99, "PNG"))
    assert set(read_image(path, "L").ravel().tolist()) == {0, 255}
    with pytest.raises(tg.ArgumentError, match="mode must be one of RGB, L, RGBA, found 'CMYK'"):
        read_image(path, "CMYK")


def test_interlaced_images(tmp_path: Path) -> None:
    """Every size of the passes of Adam7; Pillow does not write them, so each pass is written here."""
    from tilegrad.data.readers.png import PASSES

    pytest.importorskip("PIL")
    for height, width in ((1, 1), (2, 3), (5, 4), (8, 8), (9, 13)):
        grey = np.random.default_rng(width).integers(0, 256, (height, width)).astype(np.uint8)
        parts = [grey[y::dy, x::dx] for x, y, dx, dy in PASSES]
        rows = b"".join(b"\0" + row.tobytes() for part in parts if part.size for row in part)
        head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2L5B", width, height, 8, 0, 0, 0, 1))
        (tmp_path / "a.png").write_bytes(head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
        assert np.array_equal(read_image(tmp_path / "a.png", "L")[..., 0], grey)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">L", len(content)) + kind + content + struct.pack(">L", zlib.crc32(kind + content))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2L5B", width, height, 8, 0, 0, 0, 0))
    return start + b"".join(chunks) + chunk(b"IEND", b"")


ROWS = chunk(b"IDAT", zlib.compress(b"\0\1\2\3" * 2))
PNG = png(3, 2, ROWS)

WRONG = [
    (b"", "no image"),
    (b"no image at all", "no image"),
    (PNG[:20], "truncated: a chunk at byte 8 claims 13 bytes"),
    (PNG[:-12], "truncated: a chunk at byte"),
    (PNG[:-1], "truncated"),
    (PNG + b"?", "1 bytes follow the end of the image"),
    (PNG[:-13] + b"?" + PNG[-12:], "the checksum of chunk b'IDAT' at byte 33 differs"),
    (PNG[:33] + b"\xff\xff\xff\xff" + PNG[37:], "a chunk at byte 33 claims 4294967295 bytes"),
    (PNG[:8] + PNG[33:], "IHDR must be the first"),
    (PNG[:33] + PNG[8:], "IHDR must be the first, and only that"),
    (png(50_000, 50_000, ROWS), "claims 50000 x 50000 pixels, allowed are 67108864"),
    (png(2**32 - 1, 2**32 - 1, ROWS), "pixels, allowed are"),
    (png(8000, 8000, ROWS), "bytes cannot hold the pixels that the header claims"),
    (png(3, 2), "0 bytes of pixels or more, expected 8 and their end"),
    (png(3, 2, chunk(b"IDAT", zlib.compress(b"\0\1\2\3"))), "4 bytes of pixels or more, expected 8"),
    (png(3, 2, chunk(b"IDAT", zlib.compress(bytes(9)))), "9 bytes of pixels or more, expected 8"),
    (png(3, 2, chunk(b"IDAT", zlib.compress(bytes(8))[:-4])), "8 bytes of pixels or more, expected 8 and their end"),
    (png(3, 2, chunk(b"IDAT", b"no deflate")), "the compressed pixels are damaged"),
    (png(3, 2, chunk(b"IDAT", zlib.compress(b"\7\1\2\3" * 2))), "no image, or a damaged or truncated one"),
    (png(0, 2, ROWS), "IHDR is 0000000000000002.*, which is no size"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "message"), WRONG)
def test_images_that_are_wrong(tmp_path: Path, content: bytes, message: str) -> None:
    pytest.importorskip("PIL")
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(tg.DataError, match=message) as caught:
        read_image(path)
    assert str(path) in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "PPM", "GIF", "WEBP"])
def test_truncated_images_and_limits(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a"
    content = encoded(np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8), kind)
    for length in (3, len(content) // 3, len(content) - len(content) // 8):
        path.write_bytes(content[:length])
        with pytest.raises(tg.DataError):
            read_image(path)
    path.write_bytes(content)
    assert read_image(path, max_pixels=1600).shape == (40, 40, 3)
    with pytest.raises(tg.DataError, match=r"claims 40 x 40 pixels, allowed are 1599 \(max_pixels=\)"):
        read_image(path, max_pixels=1599)
