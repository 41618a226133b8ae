"""Data sets that are downloaded once and checked."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import DataError, require

__all__ = ["cache_folder", "download"]


def cache_folder() -> Path:
    """Where downloads are kept: ``TILEGRAD_CACHE``, or ``tilegrad`` in the user's cache folder."""
    chosen = os.environ.get("TILEGRAD_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tilegrad"


def download(urls: Sequence[str], checksum: str, folder: Path, name: str) -> Path:
    """The file ``name`` in ``folder``, fetched unless it is there with the right checksum.

    A download that is broken off leaves ``name.part``, and goes on from there: at once, at another address, or in
    another run. Only a file with the right checksum gets its name.

    Parameters
    ----------
    urls
        Where it can be had; the first that answers with the right content is taken.
    checksum
        ``"sha256:..."`` or ``"md5:..."``.
    folder, name
        Where it is kept.

    Raises
    ------
    MissingExtraError
        If the package pooch is not installed.
    DataError
        If no address answers with the right content; with what each said, and how to do without a network.
    """
    pooch = require("pooch", "examples", f"downloading {name}")
    from .resuming import UNREACHABLE, Resuming, said  # with the protocols' modules, which nobody else needs

    resuming = Resuming(folder / f"{name}.part")
    problems = []
    with _alone(folder):
        for url in urls:
            for _ in range(2):
                resuming.resumed = False
                try:
                    return Path(pooch.retrieve(url, known_hash=checksum, fname=name, path=folder, downloader=resuming))
                except ValueError as error:  # another checksum
                    if resuming.resumed:
                        continue  # perhaps of what was there before: once more, from the beginning
                    problems.append(f"{url}: {error}")
                except OSError as error:
                    problems.append(f"{url}: {said(error)}")
                break
    offline = " (is this machine offline?)" if all(UNREACHABLE in problem for problem in problems) else ""
    problems.append(
        f"without a network: bring the file from elsewhere (its checksum is {checksum}) into that folder, or into one "
        "that you give as root="
    )
    raise DataError("\n    ".join([f"{name} could not be downloaded to {folder}{offline}:", *problems]))


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While another process downloads into the folder, wait for it; where the system has no such locks, do not."""
    try:
        import fcntl

        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / ".lock", "w")  # noqa: SIM115
    except (ImportError, OSError):  # a folder that may only be read needs none: what is there is there
        yield
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
