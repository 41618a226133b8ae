"""ONNX export: every layer and network against onnxruntime, what files look like, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import models, nn
from tilegrad.structure import tensors_in

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

F = Callable[[Any], Any]


def function(compute: F) -> nn.Module:
    return nn.Lambda(compute)


def drawn(shapes: list[tuple[int, ...]], dtype: str, batch: int) -> list[np.ndarray]:
    rng = np.random.default_rng(7)
    if dtype.startswith("float"):
        return [rng.standard_normal((batch, *shape)).astype(dtype) for shape in shapes]
    return [rng.integers(0, 2 if dtype == "bool" else 5, (batch, *shape)).astype(dtype) for shape in shapes]


def randomized(model: nn.Module) -> nn.Module:
    """With parameters and running statistics that are no zeros or ones."""
    for tensor in [*model.parameters(), *model.buffers()]:
        if tensor.dtype.is_floating and tensor.ndim == 1:
            with tg.no_grad():
                tensor.detach().add_(tg.rand(tensor.shape) * 0.5)
    return model


def compare(
    model: nn.Module, path: Path, shapes: list[tuple[int, ...]], dtype: str = "float32", batch: int = 5, **options: Any
) -> Any:
    """Exports, checks, and compares with onnxruntime, for a batch that was not traced; returns the file's model."""
    tg.io.save_onnx(model, path, shapes, dtypes=dtype, **options)
    written = onnx.load(path)
    onnx.checker.check_model(written, full_check=True)
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    inputs = drawn(shapes, dtype, batch)
    model.eval()
    with tg.no_grad():
        expected = [tensor.numpy() for tensor in tensors_in(model(*map(tg.tensor, inputs)))]
    first = options.get("image_layout", "nchw") == "nchw"
    given = {
        declared.name: x.transpose(0, 3, 1, 2) if first and x.ndim == 4 else x
        for declared, x in zip(session.get_inputs(), inputs, strict=True)
    }
    found = session.run(None, given)
    assert len(found) == len(expected)
    for ours, theirs in zip(expected, found, strict=True):
        theirs = theirs.transpose(0, 2, 3, 1) if first and theirs.ndim == 4 else theirs
        assert theirs.shape == ours.shape
        assert theirs.dtype == ours.dtype
        if ours.dtype.kind != "f":
            np.testing.assert_array_equal(ours, theirs)
        else:
            # Sums of at most some thousand products: epsilon times the root of their number, with a margin.
            scale = float(np.max(np.abs(ours), initial=1e-3))
            np.testing.assert_allclose(theirs, ours, rtol=0, atol=(1e-5 if ours.dtype == np.float32 else 1e-12) * scale)
    return written


def kinds(written: Any) -> list[str]:
    return [node.op_type for node in written.graph.node]


class Gated(nn.Module):
    def __init__(self, size: int) -> None:
        self.gates = nn.HardConcrete(size)

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        return x * self.gates()


class Joined(nn.Module):
    def __init__(self, join: nn.Module) -> None:
        self.join = join

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        return self.join(x, x * 2)


class Crossed(nn.Module):
    """Keys and values of other sizes than queries, and masks of both kinds."""

    def __init__(self) -> None:
        self.attention = nn.MultiheadAttention(4, 2, kdim=3, vdim=2, bias=False)

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        padding = tg.greater(x[:, :, 0], 1.0)
        mask = tg.tril(tg.ones((10, 10), "bool"))
        return self.attention(x, x[..., :3], x[..., 2:], mask=mask, key_padding_mask=padding)


