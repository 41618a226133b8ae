"""Checking gradients against central differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _C
from .autograd import enable_grad, no_grad

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["GradientError", "gradcheck"]


class GradientError(_C.TilegradError, AssertionError):
    """A gradient that disagrees with central differences."""


def gradcheck(
    fn: Callable[..., Any], inputs: Tensor | Sequence[Any], eps: float = 1e-6, tolerance: float = 1e-7
) -> bool:
    """Checks the gradients of ``fn`` against central differences in float64.

    The outputs of ``fn`` are weighted with fixed random numbers and summed to a loss L. For every input x that
    requires a
    gradient, the analytic gradient a of L is compared with the numeric one,

        n[i] = (L(x + eps e_i) - L(x - eps e_i)) / (2 eps),

    by their relative distance ‖a - n‖ / (‖a‖ + ‖n‖).

    Parameters
    ----------
    fn
        Called as ``fn(*inputs)``; returns a float64 tensor or a tuple of tensors. It must be deterministic, and smooth
        around the inputs.
    inputs
        One argument or a sequence of them. Tensors with ``requires_grad=True`` are checked and must be float64,
        contiguous leaves; everything else is passed on. Their values are moved while ``fn`` is evaluated, and restored.
    eps
        Half the distance of the differences. Rounding errs by about 1e-16 / eps, curvature by eps².
    tolerance
        The largest relative distance.

    Returns
    -------
    bool
        True; a disagreement raises.

    Raises
    ------
    GradientError
        (An AssertionError.) If a gradient disagrees, is missing, or not finite; tells the input, the distance, and the
        worst element with both values.
    DTypeError
        If an input that requires a gradient is not float64.
    ArgumentError
        If no input requires a gradient, such an input is not a contiguous leaf, or ``eps`` is not positive.

    Examples
    --------
    >>> import tilegrad as tg
    >>> x = tg.tensor([0.5, -1.0], dtype="float64", requires_grad=True)
    >>> tg.gradcheck(lambda x: x * x, [x])
    True

    References
    ----------
    The relative distance is that of Stanford's CS231n, "Gradient checks", taken over whole gradients.
    """
    if not eps > 0:
        raise _C.ArgumentError(f"gradcheck: eps must be positive, found {eps}")
    arguments = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    checked = [i for i, value in enumerate(arguments) if isinstance(value, _C.TensorBase) and value.requires_grad]
    if not checked:
        raise _C.ArgumentError("gradcheck: no input requires a gradient; make one with requires_grad=True")
    for i in checked:
        _check_input(i, arguments[i])
    weights: list[Tensor] = []
    analytic = _analytic(fn, arguments, checked, weights)

    def loss() -> float:
        with no_grad():
            outputs = _outputs(fn(*arguments))
        return float(sum(float(np.sum(out.numpy() * w.numpy())) for out, w in zip(outputs, weights, strict=True)))

    for i in checked:
        _compare(i, analytic[i], _numeric(loss, arguments[i], eps), tolerance)
    return True


def _check_input(position: int, value: Tensor) -> None:
    if value.dtype != "float64":
        raise _C.DTypeError(
            f"gradcheck: input {position} is {value.dtype.name} {list(value.shape)}; differences need float64: cast "
            f"it with "
            ".astype(tg.float64)"
        )
    if not value.is_leaf or not value.is_contiguous():
        raise _C.ArgumentError(f"gradcheck: input {position} must be a contiguous leaf; use its detach().clone()")


def _outputs(result: Any) -> list[Tensor]:
    """The float64 outputs: others, such as indices, have no gradient."""
    outputs = [
        out for out in (result if isinstance(result, (tuple, list)) else (result,)) if isinstance(out, _C.TensorBase)
    ]
    for position, out in enumerate(outputs):
        if out.dtype.is_floating and out.dtype != "float64":
            raise _C.DTypeError(f"gradcheck: output {position} is {out.dtype.name}; fn must compute in float64")
    return [out.detach() if not out.requires_grad else out for out in outputs if out.dtype == "float64"]  # type: ignore[misc]


def _analytic(
    fn: Callable[..., Any], arguments: tuple[Any, ...], checked: list[int], weights: list[Tensor]
) -> dict[int, np.ndarray[Any, Any]]:
    """The gradients of the weighted sum by backward(); draws the weights. Earlier gradients of the inputs are kept."""
    before = {i: arguments[i].grad for i in checked}
    rng = np.random.default_rng(0)
    try:
        for i in checked:
            arguments[i].grad = None
        with enable_grad():
            outputs = _outputs(fn(*arguments))
        if not any(out.requires_grad for out in outputs):
            raise GradientError("gradcheck: no output of fn requires a gradient; did it detach() or leave tilegrad?")
        for out in outputs:
            weights.append(_C.copy(_C.from_numpy(np.asarray(rng.uniform(0.5, 1.5, size=out.shape)))))
        for out, weight in zip(outputs, weights, strict=True):
            if out.requires_grad:
                out.backward(weight, retain_graph=True)
        found = {}
        for i in checked:
            grad = arguments[i].grad
            found[i] = np.zeros(arguments[i].shape) if grad is None else grad.numpy().copy()
        return found
    finally:
        for i, grad in before.items():
            arguments[i].grad = grad


def _numeric(loss: Callable[[], float], value: Tensor, eps: float) -> np.ndarray[Any, Any]:
    memory = value.detach().numpy().reshape(-1)  # shared
    numeric = np.zeros(memory.size)
    for k in range(memory.size):
        original = memory[k]
        try:
            memory[k] = original + eps
            above, up = loss(), memory[k]
            memory[k] = original - eps
            below, down = loss(), memory[k]
        finally:
            memory[k] = original
        numeric[k] = (above - below) / (up - down)  # the steps as they were rounded
    return numeric.reshape(value.shape)


def _compare(position: int, analytic: np.ndarray[Any, Any], numeric: np.ndarray[Any, Any], tolerance: float) -> None:
    difference = np.abs(analytic - numeric)
    scale = float(np.linalg.norm(analytic) + np.linalg.norm(numeric))
    distance = float(np.linalg.norm(difference)) / scale if scale > 0 else 0.0
    if distance <= tolerance and np.isfinite(scale):
        return
    worst = np.unravel_index(int(np.argmax(np.nan_to_num(difference, nan=np.inf))), difference.shape)
    raise GradientError(
        f"gradcheck: the gradient of input {position} is at a relative distance of {distance:.3g} from central "
        f"differences, "
        f"more than {tolerance:.3g}; worst at {[int(i) for i in worst]}: analytic {float(analytic[worst]):.10g}, "
        f"numeric {float(numeric[worst]):.10g}"
    )
