"""Valid files, changed at random: the right value or a typed error, in bounded memory, and nothing written."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import math
import tarfile
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tilegrad as tg
from tilegrad.data import read_cifar10, read_idx
from tilegrad.data.readers import extract_tar, open_gzip, read_csv, read_image, read_npy, read_npz, read_tar_members
from tilegrad.io import state

OVERHEAD = 1 << 19  # buffers of the system's libraries, and what Python keeps for a call
MAX_RATIO = 1032
RANDOM = np.random.default_rng(0)
ARRAY = RANDOM.integers(0, 100, (4, 5)).astype(np.int16)
CONTENT = RANDOM.integers(0, 4, 3000).astype(np.uint8).tobytes()


def in_memory(save: Callable[..., Any], *args: Any, **kwargs: Any) -> bytes:
    file = io.BytesIO()
    save(file, *args, **kwargs)
    return file.getvalue()


def tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name in ("a.bin", "long/" * 30 + "b.bin"):
            info = tarfile.TarInfo(name)
            info.size = len(CONTENT)
            archive.addfile(info, io.BytesIO(CONTENT))
    return file.getvalue()


def idx() -> bytes:
    return bytes([0, 0, 11, 2]) + b"".join(n.to_bytes(4, "big") for n in ARRAY.shape) + ARRAY.astype(">i2").tobytes()


def image(kind: str) -> bytes:
    pillow = pytest.importorskip("PIL.Image")
    return in_memory(pillow.fromarray(RANDOM.integers(0, 256, (9, 11, 3)).astype(np.uint8)).save, kind)


def read_gzip(path: Path) -> bytes:
    with open_gzip(path) as file:
        return b"".join(iter(lambda: file.read(1 << 16), b""))


def unpack(path: Path) -> None:
    """Into a folder of its own, whose content alone may appear."""
    extract_tar(path, path.parent / "out")
    for found in sorted((path.parent / "out").rglob("*"), reverse=True):
        found.rmdir() if found.is_dir() else found.unlink()
    (path.parent / "out").rmdir()


def bytes_of(found: Any) -> int:
    """What a value takes, as what a file may hold if its header is right."""
    if isinstance(found, dict):
        return sum(map(bytes_of, found.values()))
    if isinstance(found, (tuple, list)):
        return sum(map(bytes_of, found))
    return getattr(found, "nbytes", 0) or (len(found) if isinstance(found, bytes) else 0)


class Case(NamedTuple):
    content: Callable[[], bytes]
    read: Callable[[Path], Any]
    error: type[Exception] = tg.DataError
    ratio: float = 2  # of memory to the file's size
    right: Callable[[Any, int], bool] = lambda found, size: True


def fits_file(found: Any, size: int) -> bool:
    return bytes_of(found) <= size


CASES = {
    "idx": Case(idx, read_idx, right=fits_file),
    "idx.gz": Case(
        lambda: gzip.compress(idx()), read_idx, ratio=MAX_RATIO, right=lambda found, n: np.array_equal(found, ARRAY)
    ),
    "npy": Case(lambda: in_memory(np.save, ARRAY), read_npy, right=fits_file),
    "npy mapped": Case(
        lambda: in_memory(np.save, ARRAY), lambda path: np.array(read_npy(path, mmap=True)), right=fits_file
    ),
    "npz": Case(
        lambda: in_memory(np.savez, x=ARRAY, y=ARRAY),
        read_npz,
        right=lambda found, n: all(np.array_equal(a, ARRAY) for a in found.values()) and len(found) == 2,
    ),
    "npz packed": Case(
        lambda: in_memory(np.savez_compressed, x=np.zeros(900)),
        read_npz,
        ratio=MAX_RATIO,
        right=lambda found, n: all(a.size == 900 and not a.any() for a in found.values()) and len(found) == 1,
    ),
    "gzip": Case(
        lambda: gzip.compress(CONTENT, mtime=0), read_gzip, ratio=MAX_RATIO, right=lambda found, n: found == CONTENT
    ),
    "tar": Case(tar, lambda path: read_tar_members(path, ["a.bin", "b.bin"]), right=fits_file),
    "tar.gz": Case(
        lambda: gzip.compress(tar()),
        lambda path: read_tar_members(path, ["a.bin"]),
        ratio=MAX_RATIO,
        right=lambda found, n: found == {"a.bin": CONTENT},
    ),
    "tar.xz": Case(
        lambda: lzma.compress(tar(), preset=0),
        lambda path: read_tar_members(path, ["a.bin"]),
        ratio=MAX_RATIO,
        right=lambda found, n: found == {"a.bin": CONTENT},
    ),
    "tar.bz2": Case(
        lambda: bz2.compress(tar()),
        lambda path: read_tar_members(path, ["a.bin"]),
        ratio=MAX_RATIO,
        right=lambda found, n: found == {"a.bin": CONTENT},
    ),
    "tar unpacked": Case(tar, unpack),
    "cifar": Case(lambda: (b"\1" + CONTENT + bytes(72)) * 2, read_cifar10, ratio=3),
    "csv": Case(
        lambda: b'a,b,c\n1,x,2.5\n-3,"y ""z""",1e3\n' * 1 + b"4,x,0\n" * 30,
        lambda path: read_csv(path, text=["b"]).columns,
        ratio=8,
        right=lambda found, n: all(np.isfinite(a).all() for a in found.values()),
    ),
    "png": Case(lambda: image("PNG"), read_image, right=lambda a, n: a.dtype == np.uint8 and a.shape[2] == 3),
    "jpeg": Case(lambda: image("JPEG"), lambda path: read_image(path, max_pixels=99), ratio=9999),
    "gif": Case(lambda: image("GIF"), lambda path: read_image(path, max_pixels=99), ratio=9999),
    "bmp": Case(lambda: image("BMP"), lambda path: read_image(path, max_pixels=99), ratio=99999),
    "ppm": Case(lambda: image("PPM"), lambda path: read_image(path, max_pixels=99), ratio=9999),
    "webp": Case(lambda: image("WEBP"), lambda path: read_image(path, max_pixels=99), ratio=9999),
    "state": Case(
        lambda: b"".join(state_bytes()), state.read_state, tg.CheckpointError, right=lambda found, n: found["step"] == 3
    ),
}  # fmt: skip


