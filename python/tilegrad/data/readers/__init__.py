"""Readers of files that nobody vouches for.

Each refuses what is malformed with a :class:`~tilegrad.DataError` that names the file, the field, what was found and
what is allowed; takes no memory for what a header claims before the file's size bears it out; and never unpickles.
A file that is not there is Python's own ``FileNotFoundError``.
"""

from __future__ import annotations

from .csv import Table, read_csv
from .gzip import open_gzip
from .image import read_image
from .npy import read_npy
from .npz import read_npz
from .tar import extract_tar, read_tar_members

__all__ = [
    "Table",
    "extract_tar",
    "open_gzip",
    "read_csv",
    "read_image",
    "read_npy",
    "read_npz",
    "read_tar_members",
]
