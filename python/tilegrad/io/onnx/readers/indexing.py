"""Elements by index."""

from __future__ import annotations

from .... import ops
from ..reader import NodeToRead, Run, reads
from ..values import Value


@reads("Gather", 1, 13, "axis")
def _gather(node: NodeToRead) -> Run:
    axis = int(node.get("axis", 0))

    def run(x: Value, indices: Value) -> Value:
        at = axis % x.rank
        if indices.host is not None and indices.rank == 0:
            return Value(x.tensor[(slice(None),) * at + (int(indices.host),)])
        if indices.rank == 0:  # a key would take it for a number, which must be read
            taken = ops.take(x.tensor, ops.reshape(indices.tensor, (1,)), at)
            return Value(ops.squeeze(taken, at))
        return Value(ops.take(x.tensor, indices.tensor, at))

    return run


@reads("GatherElements", 11, 13, "axis")
def _gather_elements(node: NodeToRead) -> Run:
    axis = int(node.get("axis", 0))

    def run(x: Value, indices: Value) -> Value:
        cut = tuple(slice(None) if a == axis % x.rank else slice(0, size) for a, size in enumerate(indices.shape))
        return Value(ops.take_along_axis(x.tensor[cut], indices.tensor, axis))

    return run


@reads("GatherND", 11, 13, "batch_dims")
def _gather_nd(node: NodeToRead) -> Run:
    node.only("batch_dims", 0)

    def run(x: Value, indices: Value) -> Value:
        columns = indices.tensor
        return Value(x.tensor[tuple(columns[..., i] for i in range(columns.shape[-1]))])

    return run


@reads("OneHot", 9, 28, "axis", steering=(1,))
def _one_hot(node: NodeToRead) -> Run:
    axis = int(node.get("axis", -1))

    def run(indices: Value, depth: Value, values: Value) -> Value:
        classes = int(depth.numbers().item())
        places = ops.arange(classes, device=indices.device)
        given = indices.tensor.astype("int64")
        given = ops.where(ops.less(given, 0), given + classes, given)
        marked = ops.equal(ops.expand_dims(given, -1), places)
        rank = marked.ndim
        marked = ops.moveaxis(marked, rank - 1, axis % rank)
        off, on = values.tensor[0], values.tensor[1]
        return Value(ops.where(marked, ops.broadcast_to(on, marked.shape), ops.broadcast_to(off, marked.shape)))

    return run
