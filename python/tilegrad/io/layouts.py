"""How other libraries name and lay out the tensors of each kind of layer: tables, one entry a kind.

An entry tells, for each of a layer's tensors, under which names (within the layer) the other library keeps what it is
made of, the shape that they have there, and how they become ours. To add a kind of layer is to add an entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .. import _C, nn, ops
from ..nn.conv import Convolution
from ..nn.module import Module
from ..nn.normalization import _BatchNorm
from ..nn.recurrent import _GRU, _Recurrent
from ..tensor import Tensor

__all__ = ["KERAS", "TORCH", "Entry", "Part", "entry_of", "own_tensors"]

Shape = tuple[int, ...]


def _as_it_is(shape: Shape) -> tuple[Shape, ...]:
    return (shape,)


def _one(tensor: Tensor) -> Tensor:
    return tensor


@dataclass(frozen=True)
class Part:
    """Where one of our tensors comes from.

    ``sources`` are names within the layer; ``shapes`` gives from our shape those that each may have there; ``convert``
    makes ours of them.
    """

    sources: tuple[str, ...]
    shapes: Callable[[Shape], tuple[Shape, ...]] = _as_it_is
    convert: Callable[..., Tensor] = _one


@dataclass(frozen=True)
class Entry:
    """A kind of layer: its parts by our names, and what the other library keeps beside them that we do not need."""

    parts: Callable[[Module], Mapping[str, Part]]
    ignored: tuple[str, ...] = ()


def permuted(source: str, *axes: int) -> Part:
    """A tensor whose axis ``i`` is axis ``axes[i]`` of the source."""

    def shapes(shape: Shape) -> tuple[Shape, ...]:
        return (tuple(shape[axes.index(i)] for i in range(len(axes))),)

    return Part((source,), shapes, lambda tensor: ops.permute(tensor, axes))


def fixed(ignored: tuple[str, ...] = (), **parts: Part) -> Entry:
    """An entry whose parts do not depend on the layer's arguments."""
    return Entry(lambda layer: parts, ignored)


def _torch_filter(layer: Module) -> Part:
    assert isinstance(layer, Convolution)
    return permuted("weight", 2, 3, 1, 0) if len(layer.kernel_size) == 2 else permuted("weight", 2, 1, 0)


