"""The end of a rank that raised is the end of the job: the others would wait for it for ever."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

__all__ = ["end_all_at_exit", "end_all_at_failure"]

# Seconds that a rank waits for those before it: of an error that all ranks raise, one is shown, because the first to
# have shown it ends the others.
_TURN = 0.3
_LONGEST = 3.0


def end_all_at_failure(comm: Any) -> None:
    """From now on an exception that nobody catches is shown, and ends all processes of the job with exit code 1."""
    shown = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        rank = comm.Get_rank()
        time.sleep(min(rank * _TURN, _LONGEST))
        try:
            print(f"rank {rank} of {comm.Get_size()} ends the job:", file=sys.stderr)
            shown(kind, error, trace)
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            comm.Abort(1)

    sys.excepthook = hook


def end_all_at_exit(error: SystemExit) -> None:
    """``sys.exit`` in the middle of what all ranks do, which no hook of the interpreter sees, ends all processes."""
    from .world import world

    here = world()
    code = error.code if isinstance(error.code, int) and error.code else 1
    print(f"rank {here.rank} of {here.size} exits in the middle of a fit: {error}", file=sys.stderr, flush=True)
    here.comm.Abort(code)
