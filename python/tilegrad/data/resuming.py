"""Downloads that go on where they were broken off."""

from __future__ import annotations

import http.client
import os
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

__all__ = ["UNREACHABLE", "Resuming", "said"]

PIECE = 1 << 20
TIMEOUT = 30.0  # seconds without a byte
ATTEMPTS = 3  # at one address, each of which goes on where the last one was broken off
UNREACHABLE = "cannot be reached"


def said(error: OSError) -> str:
    """What went wrong, in few words."""
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return f"{UNREACHABLE} ({error.reason})"
    if isinstance(error, (socket.timeout, TimeoutError)):
        return f"no byte in {TIMEOUT:.0f} s"
    return str(error) or type(error).__name__


class Resuming:
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
