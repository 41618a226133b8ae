"""Figures of models and runs, drawn by matplotlib (the extra ``plot``)."""

from __future__ import annotations

from .answers import plot_confusion, plot_misclassified
from .curves import plot_curves, plot_series
from .layers import plot_feature_maps, plot_filters, plot_most_activating
from .over_time import plot_histograms

__all__ = [
    "plot_confusion",
    "plot_curves",
    "plot_feature_maps",
    "plot_filters",
    "plot_histograms",
    "plot_misclassified",
    "plot_most_activating",
    "plot_series",
]
