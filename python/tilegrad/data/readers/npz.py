"""NPZ: NumPy's zip archive of arrays."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ...errors import DataError
from .elements import NDArray
from .lists import check_lists
from .npy import read_array
from .zip import MemberStream, members

__all__ = ["read_npz"]

LIMIT = 1 << 34  # 16 GiB


def read_npz(
    path: str | os.PathLike[str], names: Sequence[str] | None = None, limit: int = LIMIT
) -> dict[str, NDArray]:
    """Read the arrays of an ``.npz`` file, compressed or not.

    Parameters
    ----------
    path
        The file.
    names
        Of the arrays to read; by default all.
    limit
        The most bytes that they may have together, decompressed.

    Returns
    -------
    dict
        Arrays by name, as :func:`read_npy` gives them.

    Raises
    ------
    DataError
        If the archive is damaged, truncated or inconsistent, holds what is no array of numbers (objects are pickles,
        which are never read), lacks one of ``names``, or claims more bytes than its members can have or than ``limit``.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> np.savez("xy.npz", x=np.zeros((5, 2)), y=np.arange(5))
    >>> arrays = tg.data.readers.read_npz("xy.npz")
    >>> {name: array.shape for name, array in arrays.items()}
    {'x': (5, 2), 'y': (5,)}
    """
    check_lists("read_npz", names=names)
    where = os.fspath(path)
    with open(path, "rb") as file:
        there = {member.name.removesuffix(".npy"): member for member in members(file, where)}
        wanted = list(there) if names is None else list(names)
        missing = [name for name in wanted if name not in there]
        if missing:
            raise DataError(
                f"{where}: no array {', '.join(map(repr, missing))}; there are {', '.join(there) or 'none'}"
            )
        total = sum(there[name].size for name in wanted)
        if total > limit:
            raise DataError(f"{where}: the arrays claim {total} bytes, allowed are {limit} (limit=)")
        found = {}
        for name in wanted:
            member, label = there[name], f"{where}: member {there[name].name!r}"
            if not member.name.endswith(".npy"):
                raise DataError(f"{label} is no array: its name does not end in .npy")
            found[name] = read_array(MemberStream(file, member, label), member.size, label)
    return found
