"""Mixup: images and their targets blended with those of others."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import _C, ops
from ..._C import ArgumentError
from ...random import Generator, permutation
from ...tensor import Tensor
from ..dataset import as_array
from .base import Compose, Transform
from .plan import Plan, number, whole

__all__ = ["Mixup"]


class Mixup(Transform):
    """Every image becomes a share of itself and the rest of another image of the batch, and so do its targets.

    The share comes from a Beta(alpha, alpha) distribution, for each sample by itself; which image is the other one,
    from a permutation of the batch. It is the last of a list, and for evaluation nothing. As others of its batch are in
    a sample, it depends on which these are, but on nothing else besides seed, epoch and the sample's number.

    Parameters
    ----------
    alpha
        At most 64; 1 makes all shares equally likely, less prefers those near 0 and 1.
    classes
        How many: whole-numbered targets become rows [N, classes] of probabilities, which
        :class:`tilegrad.nn.CrossEntropyLoss` takes. Targets of floats are blended as they are.

    Source: H. Zhang et al., mixup: beyond empirical risk minimization, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from tilegrad.data.transforms import Mixup
    >>> x, y = Mixup(0.4, classes=3)(np.zeros((4, 8, 8, 1), np.uint8), np.array([0, 1, 2, 2]))
    >>> y.shape, np.allclose(y.numpy().sum(axis=1), 1)
    ((4, 3), True)
    """

    def __init__(self, alpha: float = 0.2, classes: int | None = None) -> None:
        self.alpha, self.classes = alpha, classes
        self._alpha = number("Mixup", "alpha", alpha, 1e-3, 64.0)
        self._classes = None if classes is None else whole("Mixup", "classes", classes, 1)

    def deterministic(self) -> Transform:
        """Nothing."""
        return Compose([])

    def lower(self, plan: Plan) -> None:
        """No step: blending ends a pass."""

    def mix(self, targets: Any, seed: int, epoch: int, samples: Any, place: int) -> tuple[Tensor, Tensor, Tensor]:
        """Blend targets, and draw with whom and by which share everyone is blended.

        Parameters
        ----------
        targets
            [N, ...]: floats, or labels [N], whole numbers from 0 to ``classes`` - 1.
        seed, epoch
            Of the draws.
        samples
            The numbers of the samples, whole numbers [N].
        place
            The place of this transform in its list, of which the draws are too.

        Returns
        -------
        tuple of Tensor
            The blended targets, of their dtype, or float32 [N, classes] of labels; the other of each sample, int64 [N];
            and the share that each keeps of itself, float32 [N].

        Raises
        ------
        ArgumentError
            If there are no targets, or they are labels of another form, or without ``classes``.
        IndexError
            If a label is out of range.
        """
        if targets is None:
            raise ArgumentError(f"{self!r}: needs the targets too, for they are blended as the images are")
        base = _C.derived_seed(_C.derived_seed(seed, epoch), place)
        count = len(samples)
        first = int(samples[0]) if count else 0
        partners = permutation(count, Generator(base, stream=first))
        shares = _beta(self._alpha, base, samples).astype(np.float32)
        rows = self._rows(as_array(targets, f"{self!r}: targets"))
        weight = shares.reshape(-1, *[1] * (rows.ndim - 1)).astype(rows.dtype)
        return ops.tensor(weight * rows + (1 - weight) * rows[partners.numpy()]), partners, ops.tensor(shares)

    def _rows(self, targets: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Targets that can be blended."""
        if targets.dtype.kind == "f":
            return targets
        if self._classes is None or targets.ndim != 1:
            raise ArgumentError(
                f"{self!r}: targets {targets.dtype} {list(targets.shape)} cannot be blended; give labels [N] "
                "and classes=, or floats"
            )
        wrong = (targets < 0) | (targets >= self._classes)
        if wrong.any():
            row = int(wrong.argmax())
            raise IndexError(f"{self!r}: label {targets[row]} of row {row} is not from 0 to {self._classes - 1}")
        one_hot = np.zeros((len(targets), self._classes), np.float32)
        one_hot[np.arange(len(targets)), targets] = 1
        return one_hot


def _beta(alpha: float, seed: int, samples: Any) -> np.ndarray[Any, Any]:
    """Beta(alpha, alpha) for each sample: x / (x + y) of two Gamma(alpha) variables.

    Powers and logarithms are the library's own, which have the same bits on every machine.
    """
    x, y = (_gamma(alpha, _C.derived_seed(seed, part), samples) for part in (0, 1))
    shares: np.ndarray[Any, Any] = x / (x + y)
    return shares


def _gamma(alpha: float, seed: int, samples: Any) -> np.ndarray[Any, Any]:
    """Gamma(alpha): a sum of exponential variables, and for what is left of alpha, b, an exponential one times Beta(b,
    1 - b).

    Source: M. Jöhnk, Erzeugung von betaverteilten und gammaverteilten Zufallszahlen, Metrika 8, 1964.
    """
    whole, rest = divmod(alpha, 1.0)
    total = np.zeros(len(samples))
    for i in range(int(whole)):
        total -= ops.log(ops.tensor(_uniform(seed, i, samples))).numpy()
    if not rest:
        return total
    share, missing = np.ones(len(samples)), np.ones(len(samples), bool)
    for attempt in range(64):  # of which at most one half fails
        u, v = (ops.tensor(_uniform(seed, 100 + 2 * attempt + i, samples)) for i in (0, 1))
        x, y = ops.power(u, 1 / rest).numpy(), ops.power(v, 1 / (1 - rest)).numpy()
        fits = missing & (x + y <= 1) & (x + y > 0)
        share[fits] = (x / np.where(x + y > 0, x + y, 1))[fits]
        missing &= ~fits
        if not missing.any():
            break
    return total - ops.log(ops.tensor(_uniform(seed, 99, samples))).numpy() * share


def _uniform(seed: int, draw: int, samples: Any) -> np.ndarray[Any, Any]:
    """In (0, 1)."""
    base = _C.derived_seed(seed, draw)
    return np.array([(_C.derived_seed(base, int(sample)) + 0.5) / 2**63 for sample in samples])
