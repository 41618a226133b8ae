"""DenseNet."""

from __future__ import annotations

from .. import nn, ops
from ..tensor import Tensor
from .image_model import ImageModel, check_classes
from .preprocessing import Preprocessing

__all__ = ["densenet121"]


@nn.register("models.DenseLayer")
class DenseLayer(nn.Module):
    """Normalisation, ReLU and convolution, of 1 x 1 to 4 ``growth`` channels and of 3 x 3 to ``growth`` channels."""

    def __init__(self, in_channels: int, growth: int, dropout: float = 0.0) -> None:
        self.norm1 = nn.BatchNorm2d(in_channels, activation="relu")
        self.conv1 = nn.Conv2d(in_channels, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth, activation="relu")
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[N, H, W, in_channels] to [N, H, W, growth]."""
        y: Tensor = self.dropout(self.conv2(self.norm2(self.conv1(self.norm1(x)))))
        return y


@nn.register("models.DenseBlock")
class DenseBlock(nn.Module):
    """Layers each of which sees the block's input and what all layers before it gave, along the channels."""

    def __init__(self, in_channels: int, depth: int, growth: int, dropout: float = 0.0) -> None:
        for number in range(depth):
            layer = DenseLayer(in_channels + number * growth, growth, dropout)
            setattr(self, f"denselayer{number + 1}", layer)

    def forward(self, x: Tensor) -> Tensor:
        """[N, H, W, in_channels] to [N, H, W, in_channels + depth * growth]."""
        for _, layer in self.named_children():
            x = ops.concat([x, layer(x)], axis=3)
        return x


def densenet121(num_classes: int = 1000, include_top: bool = True, dropout: float = 0.0) -> ImageModel:
    """DenseNet with 121 layers for images [N, 224, 224, 3], or of another size from 29 x 29 up: 7,978,856 parameters.

    As torchvision has it, with the same names of parameters.

    Parameters
    ----------
    num_classes
        The size of the output.
    include_top
        Whether the mean over pixels and the dense layer follow; otherwise the output is [N, ceil(H / 4) // 8,
        ceil(W / 4) // 8, 1024].
    dropout
        After each layer of the blocks: the share set to zero while training, from 0 and below 1.

    Returns
    -------
    ImageModel
        Images [N, H, W, 3] to logits [N, num_classes]; its weights are new ones.

    Notes
    -----
    G. Huang, Z. Liu, L. van der Maaten, K. Weinberger, Densely connected convolutional networks, 2017.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.models.densenet121(num_classes=10)(tg.zeros((2, 64, 64, 3))).shape
    (2, 10)
    """
    growth, channels = 32, 64
    features: dict[str, nn.Module] = {
        "conv0": nn.Conv2d(3, channels, 7, stride=2, padding=3, bias=False),
        "norm0": nn.BatchNorm2d(channels, activation="relu"),
        "pool0": nn.MaxPool2d(3, 2, padding=1),
    }
    depths = (6, 12, 24, 16)
    for block, depth in enumerate(depths, start=1):
        features[f"denseblock{block}"] = DenseBlock(channels, depth, growth, dropout)
        channels += depth * growth
        if block < len(depths):
            features[f"transition{block}"] = nn.Sequential(
                {
                    "norm": nn.BatchNorm2d(channels, activation="relu"),
                    "conv": nn.Conv2d(channels, channels // 2, 1, bias=False),
                    "pool": nn.AvgPool2d(2),
                }
            )
            channels //= 2
    features["norm5"] = nn.BatchNorm2d(channels, activation="relu")
    parts: dict[str, nn.Module] = {"features": nn.Sequential(features)}
    if include_top:
        parts["avgpool"] = nn.GlobalAvgPool2d()
        parts["classifier"] = nn.Linear(channels, check_classes("densenet121", num_classes))
    return ImageModel(parts, Preprocessing((224, 224), resize=256))
