"""Checkpoint folders: what is kept, what a damaged file, a full disk, a second run and a killed one do."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad.io import atomic
from tilegrad.train import CheckpointFolder
from tilegrad.train import run_lock as locks

from .processes import run_python


def numbers(folder: CheckpointFolder) -> list[int]:
    return [checkpoint.number for checkpoint in folder.checkpoints()]


def filled(path: Path, losses: list[float | None], **options: Any) -> CheckpointFolder:
    with CheckpointFolder(path, **options) as folder:
        for step, loss in enumerate(losses, start=1):
            state = {"step": step, "w": np.full(300, step, np.float32)}
            assert folder.save(state, None if loss is None else {"val_loss": loss})
    return folder


def step_of(state: dict[str, Any] | None) -> Any:
    return None if state is None else state["step"]


def test_the_newest_and_the_best_are_kept(tmp_path: Path) -> None:
    folder = filled(tmp_path, [5, 1, 4, 2, 3, 6, 7], keep_last=2, keep_best=2)
    assert numbers(folder) == [2, 4, 6, 7]
    assert step_of(folder.latest()) == 7
    assert step_of(folder.best()) == 2
    again = CheckpointFolder(tmp_path, keep_last=2, keep_best=2)  # from the files alone
    assert numbers(again) == [2, 4, 6, 7]
    assert step_of(again.best()) == 2
    with again:
        again.save({"step": 8}, {"val_loss": 0.5})
    assert numbers(again) == [2, 7, 8]
    assert sorted(p.name for p in tmp_path.iterdir())[-1] == "run.lock"


@pytest.mark.parametrize(
    ("losses", "options", "best"),
    [
        ([3, 1, 2], {}, 2),
        ([3, 1, 2], {"mode": "max"}, 1),
        ([2, 1, 1], {}, 2),
        ([float("nan"), 2, float("nan"), float("-inf")], {}, 2),
        ([None, None], {}, None),
        ([], {}, None),
        ([3, 1, 2], {"monitor": "val_accuracy"}, None),
        ([3, 1, 2, 4, 5], {"keep_best": 0}, 3),
    ],
)
def test_the_best(tmp_path: Path, losses: list[float | None], options: dict[str, Any], best: int | None) -> None:
    assert step_of(filled(tmp_path, losses, **options).best()) == best


def test_without_val_loss_the_loss_counts(tmp_path: Path) -> None:
    with CheckpointFolder(tmp_path) as folder:
        for step, loss in enumerate((2.0, 1.0, 3.0)):
            folder.save({"step": step}, {"loss": loss})
    assert step_of(folder.best()) == 1


@pytest.mark.parametrize(("monitor", "best"), [("val_accuracy", 2), ("val_error", 1), ("val_mse", 1)])
def test_whether_more_is_better_is_in_the_name(tmp_path: Path, monitor: str, best: int) -> None:
    with CheckpointFolder(tmp_path, keep_last=1, monitor=monitor) as folder:
        for step, value in enumerate((0.2, 0.1, 0.9, 0.5, 0.6)):
            folder.save({"step": step}, {monitor: value})
    assert step_of(folder.best()) == best


def test_an_empty_or_absent_folder_has_nothing(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path / "a" / "b")
    assert folder.latest() is None
    assert folder.best() is None
    assert folder.checkpoints() == []
    with folder:
        assert (tmp_path / "a" / "b").is_dir()


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    names = ["checkpoint-1.safetensors", "notes.txt", "checkpoint-00000001.safetensors.bak", ".x.partial"]
    for name in names:
        (tmp_path / name).write_text("mine")
    folder = filled(tmp_path, [1, 2, 3, 4, 5])
    assert numbers(folder) == [1, 3, 4, 5]
    assert all((tmp_path / name).read_text() == "mine" for name in names)


@pytest.mark.parametrize(
    "options",
    [{"keep_last": 0}, {"keep_last": 1.5}, {"keep_last": True}, {"keep_best": -1}, {"mode": "least"}],
)
def test_bad_arguments(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(tg.ArgumentError, match=next(iter(options))):
        CheckpointFolder(tmp_path, **options)


def test_saving_needs_the_folder(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    with pytest.raises(tg.ArgumentError, match="save inside `with folder:`"):
        folder.save({"step": 1})
    with folder, pytest.raises(tg.ArgumentError, match="'step' is a set"):
        folder.save({"step": {1}})
    assert numbers(folder) == []


# Damaged files.


def damage(path: Path, kind: str) -> None:
    content = path.read_bytes()
    middle = len(content) - 700  # in the array
    path.write_bytes(
        {
            "truncated": content[:-5],
            "empty": b"",
            "data": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            "head": content[:40] + b"?" + content[41:],
            "zeros": bytes(len(content)),
        }[kind]
    )


@pytest.mark.parametrize("kind", ["truncated", "empty", "data", "head", "zeros"])
def test_a_damaged_newest_one_is_reported_and_the_one_before_used(tmp_path: Path, kind: str) -> None:
    filled(tmp_path, [3, 2, 1])
    newest = tmp_path / "checkpoint-00000003.safetensors"
    damage(newest, kind)
    folder = CheckpointFolder(tmp_path)
    with pytest.warns(tg.CheckpointWarning, match=rf"{newest}: .*; checkpoint-00000002.safetensors is used") as caught:
        assert step_of(folder.latest()) == 2
    assert len(caught) == 1
    if kind == "data":
        assert "the checksum differs for 'w'" in str(caught[0].message)
    if kind == "data":  # the head still says that it is the best
        with pytest.warns(tg.CheckpointWarning, match="is used"):
            assert step_of(CheckpointFolder(tmp_path).best()) == 2
    assert step_of(folder.best()) == 2
    with folder:  # the next has a number of its own, and the damaged one goes when enough newer ones are whole
        for step in (4, 5):
            folder.save({"step": step})
            assert newest.exists()
        folder.save({"step": 6})
        assert not newest.exists()
    assert numbers(folder) == [2, 4, 5, 6]


def test_where_no_checkpoint_is_whole_nothing_is_guessed(tmp_path: Path) -> None:
    folder = filled(tmp_path, [1, 2])
    for checkpoint in folder.checkpoints():
        damage(checkpoint.path, "truncated")
    with pytest.raises(tg.CheckpointError, match=r"no checkpoint is whole:(.|\n)*00000002(.|\n)*00000001"):
        CheckpointFolder(tmp_path).latest()


def test_a_file_that_goes_while_it_is_looked_at(tmp_path: Path) -> None:
    folder = filled(tmp_path, [1, 2, 3])
    reader = CheckpointFolder(tmp_path)
    listed = reader._numbers()
    reader._numbers = lambda: listed  # type: ignore[method-assign]
    folder.checkpoints()[-1].path.unlink()
    assert step_of(reader.latest()) == 2
    assert numbers(reader) == [1, 2]


# A disk that refuses.


@pytest.mark.parametrize("call", ["open", "write", "fsync", "close", "replace"])
def test_where_the_disk_refuses_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    real = getattr(os, call)

    def full(*args: Any, **kwargs: Any) -> Any:
        if call == "close":
            real(*args)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folder = filled(tmp_path, [1.0])
    with folder:
        with monkeypatch.context() as patch:
            patch.setattr(atomic.os, call, full)
            with pytest.warns(tg.CheckpointWarning, match=r"No space left.*checkpoint-00000001.safetensors stays"):
                assert folder.save({"step": 2}) is False
            assert folder.save({"step": 3}) is False  # reported once
        assert step_of(CheckpointFolder(tmp_path).latest()) == 1
        assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint-00000001.safetensors", "run.lock"]
        assert folder.save({"step": 4}) is True
        with monkeypatch.context() as patch:
            patch.setattr(atomic.os, call, full)
            with pytest.warns(tg.CheckpointWarning, match="No space left"):  # again, after it had worked
                folder.save({"step": 5})
    assert step_of(folder.latest()) == 4


@pytest.mark.skipif(os.name != "posix", reason="needs limits of processes")
def test_a_real_limit_of_the_system(tmp_path: Path) -> None:
    done = run_python(
        """
        import resource, signal, sys, warnings
        import numpy as np
        import tilegrad as tg
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        with tg.train.CheckpointFolder(sys.argv[1]) as folder:
            assert folder.save({"step": 1, "w": np.zeros(100)})
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                assert not folder.save({"step": 2, "w": np.zeros(10_000)})
            print(caught[0].category.__name__, caught[0].message)
            assert folder.save({"step": 3, "w": np.zeros(100)})
        """,
        str(tmp_path),
    )
    assert "CheckpointWarning" in done.stdout
    assert "File too large" in done.stdout
    assert step_of(CheckpointFolder(tmp_path).latest()) == 3
    assert len(list(tmp_path.iterdir())) == 3


def fit(path: Path, epochs: int, callback: tg.train.Callback | None = None, resume: bool = False) -> Any:
    model = tg.nn.Sequential(tg.nn.Linear(2, 1))
    trainer = tg.train.Trainer(model, tg.nn.MSELoss(), tg.optim.SGD(model.parameters(), lr=0.1))
    data = (np.ones((4, 2), np.float32), np.zeros((4, 1), np.float32))
    callbacks = [] if callback is None else [callback]
    return trainer.fit(data, epochs, callbacks=callbacks, verbose=0, checkpoint=path, resume=resume)


def test_a_fit_goes_on_with_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    class FullFromSecondEpoch(tg.train.Callback):
        def on_epoch_begin(self, trainer: Any, epoch: int) -> None:
            if epoch == 1:
                monkeypatch.setattr(atomic.os, "fsync", full)
                states.append(CheckpointFolder(tmp_path / "checkpoints").latest())

    states: list[Any] = []
    with pytest.warns(tg.CheckpointWarning, match="No space left on device.*training goes on") as caught:
        history = fit(tmp_path, 4, FullFromSecondEpoch())
    assert sum("the checkpoint could not be written" in str(found.message) for found in caught) == 1
    assert len(history["loss"]) == 4
    latest = CheckpointFolder(tmp_path / "checkpoints").latest()
    assert latest is not None
    assert latest["epoch"] == states[0]["epoch"] == 1


def test_a_second_fit_in_a_folder_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    class Second(tg.train.Callback):
        def on_epoch_begin(self, trainer: Any, epoch: int) -> None:
            before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
            with pytest.raises(tg.FolderInUseError, match=f"the run of process {os.getpid()} on"):
                fit(tmp_path, 1, resume=True)
            assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before

    fit(tmp_path, 2, Second())


def test_an_old_checkpoint_that_cannot_be_removed_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise PermissionError

    with CheckpointFolder(tmp_path, keep_last=1, keep_best=0) as folder:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", refuse)
            assert [folder.save({"step": step}) for step in (1, 2, 3)] == [True] * 3
        assert numbers(folder) == [1, 2, 3]
        folder.save({"step": 4})
        assert numbers(folder) == [4]


# Two runs, and dead ones.


def test_a_second_run_is_refused_naming_the_first(tmp_path: Path) -> None:
    import socket

    first, second = CheckpointFolder(tmp_path), CheckpointFolder(tmp_path)
    with first:
        with pytest.raises(
            tg.FolderInUseError,
            match=rf"{tmp_path}: the run of process {os.getpid()} on {socket.gethostname()}, which began 20\d\d-",
        ):
            second.__enter__()
        first.save({"step": 1})
        assert step_of(second.latest()) == 1  # looking is free
        program = "import sys, tilegrad as tg\nwith tg.train.CheckpointFolder(sys.argv[1]): pass"
        refused = run_python(program, str(tmp_path), expect=1)
        assert f"FolderInUseError: {tmp_path}: the run of process {os.getpid()}" in refused.stderr
    assert (tmp_path / "run.lock").read_bytes() == b""
    with second:
        second.save({"step": 2})
    assert step_of(first.latest()) == 2


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_a_killed_run_stands_in_nobodys_way(tmp_path: Path) -> None:
    program = (
        "import sys, time, tilegrad as tg\n"
        "with tg.train.CheckpointFolder(sys.argv[1]) as folder:\n"
        "    folder.save({'step': 1}); print('ready', flush=True); time.sleep(100)"
    )
    run = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    with run, run.stdout:
        assert run.stdout.readline() == "ready\n"
        with pytest.raises(tg.FolderInUseError, match=f"process {run.pid} on"):
            CheckpointFolder(tmp_path).__enter__()
        run.send_signal(signal.SIGKILL)
    assert str(run.pid) in (tmp_path / "run.lock").read_text()
    partial = tmp_path / ".checkpoint-00000002.safetensors.0123456789abcdef.partial"
    partial.write_bytes(b"half")
    with CheckpointFolder(tmp_path) as folder:
        assert not partial.exists()
        assert step_of(folder.latest()) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_holds_nothing(tmp_path: Path) -> None:
    ready, done = os.pipe(), os.pipe()
    folder = CheckpointFolder(tmp_path).__enter__()
    child = os.fork()
    if child == 0:
        os.close(done[1])
        os.write(ready[1], b"!")
        os.read(done[0], 1)  # until the parent is done
        os._exit(0)
    try:
        os.read(ready[0], 1)
        assert folder._lock._descriptor is not None
        os.close(folder._lock._descriptor)  # as when the parent is killed
        folder._lock._descriptor = None
        with CheckpointFolder(tmp_path):
            pass
    finally:
        os.close(done[1])
        os.waitpid(child, 0)
        for descriptor in (*ready, done[0]):
            os.close(descriptor)
        locks._held.clear()


def test_a_full_disk_does_not_keep_a_run_from_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(locks, "_write", full)
    with CheckpointFolder(tmp_path):
        second = CheckpointFolder(tmp_path)
        with pytest.raises(tg.FolderInUseError, match="another run, which has not said its name yet,"):
            second.__enter__()
    monkeypatch.setattr(locks, "_lock", lambda descriptor: None)
    with pytest.raises(OSError, match="No space left"):
        second.__enter__()


def test_where_there_are_no_locks_the_text_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_lock", lambda descriptor: None)
    with CheckpointFolder(tmp_path):
        pass
    file = tmp_path / "run.lock"
    for text in (b"", b"?", b"[1]", b'{"pid": "x"}', b'{"pid": 99999999999999999999, "host": "HOST", "since": ""}'):
        file.write_bytes(text.replace(b"HOST", os.uname().nodename.encode()))
        with CheckpointFolder(tmp_path):
            second = CheckpointFolder(tmp_path)
            with pytest.raises(tg.FolderInUseError, match=f"process {os.getpid()}.*if it is gone, remove {file}"):
                second.__enter__()
    file.write_text('{"pid": 1, "host": "elsewhere", "since": "today"}')
    with pytest.raises(tg.FolderInUseError, match="process 1 on elsewhere, which began today"):
        CheckpointFolder(tmp_path).__enter__()
    assert not locks._held
