"""Data sets that are downloaded once and checked."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import DataError, require

__all__ = ["cache_folder", "download"]

PIECE = 1 << 20
TIMEOUT = 30.0  # seconds without a byte
ATTEMPTS = 3  # at one address, each of which goes on where the last one was broken off


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
    resuming = _Resuming(folder / f"{name}.part")
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
                    problems.append(f"{url}: {_said(error)}")
                break
    offline = " (is this machine offline?)" if all(UNREACHABLE in problem for problem in problems) else ""
    problems.append(
        f"without a network: bring the file from elsewhere (its checksum is {checksum}) into that folder, or into one "
        "that you give as root="
    )
    raise DataError("\n    ".join([f"{name} could not be downloaded to {folder}{offline}:", *problems]))


UNREACHABLE = "cannot be reached"


def _said(error: OSError) -> str:
    """What went wrong, in few words."""
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return f"{UNREACHABLE} ({error.reason})"
    if isinstance(error, (socket.timeout, TimeoutError)):
        return f"no byte in {TIMEOUT:.0f} s"
    return str(error) or type(error).__name__


class _Resuming:
    """A downloader for pooch that goes on where a partial file ends."""

    def __init__(self, part: Path) -> None:
        self.part = part
        self.resumed = False  # whether a part of an earlier attempt was gone on from

    def __call__(self, url: str, target: Any, pooch: Any) -> None:
        for attempt in range(ATTEMPTS):
            before = self._size()
            try:
                self._fetch(url, before)
                break
            except http.client.HTTPException as error:
                raise ConnectionError(f"no answer that is HTTP ({type(error).__name__})") from error
            except urllib.error.HTTPError as error:
                if error.code == 416 and before:  # nothing follows: the checksum tells whether it is all
                    break
                raise
            except urllib.error.URLError:
                raise
            except OSError:
                if attempt == ATTEMPTS - 1 or self._size() == before:
                    raise
        os.replace(self.part, target)

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _fetch(self, url: str, start: int) -> None:
        headers = {"User-Agent": "tilegrad", "Accept-Encoding": "identity"}
        if start:
            self.resumed = True
            headers["Range"] = f"bytes={start}-"
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT) as answer:
            span = answer.headers.get("Content-Range") or ""
            continued = answer.status == 206 and span.startswith(f"bytes {start}-")
            length = answer.headers.get("Content-Length")
            found = 0
            with open(self.part, "ab" if continued else "wb") as file:
                while piece := answer.read(PIECE):
                    file.write(piece)
                    found += len(piece)
        if length is not None and found != int(length):
            raise ConnectionError(f"broken off after {found} of {length} bytes")


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While another process downloads into the folder, wait for it; where the system has no such locks, do not."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:
        yield
        return
    with open(folder / ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
