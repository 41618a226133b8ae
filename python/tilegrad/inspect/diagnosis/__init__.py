"""What may be wrong with a training, found by looking and by trying."""

from __future__ import annotations

from .doctor import doctor
from .finding import DIAGNOSES, Finding, Findings

__all__ = ["DIAGNOSES", "Finding", "Findings", "doctor"]
