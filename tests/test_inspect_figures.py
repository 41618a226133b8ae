"""Figures: what is drawn are the numbers of the model and of the run."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn
from tilegrad.inspect.statistics import Histogram, ParameterStatistics

pytest.importorskip("matplotlib")

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(20, 6, 5, 2)).astype(np.float32)


def drawn(figure: Any) -> list[Any]:
    """The pictures of a figure, as arrays."""
    return [np.asarray(axis.images[0].get_array()) for axis in figure.axes if axis.images]


def titles(figure: Any) -> list[str]:
    return [axis.get_title() for axis in figure.axes]


def test_no_figure_needs_pyplot(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    figure = tg.inspect.plot_curves({"loss": [1.0, 0.5]})
    figure.savefig(tmp_path / "c.png")
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    assert "matplotlib.pyplot" not in sys.modules


def test_matplotlib_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(tg.MissingExtraError, match=r'pip install "tilegrad\[plot\]"'):
        tg.inspect.plot_curves({"loss": [1.0]})


def test_curves() -> None:
    history = {
        "loss": [2.0, 1.0, 0.5, 0.3, 0.2, 0.1], "val_loss": [2.0, 1.5, 1.2, 1.5, 1.8, 2.0],
        "accuracy": [0.1, 0.5, 0.8, 0.9, 0.95, 1.0], "samples_per_second": [9.0] * 6, "val_extra": [1.0] * 6,
    }  # fmt: skip
    figure = tg.inspect.plot_curves(history)
    by_name = {axis.get_ylabel(): axis for axis in figure.axes if axis.get_ylabel()}
    assert list(by_name) == ["loss", "accuracy", "extra"]
    lines = {line.get_label(): line.get_xydata() for line in by_name["loss"].lines}
    assert np.array_equal(lines["training"], np.c_[1:7, history["loss"]])
    assert np.array_equal(lines["validation"], np.c_[1:7, history["val_loss"]])
    for axis in by_name.values():  # from the epoch with the best validation to the end
        (span,) = axis.patches
        assert span.get_label() == "over-fitting from epoch 3"
        assert (span.get_x(), span.get_x() + span.get_width()) == (3, 6)
    healthy = tg.inspect.plot_curves({"loss": history["loss"], "val_loss": history["loss"]})
    assert not healthy.axes[0].patches
    with pytest.raises(tg.ArgumentError, match="plot_curves: the history is empty"):
        tg.inspect.plot_curves({})


def test_filters_of_a_convolution() -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, (3, 4)), nn.ReLU(), nn.Conv2d(3, 5, 3))
    weights = model[0].weight.detach().numpy()
    figure = tg.inspect.plot_filters(model)
    pictures = drawn(figure)
    assert titles(figure) == [f"{k}, channel {c}" for k in range(3) for c in range(2)]
    for place, picture in enumerate(pictures):
        assert np.array_equal(picture, weights[:, :, place % 2, place // 2])
    low, high = figure.axes[0].images[0].get_clim()
    assert -low == high == np.abs(weights[:, :, 0, 0]).max()  # zero is white
    colours = tg.inspect.plot_filters(model, "2", most=4)  # three channels: one picture in colour a filter
    assert len(drawn(colours)) == 4
    second = model[2].weight.detach().numpy()[..., 1]
    np.testing.assert_allclose(drawn(colours)[1], (second - second.min()) / np.ptp(second), rtol=1e-6)


def test_filters_of_a_dense_layer() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 4))
    weights = model[1].weight.detach().numpy()
    pictures = drawn(tg.inspect.plot_filters(model, image_shape=(4, 3)))
    assert all(np.array_equal(picture, weights[:, k].reshape(4, 3)) for k, picture in enumerate(pictures))
    with pytest.raises(tg.ArgumentError, match=r"12 inputs are no square image; give image_shape"):
        tg.inspect.plot_filters(model)
    with pytest.raises(tg.ShapeError, match=r"image_shape \(4, 4\) has 16 values, the layer 12 inputs"):
        tg.inspect.plot_filters(model, image_shape=(4, 4))
    with pytest.raises(tg.ArgumentError, match=r"'0' \(Flatten\) has no weights"):
        tg.inspect.plot_filters(model, "0")
    with pytest.raises(tg.ArgumentError, match="has no convolution or dense layer"):
        tg.inspect.plot_filters(nn.ReLU())
    with pytest.raises(tg.ArgumentError, match=r"has weights \[7\]; expected a 2-D convolution"):
        tg.inspect.plot_filters(nn.Sequential(nn.LayerNorm(7)), "0")


def test_feature_maps() -> None:
    model = nn.Sequential(nn.Conv2d(2, 7, 3), nn.Dropout(0.5), nn.Flatten(), nn.Linear(None, 3)).build((6, 5, 2))
    with tg.no_grad():
        expected = model[0](tg.tensor(IMAGES[:1])).numpy()[0]
    for image in (IMAGES[0], IMAGES[:1], tg.tensor(IMAGES[0])):
        pictures = drawn(tg.inspect.plot_feature_maps(model, image, "1", most=5))  # dropout is off
        assert len(pictures) == 5
        assert all(np.array_equal(picture, expected[..., k]) for k, picture in enumerate(pictures))
    assert all(layer.training for layer in model.modules())
    with pytest.raises(tg.ShapeError, match=r"the output of '3' must be \[N, H, W, C\], found \[1, 3\]"):
        tg.inspect.plot_feature_maps(model, IMAGES[0], "3")
    with pytest.raises(tg.ShapeError, match=r"expected one image \[H, W, C\], found \[20, 6, 5, 2\]"):
        tg.inspect.plot_feature_maps(model, IMAGES, "0")
    with pytest.raises(tg.ArgumentError, match="has no module '9'"):
        tg.inspect.plot_feature_maps(model, IMAGES[0], "9")


def test_most_activating_images() -> None:
    images = IMAGES[..., :1]
    labels = np.zeros(20, np.int64)
    model = nn.Sequential(nn.Conv2d(1, 3, 3, activation="relu"), nn.Flatten(), nn.Linear(None, 4)).build((6, 5, 1))
    with tg.no_grad():
        maps = model[0](tg.tensor(images)).numpy()
        rows = model(tg.tensor(images)).numpy()
    for layer, values in (("0", maps[..., 2].reshape(20, -1).max(1)), ("", rows[:, 2])):
        order = np.argsort(-values, kind="stable")[:4]
        for size in (3, 20):
            figure = tg.inspect.plot_most_activating(model, (images, labels), layer, 2, count=4, batch_size=size)
            assert all(np.array_equal(p, images[row, ..., 0]) for p, row in zip(drawn(figure), order, strict=True))
            assert titles(figure) == [f"{values[row]:.3g}" for row in order]
    best = np.unravel_index(maps[..., 2].argmax(), maps.shape[:3])[1:]
    figure = tg.inspect.plot_most_activating(model, (images, labels), "0", 2, count=1)
    (mark,) = figure.axes[0].lines
    expected = [(best[1] + 0.5) * 5 / 3 - 0.5, (best[0] + 0.5) * 6 / 4 - 0.5]
    np.testing.assert_allclose(mark.get_xydata()[0], expected)
    with pytest.raises(tg.OutOfRangeError, match="unit must be from 0 to 2 in '0', found 3"):
        tg.inspect.plot_most_activating(model, (images, labels), "0", 3)


class Fixed(nn.Module):
    """Answers with the numbers that are its input's first."""

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        return tg.reshape(x, (len(x), -1))[:, :3]