IMAGE, WIDE, SEQUENCE, ROW = (9, 8, 4), (11, 13, 4), (10, 4), (12,)
ACTIVATIONS = [
    nn.ReLU(), nn.ReLU6(), nn.Sigmoid(), nn.Tanh(), nn.SiLU(), nn.GELU(), nn.GELU(approximate="tanh"), nn.ELU(0.7),
    nn.SELU(), nn.HardSigmoid(), nn.Hardswish(), nn.LeakyReLU(0.2), nn.LogSigmoid(), nn.LogSoftmax(), nn.Mish(),
    nn.Softmax(), nn.Softplus(), nn.Step(), nn.PReLU(), nn.PReLU(4),
]  # fmt: skip
LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(12, 5), ROW),
    "linear_no_bias": (lambda: nn.Linear(12, 5, bias=False), ROW),
    "linear_of_sequences": (lambda: nn.Linear(4, 5), SEQUENCE),
    "linear_of_images": (lambda: nn.Linear(4, 5), IMAGE),
    "conv": (lambda: nn.Conv2d(4, 6, 3), IMAGE),
    "conv_no_bias": (lambda: nn.Conv2d(4, 6, (2, 3), bias=False), IMAGE),
    "conv_same": (lambda: nn.Conv2d(4, 6, 3, padding="same"), IMAGE),
    "conv_same_stride": (lambda: nn.Conv2d(4, 6, 3, stride=2, padding="same"), IMAGE),
    "conv_asymmetric": (lambda: nn.Conv2d(4, 6, 3, stride=(2, 1), padding=((1, 0), (0, 2))), IMAGE),
    "conv_pair": (lambda: nn.Conv2d(4, 6, 3, padding=(2, 1)), IMAGE),
    "conv_dilated": (lambda: nn.Conv2d(4, 6, 3, padding=2, dilation=(2, 3)), WIDE),
    "conv_groups": (lambda: nn.Conv2d(4, 6, 3, groups=2), IMAGE),
    "conv_depthwise": (lambda: nn.Conv2d(4, 4, 3, groups=4, padding=1), IMAGE),
    "conv1d": (lambda: nn.Conv1d(4, 6, 3, stride=2, padding=1), SEQUENCE),
    "conv1d_causal": (lambda: nn.Conv1d(4, 6, 3, padding="causal", dilation=2), SEQUENCE),
    "transposed": (lambda: nn.ConvTranspose2d(4, 6, 3), IMAGE),
    "transposed_stride": (lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1), IMAGE),
    "transposed_same": (lambda: nn.ConvTranspose2d(4, 6, 4, stride=2, padding="same"), IMAGE),
    "transposed_groups": (lambda: nn.ConvTranspose2d(4, 6, 3, groups=2, dilation=2), IMAGE),
    "transposed_asymmetric": (lambda: nn.ConvTranspose2d(4, 6, 3, padding=((1, 0), (0, 2))), IMAGE),
    "transposed1d": (lambda: nn.ConvTranspose1d(4, 6, 3, stride=2), SEQUENCE),
    "max_pool": (lambda: nn.MaxPool2d(2), IMAGE),
    "max_pool_same": (lambda: nn.MaxPool2d(3, 2, "same"), IMAGE),
    "max_pool_ceil": (lambda: nn.MaxPool2d(3, 2, ceil_mode=True), (12, 8, 4)),
    "max_pool_ceil_padded": (lambda: nn.MaxPool2d(2, 3, 1, ceil_mode=True), (9, 8, 4)),
    "max_pool1d": (lambda: nn.MaxPool1d(3, 2), SEQUENCE),
    "avg_pool": (lambda: nn.AvgPool2d(2), IMAGE),
    "avg_pool_padded": (lambda: nn.AvgPool2d(3, 2, 1), IMAGE),
    "avg_pool_same": (lambda: nn.AvgPool2d(3, 2, "same"), IMAGE),
    "avg_pool_counted": (lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=True), IMAGE),
    "avg_pool_ceil": (lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True), (12, 8, 4)),
    "avg_pool_ceil_counted": (lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=True), (12, 8, 4)),
    "avg_pool1d": (lambda: nn.AvgPool1d(2), SEQUENCE),
    "adaptive_avg": (lambda: nn.AdaptiveAvgPool2d((3, 4)), IMAGE),
    "adaptive_avg_uneven": (lambda: nn.AdaptiveAvgPool2d((4, 3)), WIDE),
    "adaptive_avg_one": (lambda: nn.AdaptiveAvgPool2d(1), IMAGE),
    "adaptive_max_uneven": (lambda: nn.AdaptiveMaxPool2d((4, 3)), WIDE),
    "adaptive_max_one": (lambda: nn.AdaptiveMaxPool2d(1), IMAGE),
    "global_avg": (nn.GlobalAvgPool2d, IMAGE),
    "global_max": (nn.GlobalMaxPool2d, IMAGE),
    "global_avg1d": (nn.GlobalAvgPool1d, SEQUENCE),
    "global_max1d": (nn.GlobalMaxPool1d, SEQUENCE),
    "batch_norm": (lambda: nn.BatchNorm2d(4), IMAGE),
    "batch_norm_plain": (lambda: nn.BatchNorm2d(4, affine=False), IMAGE),
    "batch_norm_rows": (lambda: nn.BatchNorm1d(12), ROW),
    "batch_norm_sequences": (lambda: nn.BatchNorm1d(4), SEQUENCE),
    "layer_norm": (lambda: nn.LayerNorm(4), SEQUENCE),
    "layer_norm_axes": (lambda: nn.LayerNorm((10, 4)), SEQUENCE),
    "rms_norm": (lambda: nn.RMSNorm(4), SEQUENCE),
    "group_norm": (lambda: nn.GroupNorm(2, 4), IMAGE),
    "group_norm_rows": (lambda: nn.GroupNorm(3, 12), ROW),
    "instance_norm": (lambda: nn.InstanceNorm2d(4), IMAGE),
    "instance_norm1d": (lambda: nn.InstanceNorm1d(4, affine=True), SEQUENCE),
    "local_response": (lambda: nn.LocalResponseNorm(3), IMAGE),
    "local_response_even": (lambda: nn.LocalResponseNorm(2, alpha=0.5), IMAGE),
    "dropout": (lambda: nn.Sequential(nn.Linear(12, 5), nn.Dropout(0.5)), ROW),
    "dropout2d": (lambda: nn.Sequential(nn.Conv2d(4, 4, 1), nn.Dropout2d(0.5)), IMAGE),
    "alpha_dropout": (lambda: nn.Sequential(nn.Linear(12, 5), nn.AlphaDropout(0.5)), ROW),
    "rnn": (lambda: nn.RNN(4, 5, num_layers=2), SEQUENCE),
    "rnn_relu": (lambda: nn.RNN(4, 5, nonlinearity="relu", bias=False), SEQUENCE),
    "gru": (lambda: nn.GRU(4, 5, bidirectional=True), SEQUENCE),
    "gru_no_bias": (lambda: nn.GRU(4, 5, bias=False), SEQUENCE),
    "lstm": (lambda: nn.LSTM(4, 5, num_layers=2, bidirectional=True), SEQUENCE),
    "lstm_no_bias": (lambda: nn.LSTM(4, 5, bias=False), SEQUENCE),
    "lstm_cell": (lambda: nn.LSTMCell(12, 5), ROW),
    "attention": (lambda: nn.MultiheadAttention(4, 2), SEQUENCE),
    "transformer": (lambda: nn.TransformerEncoderLayer(4, 2, 8), SEQUENCE),
    "positions": (lambda: nn.PositionalEncoding(4), SEQUENCE),
    "upsample": (lambda: nn.Upsample(scale_factor=2), IMAGE),
    "upsample_bilinear": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), IMAGE),
    "upsample_fraction": (lambda: nn.Upsample(scale_factor=1.5), (8, 6, 4)),
    "upsample_size": (lambda: nn.Upsample(size=(7, 13), mode="bilinear"), IMAGE),
    "zero_pad": (lambda: nn.ZeroPad2d(((1, 0), (2, 3))), IMAGE),
    "cropping": (lambda: nn.Cropping2d(((1, 0), (2, 3))), IMAGE),
    "flatten": (lambda: nn.Sequential(nn.Conv2d(4, 2, 3), nn.Flatten(), nn.Linear(84, 3)), IMAGE),
    "reshape": (lambda: nn.Reshape((2, -1)), IMAGE),
    "permute": (lambda: nn.Permute((3, 1, 2)), IMAGE),
    "residual": (lambda: nn.Residual(nn.Conv2d(4, 4, 3, padding=1)), IMAGE),
    "maxout": (lambda: nn.Maxout(12, 4), ROW),
    "l0": (lambda: nn.L0Linear(12, 5), ROW),
    "hard_concrete": (lambda: nn.Sequential(nn.Linear(12, 5), Gated(5)), ROW),
    "rnn_cell": (lambda: nn.RNNCell(12, 5), ROW),
    "gru_cell": (lambda: nn.GRUCell(12, 5), ROW),
    "spatial_dropout": (lambda: nn.Sequential(nn.Conv2d(4, 4, 1), nn.SpatialDropout(0.5)), IMAGE),
    "add": (lambda: Joined(nn.Add("relu")), ROW),
    "concat": (lambda: Joined(nn.Concat(axis=-1)), IMAGE),
    "cross_attention": (Crossed, SEQUENCE),
    "identity": (nn.Identity, ROW),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str, tmp_path: Path) -> None:
    make, shape = LAYERS[name]
    tg.manual_seed(3)
    compare(randomized(make().build(shape)), tmp_path / "model.onnx", [shape])


