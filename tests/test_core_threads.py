"""Teams of threads: where their number comes from, fork, several Python threads at once. (Bits over thread counts are
compared for every op in test_ops.py.)
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import _C

from .processes import run_python
from .targets import AVAILABLE, running_on

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="affinity and cgroups are Linux's")

# A job that every thread of a team has a part of, and its exact result: small integers are exact in any order.
PROGRAM = """
import os, signal, sys, threading, time
import numpy as np
import tilegrad as tg
from tilegrad import _C

tg.set_num_threads(3)
_C.set_work_per_member(0)  # even the smallest kernel gets the whole team
a = tg.tensor(np.arange(60 * 70, dtype=np.float32).reshape(60, 70) % 7)
b = tg.tensor(np.arange(70 * 50, dtype=np.float32).reshape(70, 50) % 5)
expected = a.numpy() @ b.numpy()


def work():
    assert (tg.matmul(a, b).numpy() == expected).all()
    assert ((a + a).numpy() == 2 * a.numpy()).all()


def in_child(action):
    # Runs action in a forked child; a child that hangs is killed after 30 s and counts as a failure.
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        status = 1
        try:
            action()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert status == 0, f"the child ended with status {status}"
"""


@needs_fork
def test_fork_before_any_kernel() -> None:
    run_python(PROGRAM + "in_child(work)\nwork()")


@needs_fork
def test_fork_after_kernels() -> None:
    run_python(PROGRAM + "for _ in range(20): work()\nfor _ in range(5): in_child(work)\nwork()")


@needs_fork
def test_fork_grandchildren() -> None:
    run_python(PROGRAM + "work()\nin_child(lambda: (work(), in_child(lambda: (work(), in_child(work)))))\nwork()")


@needs_fork
def test_fork_while_kernels_run_in_another_thread() -> None:
    run_python(
        PROGRAM
        + """
stop = False
big = tg.tensor(np.ones((300, 300), np.float32))


def busy():
    while not stop:
        tg.matmul(big, big)
        work()


threads = [threading.Thread(target=busy) for _ in range(2)]
for thread in threads:
    thread.start()
try:
    for _ in range(15):
        in_child(work)
        time.sleep(0.002)
finally:
    stop = True
    for thread in threads:
        thread.join()
work()
"""
    )


@needs_fork
def test_fork_through_multiprocessing() -> None:
    run_python(
        PROGRAM
        + """
import multiprocessing


def square(n):
    work()
    return n * n


work()
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map_async(square, range(8)).get(60) == [n * n for n in range(8)]
"""
    )


def test_exit_while_a_kernel_runs_in_a_daemon_thread() -> None:
    """The process ends, with the exit code it was given."""
    run_python(
        PROGRAM
        + """
big = tg.tensor(np.ones((400, 400), np.float32))


def busy():
    while True:
        tg.matmul(big, big)


threading.Thread(target=busy, daemon=True).start()
time.sleep(0.2)
"""
    )


def test_several_python_threads_get_right_results() -> None:
    """One region runs at a time; a second caller runs alone, and both are right."""
    rng = np.random.default_rng(0)
    pairs = [(rng.integers(-4, 5, (33, 65)), rng.integers(-4, 5, (65, 47))) for _ in range(8)]

    def product(pair: tuple[np.ndarray, np.ndarray]) -> bool:
        a, b = (tg.tensor(x.astype(np.float32)) for x in pair)
        return all((tg.matmul(a, b).numpy() == pair[0] @ pair[1]).all() for _ in range(20))

    with running_on(AVAILABLE[-1], threads=3), ThreadPoolExecutor(4) as pool:
        assert list(pool.map(product, pairs)) == [True] * len(pairs)


def test_signal_reaches_the_program() -> None:
    """Workers block signals: an alarm interrupts the main thread's sleep."""
    run_python(
        PROGRAM
        + """
work()
seen = []
signal.signal(signal.SIGALRM, lambda *_: seen.append(threading.current_thread() is threading.main_thread()))
signal.setitimer(signal.ITIMER_REAL, 0.05)
time.sleep(0.3)
assert seen == [True]
if sys.platform == "linux":
    masks = [line.split()[1] for task in os.listdir("/proc/self/task")
             for line in open(f"/proc/self/task/{task}/status") if line.startswith("SigBlk")]
    if _C.threads_from() == "pool":
        assert sum(int(mask, 16) & 1 << signal.SIGINT - 1 != 0 for mask in masks) >= 2, masks
"""
    )


SHOW = "import tilegrad as tg; print(tg.get_num_threads())"


@pytest.mark.parametrize("count", [1, 5, 1024])
def test_environment_sets_the_number(count: int) -> None:
    assert run_python(SHOW, environment={"TILEGRAD_NUM_THREADS": str(count)}).stdout == f"{count}\n"


@pytest.mark.parametrize("value", ["0", "-1", "1025", "two", "2.5", "99999999999999999999"])
def test_bad_environment_is_ignored_aloud(value: str) -> None:
    done = run_python(SHOW, environment={"TILEGRAD_NUM_THREADS": value})
    assert int(done.stdout) == _C.available_cpus()
    assert f"TILEGRAD_NUM_THREADS='{value}' is not a number from 1 to 1024 and is ignored" in done.stderr


@pytest.mark.parametrize("isa", AVAILABLE)
def test_environment_caps_the_isa(isa: str) -> None:
    done = run_python("import tilegrad._C as c; print(c.isa())", environment={"TILEGRAD_ISA": isa})
    assert done.stdout == f"{isa}\n"
    assert done.stderr == ""


