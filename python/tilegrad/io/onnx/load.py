"""``tg.io.load_onnx``: an ONNX file as a module."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ... import _C
from ...errors import require

if TYPE_CHECKING:
    from .network import OnnxModel

__all__ = ["load_onnx"]


def load_onnx(path: str | os.PathLike[str], *, image_layout: str = "nchw") -> OnnxModel:
    """Read an ONNX file as a module that can be run, trained, moved to a GPU and captured.

    Initializers become parameters (running means and variances, and integers, buffers) under their names. Images lie
    [N, H, W, C] inside, where convolutions follow one another, whatever ``image_layout`` is.

    Parameters
    ----------
    path
        A file with a model of opset 7 or newer; tensors may lie in files beside it.
    image_layout : {"nchw", "nhwc"}
        How inputs and outputs of four axes are given: as in the file, or as images are here, with channels last.

    Returns
    -------
    OnnxModel
        A module whose inputs go by position or by name; it gives a tensor, or a dictionary by name of several.

    Raises
    ------
    OnnxError
        If the file is damaged, or has an operator, attribute, element type or opset that is not supported; tells the
        node. This happens here, before anything is computed.
    FileNotFoundError
        If there is no such file.
    MissingExtraError
        If the package ``onnx`` is not installed.

    See Also
    --------
    save_onnx

    Notes
    -----
    docs/onnx.md has the table of operators. Nothing in a file is trusted: sizes are compared with the bytes that are
    there, and external data outside of the model's folder are refused.

    Examples
    --------
    >>> import tilegrad as tg
    >>> tg.io.save_onnx(tg.nn.Linear(2, 3), "linear.onnx", 2)
    >>> model = tg.io.load_onnx("linear.onnx")
    >>> model(tg.ones((4, 2))).shape
    (4, 3)
    """
    require("onnx", "onnx", "load_onnx")
    if image_layout not in ("nchw", "nhwc"):
        raise _C.ArgumentError(f"load_onnx: image_layout must be 'nchw' or 'nhwc', found {image_layout!r}")
    from . import readers  # noqa: F401 - they put themselves into the table
    from .network import build
    from .read_graph import read_graph

    return build(read_graph(path), image_layout)
