"""Linear models whose outputs are probabilities."""

from __future__ import annotations

from .. import nn

__all__ = ["logistic_regression", "softmax_regression"]


def logistic_regression(in_features: int | None = None) -> nn.Sequential:
    """Two classes, by one linear layer: the output [N, 1] is the logit of the second class.

    It is trained with :class:`tilegrad.nn.BCEWithLogitsLoss`; :func:`tilegrad.sigmoid` makes probabilities of it.

    Parameters
    ----------
    in_features
        The values of a sample; None to infer them from the first input.

    Returns
    -------
    Sequential
        Samples [N, ...], which are flattened, to logits [N, 1].

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.models.logistic_regression()(tg.zeros((5, 3))).shape
    (5, 1)
    """
    return nn.Sequential(nn.Flatten(), nn.Linear(in_features, 1))


def softmax_regression(num_classes: int = 10, in_features: int | None = None) -> nn.Sequential:
    """Several classes, by one linear layer: the output [N, num_classes] are logits.

    It is trained with :class:`tilegrad.nn.CrossEntropyLoss`; :func:`tilegrad.softmax` makes probabilities of it. Images
    are flattened.

    Parameters
    ----------
    num_classes
        The size of the output.
    in_features
        The values of a sample; None to infer them from the first input.

    Returns
    -------
    Sequential
        Samples [N, ...] to logits [N, num_classes].

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.models.softmax_regression().summary((28, 28, 1)).total
    7850
    """
    return nn.Sequential(nn.Flatten(), nn.Linear(in_features, num_classes))
