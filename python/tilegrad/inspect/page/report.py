"""Reports: a run's folder as one page."""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ... import _C
from ...errors import DataError
from ...io.atomic import write_atomically
from ...train.history import History
from ..diagnosis.finding import Findings
from ..diagnosis.of_run import of_run
from ..monitor import series_of
from ..overfit import overfitting
from ..records import Inspection, from_json
from .chart import Chart
from .html import Page, paragraph, picture, preformatted, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["report"]

_FILES = ("history.csv", "run.json", "monitor.json", "doctor.json")
_PICTURES = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".gif": "gif", ".svg": "svg+xml", ".webp": "webp"}
MOST_PICTURES, MOST_BYTES = 50, 20 * 2**20


def report(
    run_dir: str | os.PathLike[str],
    path: str | os.PathLike[str] | None = None,
    *,
    findings: Findings | None = None,
    figures: Mapping[str, Figure] | None = None,
) -> Path:
    """Writes one HTML page about a run, with everything inside: it needs no network and no other file.

    Parameters
    ----------
    run_dir
        What ``fit(..., checkpoint=run_dir)`` filled: ``history.csv`` and ``run.json``, with a :class:`Monitor`
        ``monitor.json``; besides ``doctor.json`` (:meth:`Findings.save`) and images in ``figures/`` (PNG, JPEG, GIF,
        WebP, SVG), where they are.
    path
        The page; by default ``report.html`` in the folder.
    findings
        What :func:`doctor` returned; by default those of ``doctor.json``, or what can be told from the curves and the
        monitor alone.
    figures
        Figures of Matplotlib, by title.

    Returns
    -------
    Path
        The page's.

    Raises
    ------
    ArgumentError
        If there is no such folder, or nothing of a run in it.

    Notes
    -----
    A file that cannot be read is named in the page, with the reason. Whatever comes from the run is escaped, and the
    page forbids scripts and requests.

    Examples
    --------
    >>> import tilegrad as tg
    >>> x, y = tg.randn((64, 4)), tg.randint(0, 2, 64)
    >>> model = tg.nn.Sequential(tg.nn.Linear(4, 2))
    >>> trainer = tg.train.Trainer(model, tg.nn.CrossEntropyLoss(), tg.optim.SGD(model.parameters(), lr=0.1))
    >>> history = trainer.fit((x, y), epochs=2, verbose=0, checkpoint="run")
    >>> page = tg.inspect.report("run")
    >>> page.name, "Linear(4, 2)" in page.read_text()
    ('report.html', True)
    """
    folder = Path(run_dir)
    if not folder.is_dir():
        raise _C.ArgumentError(f"report: there is no folder {str(folder)!r}")
    if not any((folder / name).exists() for name in _FILES) and findings is None and not figures:
        raise _C.ArgumentError(
            f"report: {str(folder)!r} holds no run: expected one of {', '.join(_FILES)}, as fit(checkpoint=...) writes"
        )
    troubles: list[str] = []
    about = _read(folder / "run.json", _json, troubles) or {}
    history = _read(folder / "history.csv", History.read_csv, troubles) or {}
    inspections = _read(folder / "monitor.json", from_json, troubles) or []
    saved = _read(folder / "doctor.json", Findings.load, troubles)
    page = Page(f"Run {folder.resolve().name}")
    page.section("Summary", _summary(about, history), *(paragraph(text, "quiet") for text in troubles))
    if history:
        page.section("Curves", '<div class="charts">', *_curves(history), "</div>")
    page.section("Doctor", *_doctor(findings if findings is not None else saved, history, inspections))
    if inspections:
        page.section("Inside", '<div class="charts">', *_inside(inspections), "</div>")
    pictures = [*_drawn(figures or {}), *_found(folder / "figures", troubles)]
    if pictures:
        page.section("Figures", *pictures)
    if isinstance(about.get("model"), dict) and isinstance(about["model"].get("text"), str):
        page.section("Model", preformatted(about["model"]["text"]))
    if about:
        page.section("Environment", _environment(about))
    target = folder / "report.html" if path is None else Path(path)
    write_atomically(target, [page.html().encode("utf-8", "replace")])
    return target


def _read(path: Path, reader: Any, troubles: list[str]) -> Any:
    """What a file holds, or None; why not is noted."""
    if not path.exists():
        return None
    try:
        return reader(path)
    except (DataError, OSError, ValueError, _C.TilegradError) as error:
        troubles.append(f"{path.name} could not be read: {error}")
        return None


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except RecursionError as error:
        raise DataError(f"{path}: nested too deep") from error
    if not isinstance(found, dict):
        raise DataError(f"{path}: expected an object, found {type(found).__name__}")
    return found


