"""Model files (safetensors with the architecture and checksums in the metadata), and weights from other libraries."""

from __future__ import annotations

from .model import load, save
from .torch_checkpoint import read_torch_checkpoint
from .weights import load_keras, load_torch

__all__ = ["load", "load_keras", "load_torch", "read_torch_checkpoint", "save"]
