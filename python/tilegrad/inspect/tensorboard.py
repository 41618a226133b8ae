"""Event files for TensorBoard, written by tensorboardX (the extra ``tensorboard``)."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _C
from ..errors import require
from ..train.placement import on_host
from .statistics import Histogram, histogram

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .monitor import Monitor
    from .records import Inspection

__all__ = ["SummaryLog"]

NDArray = np.ndarray[Any, Any]


class SummaryLog:
    """Writes numbers, histograms, images and figures for TensorBoard.

    Parameters
    ----------
    folder
        Where the event file is made; ``tensorboard --logdir FOLDER`` shows it.

    Raises
    ------
    MissingExtraError
        If tensorboardX is not installed.

    Examples
    --------
    >>> import tilegrad as tg
    >>> with tg.inspect.SummaryLog("log") as log:  # doctest: +SKIP
    ...     log.scalar("loss", 0.5, step=0)
    ...     log.add_history(history)
    ...     log.add_monitor(monitor)
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        package = require("tensorboardX", "tensorboard", "SummaryLog")
        self.folder = os.fspath(folder)
        self._writer = package.SummaryWriter(self.folder)

    def scalar(self, name: str, value: float, step: int) -> None:
        """Write one number.

        Parameters
        ----------
        name
            Of the curve; what stands before a slash groups it with others.
        value
            A number, or a tensor of one; it need not be finite.
        step
            Where it is on the curve: a whole number.
        """
        self._writer.add_scalar(name, float(value), step)

    def scalars(self, values: Mapping[str, float], step: int, prefix: str = "") -> None:
        """Write several numbers of one step.

        Parameters
        ----------
        values
            By name.
        step
            As of :meth:`scalar`.
        prefix
            Put before each name: ``"train/"``.
        """
        for name, value in values.items():
            self.scalar(prefix + name, value, step)

    def histogram(self, name: str, values: Histogram | NDArray, step: int) -> None:
        """Write a histogram, or that of an array's values.

        Parameters
        ----------
        name, step
            As of :meth:`scalar`.
        values
            A :class:`Histogram`, or numbers of any shape (:func:`histogram`). Where none is finite nothing is written.
        """
        found = values if isinstance(values, Histogram) else histogram(np.asarray(values))
        count = sum(found.counts)
        if not count:
            return
        counts, edges = np.array(found.counts, np.float64), found.edges
        if found.high <= found.low:  # all values are equal; TensorBoard wants bins with a width
            width = max(abs(found.low), 1.0) * 1e-6
            edges = np.linspace(found.low - width, found.low + width, len(counts) + 1)
            counts = np.eye(len(counts))[len(counts) // 2] * count
        middles = (edges[1:] + edges[:-1]) / 2
        self._writer.add_histogram_raw(
            name,
            min=found.low,
            max=found.high,
            num=count,
            sum=float(counts @ middles),
            sum_squares=float(counts @ middles**2),
            bucket_limits=edges[1:].tolist(),
            bucket_counts=counts.tolist(),
            global_step=step,
        )

    def image(self, name: str, image: Any, step: int) -> None:
        """Write an image.

        Parameters
        ----------
        name, step
            As of :meth:`scalar`.
        image
            An array or tensor [H, W], [H, W, 1], [H, W, 3] or [H, W, 4]: uint8, or floats, of which 0 is black and 1
            white; what is beyond is cut off, and NaN is black.

        Raises
        ------
        ShapeError
            If it is of another form.
        """
        pixels = on_host(image) if isinstance(image, _C.TensorBase) else np.asarray(image)
        if pixels.ndim == 2:
            pixels = pixels[..., None]
        if pixels.ndim != 3 or pixels.shape[-1] not in (1, 3, 4):
            raise _C.ShapeError(f"SummaryLog.image: expected [H, W] or [H, W, 1, 3 or 4], found {list(pixels.shape)}")
        if pixels.dtype != np.uint8:
            pixels = (np.nan_to_num(np.clip(pixels, 0.0, 1.0)) * 255 + 0.5).astype(np.uint8)
        self._writer.add_image(name, np.ascontiguousarray(pixels), step, dataformats="HWC")

    def figure(self, name: str, figure: Figure, step: int) -> None:
        """Write a figure of Matplotlib as an image.

        Parameters
        ----------
        name, step
            As of :meth:`scalar`.
        figure
            Such as those that :func:`plot_curves` and its relatives return.
        """
        agg = require("matplotlib.backends.backend_agg", "plot", "SummaryLog.figure")
        canvas = agg.FigureCanvasAgg(figure)
        canvas.draw()
        self.image(name, np.asarray(canvas.buffer_rgba())[..., :3], step)

    def add_history(self, history: Mapping[str, Sequence[float]]) -> None:
        """Write what a fit returned, by epoch: ``NAME/training``, and ``val_NAME`` as ``NAME/validation``.

        Parameters
        ----------
        history
            A :class:`tilegrad.train.History`, or any mapping from names to one value per epoch. What is NaN is left
            out, but for ``"loss"``.
        """
        for name, values in history.items():
            base, kind = (name[4:], "validation") if name.startswith("val_") else (name, "training")
            for epoch, value in enumerate(values):
                if not math.isnan(value) or name == "loss":
                    self.scalar(f"{base}/{kind}", value, epoch)

    def add_inspection(self, inspection: Inspection) -> None:
        """Write one inspected step of a :class:`Monitor`: numbers by layer, histograms by parameter and layer.

        Parameters
        ----------
        inspection
            Its place on the curves is its ``step``.
        """
        step = inspection.step
        if inspection.loss is not None:
            self.scalar("inspected/loss", inspection.loss, step)
        for layer, statistics in inspection.layers().items():
            for name, value in statistics._asdict().items():
                if value is not None:
                    self.scalar(f"{name}/{layer}", value, step)
        for path, parameter in inspection.parameters.items():
            self.histogram(f"weights/{path}", parameter.weights, step)
            if parameter.gradients is not None:
                self.histogram(f"gradients/{path}", parameter.gradients, step)
        for layer, outputs in inspection.activations.items():
            self.histogram(f"outputs/{layer}", outputs.outputs, step)
            for name, value in (("dead", outputs.dead), ("saturated", outputs.saturated)):
                if value is not None:
                    self.scalar(f"{name}/{layer}", value, step)

    def add_monitor(self, monitor: Monitor) -> None:
        """Write all steps that a :class:`Monitor` has inspected.

        Parameters
        ----------
        monitor
            Of which ``inspections`` is written.
        """
        for inspection in monitor.inspections:
            self.add_inspection(inspection)

    def flush(self) -> None:
        """Have everything in the file."""
        self._writer.flush()

    def close(self) -> None:
        """Write the rest and close the file."""
        self._writer.close()

    def __enter__(self) -> SummaryLog:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()
