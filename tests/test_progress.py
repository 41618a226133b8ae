"""The progress bar: drawn as often as a hundredth of the time allows, and with what is known then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tilegrad.train import progress
from tilegrad.train.progress import Progress


class Clock:
    """Time that passes when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Bar:
    """A bar whose drawing takes time."""

    def __init__(self, clock: Clock, cost: float) -> None:
        self.clock, self.cost, self.n, self.drawn, self.text = clock, cost, 0, [], ""  # type: Any, float, int, Any, str
        self.closed = False

    def set_postfix_str(self, text: str, refresh: bool = True) -> None:
        assert not refresh
        self.text = text

    def refresh(self) -> None:
        self.drawn.append((self.clock.now, self.n))
        self.clock.now += self.cost

    def close(self) -> None:
        self.closed = True


class Counting(Mapping[str, float]):
    """Results that count how often they are looked at."""

    looked = 0

    def __getitem__(self, name: str) -> float:
        return 1.0

    def __iter__(self) -> Iterator[str]:
        Counting.looked += 1
        return iter(["loss"])

    def __len__(self) -> int:
        return 1


@pytest.mark.parametrize("cost", [1e-4, 3e-3, 0.2])
@pytest.mark.parametrize("step", [1e-4, 0.02, 0.5])
def test_a_hundredth_of_the_time(cost: float, step: float, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    bar = Bar(clock, cost)
    monkeypatch.setattr(progress, "_new_bar", lambda title, total, done: bar)
    shown = Progress("epoch", 10**6, 1, clock=clock)
    Counting.looked = 0
    count = int(60 / step)
    for _ in range(count):
        clock.now += step
        shown.step(Counting())
    spent = cost * len(bar.drawn)
    assert spent <= 0.01 * clock.now + cost  # the first drawing tells what one costs
    gaps = [b[0] - a[0] for a, b in zip(bar.drawn, bar.drawn[1:], strict=False)]
    assert all(gap >= 0.1 for gap in gaps)
    assert len(bar.drawn) >= 0.5 * 60 / max(0.1, 100 * cost, step)  # and it is not frozen
    assert Counting.looked == len(bar.drawn)
    assert all(n == round(now / step) or cost > 0 for now, n in bar.drawn)
    shown.end({"loss": 0.5}, "enough")
    assert bar.n == count
    assert bar.text == "loss 0.5000 (enough)"
    assert bar.closed


def test_numbers() -> None:
    assert progress.shown({"loss": 12.34567, "lr": 1e-5, "zero": 0.0}) == "loss 12.3457, lr 1.00e-05, zero 0.0000"


def test_the_notebook_bar_is_used_where_it_can_be() -> None:
    tqdm = pytest.importorskip("tqdm.auto")
    bar = progress._new_bar("epoch", 10, 3)
    assert isinstance(bar, tqdm.tqdm)
    assert (bar.n, bar.total) == (3, 10)
    bar.close()
