"""ONNX files: a model of ours written as one, and one read as a module of ours."""

from __future__ import annotations

from .load import load_onnx
from .save import save_onnx

__all__ = ["load_onnx", "save_onnx"]
