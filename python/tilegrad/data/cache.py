"""Data sets that are downloaded once and checked."""

from __future__ import annotations

import os
from collections.abc import Sequence
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

    Parameters
    ----------
    urls
        Where it can be had; the first that answers is taken.
    checksum
        ``"sha256:..."`` or ``"md5:..."``.
    folder, name
        Where it is kept.

    Raises
    ------
    MissingExtraError
        If the package pooch is not installed.
    DataError
        If no address answers with the right content.
    """
    pooch = require("pooch", "examples", f"downloading {name}")
    problems = []
    for url in urls:
        try:
            return Path(pooch.retrieve(url, known_hash=checksum, fname=name, path=folder))
        except (OSError, ValueError) as error:  # not reached, or another checksum
            problems.append(f"{url}: {error}")
    raise DataError("\n    ".join([f"{name} could not be downloaded to {folder}:", *problems]))
