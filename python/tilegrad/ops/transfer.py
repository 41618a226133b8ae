"""Tensors on their way from one device to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _C
from ..autograd import record
from .arguments import require_tensors

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["to_device"]


def to_device(x: Tensor, device: str) -> Tensor:
    """``x`` on a device; itself where it is there already. The gradient goes back to where ``x`` is.

    Parameters
    ----------
    x
        Any tensor.
    device
        ``"cpu"``, ``"cuda"`` (the first GPU, also ``"cuda:0"``), ``"cuda:1"`` and so on.

    Returns
    -------
    Tensor
        A contiguous copy. To a GPU it is made in the order of the GPU's other work; from one it is waited for.

    Raises
    ------
    DeviceError
        If there is no such device, with the reason (:func:`tilegrad.cuda.why_not`).

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.to_device(tg.ones(2), "cpu").device
    'cpu'
    """
    require_tensors("to_device", x=x)
    target = _C.parse_device(device)
    if x.device == target:
        return x
    return record(_C.to_device(x, target), _to_device_gradient, (x,), x.device)


def names_device(target: Any) -> bool:
    """Whether what ``.to()`` was given is a device, not a dtype.

    Raises
    ------
    DTypeError
        If it is a text that is neither.
    """
    if not isinstance(target, str):
        return False
    if target.split(":")[0] in ("cpu", "cuda"):
        return True
    try:
        _C.dtype(target)
    except _C.DTypeError as error:
        raise _C.DTypeError(f"to: {target!r} is no device ('cpu', 'cuda', 'cuda:1'); {error}") from None
    return False


def _to_device_gradient(needs: tuple[bool, ...], grad: Tensor, device: str) -> tuple[Tensor]:
    return (_C.to_device(grad, device),)
