"""Multilayer perceptrons."""

from __future__ import annotations

from collections.abc import Sequence

from .. import nn
from .._C import ArgumentError

__all__ = ["mlp", "xor_net"]


def mlp(
    num_classes: int = 10,
    hidden: Sequence[int] = (256, 128),
    in_features: int | None = None,
    activation: str = "relu",
    dropout: float = 0.0,
) -> nn.Sequential:
    """Dense layers with activations between them; images are flattened.

    Parameters
    ----------
    num_classes
        The size of the output.
    hidden
        The sizes of the layers before it; none leaves one linear layer.
    in_features
        The values of a sample; None to infer them from the first input.
    activation : {"relu", "sigmoid", "tanh", "gelu"}
        After each hidden layer.
    dropout
        After each hidden layer: the share set to zero while training, from 0 and below 1.

    Returns
    -------
    Sequential
        Samples [N, ...] to logits [N, num_classes].

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.models.mlp(hidden=(50, 50)).summary((28, 28, 1)).total
    42310
    """
    if not isinstance(hidden, Sequence):
        raise ArgumentError(f"mlp: hidden must be a sequence of sizes, found {hidden!r:.60}")
    layers: list[nn.Module] = [nn.Flatten()]
    before = in_features
    for size in hidden:
        layers.append(nn.Linear(before, size, activation=activation))
        if dropout:
            layers.append(nn.Dropout(dropout))
        before = size
    return nn.Sequential(*layers, nn.Linear(before, num_classes))


def xor_net(hidden: int = 4) -> nn.Sequential:
    """Two layers for two inputs and one logit [N, 1]: what it takes to learn XOR, which no single layer can.

    Two hidden units are enough for XOR, but gradients may not find them from any start; four they find.

    Parameters
    ----------
    hidden
        The units of the first layer, whose activation is tanh.

    Returns
    -------
    Sequential
        [N, 2] to [N, 1], for :class:`tilegrad.nn.BCEWithLogitsLoss`.

    Notes
    -----
    D. Rumelhart, G. Hinton, R. Williams, Learning internal representations by error propagation, 1986.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.models.xor_net()(tg.zeros((4, 2))).shape
    (4, 1)
    """
    return nn.Sequential(nn.Linear(2, hidden, activation="tanh"), nn.Linear(hidden, 1))
