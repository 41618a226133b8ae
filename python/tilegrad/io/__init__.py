"""Model files: safetensors with the architecture and checksums in the metadata."""

from __future__ import annotations

from .model import load, save

__all__ = ["load", "save"]
