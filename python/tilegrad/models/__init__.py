"""Networks that are known by name, ready to be trained."""

from __future__ import annotations

from .lenet import lenet5
from .vgg import small_vgg

__all__ = ["lenet5", "small_vgg"]
