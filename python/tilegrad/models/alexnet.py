"""AlexNet."""

from __future__ import annotations

from .. import nn
from .image_model import ImageModel, check_classes
from .preprocessing import Preprocessing

__all__ = ["alexnet"]


def alexnet(num_classes: int = 1000, include_top: bool = True, dropout: float = 0.5) -> ImageModel:
    """AlexNet for images [N, 224, 224, 3]: five convolutions and three dense layers, 61,100,840 parameters.

    The form with fewer filters and without response normalisation, as torchvision has it; the names of parameters are
    torchvision's. Other sizes from 63 x 63 up are brought to 6 x 6 by averaging before the dense layers.

    Parameters
    ----------
    num_classes
        The size of the output.
    include_top
        Whether the dense layers follow; otherwise the output is [N, 6, 6, 256] for images of 224 x 224.
    dropout
        Before the first two dense layers: the share set to zero while training, from 0 and below 1.

    Returns
    -------
    ImageModel
        Images [N, H, W, 3] to logits [N, num_classes]; its weights are new ones.

    Notes
    -----
    A. Krizhevsky, One weird trick for parallelizing convolutional neural networks, 2014; after A. Krizhevsky,
    I. Sutskever, G. Hinton, ImageNet classification with deep convolutional neural networks, 2012.

    Examples
    --------
    >>> import tilegrad as tg
    >>> features = tg.models.alexnet(include_top=False)
    >>> features(tg.zeros((1, 224, 224, 3))).shape
    (1, 6, 6, 256)
    """
    features = nn.Sequential(
        {
            "0": nn.Conv2d(3, 64, 11, stride=4, padding=2, activation="relu"),
            "2": nn.MaxPool2d(3, 2),
            "3": nn.Conv2d(64, 192, 5, padding=2, activation="relu"),
            "5": nn.MaxPool2d(3, 2),
            "6": nn.Conv2d(192, 384, 3, padding=1, activation="relu"),
            "8": nn.Conv2d(384, 256, 3, padding=1, activation="relu"),
            "10": nn.Conv2d(256, 256, 3, padding=1, activation="relu"),
            "12": nn.MaxPool2d(3, 2),
        }
    )
    parts: dict[str, nn.Module] = {"features": features}
    if include_top:
        parts["avgpool"], parts["flatten"] = nn.AdaptiveAvgPool2d(6), nn.Flatten()
        parts["classifier"] = nn.Sequential(
            {
                "0": nn.Dropout(dropout),
                "1": nn.Linear(256 * 6 * 6, 4096, activation="relu"),
                "3": nn.Dropout(dropout),
                "4": nn.Linear(4096, 4096, activation="relu"),
                "6": nn.Linear(4096, check_classes("alexnet", num_classes)),
            }
        )
    return ImageModel(parts, Preprocessing((224, 224), resize=256))
