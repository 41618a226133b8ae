"""The tensor: its methods are the functions of :mod:`tilegrad.ops`.

Its operators are in :mod:`tilegrad.operators`, what it becomes and what it knows in :mod:`tilegrad.conversions`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from . import _C, ops
from . import random as _random
from .conversions import Conversions
from .ops.arguments import integers

if TYPE_CHECKING:
    from collections.abc import Sequence

    Axis = int | Sequence[int] | None

__all__ = ["Tensor"]


class Tensor(Conversions):
    """A strided array of numbers with, if wanted, a gradient.

    Made by :func:`tilegrad.tensor` and its relatives, and by every op. Shapes broadcast as in NumPy; dtypes never mix
    silently; a Python number takes the tensor's dtype.

    Examples
    --------
    >>> import tilegrad as tg
    >>> x = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    tensor([2., 4., 6.])
    """

    __slots__ = ()

    # Shapes.

    def reshape(self, *shape: Any) -> Tensor:
        """See :func:`tilegrad.reshape`; sizes may be given one by one or as a sequence."""
        return ops.reshape(self, _sizes(shape))

    def flatten(self, start_axis: int = 0) -> Tensor:
        """One axis in place of all from ``start_axis`` on.

        Parameters
        ----------
        start_axis
            From -ndim to ndim - 1; a negative one counts from the end. Of a tensor without axes it does not matter.

        Returns
        -------
        Tensor
            [..., n], the axes before kept: [n] for 0. A view where the strides allow it, else a copy.

        Raises
        ------
        OutOfRangeError
            If the axis does not exist.
        """
        start = _C.normalize_axis("flatten", start_axis, self.ndim) if self.ndim else 0
        return ops.reshape(self, (*self.shape[:start], math.prod(self.shape[start:])))

    def view(self, *shape: Any) -> Tensor:
        """As :meth:`reshape`, but never a copy.

        Parameters
        ----------
        shape
            Sizes, one by one or as a sequence; one may be -1 and is inferred.

        Returns
        -------
        Tensor
            A view.

        Raises
        ------
        ShapeError
            If the strides allow no view, the number of elements differs, or a size is no integer.

        Examples
        --------
        >>> import tilegrad as tg
        >>> tg.arange(4).view(2, 2)
        tensor([[0, 1],
                [2, 3]])
        """
        made = ops.reshape(self, _sizes(shape))
        if self.size and made.data_ptr() != self.data_ptr():
            raise _C.ShapeError(
                f"view: {self.dtype.name} {list(self.shape)} with strides {list(self.strides)} has no view of shape "
                f"{list(made.shape)}; use reshape(), which copies"
            )
        return made

    def reshape_as(self, other: Tensor) -> Tensor:
        """:meth:`reshape` to the shape of another tensor.

        Parameters
        ----------
        other
            With as many elements; of any dtype.

        Returns
        -------
        Tensor
            A view where the strides allow it, else a copy.
        """
        return ops.reshape(self, other.shape)

    def expand(self, *shape: Any) -> Tensor:
        """As :meth:`broadcast_to`; a size of -1 keeps that of the axis.

        Parameters
        ----------
        shape
            Sizes, one by one or as a sequence, for the axes of the tensor and any number of new ones before them.

        Returns
        -------
        Tensor
            A view, in which what is stretched shares memory; the gradient is summed over it.

        Raises
        ------
        ShapeError
            If the tensor does not broadcast to it, a size is no integer, or a new axis has -1.

        Examples
        --------
        >>> import tilegrad as tg
        >>> tg.ones((3, 1)).expand(-1, 4).shape
        (3, 4)
        """
        sizes = integers("expand", "shape", _sizes(shape))
        added = len(sizes) - self.ndim
        if any(size == -1 and axis < added for axis, size in enumerate(sizes)):
            raise _C.ShapeError(f"expand: {list(sizes)} has -1 for an axis that {list(self.shape)} does not have")
        kept = tuple(self.shape[axis - added] if size == -1 else size for axis, size in enumerate(sizes))
        return ops.broadcast_to(self, kept)

    def expand_as(self, other: Tensor) -> Tensor:
        """:meth:`broadcast_to` the shape of another tensor.

        Parameters
        ----------
        other
            Of any dtype.

        Returns
        -------
        Tensor
            A view.
        """
        return ops.broadcast_to(self, other.shape)

    def unsqueeze(self, axis: int) -> Tensor:
        """PyTorch's name of :func:`tilegrad.expand_dims`.

        Parameters
        ----------
        axis
            As of :func:`tilegrad.expand_dims`.

        Returns
        -------
        Tensor
            A view.
        """
        return ops.expand_dims(self, axis)

    def permute(self, *axes: Any) -> Tensor:
        """See :func:`tilegrad.permute`; axes may be given one by one or as a sequence."""
        return ops.permute(self, _sizes(axes))

    def transpose(self, *axes: Any) -> Tensor:
        """All axes in reverse order, or as :meth:`permute` where axes are given."""
        return ops.permute(self, _sizes(axes)) if axes else ops.transpose(self)

    @property
    def T(self) -> Tensor:  # noqa: N802 - NumPy's name
        """A view with all axes in reverse order."""
        return ops.transpose(self)

    @property
    def mT(self) -> Tensor:  # noqa: N802 - NumPy's name
        """A view with the last two axes exchanged: the transpose of every matrix."""
        if self.ndim < 2:
            raise _C.ShapeError(f"mT: {self.dtype.name} {list(self.shape)} has fewer than two axes")
        return ops.swapaxes(self, -2, -1)

    def t(self) -> Tensor:
        """The transpose of a matrix; a vector or number as it is."""
        if self.ndim > 2:
            raise _C.ShapeError(f"t: {self.dtype.name} {list(self.shape)} is no matrix; use mT or permute()")
        return ops.transpose(self)

    def moveaxis(self, source: int, destination: int) -> Tensor:
        """See :func:`tilegrad.moveaxis`."""
        return ops.moveaxis(self, source, destination)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
        """See :func:`tilegrad.diagonal`."""
        return ops.diagonal(self, offset, axis1, axis2)

    def swapaxes(self, a: int, b: int) -> Tensor:
        """See :func:`tilegrad.swapaxes`."""
        return ops.swapaxes(self, a, b)

    def expand_dims(self, axis: int) -> Tensor:
        """See :func:`tilegrad.expand_dims`."""
        return ops.expand_dims(self, axis)

    def squeeze(self, axis: int | None = None) -> Tensor:
        """See :func:`tilegrad.squeeze`."""
        return ops.squeeze(self, axis)

    def broadcast_to(self, *shape: Any) -> Tensor:
        """See :func:`tilegrad.broadcast_to`; sizes may be given one by one or as a sequence."""
        return ops.broadcast_to(self, _sizes(shape))

    def contiguous(self) -> Tensor:
        """See :func:`tilegrad.contiguous`."""
        return ops.contiguous(self)

    def clone(self) -> Tensor:
        """A copy with memory of its own."""
        return ops.copy(self)

    def copy(self) -> Tensor:
        """A copy with memory of its own."""
        return ops.copy(self)

    # Elements along an axis.

    def take(self, indices: Tensor, axis: int | None = None) -> Tensor:
        """See :func:`tilegrad.take`."""
        return ops.take(self, indices, axis)

    def sort(self, axis: int = -1, descending: bool = False) -> Tensor:
        """See :func:`tilegrad.sort`."""
        return ops.sort(self, axis, descending)

    def argsort(self, axis: int = -1, descending: bool = False) -> Tensor:
        """See :func:`tilegrad.argsort`."""
        return ops.argsort(self, axis, descending)

    def topk(self, k: int, axis: int = -1, largest: bool = True) -> tuple[Tensor, Tensor]:
        """See :func:`tilegrad.topk`."""
        return ops.topk(self, k, axis, largest)

    def nonzero(self) -> tuple[Tensor, ...]:
        """See :func:`tilegrad.nonzero`."""
        return ops.nonzero(self)

    def split(self, sizes: int | Sequence[int], axis: int = 0) -> tuple[Tensor, ...]:
        """See :func:`tilegrad.split`."""
        return ops.split(self, sizes, axis)

    def chunk(self, chunks: int, axis: int = 0) -> tuple[Tensor, ...]:
        """See :func:`tilegrad.chunk`."""
        return ops.chunk(self, chunks, axis)

    def unbind(self, axis: int = 0) -> tuple[Tensor, ...]:
        """See :func:`tilegrad.unbind`."""
        return ops.unbind(self, axis)

    def tile(self, *reps: Any) -> Tensor:
        """See :func:`tilegrad.tile`; numbers may be given one by one or as a sequence."""
        return ops.tile(self, _sizes(reps))

    def repeat_interleave(self, repeats: int, axis: int | None = None) -> Tensor:
        """PyTorch's name of :func:`tilegrad.repeat`.

        Parameters
        ----------
        repeats, axis
            As of :func:`tilegrad.repeat`.

        Returns
        -------
        Tensor
            Each element ``repeats`` times in a row.
        """
        return ops.repeat(self, repeats, axis)

    def roll(self, shift: int, axis: int = 0) -> Tensor:
        """See :func:`tilegrad.roll`."""
        return ops.roll(self, shift, axis)

    def masked_fill(self, mask: Tensor, value: float) -> Tensor:
        """See :func:`tilegrad.masked_fill`."""
        return ops.masked_fill(self, mask, value)

    def masked_select(self, mask: Tensor) -> Tensor:
        """See :func:`tilegrad.masked_select`."""
        return ops.masked_select(self, mask)

    def flip(self, axis: Axis = None) -> Tensor:
        """See :func:`tilegrad.flip`."""
        return ops.flip(self, axis)

    # Functions of each element.

    def abs(self) -> Tensor:
        """See :func:`tilegrad.absolute`."""
        return ops.absolute(self)

    def exp(self) -> Tensor:
        """See :func:`tilegrad.exp`."""
        return ops.exp(self)

    def expm1(self) -> Tensor:
        """See :func:`tilegrad.expm1`."""
        return ops.expm1(self)

    def log(self) -> Tensor:
        """See :func:`tilegrad.log`."""
        return ops.log(self)

    def log1p(self) -> Tensor:
        """See :func:`tilegrad.log1p`."""
        return ops.log1p(self)

    def sqrt(self) -> Tensor:
        """See :func:`tilegrad.sqrt`."""
        return ops.sqrt(self)

    def rsqrt(self) -> Tensor:
        """See :func:`tilegrad.rsqrt`."""
        return ops.rsqrt(self)

    def square(self) -> Tensor:
        """See :func:`tilegrad.square`."""
        return ops.square(self)

    def reciprocal(self) -> Tensor:
        """See :func:`tilegrad.reciprocal`."""
        return ops.reciprocal(self)

    def sin(self) -> Tensor:
        """See :func:`tilegrad.sin`."""
        return ops.sin(self)

    def cos(self) -> Tensor:
        """See :func:`tilegrad.cos`."""
        return ops.cos(self)

    def tanh(self) -> Tensor:
        """See :func:`tilegrad.tanh`."""
        return ops.tanh(self)

    def erf(self) -> Tensor:
        """See :func:`tilegrad.erf`."""
        return ops.erf(self)

    def sigmoid(self) -> Tensor:
        """See :func:`tilegrad.sigmoid`."""
        return ops.sigmoid(self)

    def relu(self) -> Tensor:
        """See :func:`tilegrad.relu`."""
        return ops.relu(self)

    def gelu(self) -> Tensor:
        """See :func:`tilegrad.gelu`."""
        return ops.gelu(self)

    def silu(self) -> Tensor:
        """See :func:`tilegrad.silu`."""
        return ops.silu(self)

    def softplus(self) -> Tensor:
        """See :func:`tilegrad.softplus`."""
        return ops.softplus(self)

    def sign(self) -> Tensor:
        """See :func:`tilegrad.sign`."""
        return ops.sign(self)

    def floor(self) -> Tensor:
        """See :func:`tilegrad.floor`."""
        return ops.floor(self)

    def ceil(self) -> Tensor:
        """See :func:`tilegrad.ceil`."""
        return ops.ceil(self)

    def round(self) -> Tensor:
        """See :func:`tilegrad.round`."""
        return ops.round(self)

    def isnan(self) -> Tensor:
        """See :func:`tilegrad.isnan`."""
        return ops.isnan(self)

    def isfinite(self) -> Tensor:
        """See :func:`tilegrad.isfinite`."""
        return ops.isfinite(self)

    def pow(self, exponent: Tensor | float) -> Tensor:
        """See :func:`tilegrad.power`."""
        return ops.power(self, exponent)

    def clip(self, low: Tensor | float | None = None, high: Tensor | float | None = None) -> Tensor:
        """See :func:`tilegrad.clip`."""
        return ops.clip(self, low, high)

    def clamp(self, low: Tensor | float | None = None, high: Tensor | float | None = None) -> Tensor:
        """PyTorch's name of :func:`tilegrad.clip`.

        Parameters
        ----------
        low, high
            As of :func:`tilegrad.clip`.

        Returns
        -------
        Tensor
            ``min(max(x, low), high)``.
        """
        return ops.clip(self, low, high)

    # Reductions.

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """See :func:`tilegrad.sum`."""
        return ops.sum(self, axis, keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """See :func:`tilegrad.mean`."""
        return ops.mean(self, axis, keepdims)

    def prod(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """See :func:`tilegrad.prod`."""
        return ops.prod(self, axis, keepdims)

    def max(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """See :func:`tilegrad.max`."""
        return ops.max(self, axis, keepdims)

    def min(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """See :func:`tilegrad.min`."""
        return ops.min(self, axis, keepdims)

    def any(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """See :func:`tilegrad.any`."""
        return ops.any(self, axis, keepdims)

    def all(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """See :func:`tilegrad.all`."""
        return ops.all(self, axis, keepdims)

    def argmax(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """See :func:`tilegrad.argmax`."""
        return ops.argmax(self, axis, keepdims)

    def argmin(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """See :func:`tilegrad.argmin`."""
        return ops.argmin(self, axis, keepdims)

    def var(self, axis: Axis = None, correction: float = 0, keepdims: bool = False) -> Tensor:
        """See :func:`tilegrad.var`."""
        return ops.var(self, axis, correction, keepdims)

    def std(self, axis: Axis = None, correction: float = 0, keepdims: bool = False) -> Tensor:
        """See :func:`tilegrad.std`."""
        return ops.std(self, axis, correction, keepdims)

    def norm(self, axis: Axis = None, ord: float = 2, keepdims: bool = False) -> Tensor:
        """See :func:`tilegrad.norm`."""
        return ops.norm(self, axis, ord, keepdims)

    def cumsum(self, axis: int = -1) -> Tensor:
        """See :func:`tilegrad.cumsum`."""
        return ops.cumsum(self, axis)

    def softmax(self, axis: int = -1) -> Tensor:
        """See :func:`tilegrad.softmax`."""
        return ops.softmax(self, axis)

    def log_softmax(self, axis: int = -1) -> Tensor:
        """See :func:`tilegrad.log_softmax`."""
        return ops.log_softmax(self, axis)

    def logsumexp(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """See :func:`tilegrad.logsumexp`."""
        return ops.logsumexp(self, axis, keepdims)

    # Products.

    def matmul(self, other: Tensor) -> Tensor:
        """See :func:`tilegrad.matmul`."""
        return ops.matmul(self, other)

    def dot(self, other: Tensor) -> Tensor:
        """NumPy's name of :func:`tilegrad.matmul`; of more than two axes they differ, and this is ``matmul``.

        Parameters
        ----------
        other
            As ``b`` of :func:`tilegrad.matmul`.

        Returns
        -------
        Tensor
            ``self @ other``.
        """
        return ops.matmul(self, other)

    # Random numbers.

    def uniform_(self, low: float = 0.0, high: float = 1.0, generator: _random.Generator | None = None) -> Tensor:
        """Fills the tensor, float32 or float64, with uniform numbers in [low, high).

        Parameters
        ----------
        low, high
            Finite, as is their difference; ``low`` not above ``high``. If they are equal, so are all numbers.
        generator
            By default the one that :func:`tilegrad.manual_seed` sets.

        Returns
        -------
        Tensor
            The tensor itself. No gradient flows to what was in it.

        Raises
        ------
        DTypeError
            If the tensor is of another dtype.
        ArgumentError
            If the bounds are others, or elements of the tensor share memory.
        AutogradError
            If it is a leaf that requires a gradient, outside of :func:`tilegrad.no_grad`.
        """
        return _random.uniform_(self, low, high, generator)

    def normal_(self, mean: float = 0.0, std: float = 1.0, generator: _random.Generator | None = None) -> Tensor:
        """Fills the tensor, float32 or float64, with normal numbers.

        Parameters
        ----------
        mean, std
            Of the distribution: finite, ``std`` from 0.
        generator
            As of :meth:`uniform_`.

        Returns
        -------
        Tensor
            The tensor itself. No gradient flows to what was in it.

        Raises
        ------
        DTypeError, ArgumentError, AutogradError
            As of :meth:`uniform_`.
        """
        return _random.normal_(self, mean, std, generator)

    def bernoulli_(self, p: float = 0.5, generator: _random.Generator | None = None) -> Tensor:
        """Fills the tensor, of any dtype but 16-bit floats, with ones with probability ``p``, else zeros.

        Parameters
        ----------
        p
            From 0 to 1, to the nearest multiple of 2^-32.
        generator
            As of :meth:`uniform_`.

        Returns
        -------
        Tensor
            The tensor itself. No gradient flows to what was in it.

        Raises
        ------
        DTypeError, ArgumentError, AutogradError
            As of :meth:`uniform_`.
        """
        return _random.bernoulli_(self, p, generator)

    def exponential_(self, rate: float = 1.0, generator: _random.Generator | None = None) -> Tensor:
        """Fills the tensor, float32 or float64, with exponential numbers: ``-log(1 - u) / rate`` for a uniform u in
        [0, 1).

        Parameters
        ----------
        rate
            Positive; the mean is ``1 / rate``.
        generator
            As of :meth:`uniform_`.

        Returns
        -------
        Tensor
            The tensor itself. No gradient flows to what was in it.

        Raises
        ------
        DTypeError, ArgumentError, AutogradError
            As of :meth:`uniform_`.
        """
        return _random.exponential_(self, rate, generator)


def _sizes(values: tuple[Any, ...]) -> Sequence[int]:
    return values[0] if len(values) == 1 and not isinstance(values[0], int) else values


_C.set_tensor_class(Tensor)
