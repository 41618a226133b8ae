"""The graph of a model: the calls of its layers, and the ops between them, with what flows from one to the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .. import _C, ops
from ..autograd import no_grad
from ..structure import tensors_in
from .module import Module
from .summary import with_n

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["Graph", "Node", "followed", "trace"]


@dataclass
class Node:
    """One call of a layer, one op outside the layers, or an input or output of the model."""

    label: str
    """The layer's path, the op's name, or ``"input"``, ``"output"``."""
    kind: str
    """The layer's class, ``"op"``, ``"input"`` or ``"output"``."""
    shape: str = ""
    """Of the output, with N for the batch."""
    shared: bool = False
    """Whether the layer was called before."""


@dataclass
class Graph:
    """Nodes in the order of the calls; edges between their positions, always from an earlier to a later one."""

    nodes: list[Node] = field(default_factory=list)
    edges: list[tuple[int, int]] = field(default_factory=list)


def trace(
    module: Module, input_shapes: Sequence[int | Sequence[int]], dtype: Any = "float32", depth: int | None = None
) -> Graph:
    """The graph of one call, with a sample of zeros, in evaluation mode.

    Parameters
    ----------
    module
        Built by this where sizes were left out.
    input_shapes
        The shape of each input, without the batch.
    dtype
        Of the inputs.
    depth
        How many levels of modules inside modules are taken apart; None for all.

    Examples
    --------
    >>> import tilegrad as tg
    >>> from tilegrad.nn.graph import trace
    >>> graph = trace(tg.nn.Sequential(tg.nn.Linear(2, 3), tg.nn.ReLU()), [2])
    >>> [(node.kind, node.shape) for node in graph.nodes]
    [('input', '(N, 2)'), ('Linear', '(N, 3)'), ('ReLU', '(N, 3)'), ('output', '(N, 3)')]
    >>> graph.edges
    [(0, 1), (1, 2), (2, 3)]
    """
    shapes = [(shape,) if isinstance(shape, int) else tuple(shape) for shape in input_shapes]
    module.build(*shapes, dtype=dtype)
    return _Tracer(module, depth).run([ops.zeros((1, *shape), dtype) for shape in shapes])


@contextmanager
def followed(
    module: Module,
    enter: Callable[[Module, tuple[Any, ...]], None],
    leave: Callable[[Module, tuple[Any, ...], Any], None],
) -> Iterator[None]:
    """Inside, the module is in evaluation mode, without gradients, and every call of a layer is told."""
    handles = [
        handle
        for inner in module.modules()
        for handle in (inner.register_forward_pre_hook(enter), inner.register_forward_hook(leave))
    ]
    modes = [(inner, inner.training) for inner in module.modules()]
    module.eval()
    try:
        with no_grad():
            yield
    finally:
        for handle in handles:
            handle.remove()
        for inner, mode in modes:
            inner.training = mode


class _Tracer:
    def __init__(self, module: Module, depth: int | None) -> None:
        self._module = module
        self._paths = {id(inner): path for path, inner in module.named_modules()}
        self._whole = {
            id(inner)
            for path, inner in module.named_modules()
            if not any(True for _ in inner.named_children())
            or (depth is not None and path and path.count(".") + 1 >= depth)
        }
        self._graph = Graph()
        self._made_by: dict[int, int] = {}  # the node of a tensor, by identity
        self._alive: list[Any] = []  # so that no identity comes again
        self._inside: list[tuple[Module, int]] = []  # the layers being called, of those shown as a whole
        self._called: set[int] = set()

    def run(self, inputs: list[Tensor]) -> Graph:
        for position, tensor in enumerate(inputs):
            label = "input" if len(inputs) == 1 else f"input {position}"
            self._give(tensor, self._add(Node(label, "input")))
        with followed(self._module, self._enter, self._leave):
            _C.set_observer(self._op)
            try:
                result = self._module(*inputs)
            finally:
                _C.set_observer(None)
        found = tensors_in(result)
        for position, tensor in enumerate(found):
            node = self._add(Node("output" if len(found) == 1 else f"output {position}", "output"))
            self._connect(tensor, node)
            self._give(tensor, node)
        return self._graph

    def _add(self, node: Node) -> int:
        self._graph.nodes.append(node)
        return len(self._graph.nodes) - 1

    def _connect(self, tensor: Tensor, node: int) -> None:
        source = self._made_by.get(id(tensor))
        if source is not None and source != node and (source, node) not in self._graph.edges:
            self._graph.edges.append((source, node))

    def _give(self, tensor: Tensor, node: int) -> None:
        self._made_by[id(tensor)] = node
        self._alive.append(tensor)
        self._graph.nodes[node].shape = with_n(tensor.shape)

    def _enter(self, layer: Module, inputs: tuple[Any, ...]) -> None:
        if self._inside or id(layer) not in self._whole:
            return
        path = self._paths.get(id(layer), "") or "model"
        node = self._add(Node(path, type(layer).__name__, shared=id(layer) in self._called))
        self._called.add(id(layer))
        self._inside.append((layer, node))
        for tensor in tensors_in(inputs):
            self._connect(tensor, node)

    def _leave(self, layer: Module, inputs: tuple[Any, ...], output: Any) -> None:
        if not self._inside or self._inside[-1][0] is not layer:
            return
        _, node = self._inside.pop()
        for tensor in reversed(tensors_in(output)):  # the first one's shape is shown
            self._give(tensor, node)

    def _op(self, name: str, out: Any, inputs: tuple[Any, ...]) -> None:
        operands = tensors_in(inputs)
        if self._inside:
            node = self._inside[-1][1]
        elif any(id(tensor) in self._made_by for tensor in operands):
            node = self._add(Node(name.rstrip("_"), "op"))
        else:
            return  # of parameters and constants alone
        for tensor in operands:
            self._connect(tensor, node)
        for tensor in tensors_in(out):
            self._give(tensor, node)
