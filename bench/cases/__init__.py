"""The cases, one family a module with a list ``CASES``; the order here is that of the report."""

from __future__ import annotations

import importlib

from bench.case import Case

FAMILIES = (
    "gemm",
    "convolution",
    "pooling",
    "attention",
    "normalisation",
    "elementwise",
    "reductions",
    "everyday",
    "losses",
    "optimizers",
    "training",
    "inference",
    "overhead",
    "footprint",
    "ops",
)


def of_family(family: str) -> list[Case]:
    """The family's cases. A worker imports only the families that it is asked for."""
    found: list[Case] = importlib.import_module(f"{__name__}.{family}").CASES
    return found


def find(family: str, name: str) -> Case:
    return next(case for case in of_family(family) if case.name == name)
