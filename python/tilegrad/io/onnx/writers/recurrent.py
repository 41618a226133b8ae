"""Recurrent layers: ONNX's gates come in another order, its weights are transposed, and it has two biases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..orders import natural
from ..writer import writes
from ..written_value import host_array

if TYPE_CHECKING:
    from ..trace import Call
    from ..writer import Writer

# For each of ONNX's gates the place of ours: i o f c of i f g o, z r h of r z n.
GATES = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2), "rnn": (0,)}
TIME_MAJOR = (1, 0, 2)


def _array(writer: Writer, tensor: Any) -> np.ndarray[Any, Any]:
    constant = writer.value(tensor).constant
    if constant is None:
        raise writer.refuse("its weights are computed from the inputs; they must be parameters")
    return host_array(constant)


def _gates(function: str, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """[..., gates * H] in ONNX's order, the gates first: [1, gates * H, ...]."""
    parts = np.split(array, len(GATES[function]), axis=-1)
    return np.concatenate([parts[place] for place in GATES[function]], axis=-1).T[None]


@writes("lstm", "gru", "rnn")
def _recurrent(writer: Writer, call: Call) -> None:
    x, w, u, b, *rest = call.arguments
    b_n = rest.pop(0) if call.function == "gru" else None
    states = [rest.pop(0) for _ in range(2 if call.function == "lstm" else 1)]
    lengths, reverse, batch_first, *activation = rest
    H = u.shape[0]
    order = TIME_MAJOR if batch_first else natural(3)
    inputs = [
        writer.name(x, order),
        *(
            writer.initializer(_gates(call.function, _array(writer, matrix)), writer.value(matrix).label)
            for matrix in (w, u)
        ),
    ]
    if b is None and b_n is None:
        inputs.append("")
    else:
        gates = len(GATES[call.function])
        first = np.zeros(gates * H, x.dtype.name) if b is None else _array(writer, b)
        second = np.zeros(gates * H, x.dtype.name)
        if b_n is not None:
            second[-H:] = _array(writer, b_n)
        biases = np.concatenate([_gates(call.function, first), _gates(call.function, second)], axis=1)
        inputs.append(writer.initializer(biases, writer.value(b if b is not None else b_n).label))
    if lengths is None:
        inputs.append("")
    else:
        inputs.append(writer.emit("Cast", [writer.name(lengths)], to=writer.dtype("int32")))
    for state in states:
        known = "" if state is None else writer.emit("Unsqueeze", [writer.name(state), writer.number([0])])
        inputs.append(known)
    while not inputs[-1]:
        inputs.pop()
    options: dict[str, Any] = {"hidden_size": H, "direction": "reverse" if reverse else "forward"}
    if call.function == "gru":
        options["linear_before_reset"] = 1
    if activation:
        options["activations"] = [activation[0].capitalize()]
    outs = writer.emit_several(call.function.upper(), inputs, 1 + len(states), **options)
    y = writer.emit("Squeeze", [outs[0], writer.number([1])])
    writer.result(call.result[0], y, order)
    for tensor, name in zip(call.result[1:], outs[1:], strict=False):
        writer.result(tensor, writer.emit("Squeeze", [name, writer.number([0])]))
