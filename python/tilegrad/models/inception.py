"""Inception-v3."""

from __future__ import annotations

from .. import nn, ops
from ..tensor import Tensor
from .conv_norm import ConvNorm
from .image_model import ImageModel, check_classes
from .preprocessing import Preprocessing

__all__ = ["inception_v3"]

ROW, COLUMN = ((1, 7), (0, 3)), ((7, 1), (3, 0))  # kernel and padding of the halves of a 7 x 7 convolution


def _mean3(x: Tensor) -> Tensor:
    """Means of 3 x 3 windows, in which zeros around the image count."""
    return ops.avg_pool2d(x, 3, 1, 1, count_include_pad=True)


@nn.register("models.InceptionA")
class InceptionA(nn.Module):
    """Paths of 1 x 1, 5 x 5, two 3 x 3 convolutions and pooling, for images of 35 x 35."""

    def __init__(self, in_channels: int, pooled: int) -> None:
        self.branch1x1 = ConvNorm(in_channels, 64)
        self.branch5x5_1 = ConvNorm(in_channels, 48)
        self.branch5x5_2 = ConvNorm(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = ConvNorm(in_channels, 64)
        self.branch3x3dbl_2 = ConvNorm(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = ConvNorm(96, 96, 3, padding=1)
        self.branch_pool = ConvNorm(in_channels, pooled)

    def forward(self, x: Tensor) -> Tensor:
        """[N, H, W, in_channels] to [N, H, W, 224 + pooled]."""
        wide = self.branch5x5_2(self.branch5x5_1(x))
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return ops.concat([self.branch1x1(x), wide, double, self.branch_pool(_mean3(x))], axis=3)


@nn.register("models.InceptionB")
class InceptionB(nn.Module):
    """Halves the image from 35 x 35: 3 x 3, two 3 x 3 convolutions and pooling."""

    def __init__(self, in_channels: int) -> None:
        self.branch3x3 = ConvNorm(in_channels, 384, 3, stride=2)
        self.branch3x3dbl_1 = ConvNorm(in_channels, 64)
        self.branch3x3dbl_2 = ConvNorm(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = ConvNorm(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """[N, H, W, in_channels] to [N, H / 2, W / 2, in_channels + 480]."""
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return ops.concat([self.branch3x3(x), double, ops.max_pool2d(x, 3, 2)], axis=3)


@nn.register("models.InceptionC")
class InceptionC(nn.Module):
    """Paths of 1 x 1, one and two 7 x 7 convolutions, split into 1 x 7 and 7 x 1, and pooling, for 17 x 17 pixels."""

    def __init__(self, in_channels: int, between: int) -> None:
        self.branch1x1 = ConvNorm(in_channels, 192)
        self.branch7x7_1 = ConvNorm(in_channels, between)
        self.branch7x7_2 = ConvNorm(between, between, ROW[0], padding=ROW[1])
        self.branch7x7_3 = ConvNorm(between, 192, COLUMN[0], padding=COLUMN[1])
        self.branch7x7dbl_1 = ConvNorm(in_channels, between)
        self.branch7x7dbl_2 = ConvNorm(between, between, COLUMN[0], padding=COLUMN[1])
        self.branch7x7dbl_3 = ConvNorm(between, between, ROW[0], padding=ROW[1])
        self.branch7x7dbl_4 = ConvNorm(between, between, COLUMN[0], padding=COLUMN[1])
        self.branch7x7dbl_5 = ConvNorm(between, 192, ROW[0], padding=ROW[1])
        self.branch_pool = ConvNorm(in_channels, 192)

    def forward(self, x: Tensor) -> Tensor:
        """[N, H, W, in_channels] to [N, H, W, 768]."""
        wide = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return ops.concat([self.branch1x1(x), wide, double, self.branch_pool(_mean3(x))], axis=3)


@nn.register("models.InceptionD")
class InceptionD(nn.Module):
    """Halves the image from 17 x 17: 3 x 3, 7 x 7 with 3 x 3 convolutions and pooling."""

    def __init__(self, in_channels: int) -> None:
        self.branch3x3_1 = ConvNorm(in_channels, 192)
        self.branch3x3_2 = ConvNorm(192, 320, 3, stride=2)
        self.branch7x7x3_1 = ConvNorm(in_channels, 192)
        self.branch7x7x3_2 = ConvNorm(192, 192, ROW[0], padding=ROW[1])
        self.branch7x7x3_3 = ConvNorm(192, 192, COLUMN[0], padding=COLUMN[1])
        self.branch7x7x3_4 = ConvNorm(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """[N, H, W, in_channels] to [N, H / 2, W / 2, in_channels + 512]."""
        wide = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return ops.concat([self.branch3x3_2(self.branch3x3_1(x)), wide, ops.max_pool2d(x, 3, 2)], axis=3)


@nn.register("models.InceptionE")
class InceptionE(nn.Module):
    """Paths of 1 x 1, one and two 3 x 3 convolutions that end in 1 x 3 beside 3 x 1, and pooling, for 8 x 8 pixels."""

    def __init__(self, in_channels: int) -> None:
        self.branch1x1 = ConvNorm(in_channels, 320)
        self.branch3x3_1 = ConvNorm(in_channels, 384)
        self.branch3x3_2a = ConvNorm(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3_2b = ConvNorm(384, 384, (3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = ConvNorm(in_channels, 448)
        self.branch3x3dbl_2 = ConvNorm(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = ConvNorm(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = ConvNorm(384, 384, (3, 1), padding=(1, 0))
        self.branch_pool = ConvNorm(in_channels, 192)

    def forward(self, x: Tensor) -> Tensor:
        """[N, H, W, in_channels] to [N, H, W, 2048]."""
        y = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        paths = [self.branch1x1(x), self.branch3x3_2a(y), self.branch3x3_2b(y)]
        paths += [self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double), self.branch_pool(_mean3(x))]
        return ops.concat(paths, axis=3)


@nn.register("models.InceptionHead")
class InceptionHead(nn.Module):
    """The auxiliary classifier: pooling, a 1 x 1 and a 5 x 5 convolution, the mean over pixels and a dense layer."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        self.pool = nn.AvgPool2d(5, 3)
        self.conv0 = ConvNorm(in_channels, 128)
        self.conv1 = ConvNorm(128, 768, 5)
        self.avgpool = nn.GlobalAvgPool2d()
        self.fc = nn.Linear(768, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """[N, H, W, in_channels] to [N, num_classes]."""
        y: Tensor = self.fc(self.avgpool(self.conv1(self.conv0(self.pool(x)))))
        return y


def inception_v3(
    num_classes: int = 1000, include_top: bool = True, aux_heads: bool = False, dropout: float = 0.5
) -> ImageModel:
    """Inception-v3 for images [N, 299, 299, 3], or of another size from 75 x 75 up: 23,834,568 parameters.

    As torchvision has it, with the same names of parameters.

    Parameters
    ----------
    num_classes
        The size of the output.
    include_top
        Whether the mean over pixels and the dense layer follow; otherwise the output is [N, 8, 8, 2048] for images of
        299 x 299.
    aux_heads
        Whether another classifier sees the middle of the network while it is trained (27,161,264 parameters). The
        output is an :class:`Outputs` then; :class:`AuxiliaryLoss` takes it. It needs batches of two images and more,
        because it normalises over the batch what is one pixel of each.
    dropout
        Before the last layer: the share set to zero while training, from 0 and below 1.

    Returns
    -------
    ImageModel
        Images [N, H, W, 3] to logits [N, num_classes]; its weights are new ones. With ``aux_heads``, to
        :class:`Outputs` of such while it is trained.

    Notes
    -----
    C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna, Rethinking the Inception architecture for computer vision,
    2016.

    Examples
    --------
    >>> import tilegrad as tg
    >>> model = tg.models.inception_v3(num_classes=10)
    >>> model.eval()(tg.zeros((1, 75, 75, 3))).shape
    (1, 10)
    """
    classes = check_classes("inception_v3", num_classes)
    parts: dict[str, nn.Module] = {
        "Conv2d_1a_3x3": ConvNorm(3, 32, 3, stride=2),
        "Conv2d_2a_3x3": ConvNorm(32, 32, 3),
        "Conv2d_2b_3x3": ConvNorm(32, 64, 3, padding=1),
        "maxpool1": nn.MaxPool2d(3, 2),
        "Conv2d_3b_1x1": ConvNorm(64, 80),
        "Conv2d_4a_3x3": ConvNorm(80, 192, 3),
        "maxpool2": nn.MaxPool2d(3, 2),
        "Mixed_5b": InceptionA(192, 32),
        "Mixed_5c": InceptionA(256, 64),
        "Mixed_5d": InceptionA(288, 64),
        "Mixed_6a": InceptionB(288),
        "Mixed_6b": InceptionC(768, 128),
        "Mixed_6c": InceptionC(768, 160),
        "Mixed_6d": InceptionC(768, 160),
        "Mixed_6e": InceptionC(768, 192),
        "Mixed_7a": InceptionD(768),
        "Mixed_7b": InceptionE(1280),
        "Mixed_7c": InceptionE(2048),
    }
    if include_top:
        parts |= {"avgpool": nn.GlobalAvgPool2d(), "dropout": nn.Dropout(dropout), "fc": nn.Linear(2048, classes)}
    heads = {}
    if aux_heads:
        parts["AuxLogits"], heads = InceptionHead(768, classes), {"Mixed_6e": "AuxLogits"}
    # torchvision's weights expect values from -1 to 1.
    return ImageModel(parts, Preprocessing((299, 299), 342, mean=(0.5,) * 3, std=(0.5,) * 3), heads)
