"""ResNet, for ImageNet's large images and for CIFAR's small ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import nn, ops
from ..tensor import Tensor
from .image_model import ImageModel, check_classes
from .preprocessing import Preprocessing

__all__ = [
    "resnet18", "resnet20", "resnet34", "resnet50", "resnet56", "resnet101", "resnet110", "resnet152",
]  # fmt: skip


@nn.register("models.PaddedShortcut")
class PaddedShortcut(nn.Module):
    """Every ``stride``-th pixel, and zeros for the new channels: a shortcut without parameters (option A)."""

    def __init__(self, new_channels: int, stride: int) -> None:
        self.new_channels, self.stride = new_channels, stride

    def forward(self, x: Tensor) -> Tensor:
        """[N, H, W, C] to [N, ceil(H / stride), ceil(W / stride), C + new_channels]."""
        before = self.new_channels // 2
        kept: Any = x[:, :: self.stride, :: self.stride]
        return ops.pad(kept, ((0, 0), (0, 0), (0, 0), (before, self.new_channels - before)))


class _Block(nn.Module):
    """What both blocks share: the convolutions' sum with the shortcut."""

    downsample: nn.Module | None

    def _shortcut(self, in_channels: int, out_channels: int, stride: int, padded: bool) -> None:
        self.downsample = None
        if stride != 1 or in_channels != out_channels:
            if padded:
                self.downsample = PaddedShortcut(out_channels - in_channels, stride)
            else:
                self.downsample = nn.Sequential(
                    nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
                )

    def _residual(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """[N, H, W, in_channels] to [N, ceil(H / stride), ceil(W / stride), C]."""
        shortcut: Tensor = x if self.downsample is None else self.downsample(x)
        return ops.add_relu(self._residual(x), shortcut)


@nn.register("models.BasicBlock")
class BasicBlock(_Block):
    """Two 3 x 3 convolutions around which a shortcut leads.

    Parameters
    ----------
    in_channels, channels
        Of the input and of both convolutions.
    stride
        Of the first convolution and of the shortcut.
    padded
        Whether the shortcut pads channels with zeros (option A) where it would project them (option B).
    """

    expansion = 1

    def __init__(self, in_channels: int, channels: int, stride: int = 1, padded: bool = False) -> None:
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels, activation="relu")
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self._shortcut(in_channels, channels, stride, padded)

    def _residual(self, x: Tensor) -> Tensor:
        y: Tensor = self.bn2(self.conv2(self.bn1(self.conv1(x))))
        return y


@nn.register("models.Bottleneck")
class Bottleneck(_Block):
    """1 x 1, 3 x 3 and 1 x 1 convolutions around which a shortcut leads; the output has 4 ``channels``.

    The stride is that of the 3 x 3 convolution, as in torchvision ("version 1.5").
    """

    expansion = 4

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels, activation="relu")
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels, activation="relu")
        self.conv3 = nn.Conv2d(channels, 4 * channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * channels)
        self._shortcut(in_channels, 4 * channels, stride, padded=False)

    def _residual(self, x: Tensor) -> Tensor:
        narrow = self.bn2(self.conv2(self.bn1(self.conv1(x))))
        y: Tensor = self.bn3(self.conv3(narrow))
        return y


def resnet18(num_classes: int = 1000, include_top: bool = True) -> ImageModel:
    """ResNet with 18 layers: 11,689,512 parameters. See :func:`resnet50`.

    Parameters
    ----------
    num_classes
        The size of the output.
    include_top
        As in :func:`resnet50`, with 512 channels where that has 2048.

    Returns
    -------
    ImageModel
        As of :func:`resnet50`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.models.resnet18(num_classes=10)(tg.zeros((2, 64, 64, 3))).shape
    (2, 10)
    """
    return _resnet("resnet18", BasicBlock, (2, 2, 2, 2), num_classes, include_top)


def resnet34(num_classes: int = 1000, include_top: bool = True) -> ImageModel:
    """ResNet with 34 layers: 21,797,672 parameters. See :func:`resnet50`.

    Parameters
    ----------
    num_classes
        The size of the output.
    include_top
        As in :func:`resnet50`, with 512 channels where that has 2048.

    Returns
    -------
    ImageModel
        As of :func:`resnet50`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.models.resnet34(include_top=False)(tg.zeros((1, 64, 64, 3))).shape
    (1, 2, 2, 512)
    """
    return _resnet("resnet34", BasicBlock, (3, 4, 6, 3), num_classes, include_top)


def resnet50(num_classes: int = 1000, include_top: bool = True) -> ImageModel:
    """ResNet with 50 layers for images [N, 224, 224, 3], or of another size from 33 x 33 up: 25,557,032 parameters.

    The names of parameters are torchvision's.

    Parameters
    ----------
    num_classes
        The size of the output.
    include_top
        Whether the mean over pixels and the dense layer follow; otherwise the output is [N, ceil(H / 32), ceil(W / 32),
        2048].

    Returns
    -------
    ImageModel
        Images [N, H, W, 3] to logits [N, num_classes]; its weights are new ones.

    Notes
    -----
    K. He, X. Zhang, S. Ren, J. Sun, Deep residual learning for image recognition, 2016.

    Examples
    --------
    >>> import tilegrad as tg
    >>> model = tg.models.resnet50(num_classes=10)
    >>> sum(p.size for p in model.parameters())
    23528522
    """
    return _resnet("resnet50", Bottleneck, (3, 4, 6, 3), num_classes, include_top)


