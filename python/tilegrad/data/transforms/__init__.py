"""Transforms of image batches: random ones for training, each with a form for evaluation.

Behind them is one native pass over a batch of uint8 images; see :class:`Compose`.
"""

from __future__ import annotations

from .affine import RandomAffine, RandomRotation, RandomShear, RandomShift
from .base import Compose, Transform
from .crops import CenterCrop, RandomCrop, RandomHorizontalFlip, RandomVerticalFlip
from .mixup import Mixup
from .pixels import ColorJitter, Cutout, Normalize, ToFloat
from .resizing import CenterResizedCrop, RandomResizedCrop, Resize

__all__ = [
    "CenterCrop",
    "CenterResizedCrop",
    "ColorJitter",
    "Compose",
    "Cutout",
    "Mixup",
    "Normalize",
    "RandomAffine",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomShear",
    "RandomShift",
    "RandomVerticalFlip",
    "Resize",
    "ToFloat",
    "Transform",
]
