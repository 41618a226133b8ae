"""Small networks in the manner of VGG: blocks of 3 x 3 convolutions, each block on images of half the size."""

from __future__ import annotations

from collections.abc import Sequence

from .. import nn

__all__ = ["small_vgg"]


def small_vgg(
    num_classes: int = 10, widths: Sequence[int] = (32, 64, 128), hidden: int = 128, dropout: float = 0.25
) -> nn.Sequential:
    """Blocks of two convolutions with batch normalisation, then two dense layers; for small images such as CIFAR-10's.

    Parameters
    ----------
    num_classes
        The size of the output.
    widths
        The channels of each block; every block ends in 2 x 2 max pooling and dropout.
    hidden
        The size of the dense layer before the last.
    dropout
        After each block; twice as much before the last layer.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.models.small_vgg(widths=(8, 16)).build((32, 32, 3))(tg.zeros((2, 32, 32, 3))).shape
    (2, 10)
    """
    layers: list[nn.Module] = []
    for width in widths:
        for _ in range(2):
            layers += [nn.Conv2d(None, width, 3, padding="same", bias=False), nn.BatchNorm2d(activation="relu")]
        layers += [nn.MaxPool2d(2), nn.Dropout(dropout)]
    layers += [nn.Flatten(), nn.Linear(None, hidden, activation="relu"), nn.Dropout(min(2 * dropout, 0.9))]
    return nn.Sequential(*layers, nn.Linear(hidden, num_classes))
