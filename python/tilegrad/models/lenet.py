"""LeNet-5."""

from __future__ import annotations

from collections import OrderedDict

from .. import nn

__all__ = ["lenet5"]


def lenet5(num_classes: int = 10) -> nn.Sequential:
    """LeNet-5 for images [N, 28, 28, C], with ReLU and max pooling.

    Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-based learning applied to document recognition, 1998.

    Parameters
    ----------
    num_classes
        The size of the output.

    Returns
    -------
    Sequential
        Images [N, H, W, C], whose size the first input or ``build()`` tells, to logits [N, num_classes].

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.models.lenet5().summary((28, 28, 1)).total
    61706
    """
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(None, 6, 5, padding="same", activation="relu"),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(6, 16, 5, activation="relu"),
            pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            fc1=nn.Linear(None, 120, activation="relu"),
            fc2=nn.Linear(120, 84, activation="relu"),
            fc3=nn.Linear(84, num_classes),
        )
    )