def state_bytes() -> list[bytes]:
    from tilegrad.io import safetensors, sealing, tree

    described, arrays = tree.encode({"step": 3, "w": np.arange(99.0), "names": ["a", ("b", 2**70)], "m": [True, None]})
    text = sealing.seal({"version": 1, "state": described, "results": None}, arrays)
    return [bytes(piece) for piece in safetensors.layout(arrays, {"tilegrad_state": text})]


@st.composite
def changes(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Some changes of some kind at places given as shares of the length, or near the start, where headers are."""
    kinds = st.sampled_from(["flip", "cut", "set", "insert", "remove", "repeat", "extreme"])
    place = st.floats(0, 1, exclude_max=True) | st.integers(0, 200)
    made = draw(
        st.lists(st.tuples(kinds, place, st.binary(min_size=1, max_size=8), st.integers(0, 7)), min_size=1, max_size=3)
    )

    def change(content: bytes) -> bytes:
        for kind, where, piece, bit in made:
            at = min(where, len(content)) if isinstance(where, int) else math.floor(where * len(content))
            after = at + len(piece)
            if kind == "flip":
                content = content[:at] + bytes(b ^ (1 << bit) for b in content[at : at + 1]) + content[at + 1 :]
            elif kind == "cut":
                content = content[:at]
            elif kind == "set":
                content = content[:at] + piece + content[after:]
            elif kind == "insert":
                content = content[:at] + piece + content[at:]
            elif kind == "remove":
                content = content[:at] + content[after:]
            elif kind == "repeat":
                content = content[: at + 50 * (bit + 1)] + content[at:]
            else:
                number = [b"\xff" * 4, b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\x7f\xff\xff\xff", b"\xff" * 8, b"\0" * 4][
                    bit % 6
                ]
                content = content[:at] + number + content[at + len(number) :]
        return content

    return change


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:.*:UserWarning")  # of Pillow, about what it finds on the way
def test_a_changed_file_is_read_rightly_or_refused(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    valid = case.content()
    path = tmp_path / "file"

    def check(content: bytes, may_be_refused: bool) -> None:
        path.write_bytes(content)
        tracemalloc.start()
        found, problem = None, ""
        try:
            found = case.read(path)
        except case.error as error:
            problem = str(error)
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        if problem:
            assert may_be_refused, problem
            assert str(path) in problem
        else:
            assert case.right(found, len(content))
        assert peak <= case.ratio * len(content) + OVERHEAD
        assert [p.name for p in tmp_path.iterdir()] == ["file"]

    path.write_bytes(b"?" * 99)
    with suppress(case.error):
        case.read(path)  # what is imported on the way is not counted
    check(valid, may_be_refused=False)

    @settings(
        max_examples=40,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(changes())
    def changed(change: Callable[[bytes], bytes]) -> None:
        check(change(valid), may_be_refused=True)

    changed()
