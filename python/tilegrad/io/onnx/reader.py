"""The table of node types that can be read, and a node as its reader sees it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...errors import OnnxError
from .orders import Order

__all__ = ["READERS", "Attributes", "NodeToRead", "Reader", "Run", "reads"]

Run = Callable[..., Any]
"""Computes a node: takes a Value for each input (None where it is left out), gives a Value or a tuple of them."""
ANY = ("float32", "float64", "int64", "int32", "uint8", "bool")
NUMBERS = ANY[:-1]
FLOATING = ("float32", "float64")
SIXTEEN_BITS = ("float16", "bfloat16")


@dataclass(frozen=True)
class Reader:
    """What reads one node type."""

    make: Callable[[NodeToRead], Run]
    """Checks everything about the node, and returns the function that computes it."""
    since: int
    until: int
    """The first and the last version of the operator whose meaning is known."""
    attributes: Collection[str]
    outputs: int
    """How many may be asked for."""
    dtypes: Collection[str]
    steering: Collection[int]
    """The inputs that are numbers for the host (shapes, axes), not data."""


READERS: dict[str, Reader] = {}


def reads(
    op_type: str,
    since: int,
    until: int,
    attributes: str = "",
    *,
    outputs: int = 1,
    dtypes: Collection[str] = ANY,
    steering: Collection[int] = (),
) -> Callable[[Callable[[NodeToRead], Run]], Callable[[NodeToRead], Run]]:
    """Registers the reader of a node type; ``attributes`` are those that it knows, between spaces."""

    def register(make: Callable[[NodeToRead], Run]) -> Callable[[NodeToRead], Run]:
        READERS[op_type] = Reader(make, since, until, frozenset(attributes.split()), outputs, dtypes, steering)
        return make

    return register


Attributes = dict[str, Any]


@dataclass
class NodeToRead:
    """A node with its attributes as Python values."""

    op_type: str
    name: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    attributes: Attributes
    version: int
    """Of the operator: the opset in which it last changed, up to the model's."""
    constants: dict[str, np.ndarray[Any, Any]]
    """Initializers and what Constant nodes hold."""
    ranks: dict[str, int]
    """Of tensors, where they are known before anything runs."""
    preferred: dict[str, Order] = field(default_factory=dict)
    """How initializers are to lie."""

    def get(self, attribute: str, default: Any = None) -> Any:
        """An attribute."""
        return self.attributes.get(attribute, default)

    def has(self, position: int) -> bool:
        """Whether an input is there."""
        return position < len(self.inputs) and bool(self.inputs[position])

    def constant(self, position: int) -> np.ndarray[Any, Any] | None:
        """An input whose value is in the file."""
        return self.constants.get(self.inputs[position]) if self.has(position) else None

    def rank(self, position: int) -> int | None:
        """The number of an input's axes, or None where only a run tells."""
        return self.ranks.get(self.inputs[position]) if self.has(position) else None

    def prefer(self, position: int, order: Order) -> None:
        """Has an initializer lie in this order, in which it is used here."""
        if self.has(position):
            self.preferred.setdefault(self.inputs[position], order)

    def require(self, attribute: str) -> Any:
        """An attribute that must be there."""
        if attribute not in self.attributes:
            raise self.refuse(f"it lacks the attribute {attribute!r}")
        return self.attributes[attribute]

    def only(self, attribute: str, default: Any, *allowed: Any) -> Any:
        """An attribute that must have one of some values."""
        value = self.get(attribute, default)
        if value not in (allowed or (default,)):
            named = " or ".join(repr(each) for each in (allowed or (default,)))
            raise self.refuse(f"{attribute}={value!r} is not supported, only {named}")
        return value

    def refuse(self, why: str) -> OnnxError:
        """The error for a node that cannot be computed."""
        return OnnxError(f"load_onnx: node {self.name!r} ({self.op_type}): {why}")
