"""What is written for TensorBoard, read back by TensorBoard itself."""

from __future__ import annotations

import io
import struct
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn

RNG = np.random.default_rng(0)


def test_tensorboardx_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(tg.MissingExtraError, match=r'SummaryLog needs .* pip install "tilegrad\[tensorboard\]"'):
        tg.inspect.SummaryLog(tmp_path)


@pytest.fixture
def log(tmp_path: Path) -> tg.inspect.SummaryLog:
    pytest.importorskip("tensorboardX")
    return tg.inspect.SummaryLog(tmp_path / "log")


class Events:
    """The events of a folder, read from its file: records of length, checksum, protobuf, checksum."""

    def __init__(self, folder: str) -> None:
        from tensorboardX.proto import event_pb2

        (path,) = Path(folder).iterdir()
        data, place = path.read_bytes(), 0
        self._values: dict[str, list[Any]] = {}
        while place < len(data):
            (length,) = struct.unpack_from("<Q", data, place)
            event = event_pb2.Event.FromString(data[place + 12 : place + 12 + length])
            place += length + 16
            for value in event.summary.value:
                named = SimpleNamespace(
                    step=event.step, value=value.simple_value, histogram_value=value.histo,
                    encoded_image_string=value.image.encoded_image_string, kind=value.WhichOneof("value"),
                )  # fmt: skip
                self._values.setdefault(value.tag, []).append(named)

    def _of(self, name: str) -> list[Any]:
        return self._values[name]

    Scalars = Histograms = Images = _of

    def Tags(self) -> dict[str, list[str]]:  # noqa: N802 - TensorBoard's name
        kinds = {"simple_value": "scalars", "histo": "histograms", "image": "images"}
        found: dict[str, list[str]] = {kind: [] for kind in kinds.values()}
        for name, values in self._values.items():
            found[kinds[values[0].kind]].append(name)
        return found


def plainly(folder: str) -> Any:
    return Events(folder)


def by_tensorboard(folder: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other packages
        name = "tensorboard.backend.event_processing.event_accumulator"
        accumulator = pytest.importorskip(name).EventAccumulator
        return accumulator(folder, size_guidance={"scalars": 0, "histograms": 0, "images": 0}).Reload()


@pytest.fixture(params=[plainly, by_tensorboard])
def read(request: pytest.FixtureRequest) -> Any:
    def closed(log: tg.inspect.SummaryLog) -> Any:
        log.close()
        return request.param(log.folder)

    return closed


def scalars(events: Any, name: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in events.Scalars(name)]


def test_scalars_and_history(log: tg.inspect.SummaryLog, read: Any) -> None:
    log.scalars({"a": 1.5, "b": -2.0}, 3, prefix="x/")
    history = {"loss": [2.0, 1.0, float("inf")], "val_loss": [2.5, 1.25, float("nan")], "accuracy": [0.25, 0.5, 0.75]}
    log.add_history(history)
    events = read(log)
    assert scalars(events, "x/a") == [(3, 1.5)]
    assert scalars(events, "x/b") == [(3, -2.0)]
    assert scalars(events, "loss/training") == list(enumerate(history["loss"]))
    assert scalars(events, "loss/validation") == [(0, 2.5), (1, 1.25)]
    assert scalars(events, "accuracy/training") == list(enumerate(history["accuracy"]))


def test_histograms(log: tg.inspect.SummaryLog, read: Any) -> None:
    values = RNG.normal(size=1000)
    found = tg.inspect.histogram(values)
    log.histogram("h", values, 4)
    log.histogram("one", np.full(6, 2.5), 4)
    log.histogram("none", np.zeros(0), 4)
    events = read(log)
    (event,) = events.Histograms("h")
    written = event.histogram_value
    assert (event.step, written.min, written.max, written.num) == (4, found.low, found.high, 1000)
    counts = dict(zip(written.bucket_limit, written.bucket, strict=True))
    kept = {limit: count for limit, count in zip(found.edges[1:].tolist(), found.counts, strict=True) if count}
    assert {limit: count for limit, count in counts.items() if count} == kept
    half = (found.high - found.low) / 64  # values are taken as in the middle of their bins
    assert abs(written.sum - values.sum()) <= 1000 * half
    (event,) = events.Histograms("one")
    assert (event.histogram_value.num, event.histogram_value.min) == (6, 2.5)
    assert "none" not in events.Tags()["histograms"]


def test_images_and_figures(log: tg.inspect.SummaryLog, read: Any) -> None:
    image_module = pytest.importorskip("PIL.Image")
    pytest.importorskip("matplotlib")
    grey, colour = RNG.random((5, 7)).astype(np.float32), RNG.integers(0, 256, (4, 3, 3)).astype(np.uint8)
    log.image("grey", grey, 1)
    log.image("colour", tg.tensor(colour), 2)
    figure = tg.inspect.plot_curves({"loss": [2.0, 1.0]})
    log.figure("curves", figure, 3)
    with pytest.raises(tg.ShapeError, match=r"expected \[H, W\] or \[H, W, 1, 3 or 4\], found \[2\]"):
        log.image("bad", np.zeros(2), 0)
    events = read(log)

    def pixels(name: str) -> Any:
        (event,) = events.Images(name)
        return event.step, np.asarray(image_module.open(io.BytesIO(event.encoded_image_string)))

    step, found = pixels("grey")
    assert step == 1
    expected = np.floor(grey * 255 + 0.5).astype(np.uint8)
    assert np.array_equal(found, np.broadcast_to(expected[..., None], (5, 7, 3)))
    assert np.array_equal(pixels("colour")[1], colour)
    drawn = pixels("curves")[1]
    width, height = (figure.get_size_inches() * figure.dpi).astype(int)
    assert drawn.shape == (height, width, 3)
    assert (drawn < 128).any()


@pytest.mark.parametrize("live", [False, True])
def test_a_monitor(log: tg.inspect.SummaryLog, read: Any, live: bool) -> None:
    tg.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8, activation="tanh"), nn.Linear(8, 2))
    model[0].freeze()
    trainer = tg.train.Trainer(model, nn.CrossEntropyLoss(), tg.optim.SGD(model.parameters(), lr=0.1))
    monitor = tg.inspect.Monitor(every=2, budget=None, log=log if live else None)
    x = RNG.normal(size=(64, 4)).astype(np.float32)
    trainer.fit((x, (x[:, 0] > 0).astype(np.int64)), epochs=2, batch_size=16, verbose=0, callbacks=[monitor])
    if not live:
        log.add_monitor(monitor)
    events = read(log)
    for name in ("norm", "gradient_norm", "update_ratio", "dead", "saturated"):
        for layer, (steps, values) in monitor.series(name).items():
            assert scalars(events, f"{name}/{layer}") == [
                (s, np.float32(v)) for s, v in zip(steps, values, strict=True)
            ]
    assert scalars(events, "inspected/loss") == [(s, np.float32(v)) for s, v in zip(*monitor.losses(), strict=True)]
    assert "gradient_norm/0" not in events.Tags()["scalars"]
    names = {f"weights/{n}.{p}" for n in (0, 2, 3) for p in ("weight", "bias")}
    names |= {f"gradients/{n}.{p}" for n in (2, 3) for p in ("weight", "bias")}
    assert set(events.Tags()["histograms"]) == names | {f"outputs/{n}" for n in range(4)}
    assert [event.step for event in events.Histograms("outputs/1")] == [0, 2, 4, 6]
