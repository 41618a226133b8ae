"""MobileNet-v2."""

from __future__ import annotations

from .. import nn, ops
from ..tensor import Tensor
from .image_model import ImageModel, check_classes
from .preprocessing import Preprocessing

__all__ = ["mobilenet_v2"]


@nn.register("models.ConvNormReLU6")
class ConvNormReLU6(nn.Sequential):
    """A convolution without bias, batch normalisation, and the rest between 0 and 6."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(
            nn.Conv2d(
                in_channels, out_channels, kernel_size, stride, (kernel_size - 1) // 2, groups=groups, bias=False
            ),
            nn.BatchNorm2d(out_channels),
            nn.ReLU6(),
        )


@nn.register("models.InvertedResidual")
class InvertedResidual(nn.Module):
    """A depthwise convolution between two of 1 x 1, the first to ``expansion`` times as many channels.

    A shortcut leads around them where input and output have the same shape.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int) -> None:
        between = in_channels * expansion
        layers: list[nn.Module] = [ConvNormReLU6(in_channels, between, 1)] if expansion != 1 else []
        layers += [
            ConvNormReLU6(between, between, 3, stride, groups=between),
            nn.Conv2d(between, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        ]
        self.conv = nn.Sequential(*layers)
        self._has_shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """[N, H, W, in_channels] to [N, ceil(H / stride), ceil(W / stride), out_channels]."""
        y: Tensor = self.conv(x)
        return ops.add(x, y) if self._has_shortcut else y


# expansion, channels, blocks, stride of the first
STAGES = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip


def mobilenet_v2(num_classes: int = 1000, include_top: bool = True, dropout: float = 0.2) -> ImageModel:
    """MobileNet-v2 for images [N, 224, 224, 3], or of any other size: 3,504,872 parameters.

    As torchvision has it, with the same names of parameters.

    Parameters
    ----------
    num_classes
        The size of the output.
    include_top
        Whether the mean over pixels and the dense layer follow; otherwise the output is [N, ceil(H / 32), ceil(W / 32),
        1280].
    dropout
        Before the last layer: the share set to zero while training, from 0 and below 1.

    Returns
    -------
    ImageModel
        Images [N, H, W, 3] to logits [N, num_classes]; its weights are new ones.

    Notes
    -----
    M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen, MobileNetV2: inverted residuals and linear bottlenecks,
    2018.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.models.mobilenet_v2(num_classes=10)(tg.zeros((2, 64, 64, 3))).shape
    (2, 10)
    """
    layers: list[nn.Module] = [ConvNormReLU6(3, 32, 3, stride=2)]
    before = 32
    for expansion, channels, depth, stride in STAGES:
        for number in range(depth):
            layers.append(InvertedResidual(before, channels, stride if number == 0 else 1, expansion))
            before = channels
    layers.append(ConvNormReLU6(before, 1280, 1))
    parts: dict[str, nn.Module] = {"features": nn.Sequential(*layers)}
    if include_top:
        parts["avgpool"] = nn.GlobalAvgPool2d()
        parts["classifier"] = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(1280, check_classes("mobilenet_v2", num_classes))
        )
    return ImageModel(parts, Preprocessing((224, 224), resize=256))
