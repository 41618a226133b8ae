"""Reports: one page with the run's numbers in it, and nothing that runs or is fetched."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn
from tilegrad.inspect.page.chart import Chart
from tilegrad.inspect.statistics import ActivationStatistics, Histogram, ParameterStatistics

SVG = "{http://www.w3.org/2000/svg}"
HISTORY = "epoch,loss,val_loss,accuracy\n" + "".join(
    f"{epoch},{loss},{val},{acc}\n"
    for epoch, (loss, val, acc) in enumerate(
        [(2.0, 2.0, 0.1), (1.0, 1.5, 0.5), (0.5, 1.2, 0.8), (0.3, 1.5, 0.9), (0.2, 1.8, 0.95), (0.1, 2.0, 1.0)]
    )
)
EVIL = '<script>document.title="taken"</script><img src="http://evil.example/x.png" onerror="alert(1)">&"\''
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Parsed(HTMLParser):
    """The page's elements, its text by section, and whether all that was opened is closed."""

    void = ("meta", "img", "link", "br")

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self.texts: dict[str, str] = {}
        self._open: list[str] = []
        self._section = ""
        self.source = path.read_text("utf-8")
        self.feed(self.source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.void:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "h2":
            self._section = data
        self.texts[self._section] = self.texts.get(self._section, "") + data + "\n"

    def charts(self) -> dict[str, ElementTree.Element]:
        found = [ElementTree.fromstring(text) for text in re.findall(r"<svg.*?</svg>", self.source, re.DOTALL)]
        return {(chart.findtext(f"{SVG}title") or ""): chart for chart in found}


def inspections(evil: str = "") -> list[tg.inspect.Inspection]:
    spread = Histogram(-1.0, 1.0, [1, 2])
    return [
        tg.inspect.Inspection(
            step, 0, 1.0,
            {f"a{evil}.weight": ParameterStatistics(2.0, 0.5 / (1 + step), 1e-3 * (1 + step), spread, spread)},
            {f"b{evil}": ActivationStatistics("relu", 0.5, 1.0, 0.25, None, spread)},
        )
        for step in (0, 5, 9)
    ]  # fmt: skip


def fill(folder: Path, evil: str = "") -> None:
    name = "accuracy" + evil.replace('"', '""')
    (folder / "history.csv").write_text(HISTORY.replace("accuracy", f'"{name}"'))
    about = {
        "begun": ["2026-01-01T00:00:00+00:00"], "model": {"text": f"Sequential({evil})", "architecture": None},
        "parameters": 12345, "trainable": 345, "loss": "CrossEntropyLoss()" + evil,
        "optimizer": {"kind": "Adam", "groups": [{"lr": 0.5, "x": evil}]}, "metrics": ["accuracy"],
        "arguments": {"epochs": 6, "batch_size": 32, evil or "z": evil},
        "environment": {"python": "3.11" + evil, evil or "y": 2},
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(about))
    monitor = tg.inspect.Monitor()
    monitor.inspections = inspections(evil)
    monitor.save(folder / "monitor.json")
    tg.inspect.Findings([tg.inspect.Finding("dead units", f"12 of 16 {evil}", f"try {evil}", "error")]).save(folder)
    (folder / "figures").mkdir()
    (folder / "figures" / "filters.png").write_bytes(PNG)
    (folder / "figures" / "evil.svg").write_text(f'<svg xmlns="http://www.w3.org/2000/svg">{EVIL}</svg>')


def test_what_a_page_holds(tmp_path: Path) -> None:
    fill(tmp_path)
    path = tg.inspect.report(tmp_path)
    assert path == tmp_path / "report.html"
    page = Parsed(path)
    assert list(page.texts)[1:] == ["Summary", "Curves", "Doctor", "Inside", "Figures", "Model", "Environment"]
    assert f"Run {tmp_path.name}" in page.texts[""]
    for text in ("12,345", "CrossEntropyLoss()", "kind Adam, groups lr 0.5", "batch_size", "epochs done"):
        assert text in page.texts["Summary"]
    assert "dead units (error)" in page.texts["Doctor"]
    assert "12 of 16" in page.texts["Doctor"]
    assert "Sequential()" in page.texts["Model"]
    assert "3.11" in page.texts["Environment"]
    images = [attributes["src"] for tag, attributes in page.tags if tag == "img"]
    assert f"data:image/png;base64,{base64.b64encode(PNG).decode()}" in images
    assert list(page.charts()) == [
        "loss", "accuracy", "update ratio |dw| / |w|", "gradient norm", "weight norm", "deviation of outputs",
        "share of dead units",
    ]  # fmt: skip


def places(chart: ElementTree.Element, line: str) -> list[tuple[float, float]]:
    (found,) = [e for e in chart.iter(f"{SVG}polyline") if e.attrib["data-line"] == line]
    return [tuple(map(float, pair.split(","))) for pair in found.attrib["points"].split()]  # type: ignore[misc]


def axis(chart: ElementTree.Element, anchor: str) -> tuple[list[float], list[float]]:
    """The places and numbers of an axis' ticks."""
    texts = [t for t in chart.iter(f"{SVG}text") if t.attrib["text-anchor"] == anchor and "class" not in t.attrib]
    numbers = [t for t in texts if re.fullmatch(r"[-\d.e+]+", t.text or "")]
    side = "x" if anchor == "middle" else "y"
    offset = 0 if anchor == "middle" else -4
    return [float(t.attrib[side]) + offset for t in numbers], [float(t.text or "") for t in numbers]


def test_curves_are_where_their_axes_say(tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text(HISTORY)
    chart = Parsed(tg.inspect.report(tmp_path)).charts()["loss"]
    for line, values in (("training", [2.0, 1.0, 0.5, 0.3, 0.2, 0.1]), ("validation", [2.0, 1.5, 1.2, 1.5, 1.8, 2.0])):
        found = np.array(places(chart, line))
        x = np.interp(found[:, 0], *axis(chart, "middle"))
        ticks, numbers = axis(chart, "end")
        y = np.interp(-found[:, 1], -np.array(ticks), numbers)
        np.testing.assert_allclose(x, np.arange(1, 7), atol=0.02)
        np.testing.assert_allclose(y, values, atol=0.01)  # ticks are written to a tenth of a pixel
    (shaded,) = [e for e in chart.iter(f"{SVG}rect") if e.get("class") == "shaded" and float(e.attrib["height"]) > 50]
    first = float(shaded.attrib["x"])
    assert first == pytest.approx(places(chart, "training")[2][0], abs=0.1)  # epoch 3 has the best validation
    assert first + float(shaded.attrib["width"]) == pytest.approx(places(chart, "training")[-1][0], abs=0.2)
    assert "over-fitting from epoch 3" in ElementTree.tostring(chart, "unicode")


def test_charts() -> None:
    lines = {"a": [(0, 1e-4), (10, 1e-2), (20, float("nan")), (30, 1e-1), (40, -1.0)]}
    chart = ElementTree.fromstring(Chart("t", "step", lines, is_log=True, band=(1e-4, 1e-2, "healthy")).svg())
    pieces = [e.attrib["points"] for e in chart.iter(f"{SVG}polyline")]
    assert [len(piece.split()) for piece in pieces] == [2, 1]  # a gap at NaN, nothing for what has no logarithm
    points = [tuple(map(float, pair.split(","))) for pair in " ".join(pieces).split()]
    ticks, numbers = axis(chart, "end")
    found = 10 ** np.interp([-y for _, y in points], -np.array(ticks), np.log10(numbers))
    np.testing.assert_allclose(found, [1e-4, 1e-2, 1e-1], rtol=0.01)
    assert Chart("t", "x", {"a": [(0, float("nan"))]}).svg() == ""
    assert Chart("t", "x", {}).svg() == ""
    many = Chart("t", "x", {"a": [(k, k) for k in range(100_000)]}).svg()
    assert len(many) < 40_000
    assert "<circle" not in many
    one = ElementTree.fromstring(Chart("t", "x", {"a": [(3, 5.0)]}).svg())
    assert len(list(one.iter(f"{SVG}circle"))) == 1
    for values in ([0.0, 0.0], [1e300, -1e300], [1.7e308, -1.7e308], [5e-324, 0.0], [1e9, 1e9 + 1]):
        ElementTree.fromstring(Chart("t", "x", {"a": list(enumerate(values))}).svg())


def assert_harmless(page: Parsed) -> None:
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "iframe", "object", "embed", "base", "form")]
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        for name in ("src", "href", "xlink:href"):
            assert attributes.get(name, "data:").startswith("data:")
    assert "url(" not in page.source
    assert "@import" not in page.source
    (policy,) = [a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_what_comes_from_the_run_is_escaped(tmp_path: Path) -> None:
    folder = tmp_path / "<b>run&amp;"
    folder.mkdir()
    fill(folder, EVIL)
    page = Parsed(tg.inspect.report(folder))
    assert_harmless(page)
    for section in ("Summary", "Doctor", "Model", "Environment"):
        assert "<script>document.title" in page.texts[section]  # there as text
    assert "<b>run&amp;" in page.texts[""]


def test_a_real_run(tmp_path: Path) -> None:
    tg.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(128, 4)).astype(np.float32)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    trainer = tg.train.Trainer(model, nn.CrossEntropyLoss(), tg.optim.Adam(model.parameters()), metrics=["accuracy"])
    monitor = tg.inspect.Monitor(every=4, budget=None)
    data = (x, (x[:, 0] > 0).astype(np.int64))
    run = tmp_path / "run"
    trainer.fit(data, epochs=3, validation_data=data, verbose=0, callbacks=[monitor], checkpoint=run)
    figures = {}
    if shutil.which("python") and pytest.importorskip("matplotlib"):
        figures = {"Confusion": tg.inspect.plot_confusion(model, data)}
    page = Parsed(tg.inspect.report(run, tmp_path / "page.html", figures=figures))
    assert (tmp_path / "page.html").exists()
    assert_harmless(page)
    assert "From the curves and the inspections alone" in page.texts["Doctor"]
    assert "Nothing was found to be wrong." in page.texts["Doctor"]
    assert "Linear(4, 8)" in page.texts["Model"]
    assert tg.__version__ in page.texts["Environment"]
    charts = page.charts()
    assert {"loss", "accuracy", "gradient norm"} <= set(charts)
    lines = {e.attrib["data-line"] for e in charts["gradient norm"].iter(f"{SVG}polyline")}
    assert lines == {"0", "2"}
    assert "Confusion" in page.texts["Figures"]