def test_every_layer_is_here() -> None:
    found = {type(inner) for make, _ in LAYERS.values() for inner in make().modules()}
    found |= {type(layer) for layer in ACTIVATIONS} | {nn.Embedding, nn.Lambda}
    layers = {kind for kind in vars(nn).values() if isinstance(kind, type) and issubclass(kind, nn.Module)}
    losses = {kind for kind in layers if kind.__name__.endswith("Loss")}
    assert layers - losses - found == {nn.Module, nn.ModuleDict, nn.ModuleList}


@pytest.mark.parametrize("opset", [17, 18, 20, 21, 23])
@pytest.mark.parametrize("layer", ACTIVATIONS, ids=lambda layer: repr(layer).lower())
def test_activations(layer: nn.Module, opset: int, tmp_path: Path) -> None:
    compare(nn.Sequential(nn.Conv2d(4, 4, 1), layer).build(IMAGE), tmp_path / "model.onnx", [IMAGE], opset=opset)


@pytest.mark.parametrize("opset", [18, 21, 23])
@pytest.mark.parametrize(
    "name", ["adaptive_avg_uneven", "global_avg", "rms_norm", "group_norm", "upsample_size", "lstm", "zero_pad"]
)
def test_newer_opsets(name: str, opset: int, tmp_path: Path) -> None:
    """Where nodes changed: reductions, Resize, Pad."""
    make, shape = LAYERS[name]
    compare(make().build(shape), tmp_path / "model.onnx", [shape], opset=opset)


