"""History: columns of equal length, files, curves."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

import tilegrad as tg
from tilegrad.train import History


def history() -> History:
    found = History()
    found.add(0, {"loss": 0.1 + 0.2, "accuracy": 1 / 3})
    found.add(1, {"loss": 1e-300, "val_loss": math.inf, "accuracy": 0.5})
    found.add(2, {"loss": math.nan, "val_loss": 0.25})
    return found


def test_columns() -> None:
    found = history()
    assert list(found) == ["loss", "accuracy", "val_loss"]
    assert found["loss"][:2] == [0.1 + 0.2, 1e-300]
    assert math.isnan(found["val_loss"][0])
    assert math.isnan(found["accuracy"][2])
    assert found.epoch == [0, 1, 2]
    assert found.rows()[1] == {"epoch": 1, "loss": 1e-300, "accuracy": 0.5, "val_loss": math.inf}
    assert repr(dict(found)) == repr(found)


def test_a_result_that_is_no_number_adds_nothing() -> None:
    history = History()
    history.add(0, {"loss": 1.0})
    with pytest.raises(tg.ArgumentError, match="result 'note' must be a number, found 'good'"):
        history.add(1, {"loss": 0.5, "note": "good"})  # type: ignore[dict-item]
    assert history == {"loss": [1.0]}
    assert history.epoch == [0]


def test_a_file_holds_the_same_numbers(tmp_path: Path) -> None:
    found, path = history(), tmp_path / "h.csv"
    found.to_csv(path)
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows][:2] == found["loss"][:2]
    assert [int(row["epoch"]) for row in rows] == [0, 1, 2]
    again = History.read_csv(path)
    assert repr(again) == repr(found)
    assert again.epoch == found.epoch
    other = History()
    other.restore(found.state())
    assert repr(other) == repr(found)
    assert other.epoch == found.epoch


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1 must begin with 'epoch', found nothing"),
        ("loss\n1\n", "line 1 must begin with 'epoch'"),
        ("epoch,loss\n0,1.0\n1,x\n", "line 3 is not of numbers"),
        ("epoch,loss\n0,1.0,2.0\n", "line 2 has 2 values, expected 1"),
        ("epoch,loss\n\n", "line 2 is not of numbers"),
        ("epoch,loss,loss\n0,1.0,2.0\n", "line 1 has a name twice"),
        ("epoch,loss\n0," + "1" * 200000 + "\n", "no table: field larger than field limit"),
        ("epoch,l\udcf6ss\n", "no table: 'utf-8' codec can't decode byte 0xf6"),
    ],
)
def test_damaged_files(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "h.csv"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(tg.DataError, match=message):
        History.read_csv(path)


def test_curves(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    found = history()
    found["samples_per_second"] = [1.0, 2.0, 3.0]
    figure = found.plot(path=tmp_path / "h.png")
    assert (tmp_path / "h.png").read_bytes().startswith(b"\x89PNG")
    assert [axes.get_title() for axes in figure.axes] == ["loss", "accuracy"]
    assert [line.get_label() for line in figure.axes[0].lines] == ["training", "validation"]
    assert list(figure.axes[0].lines[0].get_xdata()) == [1, 2, 3]
    assert [line.get_label() for line in found.plot(["accuracy"]).axes[0].lines] == ["training"]
    with pytest.raises(tg.ArgumentError, match=r"plot: found no \['speed'\]; there are loss, accuracy"):
        found.plot(["speed"])
    with pytest.raises(tg.ArgumentError, match="found no curves; there are none"):
        History().plot()
