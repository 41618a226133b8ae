"""Measures ours beside every rival and judges every goal: python -m bench.report

    python -m bench.report --threads 2                  everything; results go to bench/results
    python -m bench.report --family gemm convolution    some families
    python -m bench.report --rivals numpy torch         some rivals
    python -m bench.report --quick                      a smoke test of two minutes; its times mean nothing
    python -m bench.report --from FILE --figure FILE    prints (and draws) what a file holds, measures nothing

Exits with 1 if a row of the goals is absent from the report or a case of ours fails; goals that are not met are
printed, not fatal. docs/performance/measuring.md explains.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench import cases, results, tables
from bench.goals import ROWS, Verdict, absent_rows, goals_without_cases, verdicts
from bench.results import Run
from bench.rivals import OURS, RIVALS, SIDES
from bench.session import Pace, Session

QUICK = Pace(seconds=0.002, rounds=1, slow_rounds=1)
# The smoke test's sides: rivals that start and prepare in a moment.
QUICK_RIVALS = ("numpy", "torch", "onnxruntime", "sklearn", "numpy-avx2")


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", nargs="+", choices=cases.FAMILIES, default=list(cases.FAMILIES))
    parser.add_argument("--case", help="only cases with this in their names")
    parser.add_argument("--rivals", nargs="*", choices=RIVALS, help="by default all that are installed")
    parser.add_argument("--threads", type=int, nargs="+", help="by default as many as CPUs are allowed")
    parser.add_argument("--seconds", type=float, help=f"of each side's turn; {Pace().seconds} by default")
    parser.add_argument("--rounds", type=int, help=f"turns of each side; {Pace().rounds} by default")
    parser.add_argument("--quick", action="store_true", help="few cases, a moment each: does everything run?")
    parser.add_argument("--json", type=Path, help="the file of the results; by default named by machine and date")
    parser.add_argument("--figure", type=Path, help="draw the goals into this file (.svg or .png)")
    parser.add_argument("--from", dest="source", type=Path, help="report a file's results instead of measuring")
    return parser.parse_args(given)


def sides_of(options: argparse.Namespace) -> tuple[list[str], dict[str, str]]:
    """The sides that take part, and why others do not."""
    wanted = options.rivals
    if wanted is None:
        wanted = QUICK_RIVALS if options.quick else RIVALS
    taking, missing = [], {}
    for name, side in SIDES.items():
        if name not in OURS and name not in wanted:
            missing[name] = "not asked for"
        elif not side.installed:
            missing[name] = f"not installed ({side.package})"
        else:
            taking.append(name)
    return taking, missing


def measure(options: argparse.Namespace, threads: int, path: Path | None, before: list[Run]) -> Run:
    """One run over all wanted cases. Results are written as they come."""
    pace = QUICK if options.quick else Pace()
    if options.seconds:
        pace.seconds = options.seconds
    if options.rounds:
        pace.rounds, pace.slow_rounds = options.rounds, min(options.rounds, pace.slow_rounds)
    sides, missing = sides_of(options)
    run = Run(
        datetime.datetime.now().astimezone().isoformat(timespec="seconds"), results.machine(),
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}", results.revision(), threads,
        missing=missing, quick=options.quick,
    )  # fmt: skip
    with Session(threads, sides, pace) as session:
        for family in options.family:
            start = time.monotonic()
            wanted = [case for case in cases.of_family(family) if options.case is None or options.case in case.name]
            wanted = [case for case in wanted if case.quick] if options.quick else wanted
            if not wanted:
                continue
            if not options.quick or not run.peaks:
                for name, value in session.peaks().items():
                    run.peaks[name] = max(value, run.peaks.get(name, 0.0))
            for case in wanted:
                progress(f"{family}: {case.name}")
                run.records.append(session.run(case))
                run.versions = dict(session.versions)
                run.missing = {**missing, **session.broken}
                if path:
                    results.save(path, [*before, run])
            print(tables.family_table(family, run.records, run.peaks))
            print(f"  {len(wanted)} cases in {time.monotonic() - start:.0f} s\n", flush=True)
    return run


def progress(text: str) -> None:
    """What is being measured, where somebody watches."""
    if sys.stderr.isatty():
        print(f"\r{text[:100]:<100}\r", end="", file=sys.stderr, flush=True)


def judged(runs: Sequence[Run]) -> list[Verdict]:
    """The goals over the latest records of each number of threads, row by row."""
    newest = results.latest(runs)
    found = []
    for threads in sorted({run.threads for run in runs}, reverse=True):
        mine = [measured for (count, _, _), measured in newest.items() if count == threads]
        found += verdicts([record for record, _ in mine], results.peaks_by_family(mine), threads)
    if any(run.quick for run in runs):
        found = [v if v.status == "unmeasured" else dataclasses.replace(v, status="not judged") for v in found]
    return sorted(found, key=lambda verdict: ROWS.index(verdict.row))


def failures(runs: Sequence[Run]) -> list[str]:
    """Cases of ours that ran into an error, other than for what is not there yet."""
    return [
        f"{record.family}: {record.name}: {side}: {text}"
        for run in runs
        for record in run.records
        for side, text in record.problems.items()
        if side.startswith("ours") and not text.startswith("NotImplementedError")
    ]


def main(given: Sequence[str] | None = None) -> int:
    options = arguments(given)
    if options.source:
        if not options.source.exists():
            print(f"there is no {options.source}", file=sys.stderr)
            return 1
        runs = results.load(options.source)
        fresh: list[Run] = []
        newest = list(results.latest(runs).values())
        for threads in sorted({run.threads for run in runs}, reverse=True):
            last = [run for run in runs if run.threads == threads][-1]
            print(tables.conditions(last))
            mine = [measured for measured in newest if measured[0].threads == threads]
            peaks = results.peaks_by_family(mine)
            for family in [family for family in cases.FAMILIES if family in peaks]:
                print(tables.family_table(family, [record for record, _ in mine], peaks[family]))
    else:
        path = options.json
        if path is None and not options.quick:
            path = results.FOLDER / results.file_name(results.machine(), datetime.date.today().isoformat())
        runs = results.load(path) if path else []
        fresh = []
        for threads in options.threads or [results.allowed_cpus()]:
            fresh.append(measure(options, threads, path, [*runs, *fresh]))
        for run in fresh:
            print(tables.conditions(run))
        runs = [*runs, *fresh]
        if path:
            print(f"results: {path.name}")
    print()
    return conclude(judged(runs), failures(fresh), options.figure)


def conclude(found: list[Verdict], failed: list[str], figure: Path | None) -> int:
    """Prints the goals, and what makes the report itself wrong."""
    print(tables.goals_table(found))
    if figure:
        from bench.figure import draw

        draw(found, figure)
    absent = absent_rows(found)
    for row in absent:
        print(f"ABSENT from this report: {row}", file=sys.stderr)
    judged_families = [family for family in cases.FAMILIES if family != "ops"]
    groups = {(case.family, case.group) for family in judged_families for case in cases.of_family(family)}
    unknown = goals_without_cases(groups)
    for goal in unknown:
        print(f"no case can decide: {goal}", file=sys.stderr)
    for text in failed:
        print(f"FAILED: {text}", file=sys.stderr)
    return 1 if absent or unknown or failed else 0


if __name__ == "__main__":
    sys.exit(main())
