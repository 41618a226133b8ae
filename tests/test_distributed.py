"""Training on several processes over MPI: what they compute, that they agree, and how they end.

Each test starts ``mpirun`` on this machine, with small nets.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilegrad as tg

from .processes import run_python

WORKER = Path(__file__).parent / "distributed_worker.py"
MISSING = [name for name, found in (
    ("mpi4py", importlib.util.find_spec("mpi4py")),
    ("mpirun", shutil.which("mpirun")),
) if not found]  # fmt: skip
needs_mpi = pytest.mark.skipif(bool(MISSING), reason=f"{' and '.join(MISSING)} not installed: extra distributed")
SIZES = pytest.mark.parametrize("size", [2, 3])
EPSILON = float(np.finfo(np.float32).eps)


@cache
def launcher() -> tuple[str, ...]:
    """With what this MPI needs for more processes than CPUs."""
    version = subprocess.run(["mpirun", "--version"], capture_output=True, text=True, check=False).stdout
    return ("mpirun", "--oversubscribe") if "Open MPI" in version or "OpenRTE" in version else ("mpirun",)


def mpirun(size: int, *command: str) -> subprocess.CompletedProcess[str]:
    package = str(Path(tg.__file__).parents[1])  # the package under test, wherever it is
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([package, os.environ.get("PYTHONPATH", "")]),
        # Of Open MPI: containers have one user, and ranks that wait leave the CPU to those that work.
        "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_mpi_yield_when_idle": "1",
    }  # fmt: skip
    return subprocess.run(
        [*launcher(), "-n", str(size), sys.executable, *command],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip


def found(size: int, scenario: str, folder: Path) -> Any:
    """What rank 0 wrote in a scenario of the worker."""
    folder.mkdir(parents=True, exist_ok=True)
    done = mpirun(size, str(WORKER), scenario, str(folder))
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return json.loads((folder / "found.json").read_text())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Any]:
    """The trainings of as many processes; of one without mpirun."""

    @cache
    def of(size: int) -> Any:
        folder = tmp_path_factory.mktemp(f"trained-{size}")
        if size > 1:
            return found(size, "training", folder)
        run_python(WORKER.read_text(), "training", str(folder))
        return json.loads((folder / "found.json").read_text())

    return of


@needs_mpi
@SIZES
def test_sums_are_made_in_the_order_of_ranks(size: int, tmp_path: Path) -> None:
    found(size, "sums", tmp_path)


@needs_mpi
@SIZES
@pytest.mark.parametrize(
    "case", ["momentum", "adam, captured", "clipped", "accumulated", "ignored label", "class weights"]
)
def test_ranks_train_as_one_process_with_the_whole_batch(trained: Any, size: int, case: str) -> None:
    """But for the rounding of means of means; of weights about 1 after 8 updates."""
    one, several = trained(1)[case], trained(size)[case]
    np.testing.assert_allclose(several["weights"], one["weights"], rtol=0, atol=64 * EPSILON)
    assert several["history"].keys() == one["history"].keys()
    for name, values in one["history"].items():
        np.testing.assert_allclose(several["history"][name], values, rtol=64 * EPSILON, err_msg=name)
    assert several["matrices"] == one["matrices"]


@needs_mpi
def test_two_runs_have_the_same_bits(trained: Any, tmp_path: Path) -> None:
    assert found(2, "training", tmp_path) == trained(2)


@needs_mpi
def test_dropout_draws_other_numbers_on_each_rank(trained: Any) -> None:
    """Else two ranks would have the figures of one whose masks repeat, not of independent ones."""
    assert trained(2)["norm and dropout"]["digest"] != trained(1)["norm and dropout"]["digest"]


@needs_mpi
@SIZES
def test_resume_has_the_same_bits(size: int, tmp_path: Path) -> None:
    assert found(size, "resuming", tmp_path)["files"] == ["2.safetensors", "3.safetensors"]
    epochs = [row["epoch"] for row in tg.train.History.read_csv(tmp_path / "log.csv").rows()]
    assert epochs == [0, 1, 2]
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert len(about["begun"]) == 2
    assert about["arguments"]["data"]["ranks"] == size


@needs_mpi
def test_a_loop_of_the_users_own(trained: Any, tmp_path: Path) -> None:
    several = found(2, "loop", tmp_path)
    np.testing.assert_allclose(several["weights"], trained(1)["momentum"]["weights"], rtol=0, atol=64 * EPSILON)


@needs_mpi
def test_what_is_not_finite_is_found_by_all(tmp_path: Path) -> None:
    (message,) = found(2, "not_finite", tmp_path)["found"]
    assert message.endswith("the inputs are not finite, of sample 77")


@needs_mpi
@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        ("failing", "RuntimeError: broken off"),
        ("mismatched", "model: 0.weight is float32 [7, 16] on rank 0, float32 [7, 17] on rank 1"),
        ("exiting", "rank 1 of 2 exits in the middle of a fit: 3"),
        ("elsewhere", "rank 0 is at update 2 and rank 1 at the end of its epoch"),
    ],
)
def test_an_error_ends_the_job_and_is_shown_once(scenario: str, message: str, tmp_path: Path) -> None:
    done = mpirun(2, str(WORKER), scenario, str(tmp_path))
    assert done.returncode != 0
    assert done.stderr.count(message) == 1, done.stderr


@needs_mpi
def test_an_interrupt_ends_the_fit_of_all_after_one_step(tmp_path: Path) -> None:
    assert found(2, "interrupted", tmp_path) == {"reason": "interrupted", "updates": 3, "epochs": [0]}


@needs_mpi
def test_one_rank_prints(tmp_path: Path) -> None:
    done = mpirun(2, str(WORKER), "printing", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["epoch 1/2", "epoch 2/2"]


# Without MPI.


def test_one_process_needs_no_mpi() -> None:
    run_python(
        """
        import sys
        sys.modules["mpi4py"] = None  # importing it fails
        import numpy as np, tilegrad as tg
        assert (tg.distributed.rank(), tg.distributed.size(), tg.distributed.is_main()) == (0, 1, True)
        tg.distributed.barrier()
        x = tg.tensor([1.5, 2.5])
        assert tg.distributed.all_reduce(x, "mean").tolist() == x.tolist()
        assert tg.distributed.all_reduce(x > 2).tolist() == [0, 1]
        assert tg.distributed.broadcast(x) is x and tg.distributed.all_gather(x) == [x]
        model = tg.nn.Linear(2, 1)
        trainer = tg.train.Trainer(model, tg.nn.MSELoss(), tg.optim.SGD(model.parameters(), 0.1), distributed=True)
        trainer.fit((np.ones((4, 2), np.float32), np.ones((4, 1), np.float32)), verbose=0)
        """,
        environment={"OMPI_COMM_WORLD_SIZE": "1", "PMI_SIZE": "1"},
    )


def test_under_a_launcher_without_mpi4py() -> None:
    done = run_python(
        """
        import sys
        sys.modules["mpi4py"] = None
        import tilegrad as tg
        tg.distributed.rank()
        """,
        environment={"OMPI_COMM_WORLD_SIZE": "2"},
        expect=1,
    )
    assert 'pip install "tilegrad[distributed]"' in done.stderr


def test_under_the_launcher_of_another_mpi() -> None:
    done = run_python(
        """
        import sys, types
        import tilegrad as tg
        mpi = types.ModuleType("mpi4py.MPI")
        mpi.COMM_WORLD = types.SimpleNamespace(Get_size=lambda: 1)
        mpi.Get_library_version = lambda: "Another MPI"
        sys.modules["mpi4py"], sys.modules["mpi4py.MPI"] = types.ModuleType("mpi4py"), mpi
        tg.distributed.rank()
        """,
        environment={"PMI_SIZE": "4"},
        expect=1,
    )
    assert (
        "DistributedError: the launcher tells of 4 processes, and mpi4py sees one: it uses 'Another MPI'" in done.stderr
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tg.distributed.all_reduce(tg.zeros(2), "product"), "op must be 'sum', 'mean', 'max', 'min'"),
        (lambda: tg.distributed.all_reduce("text"), "expected a tensor or a number, found str"),
        (lambda: tg.distributed.all_reduce(tg.tensor([1]), "mean"), "the mean of int64 is no integer"),
        (lambda: tg.distributed.broadcast(1, root=1), "root must be a rank from 0 to 0, found 1"),
        (lambda: tg.data.DataLoader(np.zeros(3), shard=(2, 2)), "shard must be .rank, ranks. with 0 <= rank < ranks"),
    ],
)
def test_errors(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(tg.TilegradError, match=message):
        call()


@pytest.mark.parametrize("kind", ["arrays", "data set", "stream"])
@pytest.mark.parametrize("drop_last", [False, True])
def test_shards_share_out_an_epoch(kind: str, drop_last: bool) -> None:
    """Together the ranks have the batches of one process with the whole batch, whatever is left at the end."""
    for samples in (23, 24, 25, 27):  # of batches of 4 * 3: the last of 11, 12, 1 and 3
        numbers = np.arange(samples)
        data: Any = {
            "arrays": numbers,
            "data set": tg.data.split.Subset(list(numbers), numbers),
            "stream": tg.data.from_generator(lambda numbers=numbers: iter(numbers)),
        }[kind]

        def epochs(size: int, shard: Any, data: Any = data) -> list[list[list[int]]]:
            loader = tg.data.DataLoader(data, size, shuffle=True, seed=9, drop_last=drop_last, shard=shard)
            return [[batch.tolist() for batch in loader] for _ in range(2)]

        whole = epochs(12, None)
        shards = [epochs(4, (rank, 3)) for rank in range(3)]
        for epoch in range(2):
            batches = list(zip(*(shard[epoch] for shard in shards), strict=True))
            assert [[number for part in parts for number in part] for parts in batches] == whole[epoch]
            for parts in batches:
                assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_augmentation_of_a_sample_does_not_depend_on_its_rank() -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), np.uint8)
    crop = tg.data.transforms.RandomCrop(8, padding=2)

    def seen(size: int, shard: Any) -> list[Any]:
        loader = tg.data.DataLoader((images, np.arange(20)), size, True, seed=4, transform=crop, shard=shard)
        batches = ((x.numpy(), y.tolist()) for x, y in loader)
        return [(label, image.tolist()) for x, y in batches for image, label in zip(x, y, strict=True)]

    shards = [seen(4, (rank, 2)) for rank in range(2)]
    assert sorted(shards[0] + shards[1]) == sorted(seen(8, None))
