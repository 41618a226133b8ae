"""Layers and what they are made of."""

from __future__ import annotations

from .containers import ModuleDict, ModuleList, Sequential
from .module import Module
from .parameter import Parameter
from .registry import register

__all__ = ["Module", "ModuleDict", "ModuleList", "Parameter", "Sequential", "register"]
