"""Loss scaling: keeps small gradients within the range of float16."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import _C
from ..numbers import check_number

if TYPE_CHECKING:
    from ..tensor import Tensor
    from .optimizer import Optimizer

__all__ = ["LossScaler"]


class LossScaler:
    """Multiplies the loss, and divides its gradients again inside the optimizer's step.

    The factor is halved, and the update left out, whenever a gradient is not finite; it is doubled after ``interval``
    updates in a row that were. All of this happens on the device, without looking at a value, so that steps may be
    captured.

    Parameters
    ----------
    scale
        The first factor.
    growth, backoff
        What it is multiplied by after good updates and after a bad one.
    interval
        How many good updates in a row make it grow.

    Notes
    -----
    Micikevicius et al., "Mixed precision training", ICLR 2018, section 3.2.

    Examples
    --------
    >>> import tilegrad as tg
    >>> model = tg.nn.Linear(2, 1)
    >>> optimizer, scaler = tg.optim.SGD(model.parameters(), lr=0.1), tg.optim.LossScaler(1024.0)
    >>> with tg.autocast("float16"):
    ...     loss = tg.mse_loss(model(tg.ones((4, 2))), tg.ones((4, 1)))
    >>> scaler.scale(loss).backward()
    >>> scaler.step(optimizer)
    >>> scaler.value
    1024.0
    """

    def __init__(self, scale: float = 65536.0, growth: float = 2.0, backoff: float = 0.5, interval: int = 2000) -> None:
        self._first = check_number("LossScaler", "scale", scale, open_low=True)
        self._growth = check_number("LossScaler", "growth", growth, low=1.0)
        self._backoff = check_number("LossScaler", "backoff", backoff, high=1.0, open_low=True)
        if not hasattr(interval, "__index__") or interval < 1:
            raise _C.ArgumentError(f"LossScaler: interval must be an integer from 1, found {interval!r}")
        self._interval = interval
        self._state: Any = None  # float64: the factor, and good updates in a row; on the device of the loss
        self._clip: Any = None  # float64 [norm, factor], what optimizers read

    def _prepare(self, device: str) -> None:
        if self._state is not None and self._state[0].device == device:
            return
        with _C.Unrecorded():
            scale, streak = (self._first, 0.0) if self._state is None else (self.value, self._state[1].item())
            self._state = tuple(_C.full((), value, _C.float64, device) for value in (scale, streak))
            self._clip = _C.full((2,), 1.0, _C.float64, device)

    @property
    def value(self) -> float:
        """The factor now."""
        return self._first if self._state is None else float(self._state[0].item())

    def scale(self, loss: Tensor) -> Tensor:
        """The loss times the factor: call ``backward()`` on it.

        Parameters
        ----------
        loss
            float32 or float64, of any shape.

        Returns
        -------
        Tensor
            ``loss * factor``, of its shape and dtype; gradients flow through it.
        """
        self._prepare(loss.device)
        factor: Tensor = self._state[0].astype(loss.dtype)
        return loss * factor

    def step(self, optimizer: Optimizer) -> None:
        """The optimizer's step with the gradients of the unscaled loss, if they are finite; then the factor moves on.

        Parameters
        ----------
        optimizer
            One whose parameters got their gradients from a loss that :meth:`scale` returned. Its ``clip_norm`` is that
            of unscaled gradients, and its schedule goes on also where the update is left out.
        """
        optimizer.step(scaler=self)

    def _judge(self, gradients: Sequence[Tensor], clip_norm: float | None) -> Tensor:
        """What the optimizer multiplies gradients by, or -1; moves the factor on."""
        self._prepare(gradients[0].device if gradients else "cpu")
        scale, streak = self._state
        _C.gradient_norm(self._clip, list(gradients), math.inf)
        norm = _C.select(self._clip, 0, 0)
        finite = _C.isfinite(norm)
        factor = _C.reciprocal(scale)
        if clip_norm is not None:
            longest = _C.multiply(scale, clip_norm)  # of the scaled gradients
            factor = _C.where(_C.greater(norm, longest), _C.divide(clip_norm, norm), factor)
        _C.copy_into(_C.where(finite, factor, -1.0), _C.select(self._clip, 0, 1))
        grows = _C.greater_equal(_C.add(streak, 1.0), float(self._interval))
        kept = _C.where(grows, _C.multiply(scale, self._growth), scale)
        counted = _C.where(grows, 0.0, _C.add(streak, 1.0))
        _C.copy_into(_C.where(finite, kept, _C.multiply(scale, self._backoff)), scale)
        _C.copy_into(_C.where(finite, counted, 0.0), streak)
        clip: Tensor = self._clip
        return clip

    def state_dict(self) -> dict[str, float]:
        """The factor and the number of good updates in a row, for a checkpoint."""
        return {"scale": self.value, "streak": 0.0 if self._state is None else float(self._state[1].item())}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Takes over what :meth:`state_dict` returned.

        Parameters
        ----------
        state
            ``{"scale": ..., "streak": ...}``.

        Raises
        ------
        ArgumentError
            If it is something else, or a number is out of its range. Nothing is changed then.
        """
        owner = "LossScaler.load_state_dict"
        if not isinstance(state, Mapping) or set(state) != {"scale", "streak"}:
            raise _C.ArgumentError(f"{owner}: this is no state of a LossScaler: {state!r:.80}")
        scale = check_number(owner, "scale", state["scale"], open_low=True)
        streak = check_number(owner, "streak", state["streak"])
        self._first = scale
        device = "cpu" if self._state is None else self._state[0].device
        self._state = None
        self._prepare(device)
        _C.fill_(self._state[1], streak)
