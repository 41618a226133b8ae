"""Results as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.goals import Verdict
from bench.results import Record, Run, Timing
from bench.rivals import OURS, SIDES


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns of text; numbers (all but the first column) to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)


def figure(value: float, unit: str) -> str:
    if unit != "s":
        return f"{value:.3g} {unit}"
    for factor, name in ((1.0, "s"), (1e3, "ms"), (1e6, "us")):
        if value * factor >= 1 or name == "us":
            return f"{value * factor:.3g} {name}"
    raise AssertionError("unreachable")


def rate(record: Record, timing: Timing, peaks: Mapping[str, float]) -> tuple[str, str]:
    """Work per second, and its share of the measured peak."""
    if record.unit != "s":
        return "", ""
    suffix = "-avx2" if timing.side.endswith("-avx2") else ""
    if record.bound.startswith("flops"):
        speed, peak = record.flops / timing.figure, peaks.get(record.bound + suffix)
        text = f"{speed / 1e9:.0f} GF/s"
    elif record.bytes:
        speed, peak = record.bytes / timing.figure, peaks.get("copy" + suffix) if record.bound == "stream" else None
        text = f"{speed / 1e9:.1f} GB/s"
    else:
        return "", ""
    return text, f"{100 * speed / peak:.0f} %" if peak else ""


def family_table(family: str, records: Sequence[Record], peaks: Mapping[str, float]) -> str:
    """One line a case and run of ours; a column a rival, each with its best run."""
    mine = [record for record in records if record.family == family]
    rivals = [side for side in SIDES if side not in OURS and any(t.side == side for r in mine for t in r.timings)]
    rows = [["", "ours", "rate", "of peak", *rivals, "ratio"]]
    notes = []
    for record in mine:
        best = record.best()
        for timing in [t for t in record.timings if t.side in OURS]:
            variant = f", {timing.variant}" if sum(t.side in OURS for t in record.timings) > 1 else ""
            cells = [" ".join(record.name.split()) + variant, figure(timing.figure, record.unit)]
            cells += rate(record, timing, peaks)
            for side in rivals:
                theirs = record.best([side])
                cells.append(figure(theirs.figure, record.unit) if theirs else "-")
            cells.append(f"{best.figure / timing.figure:.2f}" if best and timing.figure > 0 else "-")
            rows.append(cells)
        notes += [f"  {record.name}: {side}: {text}" for side, text in record.problems.items()]
        if not any(t.side in OURS for t in record.timings):
            notes.append(f"  {record.name}: ours was not measured")
    text = aligned(rows) if len(rows) > 1 else "  nothing measured"
    return f"{family}\n" + "\n".join([text, *notes])


def goals_table(found: Sequence[Verdict]) -> str:
    """Every row, for every number of threads."""
    lines = []
    for row in dict.fromkeys(verdict.row for verdict in found):
        lines.append(row)
        inner = [["", "threads", "goal", "floor", "status", "found"]]
        for verdict in (v for v in found if v.row == row):
            what = "" if verdict.what == "all" else verdict.what
            inner.append([what, str(verdict.threads), verdict.goal, verdict.floor, verdict.status, verdict.found])
            if verdict.reason:
                inner[-1][-1] = "; ".join(filter(None, (verdict.found, verdict.reason)))
        widths = [max(len(cells[i]) for cells in inner) for i in range(5)]
        for cells in inner[1:]:
            start = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=False))
            lines.append(f"  {start}  {cells[5]}".rstrip())
    counts = {status: sum(v.status == status for v in found) for status in dict.fromkeys(v.status for v in found)}
    return "\n".join([*lines, ", ".join(f"{count} {status}" for status, count in counts.items())])


def conditions(run: Run) -> str:
    """Where and with what a run was made."""
    lines = [
        f"{run.machine}; {run.system}; {run.threads} thread{'s' * (run.threads > 1)}; revision {run.revision}; "
        f"{run.started}"
    ]
    for side, versions in run.versions.items():
        lines.append(f"  {side}: " + ", ".join(f"{name} {value}" for name, value in versions.items()))
    lines += [f"  {side}: {why}" for side, why in run.missing.items()]
    if run.peaks:
        peaks = (
            f"{name} {value / 1e9:.1f} {'GFLOP/s' if name.startswith('flops') else 'GB/s'}"
            for name, value in run.peaks.items()
        )
        lines.append("  measured peaks: " + ", ".join(peaks))
    return "\n".join(lines)
