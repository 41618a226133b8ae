"""A side's process: python -m bench.worker SIDE THREADS

Reads one JSON request a line, answers with one line, and sleeps otherwise. Whatever the side's library prints goes to
the standard error stream.

    prepare CASE INPUTS OUTPUTS CHECK   build the case from INPUTS (.npz); with CHECK write each run's outputs
    time RUN SECONDS                    the median time of that run; the figure of a probe
    forget                              drop the case
"""

from __future__ import annotations

import gc
import json
import os
import sys
from typing import Any

import numpy as np

from bench import cases
from bench.case import Probe, Run
from bench.rivals import SIDES
from bench.timing import median, settle


class Worker:
    """Holds the prepared case between requests."""

    def __init__(self, name: str, threads: int) -> None:
        self.module = SIDES[name].load()
        self.module.set_threads(threads)
        self.runs: list[Any] = []
        gc.collect()
        gc.freeze()  # a library's own objects need not be walked through after every case

    def about(self) -> dict[str, Any]:
        return {"versions": self.module.versions(), "kinds": sorted(self.module.BUILDERS)}

    def prepare(self, family: str, case: str, inputs: str, outputs: str, check: bool) -> dict[str, Any]:
        self.runs = []
        found = cases.find(family, case)
        with np.load(inputs) as file:
            arrays = dict(file)
        self.runs = list(self.module.BUILDERS[found.kind](found.spec, arrays))
        described = []
        for number, run in enumerate(self.runs):
            entry = {"variant": run.variant, "mode": run.mode, "probe": isinstance(run, Probe)}
            if check and isinstance(run, Run):
                try:
                    np.savez(f"{outputs}-{number}.npz", **run.value())  # type: ignore[arg-type]
                    entry["outputs"] = f"{outputs}-{number}.npz"
                except Exception as error:
                    entry["problem"] = one_line(error)
            described.append(entry)
        settle()
        return {"runs": described}

    def time(self, run: int, seconds: float) -> dict[str, Any]:
        chosen = self.runs[run]
        if isinstance(chosen, Probe):
            return {"extra": chosen.measure(seconds)}
        figure = median(chosen.call, seconds)
        settle()
        return {"figure": figure}

    def peaks(self) -> dict[str, Any]:
        found: dict[str, Any] = self.module.peaks()
        settle()
        return found

    def forget(self) -> dict[str, Any]:
        self.runs = []
        gc.collect()
        return {}


def one_line(error: BaseException) -> str:
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {text}"[:300]


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = Worker(sys.argv[1], int(sys.argv[2]))
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(worker, request.pop("do"))(**request)
        except Exception as error:
            answer = {"error": one_line(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
