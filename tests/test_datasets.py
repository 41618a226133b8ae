"""Data sets in files: downloads that break off, folders of images, tables, archives of arrays."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import data
from tilegrad.data.cache import download
from tilegrad.data.transforms import ToFloat

CONTENT = np.random.default_rng(0).bytes(3_000_000)
CHECKSUM = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


class Mirror(ThreadingHTTPServer):
    """Serves one file, whole or from where it is asked for; ``breaks`` says after how many bytes answers break off."""

    def __init__(self) -> None:
        self.content = CONTENT
        self.breaks: list[int | None] = []
        self.ranges = True
        self.asked: list[str | None] = []
        super().__init__(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server_port}/file"


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        mirror = self.server
        assert isinstance(mirror, Mirror)
        span = self.headers.get("Range")
        mirror.asked.append(span)
        start = int(span.removeprefix("bytes=").removesuffix("-")) if span and mirror.ranges else 0
        if start and start >= len(mirror.content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(mirror.content) - 1}/{len(mirror.content)}")
        self.send_header("Content-Length", str(len(mirror.content) - start))
        self.end_headers()
        limit = mirror.breaks.pop(0) if mirror.breaks else None
        self.wfile.write(mirror.content[start:] if limit is None else mirror.content[start : start + limit])

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def mirrors() -> Iterator[Callable[[], Mirror]]:
    pytest.importorskip("pooch")
    running: list[tuple[Mirror, threading.Thread]] = []

    def start() -> Mirror:
        mirror = Mirror()
        thread = threading.Thread(target=mirror.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((mirror, thread))
        return mirror

    yield start
    for mirror, thread in running:
        mirror.shutdown()
        thread.join()
        mirror.server_close()


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def test_a_broken_download_goes_on(mirrors: Callable[[], Mirror], tmp_path: Path) -> None:
    mirror = mirrors()
    mirror.breaks = [1_000_000, 700_000]
    assert download([mirror.url], CHECKSUM, tmp_path, "file").read_bytes() == CONTENT
    assert mirror.asked == [None, "bytes=1000000-", "bytes=1700000-"]
    assert files(tmp_path) == ["file"]
    download([mirror.url], CHECKSUM, tmp_path, "file")
    assert len(mirror.asked) == 3  # it is there


def test_another_run_and_another_mirror_go_on(mirrors: Callable[[], Mirror], tmp_path: Path) -> None:
    first, second = mirrors(), mirrors()
    first.breaks = [100_000, 100_000, 100_000]
    with pytest.raises(
        tg.DataError, match=r"broken off after 100000 of 2800000 bytes(.|\n)*without a network: bring the file"
    ):
        download([first.url], CHECKSUM, tmp_path, "file")
    assert files(tmp_path) == ["file.part"]
    assert download([f"{first.url}", second.url], CHECKSUM, tmp_path, "file").read_bytes() == CONTENT
    assert first.asked[3] == "bytes=300000-"
    (tmp_path / "file").unlink()
    (tmp_path / "file.part").write_bytes(CONTENT)  # all was there, but not under its name
    assert download([second.url], CHECKSUM, tmp_path, "file").read_bytes() == CONTENT
    assert second.asked == ["bytes=3000000-"]


def test_a_mirror_without_ranges_begins_anew(mirrors: Callable[[], Mirror], tmp_path: Path) -> None:
    mirror = mirrors()
    mirror.breaks, mirror.ranges = [1000], False
    assert download([mirror.url], CHECKSUM, tmp_path, "file").read_bytes() == CONTENT
    assert mirror.asked == [None, "bytes=1000-"]


def test_a_wrong_part_is_thrown_away(mirrors: Callable[[], Mirror], tmp_path: Path) -> None:
    mirror = mirrors()
    (tmp_path / "file.part").write_bytes(b"something else")
    assert download([mirror.url], CHECKSUM, tmp_path, "file").read_bytes() == CONTENT
    assert mirror.asked == ["bytes=14-", None]
    bad, good = mirrors(), mirrors()
    bad.content = b"x" * 100
    assert download([bad.url, good.url], CHECKSUM, tmp_path, "other").read_bytes() == CONTENT
    with pytest.raises(tg.DataError, match="hash"):
        download([bad.url], CHECKSUM, tmp_path, "third")
    assert files(tmp_path) == ["file", "other"]


def test_without_a_network(mirrors: Callable[[], Mirror], tmp_path: Path) -> None:
    mirror = mirrors()
    nobody = "http://127.0.0.1:9/file"
    with pytest.raises(
        tg.DataError, match=r"is this machine offline\?\)(.|\n)*cannot be reached(.|\n)*root="
    ) as caught:
        download([nobody], CHECKSUM, tmp_path, "file")
    assert CHECKSUM in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert download([nobody, mirror.url], CHECKSUM, tmp_path, "file").read_bytes() == CONTENT


def test_two_downloads_at_once_are_one(mirrors: Callable[[], Mirror], tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    mirror = mirrors()
    found: list[bytes] = []

    def fetch() -> None:
        found.append(download([mirror.url], CHECKSUM, tmp_path, "file").read_bytes())

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [CONTENT] * 4
    assert len(mirror.asked) == 1


def test_checksums_are_sha256() -> None:
    for kind in (data.MNIST, data.FashionMNIST):
        assert len(kind.checksums) == 4
        assert all(len(checksum) == 64 for checksum in kind.checksums.values())
    for kind in (data.CIFAR10, data.CIFAR100):
        assert kind.archive_checksum.startswith("sha256:")
        assert {*kind.train_files, *kind.test_files} == set(kind.file_checksums)
        assert all(len(checksum) == 64 for checksum in kind.file_checksums.values())
    assert (len(data.CIFAR100.classes), len(data.CIFAR100.groups)) == (100, 20)


def test_checksums_of_the_files_that_are_here(data_folder: Path) -> None:
    for name, kind in (("mnist", data.MNIST), ("fashion-mnist", data.FashionMNIST)):
        for file, checksum in kind.checksums.items():
            assert hashlib.sha256((data_folder / name / file).read_bytes()).hexdigest() == checksum


def test_cifar100_labels(tmp_path: Path) -> None:
    records = np.random.default_rng(0).integers(0, 20, (4, 3074)).astype(np.uint8)
    (tmp_path / "train.bin").write_bytes(records.tobytes())
    for target, expected in (("class", records[:, 1]), ("group", records[:, 0]), ("both", records[:, :2])):
        found = data.CIFAR100(tmp_path, check=False, target=target)
        assert np.array_equal(found.labels, expected)
        assert np.array_equal(found[2][1], expected[2])
    with pytest.raises(tg.ArgumentError, match="target must be 'class', 'group' or 'both', found 'fine'"):
        data.CIFAR100(tmp_path, target="fine")


# Folders of images.


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    image = pytest.importorskip("PIL.Image")
    for kind, sizes in (("dog", [(20, 30), (40, 10)]), ("cat", [(16, 16)])):
        folder = tmp_path / "pets" / kind / "inner"
        folder.mkdir(parents=True)
        for number, (H, W) in enumerate(sizes):
            rows = np.broadcast_to(np.arange(H)[:, None, None], (H, W, 3)).astype(np.uint8)
            image.fromarray(rows).save(folder / f"{number}.png")
        (folder / "notes.txt").write_text("no image")
        (folder / ".hidden.png").write_text("no image")
    return tmp_path / "pets"


def test_image_folder(pets: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    found = data.ImageFolder(pets)
    assert (found.classes, found.labels.tolist(), len(found)) == (["cat", "dog"], [0, 1, 1], 3)
    assert [found[i][0].shape for i in range(3)] == [(16, 16, 3), (20, 30, 3), (40, 10, 3)]
    assert found[1][0][7, 3].tolist() == [7, 7, 7]
    with pytest.raises(
        tg.ShapeError, match=r"sample 1\[0\] has shape \[20, 30, 3\], but sample 0\[0\] has \[16, 16, 3\]"
    ):
        next(iter(data.DataLoader(found)))
    sized = data.ImageFolder(pets, size=(8, 12), mode="L")
    picture = image.open(found.paths[2]).convert("L")
    expected = np.asarray(picture.resize((12, 8), image.Resampling.BILINEAR))
    assert np.array_equal(sized[2][0][..., 0], expected)
    loader = data.DataLoader(sized, 3, workers=2, transform=ToFloat())
    x, y = next(iter(loader))
    assert (x.shape, x.dtype, y.tolist()) == ((3, 8, 12, 1), "float32", [0, 1, 1])
    square = data.ImageFolder(pets, size=5)  # of 40 x 10 the middle 10 x 10: rows 15 to 24, two and two averaged
    assert np.abs(square[2][0][:, 2, 0] - [15.5, 17.5, 19.5, 21.5, 23.5]).max() <= 1
    assert eval(repr(square), vars(data)).size == 5


def test_image_folders_that_are_wrong(pets: Path, tmp_path: Path) -> None:
    for size in (0, (3,), (3, -1), 2.5, "x"):
        with pytest.raises(tg.ArgumentError, match="size must be a positive integer or two"):
            data.ImageFolder(pets, size)
    with pytest.raises(tg.ArgumentError, match="mode must be one of RGB, L, RGBA, found 'CMYK'"):
        data.ImageFolder(pets, mode="CMYK")
    with pytest.raises(tg.DataError, match="is no folder"):
        data.ImageFolder(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(tg.DataError, match="has no folders"):
        data.ImageFolder(tmp_path / "empty")
    (pets / "bird").mkdir()
    with pytest.raises(tg.DataError, match=r"bird has no image; they end in \.png"):
        data.ImageFolder(pets)
    (pets / "bird" / "1.png").write_bytes(b"no image")
    found = data.ImageFolder(pets, 8)
    with pytest.raises(tg.DataError, match=r"sample 0 of ImageFolder\(.*\) raised DataError: .*1\.png"):
        next(iter(data.DataLoader(found)))
    with pytest.raises(tg.DataError, match="pixels"):
        data.ImageFolder(pets, max_pixels=100)[2]


# Tables and arrays.

TABLE = "length,width,kind,colour\n5.5,3.5,setosa,red\n6.5,3.0,virginica,blue\n7.5,2.5,setosa,red\n"


def test_tables(tmp_path: Path) -> None:
    path = tmp_path / "iris.csv"
    path.write_text(TABLE)
    found = data.CSVDataset(path, target="kind", features=["width", "length"], categorical=True)
    assert (found.x.dtype, found.x.tolist()) == ("float32", [[3.5, 5.5], [3.0, 6.5], [2.5, 7.5]])
    assert (found.y.dtype, found.y.tolist(), found.classes) == ("int64", [0, 1, 0], ["setosa", "virginica"])
    coded = data.CSVDataset(path, target="length", text=["kind", "colour"])
    assert (coded.features, coded.x[:, 2].tolist()) == (["width", "kind", "colour"], [1.0, 0.0, 1.0])
    assert (coded.y.dtype, coded.y.tolist(), coded.classes) == ("float32", [5.5, 6.5, 7.5], [])
    rows = data.CSVDataset(path, features=["width"])
    assert [len(sample) for sample in (rows[0],)] == [1]
    x, y = next(iter(data.DataLoader(found, 2)))
    assert (x.shape, y.tolist()) == ((2, 2), [0, 1])
    with pytest.raises(tg.DataError, match=r"iris\.csv"):
        data.CSVDataset(path, target="length")  # kinds are no numbers
    with pytest.raises(tg.ArgumentError, match=r"no column 'age'; .* has \['length'"):
        data.CSVDataset(path, target="age", text=["kind", "colour"])
    with pytest.raises(tg.ArgumentError, match="give target="):
        data.CSVDataset(path, categorical=True)
    with pytest.raises(tg.ArgumentError, match="CSVDataset: features must be a list, found 'width'"):
        data.CSVDataset(path, features="width")


def test_arrays_in_files(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (30, 4, 4, 3)).astype(np.uint8)
    y = np.arange(30)
    np.savez(tmp_path / "xy.npz", x=x, y=y)
    assert np.array_equal(data.ArrayDataset.from_npz(tmp_path / "xy.npz", ["y", "x"])[3][1], x[3])
    assert len(data.ArrayDataset.from_npz(tmp_path / "xy.npz").arrays) == 2
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y.astype(">i4"))
    expected = list(data.DataLoader((x, y.astype("i4")), 8, shuffle=True, transform=ToFloat()))
    for mmap in (True, False):
        found = data.ArrayDataset.from_npy(tmp_path / "x.npy", tmp_path / "y.npy", mmap=mmap)
        for (a, b), (c, d) in zip(data.DataLoader(found, 8, shuffle=True, transform=ToFloat()), expected, strict=True):
            assert np.array_equal(a.numpy(), c.numpy())
            assert np.array_equal(b.numpy(), d.numpy())
    near = data.DataLoader(data.ArrayDataset.from_npy(tmp_path / "y.npy"), 30, shuffle=True, buffer_size=5)
    order = next(iter(near))[0].numpy()
    assert sorted(order) == list(range(30))
    assert not np.array_equal(order, y)
    np.save(tmp_path / "short.npy", y[:5])
    with pytest.raises(tg.ShapeError, match="must have one length"):
        data.ArrayDataset.from_npy(tmp_path / "x.npy", tmp_path / "short.npy")
    with pytest.raises(tg.DataError, match=r"no array 'z'; there are x, y"):
        data.ArrayDataset.from_npz(tmp_path / "xy.npz", ["z"])
