"""A language model of characters: an LSTM that tells the next one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _C, nn, ops
from .. import random as _random
from ..autograd import no_grad
from ..tensor import Tensor

__all__ = ["CharLSTM", "char_lstm"]

State = tuple[Tensor, Tensor]


@nn.register("models.CharLSTM")
class CharLSTM(nn.Module):
    """Indices of characters [N, T] to scores of the next one [N, T, V]; made by :func:`char_lstm`.

    Parameters
    ----------
    vocabulary, hidden_size, num_layers, embedding_dim, dropout
        As in :func:`char_lstm`.

    Attributes
    ----------
    vocabulary : str
        The V characters; a character's index is its place here.
    embedding : Embedding or None
        None where characters are one-hot.
    lstm : LSTM
    out : Linear

    Examples
    --------
    >>> import tilegrad as tg
    >>> model = tg.models.CharLSTM("abc ", hidden_size=8, num_layers=1, embedding_dim=None, dropout=0.0)
    >>> model.encode("cab")
    array([2, 0, 1])
    """

    embedding: nn.Embedding | None

    def __init__(
        self, vocabulary: str, hidden_size: int, num_layers: int, embedding_dim: int | None, dropout: float
    ) -> None:
        if len(vocabulary) < 2 or len(set(vocabulary)) != len(vocabulary):
            raise _C.ArgumentError(
                f"char_lstm: vocabulary must be at least two different characters, found {vocabulary!r}; those of a "
                'text are "".join(sorted(set(text)))'
            )
        self.vocabulary = vocabulary
        self._index = {character: index for index, character in enumerate(vocabulary)}
        self.embedding = None if embedding_dim is None else nn.Embedding(len(vocabulary), embedding_dim)
        inputs = len(vocabulary) if embedding_dim is None else embedding_dim
        self.lstm = nn.LSTM(inputs, hidden_size, num_layers, dropout=dropout if num_layers > 1 else 0.0)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(hidden_size, len(vocabulary))

    def encode(self, text: str) -> np.ndarray[Any, Any]:
        """The indices of a text's characters, int64 [T].

        Parameters
        ----------
        text
            Of T characters of the vocabulary.

        Returns
        -------
        numpy.ndarray
            int64 [T].

        Raises
        ------
        ArgumentError
            If a character is not in the vocabulary.
        """
        unknown = [character for character in text if character not in self._index]
        if unknown:
            raise _C.ArgumentError(
                f"char_lstm: {unknown[0]!r} (character {text.index(unknown[0])} of the text) is not in the vocabulary "
                f"of {len(self.vocabulary)}"
            )
        return np.array([self._index[character] for character in text], np.int64)

    def decode(self, indices: Sequence[int] | np.ndarray[Any, Any]) -> str:
        """The text of indices.

        Parameters
        ----------
        indices
            From 0 to V - 1: a sequence, an array or a tensor of one axis.

        Returns
        -------
        str
            A character for each.

        Raises
        ------
        OutOfRangeError
            If an index is not in the vocabulary.
        """
        numbers = [int(index) for index in indices]
        for position, number in enumerate(numbers):
            if not 0 <= number < len(self.vocabulary):
                raise _C.OutOfRangeError(
                    f"char_lstm: index {number} at position {position} is out of range for a vocabulary of "
                    f"{len(self.vocabulary)}"
                )
        return "".join(self.vocabulary[number] for number in numbers)

    def advance(self, indices: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """The scores after each of the characters, and the state after the last, to go on with.

        Parameters
        ----------
        indices
            [N, T] of int64, int32 or uint8, from 0 to V - 1.
        state
            (h, c), each [num_layers, N, hidden_size]; zeros if None.

        Returns
        -------
        tuple
            The scores of the next character [N, T, V], and (h, c) as ``state``. Gradients flow through both.

        Raises
        ------
        OutOfRangeError
            If an index is not in the vocabulary.
        """
        if self.embedding is not None:
            x = self.embedding(indices)
        else:
            x = ops.one_hot(indices, len(self.vocabulary), self.out.weight.dtype)
        y, state = self.lstm(x, state)
        return self.out(self.dropout(y)), state

    def forward(self, indices: Tensor) -> Tensor:
        """[N, T] to [N, T, V]."""
        return self.advance(indices)[0]

    def generate(
        self, prompt: str, length: int, temperature: float = 1.0, generator: _random.Generator | None = None
    ) -> str:
        """Text that goes on from ``prompt``: character after character, each drawn from the model's probabilities.

        Parameters
        ----------
        prompt
            At least one character.
        length
            How many characters follow.
        temperature
            What scores are divided by: below 1 the likely becomes more likely; at 0 the likeliest is always taken.
        generator
            By default the one that :func:`tilegrad.manual_seed` sets.

        Returns
        -------
        str
            The characters that follow, without the prompt.

        Raises
        ------
        ArgumentError
            If the prompt is empty or has an unknown character, or length or temperature are negative.
        """
        if not prompt:
            raise _C.ArgumentError("char_lstm: prompt must have at least one character to go on from")
        if length < 0 or not temperature >= 0:
            raise _C.ArgumentError(
                f"char_lstm: length and temperature must not be negative, found {length} and {temperature:g}"
            )
        modes = [(module, module.training) for module in self.modules()]
        self.eval()
        written: list[int] = []
        try:
            with no_grad():
                scores, state = self.advance(ops.tensor(self.encode(prompt)[None]))
                for _ in range(length):
                    written.append(self._draw(scores[0, -1], temperature, generator))
                    scores, state = self.advance(ops.tensor(np.array([written[-1:]], np.int64)), state)
        finally:
            for module, mode in modes:
                module.training = mode
        return self.decode(written)

    @staticmethod
    def _draw(scores: Tensor, temperature: float, generator: _random.Generator | None) -> int:
        if temperature == 0:
            return int(ops.argmax(scores).item())
        share = ops.softmax(scores.astype("float64") / temperature).numpy().cumsum()
        point = _random.rand(1, "float64", generator).item() * share[-1]
        return min(int(np.searchsorted(share, point, side="right")), len(share) - 1)


def char_lstm(
    vocabulary: str,
    hidden_size: int = 128,
    num_layers: int = 1,
    embedding_dim: int | None = None,
    dropout: float = 0.0,
) -> CharLSTM:
    """A language model of characters: one-hot characters or an embedding, an LSTM, and a dense layer.

    Parameters
    ----------
    vocabulary
        The characters that there are, each once, at least two: ``"".join(sorted(set(text)))``.
    hidden_size, num_layers
        Of the LSTM.
    embedding_dim
        The size of an embedding before the LSTM; None for one-hot characters.
    dropout
        Between the LSTM's layers and before the dense layer: the share set to zero while training, from 0 and below 1.

    Returns
    -------
    CharLSTM
        Takes indices [N, T] to scores of the next character [N, T, V]; ``encode`` and ``decode`` go between text and
        indices, ``generate`` writes.

    Raises
    ------
    ArgumentError
        If the vocabulary has one character or a repeated one, or a size or ``dropout`` is out of its range.

    Notes
    -----
    Source: Andrej Karpathy, The unreasonable effectiveness of recurrent neural networks, 2015.

    Examples
    --------
    >>> import tilegrad as tg
    >>> text = "to be or not to be"
    >>> model = tg.models.char_lstm("".join(sorted(set(text))), hidden_size=16)
    >>> model(tg.tensor(model.encode(text)[None])).shape
    (1, 18, 7)
    >>> len(model.generate("to", length=5))
    5
    """
    return CharLSTM(vocabulary, hidden_size, num_layers, embedding_dim, dropout)