def test_findings_from_files_alone(tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text(HISTORY)
    assert "over-fitting (warning)" in Parsed(tg.inspect.report(tmp_path)).texts["Doctor"]
    (tmp_path / "history.csv").write_text("epoch,loss\n0,2.0\n1,nan\n2,inf\n")
    assert "the training loss is nan in epoch 2" in Parsed(tg.inspect.report(tmp_path)).texts["Doctor"]
    monitor, spread = tg.inspect.Monitor(), Histogram(0.0, 1.0, [1])
    parts = {
        f"{k}.weight": ParameterStatistics(1.0, gradient, None, spread, None)
        for k, gradient in enumerate((1e-7, 1e-3, 1.0))
    }
    outputs = {
        "0": ActivationStatistics("relu", 0.0, 0.0, 0.75, None, spread),
        "1": ActivationStatistics("tanh", 0.0, 0.0, None, 1.0, spread),
    }
    monitor.inspections = [tg.inspect.Inspection(0, 0, 1.0, parts, outputs)]
    monitor.save(tmp_path / "monitor.json")
    text = Parsed(tg.inspect.report(tmp_path)).texts["Doctor"]
    for name in ("vanishing gradients", "dead units", "saturated units"):
        assert name in text
    assert "75 % of the units of 0 were dead" in text


@pytest.mark.parametrize("name", ["history.csv", "run.json", "monitor.json", "doctor.json"])
def test_damaged_files_are_named(tmp_path: Path, name: str) -> None:
    for content in (
        b"",
        b"\xff\xfe",
        b"{",
        b"[]",
        b"[" * 100_000,
        b'{"inspections": [{"step": "x"}], "findings": [3]}',
    ):
        fill_once = not (tmp_path / "figures").exists()
        if fill_once:
            fill(tmp_path)
        (tmp_path / name).write_bytes(content)
        page = Parsed(tg.inspect.report(tmp_path))
        if not (name == "run.json" and content.startswith(b'{"')):
            assert f"{name} could not be read" in page.texts["Summary"], content
    spread = {"low": 0.0, "high": 1.0, "counts": ["x"], "not_finite": 0}
    weight = {"norm": 1.0, "gradient_norm": None, "update_ratio": None, "weights": spread, "gradients": None}
    tree = {"step": 0, "epoch": 0, "loss": 1.0, "parameters": {"a": weight}, "activations": {}}
    (tmp_path / "monitor.json").write_text(json.dumps({"inspections": [tree]}))
    assert "monitor.json could not be read" in Parsed(tg.inspect.report(tmp_path)).texts["Summary"]


def test_odd_folders(tmp_path: Path) -> None:
    with pytest.raises(tg.ArgumentError, match=r"there is no folder '.*nowhere'"):
        tg.inspect.report(tmp_path / "nowhere")
    with pytest.raises(tg.ArgumentError, match=r"holds no run: expected one of history\.csv, run\.json"):
        tg.inspect.report(tmp_path)
    page = Parsed(tg.inspect.report(tmp_path, findings=tg.inspect.Findings()))
    assert "Nothing was found to be wrong." in page.texts["Doctor"]
    (tmp_path / "run.json").write_text(json.dumps({"arguments": {"a": json.loads("[" * 50 + "]" * 50)}}))
    tg.inspect.report(tmp_path)
    secret = tmp_path / "secret.png"
    secret.write_bytes(PNG)
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "link.png").symlink_to(secret)
    assert not [tag for tag, _ in Parsed(tg.inspect.report(tmp_path)).tags if tag == "img"]


def browser() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        found = shutil.which(name)
        if found:
            return found
    pytest.skip("no Chromium is installed")


def test_in_a_browser(tmp_path: Path) -> None:
    program = browser()
    folder = tmp_path / "run"
    folder.mkdir()
    fill(folder, EVIL)
    path = tg.inspect.report(folder)
    log = tmp_path / "net.json"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    options += [f"--user-data-dir={tmp_path / 'profile'}", f"--log-net-log={log}", "--virtual-time-budget=2000"]
    command = [program, *options, f"--screenshot={tmp_path / 'page.png'}", "--window-size=1200,3000", path.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert (tmp_path / "page.png").stat().st_size > 20_000
    assert "evil.example" not in log.read_text(errors="replace")  # nothing asked for it
    dumped = subprocess.run(
        [program, *options, "--dump-dom", path.as_uri()], check=True, capture_output=True, text=True, timeout=120
    ).stdout
    (tmp_path / "dom.html").write_text(dumped)
    found, written = Parsed(tmp_path / "dom.html"), Parsed(path)
    assert "<title>Run run</title>" in dumped  # no script has run
    assert [tag for tag, _ in found.tags] == [tag for tag, _ in written.tags]  # the page is what was written
    assert list(found.charts()) == list(written.charts())
