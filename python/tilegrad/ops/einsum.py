"""Einstein summation, through views, sums and matrix products."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _C
from .arguments import renamed
from .arranging import diagonal
from .elementwise import multiply
from .matmul import matmul
from .views import permute, reshape

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["einsum"]

# One axis: a letter, or the position of an ellipsis axis counted from the end.
Label = str | int


def einsum(subscripts: str, *operands: Tensor) -> Tensor:
    """Sums of products over labelled axes.

    Every letter names an axis; axes with one letter walk together, and a letter that the output lacks is summed over.
    ``"ij,jk->ik"`` is the matrix product, ``"ii->i"`` the diagonal, ``"bij->"`` the sum of all, ``"...ij->...ji"`` the
    transposed matrices. Without ``->`` the output has the letters that occur once, in alphabetical order, behind the
    axes of the ellipsis.

    Parameters
    ----------
    subscripts : str
        The letters of each operand's axes, separated by commas, and of the output's behind ``->``. ``...`` stands for
        any number of axes, which broadcast.
    *operands : Tensor
        One for each comma-separated part, all float32 or all float64 where products are summed.

    Returns
    -------
    Tensor

    Raises
    ------
    ArgumentError
        If the subscripts cannot be read or do not fit the number of operands.
    ShapeError
        If an operand has another number of axes than letters, or axes of one letter differ in size.

    Notes
    -----
    Operands are taken in from left to right: first those letters of an operand that nobody else has are summed over,
    then each product of two is one (batched) matrix product. The order does not depend on sizes, so the bits of a
    result do not depend on the batch.

    Examples
    --------
    >>> import tilegrad as tg
    >>> a, b = tg.tensor([[1.0, 2.0], [3.0, 4.0]]), tg.tensor([[1.0, 0.0], [0.0, 2.0]])
    >>> tg.einsum("ij,jk->ik", a, b)
    tensor([[1., 4.],
            [3., 8.]])
    >>> tg.einsum("ii->i", a)
    tensor([1., 4.])
    """
    inputs, output = _parse(subscripts, operands)
    sizes = _sizes(subscripts, inputs, operands)
    terms = [_drop_stretched(x, labels, sizes) for x, labels in zip(operands, inputs, strict=True)]
    value, labels = terms[0]
    for position in range(1, len(terms)):
        other, other_labels = terms[position]
        kept = set(output).union(*(term_labels for _, term_labels in terms[position + 1 :]))
        value, labels = _sum_own(value, labels, kept | set(other_labels))
        other, other_labels = _sum_own(other, other_labels, kept | set(labels))
        try:
            value, labels = _contract(value, labels, other, other_labels, kept)
        except _C.TilegradError as error:
            raise renamed(error, "einsum") from None
    value, labels = _sum_own(value, labels, set(output))
    return _arrange(value, labels, output)


def _parse(subscripts: str, operands: tuple[Tensor, ...]) -> tuple[list[list[Label]], list[Label]]:
    """The labels of every operand's axes and of the output's."""
    if not isinstance(subscripts, str):
        found = type(subscripts).__name__
        raise _C.ArgumentError(f"einsum: subscripts must be a string such as 'ij,jk->ik', found {found}")
    for position, operand in enumerate(operands):
        if not isinstance(operand, _C.TensorBase):
            raise _C.DTypeError(f"einsum: operand {position} must be a tensor, found {type(operand).__name__}")
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    parts = left.split(",")
    if len(parts) != len(operands):
        raise _C.ArgumentError(
            f"einsum: subscripts {subscripts!r} describe {len(parts)} operands, found {len(operands)}; separate the "
            "letters of different operands by commas"
        )
    inputs: list[list[Label]] = []
    for position, (part, operand) in enumerate(zip(parts, operands, strict=True)):
        letters = _letters(subscripts, part)
        named = len(part.replace("...", ""))
        if named > operand.ndim or (named < operand.ndim and "..." not in part):
            raise _C.ShapeError(
                f"einsum: operand {position} {list(operand.shape)} has {operand.ndim} axes, but {part!r} in "
                f"{subscripts!r} names {named}"
            )
        inputs.append(_with_ellipsis(letters, operand.ndim - named))
    everything = [label for labels in inputs for label in labels]
    stretched = sorted({label for label in everything if isinstance(label, int)})
    if not arrow:
        letters = sorted({c for c in everything if isinstance(c, str)})
        return inputs, [*stretched, *(c for c in letters if everything.count(c) == 1)]
    output = _with_ellipsis(_letters(subscripts, right), len(stretched))
    for label in output:
        if label not in everything:
            raise _C.ArgumentError(f"einsum: the output of {subscripts!r} names {label!r}, which no operand has")
        if output.count(label) > 1:
            raise _C.ArgumentError(f"einsum: the output of {subscripts!r} names {label!r} more than once")
    return inputs, output


def _letters(subscripts: str, part: str) -> list[str]:
    """The letters of one part, with "..." as one of them."""
    before, dots, after = part.partition("...")
    for character in before + after:
        if not (character.isascii() and character.isalpha()):
            raise _C.ArgumentError(
                f"einsum: {character!r} in {subscripts!r} is not a letter; use letters, commas, one '->' and at most "
                "one '...' per operand"
            )
    return [*before, *([dots] if dots else []), *after]


def _with_ellipsis(letters: list[str], count: int) -> list[Label]:
    labels: list[Label] = []
    for letter in letters:
        if letter == "...":
            labels.extend(range(-count, 0))
        else:
            labels.append(letter)
    return labels


def _sizes(subscripts: str, inputs: list[list[Label]], operands: tuple[Tensor, ...]) -> dict[Label, int]:
    """The size of each label's axes: those of size 1 stretch."""
    sizes: dict[Label, int] = {}
    for position, (labels, operand) in enumerate(zip(inputs, operands, strict=True)):
        for axis, (label, size) in enumerate(zip(labels, operand.shape, strict=True)):
            known = sizes.setdefault(label, size)
            repeated = labels.index(label) != axis and operand.shape[labels.index(label)] != size
            if repeated or (known != size and known != 1 and size != 1):
                name = "an axis of '...'" if isinstance(label, int) else f"{label!r}"
                raise _C.ShapeError(
                    f"einsum: {name} in {subscripts!r} has size {known}, but size {size} in operand {position} "
                    f"{list(operand.shape)}"
                )
            if known == 1:
                sizes[label] = size
    return sizes


