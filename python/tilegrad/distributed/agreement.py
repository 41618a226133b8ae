"""Whether all ranks were given the same."""

from __future__ import annotations

from collections.abc import Mapping

from .. import _C
from .collectives import all_gather

__all__ = ["check_same"]


def check_same(owner: str, given: Mapping[str, str], advice: str) -> None:
    """Compare descriptions over all ranks.

    Parameters
    ----------
    owner
        Who asks, for the error.
    given
        What this rank has, by name.
    advice
        What to do about a difference.

    Raises
    ------
    ArgumentError
        On all ranks, if they differ; tells in what, and what rank 0 and the first that differs have.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.distributed.agreement.check_same("fit", {"epochs": "5"}, "start all ranks alike")
    """
    every = all_gather(dict(given))
    first = every[0]
    for number, other in enumerate(every):
        differences = [
            f"{name} is {first.get(name, 'not there')} on rank 0, {other.get(name, 'not there')} on rank {number}"
            for name in [*first, *(name for name in other if name not in first)]
            if first.get(name) != other.get(name)
        ]
        if differences:
            more = f"; and {len(differences) - 5} more" if len(differences) > 5 else ""
            raise _C.ArgumentError(f"{owner}: the ranks differ: {'; '.join(differences[:5])}{more}; {advice}")
