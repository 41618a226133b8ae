"""Running a piece of Python in a process of its own, where it may set limits, fork, or die."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Under a sanitizer everything is slower, and address space cannot be limited.
SANITIZED = "san.so" in os.environ.get("LD_PRELOAD", "")


def run_python(
    program: str, *arguments: str, environment: dict[str, str] | None = None, expect: int = 0
) -> subprocess.CompletedProcess[str]:
    """Runs the program and returns its output; a run of more than two minutes counts as hanging."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(program), *arguments],
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == expect, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done