def _drop_stretched(x: Tensor, labels: list[Label], sizes: dict[Label, int]) -> tuple[Tensor, list[Label]]:
    """X without its repeated axes (the diagonal is taken) and without axes of size 1 that others stretch."""
    labels = list(labels)
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            x = diagonal(x, 0, first, second)
            labels = [c for axis, c in enumerate(labels) if axis not in (first, second)] + [label]
    shape = x.shape
    kept = [axis for axis, label in enumerate(labels) if shape[axis] == sizes[label]]
    if len(kept) < len(labels):
        x = reshape(x, [shape[axis] for axis in kept])
    return x, [labels[axis] for axis in kept]


def _sum_own(x: Tensor, labels: list[Label], kept: set[Label]) -> tuple[Tensor, list[Label]]:
    """X summed over the axes that nobody else needs."""
    axes = tuple(axis for axis, label in enumerate(labels) if label not in kept)
    if not axes:
        return x, labels
    from .reduce import sum as sum_axes

    return sum_axes(x, axis=axes), [label for label in labels if label in kept]


def _contract(
    x: Tensor, x_labels: list[Label], y: Tensor, y_labels: list[Label], kept: set[Label]
) -> tuple[Tensor, list[Label]]:
    """The product of two operands, summed over the labels that only they share."""
    shared = [label for label in x_labels if label in y_labels]
    batch = [label for label in shared if label in kept]
    summed = [label for label in shared if label not in kept]
    rows = [label for label in x_labels if label not in shared]
    columns = [label for label in y_labels if label not in shared]
    size = dict(zip(x_labels, x.shape, strict=True)) | dict(zip(y_labels, y.shape, strict=True))
    batch_shape = [size[label] for label in batch]
    row_shape = [size[label] for label in rows]
    column_shape = [size[label] for label in columns]
    x = _arrange(x, x_labels, [*batch, *rows, *summed])
    y = _arrange(y, y_labels, [*batch, *summed, *columns])
    if not summed:  # nothing is added up
        value = multiply(
            reshape(x, [*batch_shape, *row_shape, *[1] * len(columns)]),
            reshape(y, [*batch_shape, *[1] * len(rows), *column_shape]),
        )
        return value, [*batch, *rows, *columns]
    M, N, K = _product(row_shape), _product(column_shape), _product([size[label] for label in summed])
    value = matmul(reshape(x, [*batch_shape, M, K]), reshape(y, [*batch_shape, K, N]))
    return reshape(value, [*batch_shape, *row_shape, *column_shape]), [*batch, *rows, *columns]


def _product(sizes: list[int]) -> int:
    product = 1
    for size in sizes:
        product *= size
    return product


def _arrange(x: Tensor, labels: list[Label], wanted: list[Label]) -> Tensor:
    """A view with the axes in the wanted order."""
    if labels == wanted:
        return x
    return permute(x, [labels.index(label) for label in wanted])