def test_misclassified_samples() -> None:
    x = RNG.normal(size=(30, 2, 2, 1)).astype(np.float32)
    logits = x.reshape(30, 4)[:, :3].astype(np.float64)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = RNG.integers(0, 3, 30)
    answers = shares.argmax(1)
    wrong = sorted(np.flatnonzero(answers != labels), key=lambda row: -shares[row].max())
    names = ["ant", "bee", "cat"]
    figure = tg.inspect.plot_misclassified(Fixed(), (x, labels), classes=names, count=5, batch_size=7)
    assert figure.get_suptitle() == f"{len(wrong)} of 30 misclassified"
    for picture, title, row in zip(drawn(figure), titles(figure), wrong[:5], strict=True):
        assert np.array_equal(picture, x[row, ..., 0])
        label = names[labels[row]]
        sure, own = f"{shares[row].max() * 100:.0f} %", f"{shares[row, labels[row]] * 100:.0f} %"
        assert title == f"{label} as {names[answers[row]]} ({sure}, {label}: {own})"
    with pytest.raises(tg.ArgumentError, match="classes has 2 names for 3 classes"):
        tg.inspect.plot_misclassified(Fixed(), (x, labels), classes=["a", "b"])
    with pytest.raises(tg.ArgumentError, match="a batch must be \\(inputs, targets\\)"):
        tg.inspect.plot_misclassified(Fixed(), [(x,)])
    with pytest.raises(tg.ArgumentError, match="found int"):
        tg.inspect.plot_misclassified(Fixed(), 3)


def test_none_misclassified() -> None:
    x = np.eye(3, dtype=np.float32).repeat(2, 0)[:, :, None, None]
    figure = tg.inspect.plot_misclassified(Fixed(), (x, np.arange(3).repeat(2)))
    assert figure.get_suptitle() == "0 of 6 misclassified"


