"""Looking inside: what a model does while it learns, figures of it, and what may be wrong."""

from __future__ import annotations

from .figures import (
    plot_confusion,
    plot_curves,
    plot_feature_maps,
    plot_filters,
    plot_histograms,
    plot_misclassified,
    plot_most_activating,
    plot_series,
)
from .monitor import Monitor
from .overfit import Overfitting, overfitting
from .records import Inspection, LayerStatistics
from .statistics import ActivationStatistics, Histogram, ParameterStatistics, histogram
from .tensorboard import SummaryLog

__all__ = [
    "ActivationStatistics",
    "Histogram",
    "Inspection",
    "LayerStatistics",
    "Monitor",
    "Overfitting",
    "ParameterStatistics",
    "SummaryLog",
    "histogram",
    "overfitting",
    "plot_confusion",
    "plot_curves",
    "plot_feature_maps",
    "plot_filters",
    "plot_histograms",
    "plot_misclassified",
    "plot_most_activating",
    "plot_series",
]
