"""A folder that one run at a time may write to."""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import weakref
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..errors import FolderInUseError

__all__ = ["RunLock"]

NAME = "run.lock"
# What a file system says that has no locks at all.
WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
BUSY = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK}


class RunLock:
    """The right to write to a folder: held by one object at a time, whatever its process.

    The system's lock of the file ``run.lock`` holds it, which ends with the process, however that ends; so a killed run
    stands in nobody's way. The file's text says whose it is. Where the file system has no locks that text is the lock:
    of a process that is gone on this machine it does not count, of another machine it does.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object has the right."""
        return self._descriptor is not None

    def acquire(self) -> None:
        """Takes the right.

        Raises
        ------
        FolderInUseError
            If another run has it; with its process, machine and beginning.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        try:
            locked = _lock(descriptor)
            owner = _owner(descriptor)
            if locked is False or (locked is None and _lives(owner)):
                raise FolderInUseError(self._refusal(owner, certain=locked is False))
            about = {"pid": os.getpid(), "host": socket.gethostname(), "since": _now()}
            try:
                _write(descriptor, json.dumps(about).encode())
            except OSError:  # a full disk: the lock is held all the same
                if locked is None:
                    raise
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        _held.add(self)

    def release(self) -> None:
        """Gives it back; the file stays, empty, because removing it could take a lock from somebody."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        _held.discard(self)
        with suppress(OSError):  # the text may stay, the lock does not
            _write(descriptor, b"")
        with suppress(OSError):
            _unlock(descriptor)
        os.close(descriptor)

    def _refusal(self, owner: dict[str, Any], certain: bool) -> str:
        who = "another run, which has not said its name yet,"
        if owner:
            who = f"the run of process {owner['pid']} on {owner['host']}, which began {owner['since']},"
        advice = "" if certain else f"; if it is gone, remove {self._path}"
        return (
            f"{self._path.parent}: {who} works in this folder; wait for its end, or give this run a folder of its "
            f"own{advice}"
        )


_held: weakref.WeakSet[RunLock] = weakref.WeakSet()


def _forget_in_child() -> None:
    """A forked child would hold its parent's locks for as long as it lives."""
    for lock in list(_held):
        if lock._descriptor is not None:
            os.close(lock._descriptor)
            lock._descriptor = None
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)


if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)  # behind the text, which others must be able to read
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing would leave it to a child that was forked just now


def _lock(descriptor: int) -> bool | None:
    """Whether the lock was free, or None where there are no locks."""
    try:
        _take(descriptor)
    except OSError as error:
        if error.errno in BUSY:
            return False
        if error.errno in WITHOUT_LOCKS:
            return None
        raise
    return True


def _owner(descriptor: int) -> dict[str, Any]:
    """What the file says about the run that has the folder, or nothing."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        found = json.loads(os.read(descriptor, 4096))
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict) or type(found.get("pid")) is not int:
        return {}
    return {name: found.get(name) for name in ("pid", "host", "since")}


def _lives(owner: dict[str, Any]) -> bool:
    """Whether the process that the text names may still be there."""
    if not owner or owner["host"] != socket.gethostname():
        return bool(owner)
    if owner["pid"] == os.getpid():
        return any(True for _ in _held)
    try:
        os.kill(owner["pid"], 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # not ours to ask
        return True
    return True


def _write(descriptor: int, text: bytes) -> None:
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.ftruncate(descriptor, 0)
    os.write(descriptor, text)


def _now() -> str:
    return datetime.now(timezone.utc).astimezone().isoformat(timespec="seconds")
