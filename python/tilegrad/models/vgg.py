"""VGG: blocks of 3 x 3 convolutions, each block on images of half the size; and a small network in its manner."""

from __future__ import annotations

from collections.abc import Sequence

from .. import nn
from .._C import ArgumentError
from .image_model import ImageModel, check_classes
from .preprocessing import Preprocessing

__all__ = ["small_vgg", "vgg11", "vgg16", "vgg19"]

WIDTHS = (64, 128, 256, 512, 512)  # the channels of each block
HIDDEN = 4096  # the size of both dense layers before the last


def vgg11(
    num_classes: int = 1000, include_top: bool = True, batch_norm: bool = False, dropout: float = 0.5
) -> ImageModel:
    """VGG with 11 layers (configuration A): 132,863,336 parameters. See :func:`vgg16`.

    Parameters
    ----------
    num_classes, include_top, dropout
        As in :func:`vgg16`.
    batch_norm
        Whether batch normalisation follows each convolution (132,868,840 parameters).

    Returns
    -------
    ImageModel
        As of :func:`vgg16`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.models.vgg11(include_top=False)(tg.zeros((1, 32, 32, 3))).shape
    (1, 1, 1, 512)
    """
    return _vgg("vgg11", (1, 1, 2, 2, 2), num_classes, include_top, batch_norm, dropout)


def vgg16(
    num_classes: int = 1000, include_top: bool = True, batch_norm: bool = False, dropout: float = 0.5
) -> ImageModel:
    """VGG with 16 layers (configuration D) for images [N, 224, 224, 3]: 138,357,544 parameters.

    The names of parameters are torchvision's. Images of other sizes from 32 x 32 up are brought to 7 x 7 by averaging
    before the dense layers.

    Parameters
    ----------
    num_classes
        The size of the output.
    include_top
        Whether the dense layers follow; otherwise the output is [N, H // 32, W // 32, 512].
    batch_norm
        Whether batch normalisation follows each convolution (138,365,992 parameters).
    dropout
        After the first two dense layers: the share set to zero while training, from 0 and below 1.

    Returns
    -------
    ImageModel
        Images [N, H, W, 3] to logits [N, num_classes]; its weights are new ones.

    Notes
    -----
    K. Simonyan and A. Zisserman, Very deep convolutional networks for large-scale image recognition, 2015.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.models.vgg16(include_top=False, batch_norm=True)(tg.zeros((1, 64, 32, 3))).shape
    (1, 2, 1, 512)
    """
    return _vgg("vgg16", (2, 2, 3, 3, 3), num_classes, include_top, batch_norm, dropout)


def vgg19(
    num_classes: int = 1000, include_top: bool = True, batch_norm: bool = False, dropout: float = 0.5
) -> ImageModel:
    """VGG with 19 layers (configuration E): 143,667,240 parameters. See :func:`vgg16`.

    Parameters
    ----------
    num_classes, include_top, dropout
        As in :func:`vgg16`.
    batch_norm
        Whether batch normalisation follows each convolution (143,678,248 parameters).

    Returns
    -------
    ImageModel
        As of :func:`vgg16`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.models.vgg19(include_top=False)(tg.zeros((1, 32, 32, 3))).shape
    (1, 1, 1, 512)
    """
    return _vgg("vgg19", (2, 2, 4, 4, 4), num_classes, include_top, batch_norm, dropout)


def _vgg(
    name: str, depths: Sequence[int], num_classes: int, include_top: bool, batch_norm: bool, dropout: float
) -> ImageModel:
    features: dict[str, nn.Module] = {}
    place, before = 0, 3  # torchvision counts each activation as a layer
    for width, depth in zip(WIDTHS, depths, strict=True):
        for _ in range(depth):
            activation = None if batch_norm else "relu"
            features[str(place)] = nn.Conv2d(before, width, 3, padding=1, activation=activation)
            if batch_norm:
                features[str(place + 1)] = nn.BatchNorm2d(width, activation="relu")
            place, before = place + (3 if batch_norm else 2), width
        features[str(place)] = nn.MaxPool2d(2)
        place += 1
    parts: dict[str, nn.Module] = {"features": nn.Sequential(features)}
    if include_top:
        parts["avgpool"], parts["flatten"] = nn.AdaptiveAvgPool2d(7), nn.Flatten()
        parts["classifier"] = nn.Sequential(
            {
                "0": nn.Linear(512 * 7 * 7, HIDDEN, activation="relu"),
                "2": nn.Dropout(dropout),
                "3": nn.Linear(HIDDEN, HIDDEN, activation="relu"),
                "5": nn.Dropout(dropout),
                "6": nn.Linear(HIDDEN, check_classes(name, num_classes)),
            }
        )
    return ImageModel(parts, Preprocessing((224, 224), resize=256))


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
        After each block, from 0 and below 1; before the last layer twice as much, but at most 0.9.

    Returns
    -------
    Sequential
        Images [N, H, W, C], whose size the first input or ``build()`` tells, to logits [N, num_classes].

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.models.small_vgg(widths=(8, 16)).build((32, 32, 3))(tg.zeros((2, 32, 32, 3))).shape
    (2, 10)
    """
    if not isinstance(widths, Sequence):
        raise ArgumentError(f"small_vgg: widths must be a sequence of sizes, found {widths!r:.60}")
    layers: list[nn.Module] = []
    for width in widths:
        for _ in range(2):
            layers += [nn.Conv2d(None, width, 3, padding="same", bias=False), nn.BatchNorm2d(activation="relu")]
        layers += [nn.MaxPool2d(2), nn.Dropout(dropout)]
    layers += [nn.Flatten(), nn.Linear(None, hidden, activation="relu"), nn.Dropout(min(2 * dropout, 0.9))]
    return nn.Sequential(*layers, nn.Linear(hidden, num_classes))