def _torch_recurrent(layer: Module) -> Mapping[str, Part]:
    """Gates are in PyTorch's order. It has two biases where their sum is all that counts, and ours is that sum."""
    parts: dict[str, Part] = {}
    for name, _ in own_tensors(layer):
        kind, _, suffix = name.partition("_l")
        suffix = f"_l{suffix}" if suffix else ""
        if kind.startswith("weight"):
            parts[name] = permuted(name, 1, 0)
        elif kind == "bias_hn":  # of a GRU, inside the reset gate
            parts[name] = Part((f"bias_hh{suffix}",), lambda s: ((3 * s[0],),), lambda b: b[2 * (b.size // 3) :])
        else:
            both = (f"bias_ih{suffix}", f"bias_hh{suffix}")
            parts[name] = Part(both, convert=_summed_gates if isinstance(layer, _GRU) else ops.add)
    return parts


def _summed_gates(inputs: Tensor, states: Tensor) -> Tensor:
    """The biases of a GRU's gates r and z, and of the candidate that of the inputs alone."""
    H = inputs.size // 3
    return ops.concat([ops.add(inputs[: 2 * H], states[: 2 * H]), inputs[2 * H :]])


# PyTorch: filters [K, C, R, S], dense weights [out, in], images [N, C, H, W].

TORCH: dict[type[Module], Entry] = {
    # Filters of images and sequences, and of their transposes [C, K, R, S].
    Convolution: Entry(lambda layer: {"weight": _torch_filter(layer), "bias": Part(("bias",))}),
    nn.Linear: fixed(weight=permuted("weight", 1, 0), bias=Part(("bias",))),
    nn.Embedding: fixed(weight=Part(("weight",))),
    nn.MultiheadAttention: fixed(
        in_proj_weight=permuted("in_proj_weight", 1, 0),
        q_proj_weight=permuted("q_proj_weight", 1, 0),
        k_proj_weight=permuted("k_proj_weight", 1, 0),
        v_proj_weight=permuted("v_proj_weight", 1, 0),
        in_proj_bias=Part(("in_proj_bias",)),
    ),
    _Recurrent: Entry(lambda layer: _torch_recurrent(layer)),
    nn.LayerNorm: fixed(weight=Part(("weight",)), bias=Part(("bias",))),
    _BatchNorm: fixed(
        ("num_batches_tracked",),
        weight=Part(("weight",)),
        bias=Part(("bias",)),
        running_mean=Part(("running_mean",)),
        running_var=Part(("running_var",)),
    ),
}

# Keras: filters [R, S, C, K], dense weights [in, out], images [N, H, W, C], as ours.


def _keras_convolution(layer: Module) -> Mapping[str, Part]:
    assert isinstance(layer, Convolution)
    kernel, groups, taps = Part(("kernel",)), layer.groups, len(layer.kernel_size)
    if groups > 1 and groups == layer.in_channels:
        # Of a convolution with groups as ours, of a depthwise one [..., C, K / C].

        def shapes(shape: Shape) -> tuple[Shape, ...]:
            return shape, (*shape[:taps], groups, shape[-1] // groups)

        def flat(tensor: Tensor) -> Tensor:
            return ops.reshape(tensor, (*tensor.shape[:taps], 1, tensor.shape[-2] * tensor.shape[-1]))

        kernel = Part(("depthwise_kernel|kernel",), shapes, flat)
    return {"weight": kernel, "bias": Part(("bias",))}


def _keras_recurrent(layer: Module) -> Mapping[str, Part]:
    """Of ``lstm/lstm_cell/kernel``; in a Bidirectional ``forward_lstm/lstm_cell/kernel`` and ``backward_lstm/...``."""
    kind = {"RNN": "simple_rnn", "GRU": "gru", "LSTM": "lstm"}[type(layer).__name__.removesuffix("Cell")]
    names = [name for name, _ in own_tensors(layer)]
    if any("_l1" in name for name in names):
        raise _C.ArgumentError(
            f"load_keras: Keras has a layer of its own for each of the {type(layer).__name__}'s: use one with "
            "num_layers=1 for each"
        )
    both = any(name.endswith("_reverse") for name in names)
    parts: dict[str, Part] = {}
    for name in names:
        side = ("backward_" if name.endswith("_reverse") else "forward_") + f"{kind}." if both else ""
        theirs = "recurrent_kernel" if name.startswith("weight_hh") else "kernel" if "weight" in name else "bias"
        source = (f"{side}{kind}_cell.{theirs}|{side}{theirs}",)
        if kind != "gru":
            parts[name] = Part(source)
        elif theirs != "bias":
            parts[name] = Part(source, convert=_reset_first)
        elif name.startswith("bias_hn"):  # of the states, inside the reset gate
            parts[name] = Part(source, lambda s: ((2, 3 * s[0]),), lambda b: b[1, 2 * (b.shape[1] // 3) :])
        else:
            parts[name] = Part(
                source, lambda s: ((2, s[0]),), lambda b: _summed_gates(_reset_first(b[0]), _reset_first(b[1]))
            )
    return parts


def _reset_first(gates: Tensor) -> Tensor:
    """Keras's gates of a GRU z, r, n in our order r, z, n."""
    update, reset, candidate = ops.split(gates, 3, axis=-1)
    return ops.concat([reset, update, candidate], axis=-1)


KERAS: dict[type[Module], Entry] = {
    Convolution: Entry(_keras_convolution),
    nn.Linear: fixed(weight=Part(("kernel",)), bias=Part(("bias",))),
    nn.Embedding: fixed(weight=Part(("embeddings",))),
    _Recurrent: Entry(_keras_recurrent),
    _BatchNorm: fixed(
        weight=Part(("gamma",)),
        bias=Part(("beta",)),
        running_mean=Part(("moving_mean",)),
        running_var=Part(("moving_variance",)),
    ),
    nn.LayerNorm: fixed(weight=Part(("gamma",)), bias=Part(("beta",))),
}


def entry_of(table: Mapping[type[Module], Entry], layer: Module) -> Entry:
    """The table's entry for a layer's class or its nearest base; of classes of your own the tensors come as they are.

    Raises
    ------
    ArgumentError
        If the layer is one of the library's that the table lacks and has matrices: their layout may differ.
    """
    for kind in type(layer).__mro__:
        if kind in table:
            return table[kind]
    if type(layer).__module__.startswith("tilegrad.") and any(tensor.ndim > 1 for _, tensor in own_tensors(layer)):
        raise _C.ArgumentError(
            f"how other libraries lay out the weights of {type(layer).__name__} is not known: give skip= its path, and "
            "fill it by hand"
        )
    return Entry(lambda found: {name: Part((name,)) for name, _ in own_tensors(found)})


def own_tensors(layer: Module) -> list[tuple[str, Tensor]]:
    """The parameters and buffers of the layer itself, by name."""
    return [
        (name, value)
        for name, value in vars(layer).items()
        if isinstance(value, nn.Parameter) or (name in layer._buffers and value is not None)
    ]
