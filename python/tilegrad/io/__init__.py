"""Model files (safetensors with the architecture and checksums in the metadata), ONNX, and weights from elsewhere."""

from __future__ import annotations

from .model import load, save
from .onnx import load_onnx, save_onnx
from .torch_checkpoint import read_torch_checkpoint
from .weights import load_keras, load_torch

__all__ = ["load", "load_keras", "load_onnx", "load_torch", "read_torch_checkpoint", "save", "save_onnx"]
