"""The sides' processes, as seen by who asks them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

from bench.rivals import SIDES

ROOT = Path(__file__).parents[1]
# Settings of the surroundings that would make a rival run kernels of another machine, or with other threads.
UNSET = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "TILEGRAD_ISA", "OMP_PROC_BIND", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TILEGRAD_NUM_THREADS")
START = 120.0  # seconds that a side may take to import its library


class LostError(Exception):
    """The process ended, or did not answer in time; it is gone."""


def environment(side: str, threads: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in UNSET}
    kept.update({name: str(threads) for name in COUNTS}, TF_CPP_MIN_LOG_LEVEL="2", TF_ENABLE_ONEDNN_OPTS="1")
    return {**kept, **SIDES[side].environment}


def without_paths(text: str) -> str:
    """Results are shared: they name no folder of this machine."""
    return re.sub(r"(?<![\w.])/[\w.+-]+(?:/[\w.+-]+)+", "PATH", text)


class Process:
    """One side in a process of its own, started at the first request."""

    def __init__(self, side: str, threads: int, log: Path) -> None:
        self.side, self.log = side, log
        self.pending = b""
        self.errors: IO[bytes] = log.open("wb")
        command = [sys.executable, "-W", "ignore", "-m", "bench.worker", side, str(threads)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment(side, threads), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.errors,
        )  # fmt: skip
        self.about: dict[str, Any] = self.ask("about", limit=START)

    def ask(self, what: str, limit: float = 60.0, **arguments: Any) -> dict[str, Any]:
        """The answer; raises LostError if there is none in time, RuntimeError if it is an error."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps({"do": what, **arguments}).encode() + b"\n")
            self.process.stdin.flush()
            line = self.read_line(limit)
        except OSError:
            line = b""
        if not line:
            raise LostError(self.last_words())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(without_paths(answer["error"]))
        return answer

    def read_line(self, limit: float) -> bytes:
        assert self.process.stdout is not None
        end = time.monotonic() + limit
        while b"\n" not in self.pending:
            ready = select.select([self.process.stdout], [], [], max(0.0, end - time.monotonic()))[0]
            if not ready:
                self.stop(patience=0.0)
                raise LostError(f"no answer within {limit:.0f} s")
            chunk = os.read(self.process.stdout.fileno(), 1 << 16)
            if not chunk:
                return b""
            self.pending += chunk
        line, _, self.pending = self.pending.partition(b"\n")
        return line

    def last_words(self) -> str:
        self.stop()
        code = self.process.returncode
        lines = self.log.read_text(errors="replace").splitlines()
        said = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return without_paths(f"its process ended with code {code}: {said}")[:300]

    def stop(self, patience: float = 5.0) -> None:
        """Lets the process end by itself, as it does when nobody asks any more, or ends it."""
        if self.process.stdin and not self.process.stdin.closed:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdout, self.errors):
            if stream and not stream.closed:
                stream.close()
