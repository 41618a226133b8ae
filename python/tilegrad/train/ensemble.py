"""Ensemble: several models that decide together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _C, ops
from ..io.state import read_state
from .evaluation import Evaluating, call
from .placement import device_of, on_device, on_host
from .predicting import batches_of_inputs
from .probabilities import to_probabilities

if TYPE_CHECKING:
    from ..nn.module import Module
    from ..tensor import Tensor
    from .checkpoint_folder import CheckpointFolder

__all__ = ["Ensemble"]

NDArray = np.ndarray[Any, Any]
_METHODS = ("mean", "vote", "confidence")


class Ensemble:
    """Classifiers that decide together; or regressors, whose outputs are averaged.

    Models that err differently, because they began with other weights, saw other samples or stopped at other times, are
    together better than one of them.

    Parameters
    ----------
    models
        Modules with outputs of one shape.
    method
        ``"mean"``: the class with the largest mean of the members' probabilities. ``"vote"``: the class that most
        members find most probable. ``"confidence"``: the same, where a vote counts as much as the probability that the
        member gives it. Ties are decided by the means of the probabilities.
    activation
        What makes probabilities of outputs: ``"softmax"``, ``"sigmoid"`` (one output, of class 1), ``"exp"`` or
        ``"identity"``.
    weights
        How much each member counts; all alike by default.

    Examples
    --------
    >>> import numpy as np, tilegrad as tg
    >>> models = [tg.nn.Sequential(tg.nn.Linear(2, 3)) for _ in range(3)]
    >>> ensemble = tg.train.Ensemble(models, "vote")
    >>> x = np.ones((5, 2), np.float32)
    >>> ensemble.predict(x).shape, ensemble.predict_proba(x).shape
    ((5,), (5, 3))
    """

    def __init__(
        self,
        models: Iterable[Module],
        method: str = "mean",
        activation: str = "softmax",
        weights: Sequence[float] | None = None,
    ) -> None:
        members = list(models)
        if not members:
            raise _C.ArgumentError("Ensemble: there are no models")
        self._set([partial(_outputs, model) for model in members], method, activation, weights)

    def _set(
        self,
        members: Sequence[Callable[[Any, int], NDArray]],
        method: str,
        activation: str,
        weights: Sequence[float] | None,
    ) -> None:
        if method not in _METHODS:
            raise _C.ArgumentError(
                f"Ensemble: method must be one of {', '.join(map(repr, _METHODS))}, found {method!r}"
            )
        shares = np.ones(len(members)) if weights is None else np.asarray(weights, np.float64)
        if shares.shape != (len(members),) or not (shares >= 0).all() or not 0 < shares.sum() < np.inf:
            raise _C.ArgumentError(
                f"Ensemble: weights must be {len(members)} numbers from 0, not all 0; found {weights!r}"
            )
        to_probabilities(ops.zeros((1, 1)), activation)  # raises for an unknown name
        self._members, self._shares = list(members), shares / shares.sum()
        self.method, self.activation = method, activation

    @classmethod
    def from_checkpoints(
        cls,
        folder: CheckpointFolder,
        model: Module,
        count: int | None = None,
        method: str = "mean",
        activation: str = "softmax",
        weights: Sequence[float] | None = None,
    ) -> Ensemble:
        """The newest states of one training as an ensemble: it costs no training at all.

        The states are read from the files when they are used, one after the other, into the one model, which has its
        own weights again afterwards.

        Source: Huang et al., "Snapshot ensembles: train 1, get M for free", ICLR 2017, with a cyclic learning rate.

        Parameters
        ----------
        folder
            Where :meth:`Trainer.fit` kept them: ``CheckpointFolder(run / "checkpoints", keep_last=5)``.
        model
            Of the architecture that was trained.
        count
            How many of the newest; all by default.
        method, activation, weights
            As of the class.

        Raises
        ------
        ArgumentError
            If there are fewer checkpoints.
        """
        paths = [checkpoint.path for checkpoint in folder.checkpoints()]
        if not paths or (count is not None and not 0 < count <= len(paths)):
            raise _C.ArgumentError(f"Ensemble: {folder.path} has {len(paths)} checkpoints, asked for {count or 'any'}")
        paths = paths if count is None else paths[-count:]
        ensemble = cls.__new__(cls)
        members = [partial(_outputs_of, model, path) for path in paths]
        ensemble._set(members, method, activation, weights)
        return ensemble

    def __len__(self) -> int:
        return len(self._members)

    def _probabilities(self, x: Any, batch_size: int) -> NDArray:
        """Of all members [M, N, C], in float64."""
        found = []
        for member in self._members:
            outputs = member(x, batch_size)
            probabilities = to_probabilities(ops.tensor(outputs), self.activation).numpy().astype(np.float64)
            if probabilities.ndim == 1:
                probabilities = probabilities[:, None]
            if probabilities.shape[-1] == 1:
                probabilities = np.concatenate([1 - probabilities, probabilities], axis=-1)
            found.append(probabilities)
        return np.stack(self._checked(found))

    def predict_proba(self, x: Any, batch_size: int = 256) -> Tensor:
        """The mean probabilities, or shares of the votes.

        Parameters
        ----------
        x, batch_size
            As of :meth:`Trainer.predict`.

        Returns
        -------
        Tensor
            float64 [N, C], with C = 2 for models with one output.

        Raises
        ------
        ShapeError
            If the members' outputs differ in shape, or there are no inputs.
        """
        return ops.tensor(self._decided(self._probabilities(x, batch_size)))

    def predict(self, x: Any, batch_size: int = 256) -> Tensor:
        """The decided classes.

        Parameters
        ----------
        x, batch_size
            As of :meth:`Trainer.predict`.

        Returns
        -------
        Tensor
            int64 [N].

        Raises
        ------
        ShapeError
            As of :meth:`predict_proba`.
        """
        probabilities = self._probabilities(x, batch_size)
        decided = self._decided(probabilities)
        best = decided >= decided.max(axis=-1, keepdims=True) * (1 - 1e-12)  # sums of votes are rounded
        means = np.einsum("m,mnc->nc", self._shares, probabilities)
        return ops.tensor(np.where(best, means, -1.0).argmax(axis=-1))

    def predict_mean(self, x: Any, batch_size: int = 256) -> Tensor:
        """The mean of the outputs as they are: the prediction of regressors.

        Parameters
        ----------
        x, batch_size
            As of :meth:`Trainer.predict`.

        Returns
        -------
        Tensor
            Of the shape and dtype of a member's outputs [N, ...], weighted by ``weights`` and summed in float64.

        Raises
        ------
        ShapeError
            As of :meth:`predict_proba`.
        """
        outputs = self._checked([member(x, batch_size) for member in self._members])
        mean = sum(share * output.astype(np.float64) for share, output in zip(self._shares, outputs, strict=True))
        return ops.tensor(np.asarray(mean, outputs[0].dtype))

    def _checked(self, outputs: list[NDArray]) -> list[NDArray]:
        """Outputs that can be averaged: of one shape."""
        for position, output in enumerate(outputs):
            if output.shape != outputs[0].shape:
                raise _C.ShapeError(
                    f"Ensemble: model {position} gives {list(output.shape)} and model 0 {list(outputs[0].shape)}, "
                    "expected one shape"
                )
        return outputs

    def _decided(self, probabilities: NDArray) -> NDArray:
        """What the method makes of the members' probabilities [M, N, C]: [N, C], with sums of 1."""
        if self.method == "mean":
            return np.asarray(np.einsum("m,mnc->nc", self._shares, probabilities))
        chosen = probabilities.argmax(axis=-1)
        votes = np.zeros_like(probabilities)
        strength = probabilities.max(axis=-1) if self.method == "confidence" else np.ones(chosen.shape)
        np.put_along_axis(votes, chosen[..., None], strength[..., None], axis=-1)
        total = np.einsum("m,mnc->nc", self._shares, votes)
        return np.asarray(total / total.sum(axis=-1, keepdims=True))


def _outputs(model: Module, x: Any, batch_size: int) -> NDArray:
    """A model's outputs, in evaluation mode."""
    device = device_of(model)
    with Evaluating(model):
        found = [
            on_host(call(model, on_device(inputs, device))) for inputs in batches_of_inputs("Ensemble", x, batch_size)
        ]
    if not found:
        raise _C.ShapeError("Ensemble: there are no inputs")
    return np.concatenate(found)


def _outputs_of(model: Module, path: Any, x: Any, batch_size: int) -> NDArray:
    """The outputs of a model with the weights of a checkpoint; it has its own again afterwards."""
    own = {name: _C.copy(tensor) for name, tensor in model.state_dict().items()}
    try:
        model.load_state_dict(read_state(path)["model"])
        return _outputs(model, x, batch_size)
    finally:
        model.load_state_dict(own)
