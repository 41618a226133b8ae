"""Recurrent layers: ONNX's gates come in another order, its weights are transposed, and it has two biases."""

from __future__ import annotations

from typing import Any

from .... import ops
from ..reader import FLOATING, NodeToRead, Run, reads
from ..values import Value

OPTIONS = "activation_alpha activation_beta activations clip direction hidden_size layout"
# For each of our gates the place of ONNX's: i f g o of i o f c, r z n of z r h.
GATES = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}


def _directions(node: NodeToRead) -> list[bool]:
    """Whether each goes backwards."""
    name = node.only("direction", "forward", "forward", "reverse", "bidirectional")
    for attribute in ("activation_alpha", "activation_beta", "clip"):
        if node.get(attribute):
            raise node.refuse(f"{attribute} is not supported")
    return {"forward": [False], "reverse": [True], "bidirectional": [False, True]}[name]


def _activations(node: NodeToRead, directions: int, *expected: str) -> None:
    found = node.get("activations")
    if found is not None and [name.lower() for name in found] != [name.lower() for name in expected] * directions:
        raise node.refuse(f"the activations {found} are not supported, only {list(expected)}")


def _gates(op_type: str, matrix: Any) -> Any:
    """[gates * H, ...] of one direction with our order of gates, transposed."""
    parts = ops.split(matrix, len(GATES[op_type]), 0)
    joined = ops.concat([parts[place] for place in GATES[op_type]], 0) if len(parts) > 1 else matrix
    return ops.swapaxes(joined, 0, 1) if joined.ndim == 2 else joined


def _read(node: NodeToRead, compute: Any, states: int) -> Run:
    """``compute(x, w, u, biases, states, lengths, reverse, position)`` gives y and the last states."""
    directions = _directions(node)
    batch_first = bool(node.get("layout", 0))

    def run(x: Value, w: Value, r: Value, b: Value | None = None, *rest: Value | None) -> Any:
        lengths, *given = [*rest, *[None] * (1 + states)][: 1 + states]
        kind = node.op_type
        outputs: list[Any] = []
        lasts: list[list[Any]] = [[] for _ in range(states)]
        for position, reverse in enumerate(directions):
            weight, recurrent = _gates(kind, w.tensor[position]), _gates(kind, r.tensor[position])
            biases = None
            if b is not None:
                biases = tuple(_gates(kind, half) for half in ops.split(b.tensor[position], 2, 0))
            first = [None if s is None else s.tensor[:, position] if batch_first else s.tensor[position] for s in given]
            counts = None if lengths is None else lengths.tensor
            y, *last = compute(x.tensor, weight, recurrent, biases, first, counts, reverse, batch_first)
            outputs.append(y)
            for collected, state in zip(lasts, last, strict=True):
                collected.append(state)
        ys = ops.stack(outputs, 2 if batch_first else 1)  # [T, directions, N, H], or [N, T, directions, H]
        return (Value(ys), *(Value(ops.stack(found, 1 if batch_first else 0)) for found in lasts))

    return run


def _sum(biases: Any) -> Any:
    return None if biases is None else biases[0] + biases[1]


@reads("RNN", 7, 22, OPTIONS, dtypes=FLOATING, steering=(4,), outputs=2)
def _rnn(node: NodeToRead) -> Run:
    directions = len(_directions(node))
    names = {name.lower() for name in node.get("activations") or ["tanh"]}
    if len(names) != 1 or not names <= {"tanh", "relu"}:
        raise node.refuse(f"the activations {node.get('activations')} are not supported, only Tanh or Relu")
    (name,) = names
    _activations(node, directions, name)

    def compute(x: Any, w: Any, u: Any, biases: Any, first: Any, lengths: Any, reverse: bool, batch_first: bool) -> Any:
        return ops.rnn(x, w, u, _sum(biases), first[0], lengths, name, reverse, batch_first)

    return _read(node, compute, 1)


@reads("GRU", 7, 22, f"{OPTIONS} linear_before_reset", dtypes=FLOATING, steering=(4,), outputs=2)
def _gru(node: NodeToRead) -> Run:
    _activations(node, len(_directions(node)), "Sigmoid", "Tanh")
    is_reset_first = not node.get("linear_before_reset", 0)
    if is_reset_first and node.has(4):
        raise node.refuse("linear_before_reset=0 with sequence_lens is not supported")

    def compute(x: Any, w: Any, u: Any, biases: Any, first: Any, lengths: Any, reverse: bool, batch_first: bool) -> Any:
        if is_reset_first:
            return _reset_first(x, w, u, _sum(biases), first[0], reverse, batch_first)
        b = b_n = None
        if biases is not None:
            H = u.shape[0]
            second = biases[1]
            b_n = second[2 * H :]
            b = biases[0] + ops.concat([second[: 2 * H], ops.zeros_like(b_n)], 0)
        return ops.gru(x, w, u, b, b_n, first[0], lengths, reverse, batch_first)

    return _read(node, compute, 1)


def _reset_first(x: Any, w: Any, u: Any, b: Any, h: Any, reverse: bool, batch_first: bool) -> Any:
    """The gated recurrent unit as first published, step by step: the reset gate comes before the product."""
    axis = 1 if batch_first else 0
    H = u.shape[0]
    sums = ops.matmul(x, w) if b is None else ops.linear(x, w, b)
    h = ops.zeros((x.shape[1 - axis], H), x.dtype, x.device) if h is None else h
    outputs = []
    steps = ops.unbind(sums, axis)
    for s in reversed(steps) if reverse else steps:
        r, z = ops.split(ops.sigmoid(s[:, : 2 * H] + ops.matmul(h, u[:, : 2 * H])), 2, 1)
        n = ops.tanh(s[:, 2 * H :] + ops.matmul(r * h, u[:, 2 * H :]))
        h = (1 - z) * n + z * h
        outputs.append(h)
    return ops.stack(outputs[::-1] if reverse else outputs, axis), h


@reads("LSTM", 7, 22, f"{OPTIONS} input_forget", dtypes=FLOATING, steering=(4,), outputs=3)
def _lstm(node: NodeToRead) -> Run:
    _activations(node, len(_directions(node)), "Sigmoid", "Tanh", "Tanh")
    node.only("input_forget", 0)
    if node.has(7):
        raise node.refuse("peepholes are not supported")

    def compute(x: Any, w: Any, u: Any, biases: Any, first: Any, lengths: Any, reverse: bool, batch_first: bool) -> Any:
        return ops.lstm(x, w, u, _sum(biases), first[0], first[1], lengths, reverse, batch_first)

    return _read(node, compute, 2)
