"""Looking inside: what a model does while it learns, figures of it, and what may be wrong."""

from __future__ import annotations

from .diagnosis import DIAGNOSES, Finding, Findings, doctor
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
from .page import report
from .records import Inspection, LayerStatistics
from .statistics import ActivationStatistics, Histogram, ParameterStatistics, histogram
from .tensorboard import SummaryLog

__all__ = [
    "DIAGNOSES",
    "ActivationStatistics",
    "Finding",
    "Findings",
    "Histogram",
    "Inspection",
    "LayerStatistics",
    "Monitor",
    "Overfitting",
    "ParameterStatistics",
    "SummaryLog",
    "doctor",
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
    "report",
]
