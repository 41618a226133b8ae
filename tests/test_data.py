"""Mini-batches, splits, and the readers of data files."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tilegrad as tg
from tilegrad import data

# DataLoader.


def rows(loader: data.DataLoader) -> list[int]:
    return [int(v) for batch in loader for v in batch.numpy()]


def test_the_last_batch_is_smaller_or_left_out() -> None:
    for count, size, expected in ((1000, 128, [128] * 7 + [104]), (50_000, 128, [128] * 390 + [80]), (4, 2, [2, 2])):
        arrays = (np.zeros((count, 2), np.float32), np.arange(count))
        loader = data.DataLoader(arrays, batch_size=size)
        assert [len(y) for _, y in loader] == expected
        assert len(loader) == len(expected)
        whole = [n for n in expected if n == size]
        loader = data.DataLoader(arrays, batch_size=size, drop_last=True)
        assert [len(y) for _, y in loader] == whole
        assert len(loader) == len(whole)


@settings(max_examples=50, deadline=None)
@given(
    count=st.integers(0, 70),
    size=st.integers(1, 20),
    shuffle=st.booleans(),
    drop=st.booleans(),
    seed=st.integers(0, 2**63 - 1),
)
def test_every_sample_comes_once(count: int, size: int, shuffle: bool, drop: bool, seed: int) -> None:
    loader = data.DataLoader(np.arange(count), batch_size=size, shuffle=shuffle, drop_last=drop, seed=seed)
    batches = [batch.numpy().tolist() for batch in loader]
    assert len(batches) == len(loader)
    found = [row for batch in batches for row in batch]
    if drop:
        assert len(found) == count - count % size
        assert len(set(found)) == len(found)
    else:
        assert sorted(found) == list(range(count))
    if not shuffle:
        assert found == list(range(len(found)))


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    def loader(seed: int, size: int = 10) -> data.DataLoader:
        return data.DataLoader(np.arange(100), batch_size=size, shuffle=True, seed=seed)

    first = loader(1)
    epochs = [rows(first), rows(first), rows(first)]
    assert epochs[0] != epochs[1] != epochs[2]
    again = loader(1, size=7)  # other batches of the same order
    assert [rows(again), rows(again)] == epochs[:2]
    jumped = loader(1)
    jumped.set_epoch(2)
    assert rows(jumped) == epochs[2]
    assert rows(loader(2)) != epochs[0]
    assert rows(loader(1)) == epochs[0]


def test_batches_have_the_form_of_the_data() -> None:
    x, y = np.ones((5, 2), np.float32), np.arange(5, dtype=np.uint8)
    batch = next(iter(data.DataLoader((x, y), batch_size=3)))
    assert isinstance(batch, tuple)
    assert [(t.dtype.name, t.shape) for t in batch] == [("float32", (3, 2)), ("uint8", (3,))]
    batch = next(iter(data.DataLoader({"image": x, "label": y}, batch_size=3)))
    assert sorted(batch) == ["image", "label"]
    assert next(iter(data.DataLoader(x, batch_size=3))).shape == (3, 2)
    assert next(iter(data.DataLoader((tg.ones((4, 2)), tg.ones(4)), batch_size=3)))[0].shape == (3, 2)


def test_arrays_of_other_dtypes_and_layouts_are_converted() -> None:
    x = np.arange(12, dtype=">i4").reshape(3, 4).T
    for array in (x, x.astype(">f8"), x.astype("int16"), x.astype("uint16"), x[::-1], x.astype("bool")):
        batches = [b.numpy() for b in data.DataLoader(array, batch_size=3)]
        assert np.array_equal(np.concatenate(batches), array)


def test_a_batch_is_a_copy() -> None:
    x = np.zeros(4, np.float32)
    batch = next(iter(data.DataLoader(x, batch_size=4)))
    batch.numpy()[:] = 1
    assert not x.any()


class Squares:
    """A data set that computes its samples."""

    def __len__(self) -> int:
        return 7

    def __getitem__(self, index: int) -> tuple[Any, Any, dict[str, float]]:
        return np.full(2, index, np.float32), index * index, {"half": index / 2}


def test_samples_of_a_dataset_are_stacked() -> None:
    assert isinstance(Squares(), data.Dataset)
    batches = list(data.DataLoader(Squares(), batch_size=4))
    assert len(batches) == 2
    x, y, more = batches[1]
    assert (x.shape, x.dtype.name, y.dtype.name, more["half"].dtype.name) == ((3, 2), "float32", "int64", "float32")
    assert y.tolist() == [16, 25, 36]
    assert more["half"].tolist() == [2.0, 2.5, 3.0]
    ragged = [np.zeros(2), np.zeros(3)]

    class Ragged:
        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> Any:
            return ragged[index]

    with pytest.raises(tg.ShapeError, match=r"sample 1 has shape \[3\], but sample 0 has \[2\]"):
        next(iter(data.DataLoader(Ragged())))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: data.DataLoader((np.zeros(3), np.zeros(4))), tg.ShapeError, "array 0 has 3, array 1 has 4"),
        (lambda: data.DataLoader((np.zeros(3), np.zeros(4)), 0), tg.ArgumentError, "batch_size .* found 0"),
        (lambda: data.DataLoader(np.zeros(3), batch_size=2.0), tg.ArgumentError, "found 2.0"),
        (lambda: data.DataLoader(np.zeros(3), seed=None), tg.ArgumentError, "seed must be an integer from 0 up"),
        (lambda: data.DataLoader(np.zeros(3), seed=-1), tg.ArgumentError, "seed must be .* found -1"),
        (lambda: data.DataLoader(()), tg.ShapeError, "at least one array"),
        (lambda: data.DataLoader(np.float32(3)[None][0]), tg.ArgumentError, "found float32"),
        (lambda: data.DataLoader(np.array(3.0)), tg.ShapeError, "has no samples"),
        (lambda: data.DataLoader(np.array(["a"])), tg.DTypeError, "not of numbers"),
        (lambda: data.DataLoader(5), tg.ArgumentError, "found int"),
        (lambda: data.DataLoader(np.zeros(3)).set_epoch(-1), tg.ArgumentError, "from 0 up, found -1"),
    ],
)  # fmt: skip
def test_bad_arguments(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_split_is_seeded_disjoint_and_stratified() -> None:
    x, y = np.arange(90), np.repeat([0, 1, 2], 30)
    (a, ya), (b, yb) = data.train_validation_split(x, y, fraction=1 / 3, seed=4, stratify=y)
    assert np.bincount(yb).tolist() == [10, 10, 10]
    assert np.bincount(ya).tolist() == [20, 20, 20]
    assert sorted([*a, *b]) == list(range(90))
    assert (np.diff(a) > 0).all()
    assert np.array_equal(data.train_validation_split(x, seed=4)[1][0], data.train_validation_split(x, seed=4)[1][0])
    assert not np.array_equal(
        data.train_validation_split(x, seed=4)[1][0], data.train_validation_split(x, seed=5)[1][0]
    )
    with pytest.raises(tg.ArgumentError, match="between 0 and 1, found 2"):
        data.train_validation_split(x, fraction=2)
    with pytest.raises(tg.ArgumentError, match=r"stratify must be \[90\], found \[2\]"):
        data.train_validation_split(x, stratify=[1, 2])


# IDX.


def idx_bytes(array: np.ndarray[Any, Any], code: int) -> bytes:
    header = bytes([0, 0, code, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


CODES = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("compressed", [False, True])
def test_idx_of_every_dtype(tmp_path: Path, dtype: str, compressed: bool) -> None:
    for shape in ((), (0,), (5,), (2, 3), (2, 0, 3), (2, 3, 4, 2)):
        array = np.array(np.arange(np.prod(shape, dtype=int)).reshape(shape) * 37 - 90).astype(dtype)
        content = idx_bytes(array, CODES[dtype])
        (tmp_path / "f").write_bytes(gzip.compress(content) if compressed else content)
        found = data.read_idx(tmp_path / "f")
        assert found.dtype == dtype
        assert found.dtype.isnative
        assert np.array_equal(found, array)
        assert found.shape == shape


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file"),
        (b"\0\0\x08", "not an IDX file"),
        (b"\1\0\x08\1\0\0\0\0", "not an IDX file"),
        (b"\0\0\x07\1\0\0\0\0", "element type 0x07"),
        (b"\0\0\x08\2\0\0\0\1", "truncated: the header has 8 bytes, 2 axes need 12"),
        (b"\0\0\x08\1\0\0\0\3ab", "truncated"),
        (b"\0\0\x0d\1\0\0\0\2abcd", "truncated"),
        (b"\0\0\x08\1\0\0\0\3abcd", "more bytes follow the 3"),
        (b"\0\0\x08\3" + b"\xff" * 12, "the header claims"),
        (b"\0\0\x0e\xff" + b"\0\0\0\1" * 255, "the header claims"),
    ],
)  # fmt: skip
def test_idx_that_is_wrong(tmp_path: Path, content: bytes, message: str, compressed: bool) -> None:
    path = tmp_path / "f"
    path.write_bytes(gzip.compress(content) if compressed else content)
    with pytest.raises(tg.DataError, match=message) as caught:
        data.read_idx(path)
    assert str(path) in str(caught.value)


def test_idx_compressed_file_that_is_damaged(tmp_path: Path) -> None:
    content = gzip.compress(idx_bytes(np.random.default_rng(0).integers(0, 255, 500).astype("uint8"), 8))
    path = tmp_path / "f"
    for length in range(2, len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(tg.DataError):
            data.read_idx(path)
    for position in range(12, len(content)):
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        with pytest.raises(tg.DataError):
            data.read_idx(path)


def test_idx_shape_is_compared(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(idx_bytes(np.zeros((2, 3), "uint8"), 8))
    assert data.read_idx(tmp_path / "f", (None, 3)).shape == (2, 3)
    with pytest.raises(tg.DataError, match=r"found shape \[2, 3\], expected \['any', 4\]"):
        data.read_idx(tmp_path / "f", (None, 4))


# MNIST.


def mnist_folder(folder: Path, count: int = 5, labels: int | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(count)
    for part in ("train", "t10k"):
        images = rng.integers(0, 256, (count, 28, 28)).astype("uint8")
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(images, 8), mtime=0))
        found = (np.arange(labels or count) % 10).astype("uint8")
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx_bytes(found, 8))
    return folder


def test_mnist_from_a_folder(tmp_path: Path) -> None:
    for kind in (data.MNIST, data.FashionMNIST):
        found = kind(mnist_folder(tmp_path))
        assert found.images.shape == (5, 28, 28, 1)
        assert (found.images.dtype, found.labels.dtype) == ("uint8", "int64")
        assert len(found) == 5
        assert found[3][1] == 3
        x, y = next(iter(data.DataLoader(found, batch_size=4)))
        assert (x.shape, y.tolist()) == ((4, 28, 28, 1), [0, 1, 2, 3])


def test_mnist_that_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(tg.DataError, match=r"neither train-images-idx3-ubyte.gz nor"):
        data.MNIST(tmp_path)
    with pytest.raises(tg.DataError, match=r"nowhere: no such folder; without a folder the files are downloaded"):
        data.MNIST(tmp_path / "nowhere")
    with pytest.raises(tg.DataError, match=r"has 5 images, but .* has 6 labels"):
        data.MNIST(mnist_folder(tmp_path, labels=6))
    mnist_folder(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.array([0, 1, 10, 2, 3], "uint8"), 8))
    with pytest.raises(tg.DataError, match="label 10 of row 2 is not below 10"):
        data.MNIST(tmp_path)


def test_the_real_mnist(data_folder: Path) -> None:
    found = data.MNIST(data_folder / "mnist", train=False)
    assert found.images.shape == (10_000, 28, 28, 1)
    assert np.bincount(found.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


# CIFAR.


def cifar_bytes(count: int, label_bytes: int = 1, seed: int = 0) -> bytes:
    records = np.random.default_rng(seed).integers(0, 256, (count, label_bytes + 3072)).astype("uint8")
    records[:, :label_bytes] %= 10
    return records.tobytes()


def cifar_archive(path: Path, mode: str, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


MEMBERS = {
    **{f"data_batch_{n}.bin": cifar_bytes(3, seed=n) for n in range(1, 6)},
    "test_batch.bin": cifar_bytes(2, seed=9),
}


def test_cifar_planes_become_channels(tmp_path: Path) -> None:
    (tmp_path / "f.bin").write_bytes(cifar_bytes(4))
    images, labels = data.read_cifar10(tmp_path / "f.bin")
    records = np.frombuffer(cifar_bytes(4), np.uint8).reshape(4, 3073)
    assert (images.shape, images.dtype, labels.dtype) == ((4, 32, 32, 3), "uint8", "int64")
    assert labels.tolist() == records[:, 0].tolist()
    for n, y, x, c in ((0, 0, 0, 0), (3, 31, 2, 1), (2, 7, 30, 2)):
        assert images[n, y, x, c] == records[n, 1 + c * 1024 + y * 32 + x]
    (tmp_path / "f.bin").write_bytes(cifar_bytes(4, label_bytes=2))
    images, labels = data.read_cifar100(tmp_path / "f.bin")
    assert (images.shape, labels.shape) == ((4, 32, 32, 3), (4, 2))


@pytest.mark.parametrize("form", ["folder", "inner", "w:gz", "w:xz", "w"])
def test_cifar_from_folders_and_archives(tmp_path: Path, form: str) -> None:
    if form in ("folder", "inner"):
        folder = tmp_path if form == "folder" else tmp_path / "cifar-10-batches-bin"
        folder.mkdir(exist_ok=True)
        for name, content in MEMBERS.items():
            (folder / name).write_bytes(content)
        root = tmp_path
    else:
        suffix = form[1:].replace(":", ".")
        root = cifar_archive(tmp_path / f"cifar-10-binary.tar{suffix}", form, MEMBERS)
        if suffix:
            root = tmp_path  # found in its folder
    train = data.CIFAR10(root, check=False)
    assert (train.images.shape, data.CIFAR10(root, train=False, check=False).images.shape) == (
        (15, 32, 32, 3),
        (2, 32, 32, 3),
    )
    assert train.labels.tolist() == [c[3073 * i] for n, c in MEMBERS.items() if n != "test_batch.bin" for i in range(3)]
    with pytest.raises(tg.DataError, match=r"data_batch_1.bin: SHA-256 [0-9a-f]{64}, the original has cee91656"):
        data.CIFAR10(root)


def test_cifar_that_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "f.bin"
    with pytest.raises(tg.DataError, match="no such file"):
        data.read_cifar10(path)
    for content, message in (
        (b"", "0 bytes are not a whole number"),
        (cifar_bytes(2)[:-1], "6145 bytes are not a whole number of records of 3073"),
        (b"\x0a" + cifar_bytes(1)[1:], "label 10 of record 0 is not below 10"),
    ):
        path.write_bytes(content)
        with pytest.raises(tg.DataError, match=message):
            data.read_cifar10(path)
    with pytest.raises(tg.DataError, match="a folder"):
        data.read_cifar10(tmp_path)
    with pytest.raises(tg.DataError, match=r"data_batch_1.bin: no such file"):
        data.CIFAR10(tmp_path)
    archive = cifar_archive(tmp_path / "a.tar.gz", "w:gz", {"data_batch_1.bin": cifar_bytes(1)})
    with pytest.raises(tg.DataError, match=r"the archive lacks data_batch_2.bin, data_batch_3.bin"):
        data.CIFAR10(archive)
    path.write_bytes(archive.read_bytes()[:-900])
    with pytest.raises(tg.DataError, match=r"f.bin: the archive is damaged"):
        data.CIFAR10(path)
    path.write_bytes(b"no archive at all")
    with pytest.raises(tg.DataError, match="of another kind"):
        data.CIFAR10(path)


def test_the_real_cifar10(data_folder: Path) -> None:
    found = data.CIFAR10(data_folder / "cifar10", train=False)
    assert np.bincount(found.labels).tolist() == [1000] * 10


# Downloads, from this machine.


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    folder = tmp_path / "served"
    folder.mkdir()
    with HTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/", folder
        running.shutdown()
        thread.join()


def test_download_checks_and_keeps(server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pooch")
    address, folder = server
    mnist_folder(folder)
    for part in ("train", "t10k"):
        labels = folder / f"{part}-labels-idx1-ubyte"
        labels.with_name(labels.name + ".gz").write_bytes(gzip.compress(labels.read_bytes()))
    sums = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.gz")}
    monkeypatch.setenv("TILEGRAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(data.MNIST, "checksums", sums)
    monkeypatch.setattr(data.MNIST, "mirrors", (f"{address}absent/", address))  # the second one answers
    assert len(data.MNIST()) == 5
    for path in folder.iterdir():
        path.unlink()
    assert len(data.MNIST()) == 5  # from the cache
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(b"something else")
    with pytest.raises(tg.DataError, match=r"could not be downloaded(.|\n)*absent(.|\n)*hash"):
        data.MNIST(train=False)
    assert not list((tmp_path / "cache").rglob("t10k-images*"))


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pooch", None)
    monkeypatch.setenv("TILEGRAD_CACHE", str(tmp_path))
    with pytest.raises(tg.MissingExtraError, match=r'pip install "tilegrad\[examples\]"') as caught:
        data.MNIST()
    assert isinstance(caught.value, ImportError)