def test_bad_isa_is_ignored_aloud() -> None:
    program = "import tilegrad._C as c; print(c.isa())"
    done = run_python(program, environment={"TILEGRAD_ISA": "sse9"})
    assert done.stdout == run_python(program, environment={"TILEGRAD_ISA": ""}).stdout == f"{AVAILABLE[-1]}\n"
    assert "TILEGRAD_ISA='sse9' is not available here and is ignored; available: generic" in done.stderr


@needs_linux
def test_affinity_bounds_the_number() -> None:
    allowed = sorted(os.sched_getaffinity(0))
    program = "import os, sys; os.sched_setaffinity(0, {int(c) for c in sys.argv[1:]})\n" + SHOW
    for count in {1, min(2, len(allowed))}:
        done = run_python(program, *map(str, allowed[:count]), environment={"TILEGRAD_NUM_THREADS": ""})
        assert int(done.stdout) <= count
        assert int(done.stdout) >= 1


GROUPS = [
    # (/proc/self/cgroup, {file below the mount: its text}, CPUs)
    ("0::/\n", {}, 0),
    ("0::/\n", {"cpu.max": "max 100000\n"}, 0),
    ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
    ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
    ("0::/\n", {"cpu.max": "1000 100000\n"}, 1),
    ("0::/a/b\n", {"a/b/cpu.max": "400000 100000\n"}, 4),
    ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "300000 100000\n"}, 3),
    ("0::/a/b\n", {"a/b/cpu.max": "400000 100000\n", "a/cpu.max": "300000 100000\n", "cpu.max": "900000 100000\n"}, 3),
    ("0::/a b\n", {"a b/cpu.max": "100000 100000\n"}, 1),
    ("12:cpu,cpuacct:/x\n0::/y\n", {"y/cpu.max": "500000 100000\n", "x/cpu.max": "100000 100000\n"}, 5),
    ("12:cpu,cpuacct:/x\n", {"cpu/cpu.cfs_quota_us": "250000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
    ("12:cpu,cpuacct:/x\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0),
    ("0::/\n", {"cpu.max": ""}, 0),
    ("0::/\n", {"cpu.max": "nonsense\n"}, 0),
    ("0::/\n", {"cpu.max": "100000 0\n"}, 0),
    ("0::/\n", {"cpu.max": "nan 100000\n"}, 0),
    ("0::/\n", {"cpu.max": "99999999999999999999999999 1\n"}, 1024),
    ("0::/\n", {"cpu/cpu.cfs_quota_us": "9223372036854775807\n", "cpu/cpu.cfs_period_us": "1\n"}, 1024),
    ("", {"cpu.max": "200000 100000\n"}, 0),
    ("0::no slash\n", {"cpu.max": "200000 100000\n"}, 0),
]


@needs_linux
@pytest.mark.parametrize(("membership", "files", "cpus"), GROUPS)
def test_cgroup_quota(tmp_path: Path, membership: str, files: dict[str, str], cpus: int) -> None:
    (tmp_path / "membership").write_text(membership)
    mount = tmp_path / "mount"
    mount.mkdir()
    for name, text in files.items():
        (mount / name).parent.mkdir(parents=True, exist_ok=True)
        (mount / name).write_text(text)
    assert _C.cgroup_cpus(str(tmp_path / "membership"), str(mount)) == cpus


@needs_linux
def test_no_cgroup_file(tmp_path: Path) -> None:
    assert _C.cgroup_cpus(str(tmp_path / "absent"), str(tmp_path)) == 0


def test_more_threads_than_cpus_and_than_work() -> None:
    with running_on(AVAILABLE[-1], threads=64):
        x = tg.tensor(np.arange(5.0, dtype=np.float32))
        assert (x + x).tolist() == [0, 2, 4, 6, 8]
        assert tg.ones((100, 100)).numpy().sum() == 10000


# Workers (all threads but the first) need 2 ms from an offer of work to their answer: meanwhile it is withdrawn, after
# 0.1 ms, and the next one is made.
LATE = """
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <unistd.h>
int sched_getcpu(void) {
  if (syscall(SYS_gettid) != getpid()) usleep(2000);
  return -1;
}
"""


@needs_linux
@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one CPU: no offer is withdrawn")
def test_an_offer_that_was_withdrawn_does_not_hide_the_next(tmp_path: Path) -> None:
    """A caller waits for an answer where the team is larger than the CPUs are."""
    source, library = tmp_path / "late.c", tmp_path / "late.so"
    source.write_text(LATE)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    program = """
        import os
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
        import tilegrad as tg
        from tilegrad import _C
        _C.set_work_per_member(0)
        x = tg.ones(4)
        for _ in range(30):
            for threads in (2, 3):
                tg.set_num_threads(threads)
                assert tg.negative(x).tolist() == [-1, -1, -1, -1]
    """
    preload = os.environ.get("LD_PRELOAD", "")
    run_python(program, environment={"LD_PRELOAD": f"{preload} {library}".strip()})


def test_a_thread_in_the_background_leaves_the_team_alone() -> None:
    a = tg.ones((64, 64))
    multiply = tg.capture(lambda x: tg.matmul(x, x))

    def members(alone: bool) -> list[int]:
        _C.set_alone(alone)
        _C.start_profile()
        tg.matmul(a, a)
        multiply(a)
        return [event[8] for event in _C.stop_profile() if event[0] == "gemm"]

    with running_on(AVAILABLE[-1], threads=3):
        multiply(a)
        multiply(a)
        for alone, expected in ((True, 1), (False, 3)):
            with ThreadPoolExecutor(1) as pool:
                found = pool.submit(members, alone).result()
            assert set(found) == {expected}, (alone, found)
        _C.start_profile()
        tg.matmul(a, a)
        assert [event[8] for event in _C.stop_profile()] == [3]  # another thread's choice is not ours
