"""Ranks: what a fit does together with the other processes that train the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from ..nn.module import Module
    from .batches import Batch
    from .diagnosis import Finding
    from .step import Step
    from .totals import Totals

__all__ = ["ALONE", "AllRanks", "Alone", "ranks_of"]

T = TypeVar("T")


class Alone:
    """One process that trains by itself: nobody is asked, nothing is sent."""

    rank, size = 0, 1
    shard: tuple[int, int] | None = None
    """Of loaders that have none themselves."""
    interrupted = False
    """Whether some rank was, at the last meeting."""
    losses_are_finite = True
    """Of all ranks, at the last meeting."""

    @property
    def is_main(self) -> bool:
        """Whether this process prints and writes files."""
        return self.rank == 0

    def begin(self, model: Module, optimizer: Any, arguments: Mapping[str, Any]) -> None:
        """Make all ranks alike, and see that they are given the same."""

    def __enter__(self) -> Alone:
        """A fit is under way, which all ranks end together."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The fit is done."""

    def from_main(self, make: Callable[[], T]) -> T:
        """What ``make`` returns on the main rank, on all of them."""
        return make()

    def gather(self, value: Any) -> list[Any]:
        """What each rank gave."""
        return [value]

    def joined(self, totals: Totals) -> Totals:
        """The sums of all ranks."""
        return totals

    def share(self, step: Step, batch: Batch) -> float | None:
        """What the loss of a batch is multiplied by before its gradients are computed, or None; the part of the batch
        that is another rank's weighs as many samples as it has.
        """
        return None

    def average(self, step: Step, interrupted: bool, watches: bool) -> None:
        """Put the mean gradient over all ranks in place of this one's.

        Parameters
        ----------
        step
            That computed it.
        interrupted
            Whether this rank was.
        watches
            Whether ``losses_are_finite`` is wanted.
        """

    def end_epoch(self, interrupted: bool) -> None:
        """Wait for all."""

    def finding(self, own: Callable[[], Finding | None]) -> Finding | None:
        """What some rank found, on all."""
        return own()


class AllRanks(Alone):
    """All processes of the program, in step: each trains with its part of every batch."""

    def __init__(self) -> None:
        from .. import distributed

        self._all = distributed
        self.rank, self.size = distributed.rank(), distributed.size()
        self.shard = (self.rank, self.size)
        self._weight = 0.0

    def begin(self, model: Module, optimizer: Any, arguments: Mapping[str, Any]) -> None:
        """Make all ranks alike, and see that they are given the same."""
        from ..distributed.agreement import check_same
        from ..distributed.random_streams import generators_of

        # Callbacks may be some rank's own; whether they stop alike is seen on the way.
        given = {name: repr(value) for name, value in arguments.items() if name != "callbacks"}
        check_same("fit", given, "give all ranks the same")
        self._replicas = self._all.DataParallel(model, optimizer)
        self._generators = generators_of(model)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The fit is done: what is drawn from now on is the same on all ranks."""
        from ..distributed.failure import end_all_at_exit
        from ..distributed.random_streams import join_streams

        if error is None:
            join_streams(self._generators)
        elif isinstance(error, SystemExit):
            end_all_at_exit(error)

    def from_main(self, make: Callable[[], T]) -> T:
        """What ``make`` returns on the main rank, on all of them."""
        return self._all.broadcast(make() if self.is_main else None)  # type: ignore[return-value]

    def gather(self, value: Any) -> list[Any]:
        """What each rank gave."""
        return self._all.all_gather(value)

    def joined(self, totals: Totals) -> Totals:
        """The sums of all ranks, added in their order."""
        return totals.joined(self.gather(totals.state()))

    def share(self, step: Step, batch: Batch) -> float | None:
        """Of an update of one batch None: its weight goes with the gradients. Batches that are accumulated have weights
        of their own, which are told before.
        """
        self._weight = step.weight_of(batch)
        if step.accumulate == 1:
            return None
        weights = self._replicas._weights(self._weight)
        share = self._weight * self.size / sum(weights) if sum(weights) else 1.0
        self._weight = 1.0
        return share

    def average(self, step: Step, interrupted: bool, watches: bool) -> None:
        """Put the mean gradient over all ranks in place of this one's."""
        is_finite = not watches or step.loss_is_finite()
        self._heard(self._replicas._exchange(self._weight, (interrupted, not is_finite)))

    def end_epoch(self, interrupted: bool) -> None:
        """Wait for all."""
        self._heard(self._replicas._end((interrupted, False)))

    def _heard(self, notes: Any) -> None:
        self.interrupted, self.losses_are_finite = bool(notes[:, 0].any()), not notes[:, 1].any()

    def finding(self, own: Callable[[], Finding | None]) -> Finding | None:
        """What the first rank found that can name a layer or samples, on all."""
        found = [finding for finding in self.gather(own()) if finding is not None]
        return next((finding for finding in found if finding.layer or finding.rows), found[0] if found else None)


ALONE = Alone()


def ranks_of(distributed: bool) -> Alone:
    """All processes of the program, if they are to train together and there are several."""
    if not distributed:
        return ALONE
    from .. import distributed as processes

    return AllRanks() if processes.size() > 1 else ALONE
