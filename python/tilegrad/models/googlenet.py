"""GoogLeNet, the first Inception network."""

from __future__ import annotations

from typing import Any

from .. import nn, ops
from ..tensor import Tensor
from .conv_norm import ConvNorm
from .image_model import ImageModel, check_classes
from .preprocessing import Preprocessing

__all__ = ["googlenet"]


@nn.register("models.Inception")
class Inception(nn.Module):
    """Four paths beside each other, joined along the channels: 1 x 1, two of 3 x 3, and pooling.

    Parameters
    ----------
    in_channels
        Of the input.
    single
        Of the path with one 1 x 1 convolution.
    double, second
        Of the 1 x 1 and the 3 x 3 convolution of the two paths with both. (The second one is 5 x 5 in the paper;
        torchvision's weights are of 3 x 3.)
    pooled
        Of the 1 x 1 convolution after the pooling.
    """

    def __init__(
        self, in_channels: int, single: int, double: tuple[int, int], second: tuple[int, int], pooled: int
    ) -> None:
        self.branch1 = ConvNorm(in_channels, single)
        self.branch2 = _reduced(in_channels, *double)
        self.branch3 = _reduced(in_channels, *second)
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, padding=1), ConvNorm(in_channels, pooled))

    def forward(self, x: Tensor) -> Tensor:
        """[N, H, W, in_channels] to [N, H, W, C]."""
        return ops.concat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], axis=3)


def _reduced(in_channels: int, between: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(ConvNorm(in_channels, between), ConvNorm(between, out_channels, 3, padding=1))


@nn.register("models.GoogLeNetHead")
class GoogLeNetHead(nn.Module):
    """An auxiliary classifier: means of 4 x 4 windows, a 1 x 1 convolution and two dense layers."""

    def __init__(self, in_channels: int, num_classes: int, dropout: float = 0.7) -> None:
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.conv = ConvNorm(in_channels, 128)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(128 * 4 * 4, 1024, activation="relu")
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(1024, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """[N, H, W, in_channels] to [N, num_classes]."""
        hidden = self.fc1(self.flatten(self.conv(self.pool(x))))
        y: Tensor = self.fc2(self.dropout(hidden))
        return y


BLOCKS: dict[str, Any] = {
    "inception3a": (192, 64, (96, 128), (16, 32), 32),
    "inception3b": (256, 128, (128, 192), (32, 96), 64),
    "maxpool3": 3,
    "inception4a": (480, 192, (96, 208), (16, 48), 64),
    "inception4b": (512, 160, (112, 224), (24, 64), 64),
    "inception4c": (512, 128, (128, 256), (24, 64), 64),
    "inception4d": (512, 112, (144, 288), (32, 64), 64),
    "inception4e": (528, 256, (160, 320), (32, 128), 128),
    "maxpool4": 2,
    "inception5a": (832, 256, (160, 320), (32, 128), 128),
    "inception5b": (832, 384, (192, 384), (48, 128), 128),
}


def googlenet(
    num_classes: int = 1000,
    include_top: bool = True,
    aux_heads: bool = False,
    dropout: float = 0.2,
    aux_dropout: float = 0.7,
) -> ImageModel:
    """GoogLeNet with batch normalisation, for images [N, 224, 224, 3]: 6,624,904 parameters.

    As torchvision has it, with the same names of parameters; images of other sizes from 15 x 15 up are taken too.

    Parameters
    ----------
    num_classes
        The size of the output.
    include_top
        Whether the mean over pixels and the dense layer follow; otherwise the output is [N, H / 32, W / 32, 1024] for
        sizes that 32 divides.
    aux_heads
        Whether two more classifiers see the middle of the network while it is trained (13,004,888 parameters). The
        output is an :class:`Outputs` then; :class:`AuxiliaryLoss` takes it.
    dropout, aux_dropout
        Before the last layer of the network and of those heads: the share set to zero while training, from 0 and below
        1.

    Returns
    -------
    ImageModel
        Images [N, H, W, 3] to logits [N, num_classes]; its weights are new ones. With ``aux_heads``, to
        :class:`Outputs` of such while it is trained.

    Notes
    -----
    C. Szegedy et al., Going deeper with convolutions, 2015.

    Examples
    --------
    >>> import tilegrad as tg
    >>> model = tg.models.googlenet(num_classes=10)
    >>> model.eval()(tg.zeros((1, 64, 64, 3))).shape
    (1, 10)
    """
    classes = check_classes("googlenet", num_classes)
    parts: dict[str, nn.Module] = {
        "conv1": ConvNorm(3, 64, 7, stride=2, padding=3),
        "maxpool1": nn.MaxPool2d(3, 2, ceil_mode=True),
        "conv2": ConvNorm(64, 64),
        "conv3": ConvNorm(64, 192, 3, padding=1),
        "maxpool2": nn.MaxPool2d(3, 2, ceil_mode=True),
    }
    for name, sizes in BLOCKS.items():
        parts[name] = Inception(*sizes) if isinstance(sizes, tuple) else nn.MaxPool2d(sizes, 2, ceil_mode=True)
    heads = {}
    if include_top:
        parts |= {"avgpool": nn.GlobalAvgPool2d(), "dropout": nn.Dropout(dropout), "fc": nn.Linear(1024, classes)}
    if aux_heads:
        heads = {"inception4a": "aux1", "inception4d": "aux2"}
        parts |= {"aux1": GoogLeNetHead(512, classes, aux_dropout), "aux2": GoogLeNetHead(528, classes, aux_dropout)}
    # torchvision's weights expect values from -1 to 1.
    return ImageModel(parts, Preprocessing((224, 224), 256, mean=(0.5,) * 3, std=(0.5,) * 3), heads)