def _text(value: Any, depth: int = 4) -> str:
    """A value of JSON, for people."""
    if depth == 0 and isinstance(value, (dict, list)):
        return "..."
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(item, depth - 1)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(_text(item, depth - 1) for item in value)
    return f"{value:,}" if type(value) is int else str(value)


def _summary(about: Mapping[str, Any], history: Mapping[str, list[float]]) -> str:
    rows: list[tuple[Any, ...]] = []
    for name in ("begun", "parameters", "trainable", "loss", "optimizer"):
        if name in about:
            rows.append((name, _text(about[name])))
    if isinstance(about.get("arguments"), dict):
        rows += [(name, _text(value)) for name, value in about["arguments"].items() if value is not None]
    epochs = max((len(values) for values in history.values()), default=0)
    if epochs:
        rows.append(("epochs done", str(epochs)))
    lines = table(rows)
    columns = {name: [v for v in values if math.isfinite(v)] for name, values in history.items()}
    results = [
        (name, f"{values[-1]:.6g}", f"{min(values):.6g}", f"{max(values):.6g}")
        for name, values in columns.items()
        if values
    ]
    return lines + (table(results, ("result", "last", "least", "largest")) if results else "")


def _curves(history: Mapping[str, list[float]]) -> Iterable[str]:
    names = list(dict.fromkeys(name.removeprefix("val_") for name in history if name != "samples_per_second"))
    found = overfitting(history)
    for name in names:
        lines = {}
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            if key in history:
                lines[label] = [(epoch + 1, value) for epoch, value in enumerate(history[key])]
        shaded = None
        if found is not None and len(lines) == 2:
            end = len(history["val_loss"])
            shaded = (found.epoch + 1, end, f"over-fitting from epoch {found.epoch + 1}")
        yield Chart(name, "epoch", lines, shaded=shaded).svg() or paragraph(f"{name}: no finite values", "quiet")


def _doctor(
    findings: Findings | None, history: Mapping[str, list[float]], inspections: list[Inspection]
) -> Iterable[str]:
    if findings is None:
        findings = of_run(history, inspections)
        yield paragraph(
            "From the curves and the inspections alone. tg.inspect.doctor(model, data, history) looks at the model and "
            "the data too; its findings' save(folder) puts them here.",
            "quiet",
        )
    if not findings:
        yield paragraph("Nothing was found to be wrong.")
    for finding in findings:
        yield f'<div class="finding {finding.severity}">'
        yield f"<h3>{finding.diagnosis} ({finding.severity})</h3>"
        yield paragraph(finding.evidence) + paragraph(f"Try: {finding.advice}.") + "</div>"


# What is drawn of a monitor: its number, the chart's name, whether the axis is logarithmic, and what is healthy.
_SERIES = (
    ("update_ratio", "update ratio |dw| / |w|", True, (1e-4, 1e-2, "healthy")),
    ("gradient_norm", "gradient norm", True, None),
    ("norm", "weight norm", True, None),
    ("std", "deviation of outputs", True, None),
    ("dead", "share of dead units", False, None),
    ("saturated", "share of saturated units", False, None),
)


def _inside(inspections: list[Inspection]) -> Iterable[str]:
    for name, title, is_log, band in _SERIES:
        series = series_of(inspections, name)
        lines = {layer: list(zip(steps, values, strict=True)) for layer, (steps, values) in series.items()}
        yield Chart(title, "step", lines, is_log, band=band, y_range=None if is_log else (0.0, 1.0)).svg()


def _drawn(figures: Mapping[str, Figure]) -> Iterable[str]:
    for title, figure in figures.items():
        file = io.BytesIO()
        figure.savefig(file, format="png")
        yield picture(title, "png", file.getvalue())


def _found(folder: Path, troubles: list[str]) -> Iterable[str]:
    if not folder.is_dir():
        return
    left = MOST_BYTES
    files = [file for file in sorted(folder.iterdir()) if file.suffix.lower() in _PICTURES]
    for file in files[:MOST_PICTURES]:
        if file.is_symlink() or not file.is_file():  # a link may lead anywhere
            continue
        left -= file.stat().st_size
        if left < 0:
            yield paragraph(f"{file.name} and others are left out: together they are larger than 20 MiB", "quiet")
            return
        yield picture(file.stem, _PICTURES[file.suffix.lower()], file.read_bytes())


def _environment(about: Mapping[str, Any]) -> str:
    found = about.get("environment")
    return table((name, _text(value)) for name, value in (found.items() if isinstance(found, dict) else ()))