def resnet101(num_classes: int = 1000, include_top: bool = True) -> ImageModel:
    """ResNet with 101 layers: 44,549,160 parameters. See :func:`resnet50`.

    Parameters
    ----------
    num_classes, include_top
        As in :func:`resnet50`.

    Returns
    -------
    ImageModel
        As of :func:`resnet50`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.models.resnet101(include_top=False)(tg.zeros((1, 64, 64, 3))).shape
    (1, 2, 2, 2048)
    """
    return _resnet("resnet101", Bottleneck, (3, 4, 23, 3), num_classes, include_top)


def resnet152(num_classes: int = 1000, include_top: bool = True) -> ImageModel:
    """ResNet with 152 layers: 60,192,808 parameters. See :func:`resnet50`.

    Parameters
    ----------
    num_classes, include_top
        As in :func:`resnet50`.

    Returns
    -------
    ImageModel
        As of :func:`resnet50`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.models.resnet152(include_top=False)(tg.zeros((1, 64, 64, 3))).shape
    (1, 2, 2, 2048)
    """
    return _resnet("resnet152", Bottleneck, (3, 8, 36, 3), num_classes, include_top)


def resnet20(num_classes: int = 10, include_top: bool = True) -> ImageModel:
    """ResNet with 20 layers for images [N, 32, 32, 3] such as CIFAR-10's: 269,722 parameters.

    Three stages of 16, 32 and 64 channels, with shortcuts that have no parameters (option A).

    Parameters
    ----------
    num_classes
        The size of the output.
    include_top
        Whether the mean over pixels and the dense layer follow; otherwise the output is [N, ceil(H / 4), ceil(W / 4),
        64].

    Returns
    -------
    ImageModel
        Images [N, H, W, 3] to logits [N, num_classes]; its weights are new ones.

    Notes
    -----
    Section 4.2 of K. He, X. Zhang, S. Ren, J. Sun, Deep residual learning for image recognition, 2016.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.models.resnet20().summary((32, 32, 3)).total
    269722
    """
    return _cifar_resnet("resnet20", 3, num_classes, include_top)


def resnet56(num_classes: int = 10, include_top: bool = True) -> ImageModel:
    """ResNet with 56 layers for small images: 853,018 parameters. See :func:`resnet20`.

    Parameters
    ----------
    num_classes, include_top
        As in :func:`resnet20`.

    Returns
    -------
    ImageModel
        As of :func:`resnet20`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.models.resnet56()(tg.zeros((1, 32, 32, 3))).shape
    (1, 10)
    """
    return _cifar_resnet("resnet56", 9, num_classes, include_top)


def resnet110(num_classes: int = 10, include_top: bool = True) -> ImageModel:
    """ResNet with 110 layers for small images: 1,727,962 parameters. See :func:`resnet20`.

    Parameters
    ----------
    num_classes, include_top
        As in :func:`resnet20`.

    Returns
    -------
    ImageModel
        As of :func:`resnet20`.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.models.resnet110()(tg.zeros((1, 32, 32, 3))).shape
    (1, 10)
    """
    return _cifar_resnet("resnet110", 18, num_classes, include_top)


def _resnet(
    name: str, block: type[BasicBlock | Bottleneck], depths: Sequence[int], num_classes: int, include_top: bool
) -> ImageModel:
    parts: dict[str, nn.Module] = {
        "conv1": nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False),
        "bn1": nn.BatchNorm2d(64, activation="relu"),
        "maxpool": nn.MaxPool2d(3, 2, padding=1),
    }
    before = 64
    for stage, depth in enumerate(depths):
        channels = 64 << stage
        blocks: list[nn.Module] = []
        for number in range(depth):
            blocks.append(block(before, channels, 2 if stage and number == 0 else 1))
            before = channels * block.expansion
        parts[f"layer{stage + 1}"] = nn.Sequential(*blocks)
    if include_top:
        parts["avgpool"], parts["fc"] = nn.GlobalAvgPool2d(), nn.Linear(before, check_classes(name, num_classes))
    return ImageModel(parts, Preprocessing((224, 224), resize=256))


def _cifar_resnet(name: str, depth: int, num_classes: int, include_top: bool) -> ImageModel:
    parts: dict[str, nn.Module] = {
        "conv1": nn.Conv2d(3, 16, 3, padding=1, bias=False),
        "bn1": nn.BatchNorm2d(16, activation="relu"),
    }
    before = 16
    for stage in range(3):
        channels = 16 << stage
        blocks = []
        for number in range(depth):
            blocks.append(BasicBlock(before, channels, 2 if stage and number == 0 else 1, padded=True))
            before = channels
        parts[f"layer{stage + 1}"] = nn.Sequential(*blocks)
    if include_top:
        parts["avgpool"], parts["fc"] = nn.GlobalAvgPool2d(), nn.Linear(before, check_classes(name, num_classes))
    # Mean and deviation of CIFAR-10's training images.
    return ImageModel(parts, Preprocessing((32, 32), mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616)))