@pytest.mark.parametrize("normalize", [False, True])
def test_confusion(normalize: bool) -> None:
    x = RNG.normal(size=(50, 3)).astype(np.float32)
    labels = RNG.integers(0, 2, 50)  # the last class has no samples
    expected = np.zeros((3, 3))
    for row in range(50):
        expected[labels[row], x[row].argmax()] += 1
    if normalize:
        expected[:2] /= expected[:2].sum(1, keepdims=True)
    loader = tg.data.DataLoader((x, labels), batch_size=8)
    figure = tg.inspect.plot_confusion(Fixed(), loader, normalize=normalize)
    np.testing.assert_allclose(drawn(figure)[0], expected)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == [f"{v:.2f}" if normalize else f"{v:.0f}" for v in expected.reshape(-1)]
    share = (x.argmax(1) == labels).mean()
    assert figure.axes[0].get_title() == f"{share * 100:.1f} % right"
    one_hot = tg.inspect.plot_confusion(Fixed(), (x, np.eye(3, dtype=np.float32)[labels]), normalize=normalize)
    np.testing.assert_allclose(drawn(one_hot)[0], expected)
    assert loader.epoch == 0  # nothing of the loader was used up
    with pytest.raises(tg.OutOfRangeError, match="label 3 of sample 4 is not from 0 to 2"):
        tg.inspect.plot_confusion(Fixed(), (x, np.where(np.arange(50) == 4, 3, labels)))


@pytest.mark.parametrize("outputs", ["logit", "probability", "column"])
def test_two_classes_with_one_output(outputs: str) -> None:
    class One(nn.Module):
        def forward(self, x: tg.Tensor) -> tg.Tensor:
            z = x[:, 0] if outputs != "column" else x
            return tg.sigmoid(z) if outputs == "probability" else z

    x = np.float32([[-2], [3], [1], [-1]])
    figure = tg.inspect.plot_confusion(One(), (x, np.int64([0, 1, 0, 0])))
    assert drawn(figure)[0].tolist() == [[2, 1], [0, 1]]


def monitor_of(histograms: list[Histogram], steps: list[int]) -> tg.inspect.Monitor:
    monitor = tg.inspect.Monitor()
    for step, histogram in zip(steps, histograms, strict=True):
        part = ParameterStatistics(2.0, 1.0 + step, 1e-3 * (1 + step), histogram, None)
        monitor.inspections.append(tg.inspect.Inspection(step, 0, 1.0, {"a.weight": part}, {}))
    return monitor


def test_histograms_over_time() -> None:
    spread = Histogram(0.0, 4.0, [1, 2, 3, 2])
    point = Histogram(3.0, 3.0, [7, 0, 0, 0])
    figure = tg.inspect.plot_histograms(monitor_of([spread, point], [10, 30]), "a.weight", bins=8)
    mesh = figure.axes[0].collections[0]
    shares = np.asarray(mesh.get_array()).reshape(8, 2)
    np.testing.assert_allclose(shares[:, 0], np.repeat([1, 2, 3, 2], 2) / 16)
    assert shares[:, 1].tolist() == [0, 0, 0, 0, 0, 0, 1, 0]  # 3 is in [3, 3.5)
    corners = mesh.get_coordinates()
    assert corners[0, :, 0].tolist() == [0, 20, 40]  # each step in the middle of its column
    assert corners[:, 0, 1].tolist() == [0.5 * k for k in range(9)]
    alone = tg.inspect.plot_histograms(monitor_of([spread], [5]), "a.weight")
    assert alone.axes[0].collections[0].get_coordinates()[0, :, 0].tolist() == [4.5, 5.5]
    with pytest.raises(tg.ArgumentError, match=r"no inspected step has weights of 'b'; there are those of a\.weight"):
        tg.inspect.plot_histograms(monitor_of([spread], [5]), "b")
    with pytest.raises(tg.ArgumentError, match="of must be weights, gradients or outputs, found 'x'"):
        tg.inspect.plot_histograms(monitor_of([spread], [5]), "b", of="x")


def test_series() -> None:
    monitor = monitor_of([Histogram(0, 1, [1])] * 3, [0, 5, 9])
    figure = tg.inspect.plot_series(monitor, "update_ratio")
    (axis,) = figure.axes
    np.testing.assert_allclose(axis.lines[0].get_xydata(), [[0, 1e-3], [5, 6e-3], [9, 1e-2]])
    assert axis.get_yscale() == "log"
    (band,) = axis.patches
    assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx((1e-4, 1e-2))
    assert not tg.inspect.plot_series(monitor, "gradient_norm").axes[0].patches
    with pytest.raises(tg.ArgumentError, match="expected one of norm, gradient_norm"):
        tg.inspect.plot_series(monitor, "speed")
