"""Networks that are known by name, ready to be trained."""

from __future__ import annotations

from .char_lstm import CharLSTM, char_lstm
from .lenet import lenet5
from .vgg import small_vgg

__all__ = ["CharLSTM", "char_lstm", "lenet5", "small_vgg"]
