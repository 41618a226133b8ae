"""Transforms: what they have in common, and lists of them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np

from ... import _C, ops
from ..._C import ArgumentError, DTypeError, ShapeError
from ...tensor import Tensor
from ..dataset import as_array
from .plan import Plan

__all__ = ["Compose", "Transform"]

PURPOSE = 0x7472616E73  # of the draws: apart from the shuffle's, which has the same seed


class Transform:
    """A change of images, most with random draws; a list of them is a :class:`Compose`.

    What a draw gives depends on four numbers alone: ``seed``, ``epoch``, the sample's number in its data set and the
    transform's place in the list. So neither threads nor the batch that a sample is in change it. The work is native:
    one pass over the batch, an image at a time, without Python.

    Examples
    --------
    >>> import numpy as np
    >>> from tilegrad.data.transforms import RandomRotation
    >>> rotation, images = RandomRotation(20), np.zeros((3, 8, 8, 1), np.uint8)
    >>> rotation(images, seed=1, epoch=0, samples=[40, 41, 42]).shape
    (3, 8, 8, 1)
    >>> rotation.deterministic()
    Compose([])
    """

    def __call__(self, images: Any, targets: Any = None, *, seed: int = 0, epoch: int = 0, samples: Any = None) -> Any:
        """Transform a batch of images, or one.

        Parameters
        ----------
        images
            uint8 or float32 [N, H, W, C], or one image [H, W, C].
        targets
            What belongs to the images; only :class:`Mixup` changes it.
        seed, epoch
            Of the draws.
        samples
            The numbers [N] of the samples; without it they are counted from 0.

        Returns
        -------
        Tensor or tuple
            float32 [N, P, Q, C], or [P, Q, C]; with targets, both.
        """
        batch = images if isinstance(images, Tensor) else ops.tensor(as_array(images, "images"))
        single = batch.ndim == 3
        if single:
            batch = batch.reshape((1, *batch.shape))
            targets = None if targets is None else as_array(targets, "targets")[None]
        numbers = np.arange(len(batch)) if samples is None else np.atleast_1d(np.asarray(samples))
        if numbers.shape != (len(batch),) or numbers.dtype.kind not in "iu" or (numbers < 0).any():
            raise ArgumentError(f"{self!r}: samples must be {len(batch)} whole numbers, found {samples!r}")
        result, targets = self.apply(batch, np.arange(len(batch)), targets, seed, epoch, numbers)
        result = result[0] if single else result
        if targets is None:
            return result
        return result, targets[0] if single else targets

    def apply(
        self, images: Tensor, rows: np.ndarray[Any, Any], targets: Any, seed: int, epoch: int, samples: Any
    ) -> tuple[Tensor, Any]:
        """Transform some images of a batch; what calling the transform, and a DataLoader, come down to.

        Parameters
        ----------
        images
            uint8 or float32 [M, H, W, C].
        rows
            Which of them, int64 [N], from 0 to M - 1.
        targets
            What belongs to the N images, or None. Only :class:`Mixup` changes it.
        seed, epoch
            Of the draws.
        samples
            The numbers of the samples in their data set, whole numbers [N].

        Returns
        -------
        tuple
            The images, float32 [N, P, Q, C], and the targets.

        Raises
        ------
        ShapeError, DTypeError
            If the images are of another form, or there are not as many ``samples`` as ``rows``.
        OutOfRangeError
            If one of ``rows`` is out of range.
        ArgumentError
            If the transforms do not fit the images.
        """
        return Compose([self]).apply(images, rows, targets, seed, epoch, samples)

    def deterministic(self) -> Transform:
        """The transform for evaluation: what is left of it without its draws."""
        return self

    def lower(self, plan: Plan) -> None:
        """Add this transform's steps to a plan.

        Parameters
        ----------
        plan
            Of the images as the transforms before leave them; its sizes become those that this one leaves.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say what its steps are")

    def _arguments(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def __repr__(self) -> str:
        shown = []
        for parameter in inspect.signature(type(self)).parameters.values():
            value = getattr(self, parameter.name)
            if parameter.default is inspect.Parameter.empty:
                shown.append(repr(value))
            elif value != parameter.default:
                shown.append(f"{parameter.name}={value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._arguments() == other._arguments()

    def __hash__(self) -> int:
        return hash(repr(self))


class Compose(Transform):
    """Transforms, one after the other, in one pass where that can be.

    Geometric ones are folded: where a pixel of the result lies in the image is worked out through all of them, and the
    image is sampled once, so that nothing is blurred twice; where one of them takes the nearest pixel, those behind it
    blend no others, and where one puts a constant around the image, that border stays sharp. One pass does a list whose
    geometric transforms come first, which is the usual order; each return from pixels to geometry begins another.

    Parameters
    ----------
    transforms
        :class:`Transform` objects. :class:`Mixup` can only be the last.

    Examples
    --------
    >>> import numpy as np
    >>> from tilegrad.data.transforms import Compose, Normalize, RandomCrop, RandomHorizontalFlip, ToFloat
    >>> train = Compose([RandomCrop(32, padding=4), RandomHorizontalFlip(), ToFloat(), Normalize(0.5, 0.25)])
    >>> train(np.zeros((8, 32, 32, 3), np.uint8), seed=1, epoch=2).shape
    (8, 32, 32, 3)
    >>> train.deterministic()
    Compose([CenterCrop(32), ToFloat(), Normalize(0.5, 0.25)])
    """

    def __init__(self, transforms: list[Transform]) -> None:
        self.transforms = list(transforms)
        for position, transform in enumerate(self.transforms):
            if not isinstance(transform, Transform):
                raise ArgumentError(
                    f"Compose: transforms[{position}] must be a tilegrad.data.transforms.Transform, "
                    f"found {type(transform).__name__}"
                )
        self._flat = list(_flatten(self))
        mixers = [position for position, transform in enumerate(self._flat) if hasattr(transform, "mix")]
        if mixers and mixers != [len(self._flat) - 1]:
            raise ArgumentError(
                f"Compose: {self._flat[mixers[0]]!r} blends finished images: it must be the last, and once"
            )
        self._plans: dict[tuple[Any, ...], Plan] = {}

    def deterministic(self) -> Compose:
        """The list for evaluation: each transform's own, without those of which nothing is left."""
        return Compose([t for t in (t.deterministic() for t in self.transforms) if t != Compose([])])

    def lower(self, plan: Plan) -> None:
        """Add the steps of all."""
        for position, transform in enumerate(self._flat):
            plan.number = position
            transform.lower(plan)

    def plan(self, H: int, W: int, C: int, dtype: Any) -> Plan:
        """The native passes for images of one form, kept for the next of that form.

        Parameters
        ----------
        H, W, C
            The sizes of an image.
        dtype
            ``"uint8"``, whose values go up to 255, or ``"float32"``, up to 1.

        Returns
        -------
        Plan
            With the steps of all transforms.

        Raises
        ------
        ArgumentError
            If a transform does not fit such images.
        """
        key = (H, W, C, str(dtype))
        plan = self._plans.get(key)
        if plan is None:
            plan = Plan(H, W, C, 255.0 if dtype == "uint8" else 1.0)
            self.lower(plan)
            for part in plan.passes:
                if part.scales:
                    part.table = ops.tensor(np.stack(part.scales).astype(np.float32))
            if len(self._plans) > 64:
                self._plans.clear()
            self._plans[key] = plan
        return plan

    def apply(
        self, images: Tensor, rows: np.ndarray[Any, Any], targets: Any, seed: int, epoch: int, samples: Any
    ) -> tuple[Tensor, Any]:
        """As :meth:`Transform.apply`."""
        if images.ndim != 4:
            raise ShapeError(f"transforms: images must be [N, H, W, C] or [H, W, C], found {list(images.shape)}")
        if images.dtype not in ("uint8", "float32"):
            raise DTypeError(f"transforms: images must be uint8 or float32, found {images.dtype.name}; cast them first")
        plan = self.plan(images.shape[1], images.shape[2], images.shape[3], images.dtype)
        base = _C.derived_seed(seed, PURPOSE)
        key = ops.tensor(np.array([base, epoch], np.int64))
        numbers = ops.tensor(np.asarray(samples, np.int64))
        partners = shares = None
        mixer = self._flat[-1] if self._flat and hasattr(self._flat[-1], "mix") else None
        if mixer is not None:
            targets, partners, shares = mixer.mix(targets, base, epoch, samples, len(self._flat) - 1)
        result, places = images, ops.tensor(np.asarray(rows, np.int64))
        for position, part in enumerate(plan.passes):
            last = position == len(plan.passes) - 1
            result = _C.augment(
                result,
                places,
                numbers,
                key,
                part.table,
                partners if last else None,
                shares if last else None,
                part.steps,
            )
            if not last and position == 0:
                places = ops.tensor(np.arange(len(numbers)))
        return result, targets

    def __repr__(self) -> str:
        return f"Compose([{', '.join(map(repr, self.transforms))}])"


def _flatten(transform: Transform) -> Iterator[Transform]:
    if isinstance(transform, Compose):
        for inner in transform.transforms:
            yield from _flatten(inner)
    else:
        yield transform