def of_two(compute: Callable[[Any, Any], Any]) -> nn.Module:
    return nn.Lambda(compute)


FUNCTIONS: dict[str, tuple[F, tuple[int, ...], str]] = {
    "arithmetic": (lambda x: (x * 2 + 1) / (x * x + 3) - 0.5, IMAGE, "float32"),
    "float64": (lambda x: tg.exp(x) - tg.sqrt(tg.abs(x)), ROW, "float64"),
    "broadcasting": (lambda x: x + tg.arange(4).astype("float32") * tg.ones((8, 1)), IMAGE, "float32"),
    "broadcasting_down": (lambda x: x - x.mean(axis=(1, 2), keepdims=True), IMAGE, "float32"),
    "broadcasting_ranks": (lambda x: tg.relu(x) * x[0], IMAGE, "float32"),
    "powers": (lambda x: tg.abs(x) ** 1.5 + x**2 + x**3 + tg.square(x), ROW, "float32"),
    "elementary": (lambda x: tg.log1p(tg.abs(x)) + tg.expm1(x) + tg.sin(x) * tg.cos(x) + tg.erf(x), ROW, "float32"),
    "roots": (lambda x: tg.rsqrt(tg.abs(x) + 1) + tg.reciprocal(tg.abs(x) + 1), ROW, "float32"),
    "rounding": (lambda x: tg.floor(x) + tg.ceil(x * 2) + tg.round(x * 3) + tg.sign(x), ROW, "float32"),
    "floor_divide": (lambda x: (x // 0.7, x % 0.7), ROW, "float32"),
    "integers": (lambda x: ((x - 2) // 2, (x - 2) % 3, x * 3 + 1), ROW, "int64"),
    "comparisons": (lambda x: (x > 0, x <= 0.5, x == x, x != 0.0), ROW, "float32"),
    "logic": (lambda x: (x > 0) & (x < 1) | ~(x > -1) ^ (x < 2), ROW, "float32"),
    "finite": (lambda x: (tg.isfinite(x / 0.0), tg.isnan(x * 0.0 / 0.0)), ROW, "float32"),
    "where": (lambda x: tg.where(x > 0, x, -1.0), IMAGE, "float32"),
    "clip": (lambda x: tg.clip(x, -0.5, 0.5) + tg.maximum(x, 0.1) + tg.minimum(x, x * 2), IMAGE, "float32"),
    "casts": (lambda x: (x.astype("int32"), (x > 0).astype("float32"), x.astype("float64")), ROW, "float32"),
    "sums": (lambda x: (x.sum(axis=(1, 2)), x.sum(axis=-1, keepdims=True), x.mean(axis=0)), IMAGE, "float32"),
    "extrema": (lambda x: (x.max(axis=3), x.min(axis=(1, 2)), tg.argmax(x, axis=-1)), IMAGE, "float32"),
    "argmin": (lambda x: tg.argmin(x), ROW, "float32"),
    "spread": (lambda x: (tg.var(x, axis=1), tg.std(x, axis=(1, 2), correction=1)), IMAGE, "float32"),
    "norms": (lambda x: (tg.norm(x, axis=1), tg.logsumexp(x, axis=-1), tg.prod(x, axis=1)), ROW, "float32"),
    "any": (lambda x: (tg.any(x > 1, axis=1), tg.all(x > -1, axis=-1)), IMAGE, "float32"),
    "count": (lambda x: tg.sum(x > 0, axis=1), ROW, "float32"),
    "cumsum": (lambda x: tg.cumsum(x, axis=2), IMAGE, "float32"),
    "sorted": (lambda x: (tg.sort(x, axis=1), tg.argsort(x, descending=True), *tg.topk(x, 3)), ROW, "float32"),
    "matmul": (lambda x: tg.matmul(x, tg.swapaxes(x, -1, -2)), SEQUENCE, "float32"),
    "einsum": (lambda x: tg.einsum("nlc,nmc->nlm", x, x), SEQUENCE, "float32"),
    "concat": (lambda x: tg.concat([x, tg.relu(x), x[..., :1]], axis=3), IMAGE, "float32"),
    "stack": (lambda x: tg.stack([x, x * 2], axis=1), IMAGE, "float32"),
    "split": (lambda x: tg.split(x, [1, 3], axis=-1), IMAGE, "float32"),
    "slices": (lambda x: (x[:, 1:-1, ::2], x[:, -1], x[..., 2], x[:, ::-1, None]), IMAGE, "float32"),
    "views": (lambda x: (tg.expand_dims(x, -1), tg.squeeze(x[:, :1], 1), tg.swapaxes(x, 1, 2)), IMAGE, "float32"),
    "flips": (lambda x: (tg.flip(x, 1), tg.roll(x, 2, 1)), IMAGE, "float32"),
    "pads": (lambda x: (tg.pad(x, ((0, 0), (1, 2), (0, 1), (0, 0)), value=2.0)), IMAGE, "float32"),
    "reflected": (lambda x: tg.pad(x, ((0, 0), (1, 2), (0, 1), (0, 0)), mode="reflect"), IMAGE, "float32"),
    "edge": (lambda x: tg.pad(x, ((0, 0), (3, 2)), mode="edge"), ROW, "float32"),
    "tiled": (lambda x: (tg.tile(x, (1, 2)), tg.repeat(x, 2, axis=1)), ROW, "float32"),
    "flat": (lambda x: x.reshape(x.shape[0], -1), IMAGE, "float32"),
    "batches_merged": (lambda x: tg.reshape(x, (-1, 4)) * 2, IMAGE, "float32"),
    "zeros_of_batch": (lambda x: tg.concat([x, tg.zeros((x.shape[0], 2))], axis=1), ROW, "float32"),
    "ones_like": (lambda x: x + tg.ones_like(x), IMAGE, "float32"),
    "broadcast_to": (lambda x: tg.broadcast_to(x[:, :1], x.shape), ROW, "float32"),
    "take": (lambda x: tg.take(x, tg.tensor([2, 0, 0]), axis=1), IMAGE, "float32"),
    "one_hot": (lambda x: tg.one_hot(x, 5), ROW, "int64"),
    "along": (lambda x: tg.take_along_axis(x, tg.argsort(x, axis=1), axis=1), ROW, "float32"),
    "triangles": (lambda x: (tg.tril(x), tg.triu(x, 1)), SEQUENCE, "float32"),
    "masked": (lambda x: tg.masked_fill(x, x > 0, 7.0), ROW, "float32"),
    "fused": (lambda x: tg.add_relu(tg.conv2d(x, tg.ones((1, 1, 4, 4)), activation="gelu"), x), IMAGE, "float32"),
    "cosine": (lambda x: tg.cosine_similarity(x, x * x + 1), ROW, "float32"),
    "moved": (lambda x: (tg.moveaxis(x, 1, -1), tg.transpose(x[0])), IMAGE, "float32"),
    "taken_apart": (lambda x: (*tg.unbind(x, 3), *tg.chunk(x, 2, 1)), IMAGE, "float32"),
    "outer": (lambda x: tg.outer(x[0], x[0]), ROW, "float32"),
    "gathered": (lambda x: (x[[0, 1]], x[:, tg.tensor([2, 0])], x[[0, 1], [1, 1]]), ROW, "float32"),
    "detached": (lambda x: x.detach() * 2, ROW, "float32"),
    "causal": (lambda x: tg.scaled_dot_product_attention(x, x, x, is_causal=True), SEQUENCE, "float32"),
    "masked_attention": (
        lambda x: tg.scaled_dot_product_attention(x, x, x, tg.tensor(np.eye(10) + np.eye(10, k=1) > 0)), SEQUENCE,
        "float32",
    ),
    "added_mask": (
        lambda x: tg.scaled_dot_product_attention(x, x, x, tg.eye(10)), SEQUENCE, "float32",
    ),
    "nothing_seen": (
        lambda x: tg.scaled_dot_product_attention(x, x, x, tg.zeros((10, 10), "bool")), SEQUENCE, "float32",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str, tmp_path: Path) -> None:
    compute, shape, dtype = FUNCTIONS[name]
    compare(function(compute), tmp_path / "model.onnx", [shape], dtype)


def test_embedding(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Embedding(5, 4), nn.GRU(4, 3))
    compare(model, tmp_path / "model.onnx", [(7,)], "int64")


def test_several_inputs_by_name(tmp_path: Path) -> None:
    model = nn.Lambda(lambda a, b: (a * b, a + 1))
    written = compare(
        model, tmp_path / "m.onnx", [IMAGE, (1, 8, 1)], input_names=["a", "b"], output_names=["product", "more"]
    )
    assert [i.name for i in written.graph.input] == ["a", "b"]
    assert [o.name for o in written.graph.output] == ["product", "more"]


def test_sequences_of_different_lengths(tmp_path: Path) -> None:
    class Last(nn.Module):
        def __init__(self) -> None:
            self.lstm = nn.LSTM(4, 3, bidirectional=True)

        def forward(self, x: tg.Tensor, lengths: tg.Tensor) -> Any:
            return self.lstm(x, lengths=lengths.reshape(-1))

    model, path = Last(), tmp_path / "model.onnx"
    tg.io.save_onnx(model, path, [(6, 4), (1,)], dtypes=["float32", "int64"])
    x, lengths = drawn([(6, 4)], "float32", 3)[0], np.array([[6], [2], [4]])
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(None, {"input_0": x, "input_1": lengths})
    for ours, theirs in zip(tensors_in(model(tg.tensor(x), tg.tensor(lengths))), found, strict=True):
        np.testing.assert_allclose(theirs, ours.detach().numpy(), rtol=0, atol=1e-6)


SMALL_MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "lenet5": (models.lenet5, (28, 28, 1)),
    "mlp": (lambda: models.mlp(3, (8, 8), 12), ROW),
    "xor_net": (models.xor_net, (2,)),
    "perceptron": (lambda: models.Perceptron(12), ROW),
    "logistic_regression": (lambda: models.logistic_regression(12), ROW),
    "softmax_regression": (lambda: models.softmax_regression(3, 12), ROW),
    "resnet20": (models.resnet20, (16, 16, 3)),
    "small_vgg": (models.small_vgg, (32, 32, 3)),
    "resnet18": (lambda: models.resnet18(num_classes=7), (64, 64, 3)),
    "resnet50": (lambda: models.resnet50(num_classes=7), (64, 64, 3)),
    "mobilenet_v2": (lambda: models.mobilenet_v2(num_classes=7), (64, 64, 3)),
    "densenet121": (lambda: models.densenet121(num_classes=7), (64, 64, 3)),
    "googlenet": (lambda: models.googlenet(num_classes=7), (64, 64, 3)),
    "inception_v3": (lambda: models.inception_v3(num_classes=7), (107, 107, 3)),
    "alexnet": (lambda: models.alexnet(include_top=False), (95, 95, 3)),
    "vgg11": (lambda: models.vgg11(include_top=False), (32, 32, 3)),
}


@pytest.mark.parametrize("name", SMALL_MODELS)
def test_models(name: str, tmp_path: Path) -> None:
    make, shape = SMALL_MODELS[name]
    tg.manual_seed(4)
    with highest_precision():
        written = compare(make().build(shape), tmp_path / "model.onnx", [shape], batch=4)
    assert kinds(written).count("Transpose") <= 1  # before a Flatten at most


def test_char_lstm(tmp_path: Path) -> None:
    compare(models.char_lstm("abcde"), tmp_path / "model.onnx", [(6,)], "int64")


class highest_precision:  # noqa: N801 - used like a function
    """Without Winograd's algorithm, whose rounding is larger (docs/numerics.md)."""

    def __enter__(self) -> None:
        tg.set_float32_precision("highest")

    def __exit__(self, *_: object) -> None:
        tg.set_float32_precision("high")


# What files look like.


def test_the_file_tells_what_it_is(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    written = compare(model, tmp_path / "model.onnx", [(6, 6, 3)])
    assert (written.producer_name, written.producer_version) == ("tilegrad", tg.__version__)
    assert written.opset_import[0].version == 17
    assert {i.name for i in written.graph.initializer} == {"0.weight", "0.bias"}
    assert [node.name for node in written.graph.node] == ["0/Conv", "1/Relu"]
    sizes = [d.dim_param or d.dim_value for d in written.graph.input[0].type.tensor_type.shape.dim]
    assert sizes == ["batch", 3, 6, 6]
    assert written.graph.value_info  # the shapes between


def test_layouts(tmp_path: Path) -> None:
    """Channels last on request: one transposition before the first convolution, and one behind the last."""
    model = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.Residual(nn.Conv2d(4, 4, 1)), nn.MaxPool2d(2))
    assert "Transpose" not in kinds(compare(model, tmp_path / "a.onnx", [IMAGE]))
    written = compare(model, tmp_path / "b.onnx", [IMAGE], image_layout="nhwc")
    assert kinds(written) == ["Transpose", "Conv", "Conv", "Add", "Relu", "MaxPool", "Transpose"]


def test_layouts_go_through_elementwise_functions(tmp_path: Path) -> None:
    def compute(x: Any) -> Any:
        y = tg.conv2d(x, tg.ones((1, 1, 4, 4)))
        gate = tg.sigmoid(y.mean(axis=(1, 2), keepdims=True))
        parts = tg.split(tg.concat([y * gate, tg.clip(y, 0, 1)], axis=3), 2, axis=-1)
        return tg.conv2d(parts[0][:, 1:] + parts[1][:, 1:] * tg.arange(4).astype("float32"), tg.ones((1, 1, 4, 2)))

    assert "Transpose" not in kinds(compare(function(compute), tmp_path / "model.onnx", [IMAGE]))


def test_fused_activations_are_nodes(tmp_path: Path) -> None:
    written = compare(
        function(lambda x: tg.conv2d(x, tg.ones((1, 1, 4, 4)), activation="relu")), tmp_path / "m.onnx", [IMAGE]
    )
    assert kinds(written) == ["Conv", "Relu"]


def test_one_sample(tmp_path: Path) -> None:
    written = compare(nn.Linear(12, 3), tmp_path / "m.onnx", [ROW], batch=1, dynamic_batch=False)
    assert written.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1


def test_shared_parameters_are_there_once(tmp_path: Path) -> None:
    layer = nn.Linear(12, 12)
    written = compare(nn.Sequential(layer, nn.ReLU(), layer), tmp_path / "m.onnx", [ROW])
    assert len(written.graph.initializer) == 2


def test_the_model_stays_as_it_was(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(None, 3), nn.Dropout(0.5), nn.BatchNorm1d(3))
    tg.io.save_onnx(model, tmp_path / "m.onnx", 12)
    assert model.training
    assert all(layer.training for layer in model)
    assert not any(layer._hooks or layer._pre_hooks for layer in model.modules())
    assert tg.relu(tg.tensor([-1.0])).tolist() == [0.0]
    assert type(tg._C.relu).__name__ == "builtin_function_or_method"


def test_an_output_that_is_an_input(tmp_path: Path) -> None:
    compare(nn.Lambda(lambda x: (x, x * 2, x)), tmp_path / "m.onnx", [ROW])


# Refusals: nothing is written.


def in_place(x: Any) -> Any:
    y = x * 2
    y += 1
    return y


def changed_constant(x: Any) -> Any:
    """Which would be written with its last value for both."""
    c = tg.ones(12)
    y = x + c
    c.fill_(2.0)
    return y + c


def assigned(x: Any) -> Any:
    y = x * 2
    y[:, 0] = x[:, 1]
    return y


REFUSED: dict[str, tuple[F, str]] = {
    "value": (lambda x: x * float(x.sum().item()), "looks at the value of a tensor"),
    "branch": (lambda x: x if x.sum() > 0 else -x, "looks at the value of a tensor"),
    "in_place": (in_place, "add_ cannot be written"),
    "constant_in_place": (changed_constant, "writes into a tensor that is there already"),
    "random": (lambda x: x + tg.randn(12), "draws random numbers"),
    "dropout": (lambda x: tg.dropout(x, 0.5, True), "draws random numbers"),
    "assignment": (assigned, "cannot be written"),
    "op": (lambda x: tg.diagonal(x @ tg.swapaxes(x, 0, 1)), "diagonal cannot be written.*docs/onnx.md"),
    "batch_sliced": (lambda x: x[1:], "dynamic_batch=False"),
    "batch_in_numbers": (lambda x: x * (1.0 / x.shape[0]), "number of samples"),
    "batch_branch": (lambda x: x + 1 if x.shape[0] == 2 else x, "something else for 3 samples"),
    "sorted_batch": (lambda x: tg.sort(x, axis=0), "sorts along the batch"),
    "loss": (lambda x: tg.cross_entropy(x, tg.zeros(x.shape[0], "int64")), "cross_entropy cannot be written"),
    "no_tensor": (lambda x: 3, "returns no tensor"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    compute, message = REFUSED[name]
    path = tmp_path / "model.onnx"
    with pytest.raises(tg.TilegradError, match=f"(?s){message}"):
        tg.io.save_onnx(nn.Sequential(function(compute)), path, 12)
    assert list(tmp_path.iterdir()) == []
    assert type(tg._C.relu).__name__ == "builtin_function_or_method"


def test_refusals_name_the_layer(tmp_path: Path) -> None:
    class Odd(nn.Module):
        def forward(self, x: tg.Tensor) -> tg.Tensor:
            return tg.diagonal(tg.reshape(x, (x.shape[0], 3, 4)), 0, 1, 2)

    model = nn.Sequential({"first": nn.Linear(12, 12), "odd": Odd()})
    with pytest.raises(tg.OnnxError, match=r"save_onnx: odd: diagonal cannot be written"):
        tg.io.save_onnx(model, tmp_path / "model.onnx", 12)


def test_a_failed_export_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"before")
    with pytest.raises(tg.OnnxError):
        tg.io.save_onnx(nn.Lambda(in_place), path, 12)
    assert path.read_bytes() == b"before"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"opset": 16}, "opset must be from 17"),
        ({"image_layout": "chw"}, "image_layout must be"),
        ({"dtypes": ["float32", "int64"]}, "1 inputs and 2 dtypes"),
        ({"input_names": ["a", "b"]}, "input_names must be 1"),
        ({"output_names": []}, "output_names must be 1"),
        ({"input_names": ["x"], "output_names": ["x"]}, "is an input's name"),
    ],
)
def test_wrong_arguments(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(tg.ArgumentError, match=message):
        tg.io.save_onnx(nn.Linear(12, 3), tmp_path / "model.onnx", 12, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "onnx", None)
    for call in (
        lambda: tg.io.save_onnx(nn.Linear(12, 3), tmp_path / "model.onnx", 12),
        lambda: tg.io.load_onnx(tmp_path / "model.onnx"),
    ):
        with pytest.raises(tg.MissingExtraError, match=r"tilegrad\[onnx\]"):
            call()
