"""ONNX import: the onnx package's own node tests, files of other programs, round trips, and what is refused."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn
from tilegrad.errors import OnnxError
from tilegrad.structure import tensors_in

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed, with which exports are compared")

from . import onnx_node_tests  # noqa: E402
from .test_onnx_export import ACTIVATIONS, FUNCTIONS, IMAGE, LAYERS, SMALL_MODELS, drawn, randomized  # noqa: E402

helper = onnx.helper
FLOAT, INT64 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64

# How many of the package's node tests pass, by its version.
PASSED = {(1, 23): 1001}


@pytest.fixture(scope="module")
def node_tests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return onnx_node_tests.outcomes(tmp_path_factory.mktemp("nodes"))


def test_node_tests_pass_or_are_refused(node_tests: dict[str, str]) -> None:
    """None gives other numbers, and none fails while it runs."""
    kinds = Counter(text.split(":")[0] for text in node_tests.values())
    bad = {name: text for name, text in node_tests.items() if text.split(":")[0] not in ("passed", "refused")}
    assert not bad
    version = tuple(map(int, onnx.__version__.split(".")[:2]))
    assert kinds["passed"] == PASSED[version] if version in PASSED else kinds["passed"] > 700


def test_every_operator_passes_a_node_test(node_tests: dict[str, str]) -> None:
    from tilegrad.io.onnx.reader import READERS

    tested = set()
    for case in onnx_node_tests.cases():
        if node_tests.get(case.name) == "passed":
            tested |= onnx_node_tests.operators(case)
    assert set(READERS) - tested == set()


def test_the_page_lists_every_operator() -> None:
    from tilegrad.io.onnx.reader import READERS

    page = (Path(__file__).parents[1] / "docs" / "onnx.md").read_text()
    table = page.split("| operators |")[1].split("\n\n")[0]
    assert set(re.findall(r"\b[A-Z]\w+", table)) == set(READERS)


def test_mnist_8(data_folder: Path) -> None:
    """A network that CNTK trained and wrote: the outputs that came with it, and its accuracy."""
    folder = data_folder / "models" / "mnist-8"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    model = tg.io.load_onnx(folder / "model.onnx")
    for case in sorted(folder.glob("test_data_set_*")):
        given, expected = (
            onnx.numpy_helper.to_array(onnx.TensorProto.FromString((case / name).read_bytes()))
            for name in ("input_0.pb", "output_0.pb")
        )
        found = model(tg.tensor(given.copy())).detach().numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max())
    images, labels = tg.data.MNIST(data_folder / "mnist", train=False)[:10000]
    predict = tg.compile_for_inference(model)
    pixels = np.asarray(images, np.float32).reshape(-1, 1, 1, 28, 28)
    right = sum(int(predict(tg.tensor(x)).numpy().argmax()) == int(y) for x, y in zip(pixels, labels, strict=True))
    assert abs(right / len(pixels) - 0.9891) < 5e-4  # what onnxruntime gets


def round_trip(model: nn.Module, path: Path, shapes: list[tuple[int, ...]], dtype: str = "float32") -> None:
    tg.io.save_onnx(model, path, shapes, dtypes=dtype, image_layout="nhwc")
    read = tg.io.load_onnx(path)
    inputs = [tg.tensor(x) for x in drawn(shapes, dtype, 5)]
    model.eval()
    with tg.no_grad():
        pairs = zip(tensors_in(model(*inputs)), tensors_in(read(*inputs)), strict=True)
        for before, after in pairs:
            assert after.dtype == before.dtype
            assert after.shape == before.shape
            ours = before.numpy()
            scale = float(np.max(np.abs(ours), initial=1e-3)) if ours.dtype.kind == "f" else 0
            eps = 1e-5 if ours.dtype == np.float32 else 1e-12
            np.testing.assert_allclose(after.numpy(), ours, rtol=0, atol=eps * scale)


@pytest.mark.parametrize("name", LAYERS)
def test_layers_come_back(name: str, tmp_path: Path) -> None:
    make, shape = LAYERS[name]
    round_trip(randomized(make().build(shape)), tmp_path / "model.onnx", [shape])


@pytest.mark.parametrize("layer", ACTIVATIONS, ids=lambda layer: repr(layer).lower())
def test_activations_come_back(layer: nn.Module, tmp_path: Path) -> None:
    round_trip(nn.Sequential(nn.Conv2d(4, 4, 1), layer).build(IMAGE), tmp_path / "model.onnx", [IMAGE])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_come_back(name: str, tmp_path: Path) -> None:
    compute, shape, dtype = FUNCTIONS[name]
    round_trip(nn.Lambda(compute), tmp_path / "model.onnx", [shape], dtype)


@pytest.mark.parametrize("name", ["lenet5", "resnet20", "mobilenet_v2", "googlenet"])
def test_models_come_back(name: str, tmp_path: Path) -> None:
    make, shape = SMALL_MODELS[name]
    round_trip(make().build(shape), tmp_path / "model.onnx", [shape])


# What one can do with a model that was read.


@pytest.fixture
def network(tmp_path: Path) -> tuple[nn.Module, Any, tg.Tensor]:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 5)
    ).build((8, 8, 3))
    tg.io.save_onnx(model, tmp_path / "model.onnx", (8, 8, 3))
    read = tg.io.load_onnx(tmp_path / "model.onnx", image_layout="nhwc")
    return model.eval(), read, tg.randn((6, 8, 8, 3))


def test_parameters_are_ours(network: tuple[nn.Module, Any, tg.Tensor]) -> None:
    """By name, by shape (convolutions lie as ours do), and statistics are not trained."""
    model, read, _ = network
    assert {n: p.shape for n, p in read.named_parameters()} == {n: p.shape for n, p in model.named_parameters()}
    assert {n for n, _ in read.named_buffers()} == {"1.running_mean", "1.running_var"}
    state = model.state_dict()
    for name, value in read.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), state[name].numpy())
    read.load_state_dict({name: value * 2 for name, value in read.state_dict().items()})


def test_training(network: tuple[nn.Module, Any, tg.Tensor]) -> None:
    _, read, x = network
    y = tg.tensor([0, 1, 2, 3, 4, 0])
    optimizer = tg.optim.Adam(read.parameters(), lr=0.01)

    @tg.capture
    def step(x: tg.Tensor, y: tg.Tensor) -> tg.Tensor:
        optimizer.zero_grad()
        loss = tg.cross_entropy(read(x), y)
        loss.backward()
        optimizer.step()
        return loss

    losses = [step(x, y).item() for _ in range(30)]
    assert losses[-1] < 0.2 * losses[0]
    assert step.programs == 1


def test_gradients_are_those_of_the_model(network: tuple[nn.Module, Any, tg.Tensor]) -> None:
    model, read, x = network
    for each in (model, read):
        tg.sum(tg.square(each(x))).backward()
    theirs = dict(read.named_parameters())
    for name, parameter in model.named_parameters():
        expected = parameter.grad.numpy()
        np.testing.assert_allclose(theirs[name].grad.numpy(), expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_in_another_dtype(network: tuple[nn.Module, Any, tg.Tensor]) -> None:
    model, read, x = network
    found = read.to("float64")(x.astype("float64"))
    np.testing.assert_allclose(found.detach().numpy(), model(x).detach().numpy(), rtol=0, atol=1e-5)
    with pytest.raises(tg.DTypeError, match="must be float64, found float32"):
        read(x)


def test_captured_and_compiled(network: tuple[nn.Module, Any, tg.Tensor]) -> None:
    model, read, x = network
    with tg.no_grad():
        expected = model(x).numpy()
    np.testing.assert_allclose(tg.capture(read)(x).numpy(), expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(tg.compile_for_inference(read)(x).numpy(), expected, rtol=0, atol=1e-5)


def test_batch_normalisation_is_folded_and_nothing_is_transposed(network: tuple[nn.Module, Any, tg.Tensor]) -> None:
    """Images stay [N, H, W, C] from the first convolution to the flattening."""
    _, read, x = network
    predict = tg.compile_for_inference(read)
    predict(x)
    (kernels,) = predict.kernels()
    assert [kernel for kernel in kernels if "batch_norm" in kernel] == []
    assert len([kernel for kernel in kernels if "copy" in kernel]) <= 1  # before Flatten, which takes channels first


def test_residual_blocks_cost_what_ours_do(tmp_path: Path) -> None:
    """The same kernels as the model that was written."""
    model = nn.Sequential(nn.Residual(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)))).build(IMAGE)
    tg.io.save_onnx(model, tmp_path / "model.onnx", IMAGE)
    x = tg.tensor(drawn([IMAGE], "float32", 2)[0])
    found = []
    for each in (model, tg.io.load_onnx(tmp_path / "model.onnx", image_layout="nhwc")):
        predict = tg.compile_for_inference(each)
        found.append((predict(x).numpy(), predict.kernels()))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]


def test_inputs_and_outputs_by_name(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    tg.io.save_onnx(
        nn.Lambda(lambda a, b: (a - b, a * b)), path, [(3,), (3,)], input_names=["a", "b"], output_names=["d", "p"]
    )
    model = tg.io.load_onnx(path)
    assert (model.input_names, model.output_names) == (("a", "b"), ("d", "p"))
    a, b = tg.tensor([[3.0, 2.0, 1.0]]), tg.tensor([[1.0, 1.0, 1.0]])
    for found in (model(a, b), model(a, b=b), model(b=b, a=a)):
        assert list(found) == ["d", "p"]
        assert found["d"].tolist() == [[2.0, 1.0, 0.0]]


def test_copies_have_parameters_of_their_own(network: tuple[nn.Module, Any, tg.Tensor]) -> None:
    import copy

    _, read, x = network
    other = copy.deepcopy(read)
    with tg.no_grad():
        before = read(x).numpy()
        next(iter(other.parameters())).fill_(0.0)
        assert not np.array_equal(other(x).numpy(), before)
        np.testing.assert_array_equal(read(x).numpy(), before)


def test_what_pytorch_writes(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")

    class Net(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.BatchNorm2d(4)
            self.lstm, self.out = torch.nn.LSTM(16, 6, batch_first=True, bidirectional=True), torch.nn.Linear(12, 5)

        def forward(self, x: Any) -> Any:
            x = torch.nn.functional.max_pool2d(torch.relu(self.norm(self.conv(x))), 2)
            x = torch.nn.functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
            x = torch.nn.functional.avg_pool2d(x, 2)
            x, _ = self.lstm(x.flatten(2).view(x.size(0), -1, 16))
            return torch.softmax(self.out(torch.nn.functional.gelu(x[:, -1])), -1)

    torch.manual_seed(0)
    net, path = Net().eval(), tmp_path / "model.onnx"
    x = torch.randn(3, 3, 8, 8)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(net, (x,), str(path), dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "N"}})
    except Exception as error:
        pytest.skip(f"torch.onnx.export does not work here: {error}")
    model = tg.io.load_onnx(path)
    for batch in (x, torch.randn(5, 3, 8, 8)):
        expected = net(batch).detach().numpy()
        found = model(tg.tensor(batch.numpy()))
        np.testing.assert_allclose(found.detach().numpy(), expected, rtol=0, atol=1e-5)
        np.testing.assert_array_equal(tg.capture(model)(tg.tensor(batch.numpy())).numpy(), found.detach().numpy())


# Refusals, all of them before anything runs.


def write(
    path: Path,
    nodes: list[Any],
    inputs: dict[str, tuple[int, list[Any]]] | None = None,
    initializers: list[Any] = (),  # type: ignore[assignment]
    outputs: tuple[str, ...] = ("y",),
    opset: int = 21,
    **more: Any,
) -> Path:
    """A model without any check."""
    inputs = {"x": (FLOAT, ["N", 4])} if inputs is None else inputs
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs],
        list(initializers),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], **more)
    path.write_bytes(model.SerializeToString())
    return path


def node(op_type: str, inputs: str = "x", outputs: str = "y", **attributes: Any) -> Any:
    return helper.make_node(op_type, inputs.split(), outputs.split(), name="the_node", **attributes)


IMAGES = {"x": (FLOAT, ["N", 3, 8, 8])}
REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "operator": (node("NonMaxSuppression", "x x"), {}, r"'the_node' \(NonMaxSuppression\): the operator is not"),
    "domain": (node("Gelu", domain="com.microsoft"), {}, "domain 'com.microsoft'"),
    "attribute": (node("Relu", slope=1.0), {}, "attribute 'slope' is not supported"),
    "kind of attribute": (node("LeakyRelu", alpha=1), {}, "'alpha' is of the wrong kind"),
    "value of attribute": (node("Pad", "x", mode="mirror", pads=[0] * 4), {"opset": 10}, "mode='mirror'"),
    "lacking attribute": (node("Concat", "x x"), {}, "lacks the attribute 'axis'"),
    "graph attribute": (
        node("If", then_branch=helper.make_graph([], "t", [], []), else_branch=helper.make_graph([], "e", [], [])), {},
        "the operator is not supported",
    ),
    "dtype": (node("Relu"), {"inputs": {"x": (onnx.TensorProto.INT16, [4])}}, "INT16 is not supported"),
    "dtype of operator": (node("Relu"), {"inputs": {"x": (INT64, [4])}}, r"\(Relu\): 'x' is of int64"),
    "half precision": (
        node("Relu"), {"inputs": {"x": (onnx.TensorProto.FLOAT16, [4])}}, "convert the model to float32",
    ),
    "cast": (node("Cast", to=onnx.TensorProto.INT8), {}, "INT8 is not supported"),
    "old opset": (node("Relu"), {"opset": 6}, "opset must be from 7"),
    "new opset": (node("Relu"), {"opset": 999}, "opset must be from 7"),
    "operator newer than the opset": (node("Gelu"), {"opset": 19}, "opset 19 has no such operator"),
    "outputs": (node("MaxPool", "x", "y i", kernel_shape=[2, 2]), {"inputs": IMAGES}, "the first 1 of its outputs"),
    "too many inputs": (node("Relu", "x x"), {}, "takes 1 to 1 inputs, found 2"),
    "no input": (helper.make_node("Relu", [""], ["y"], name="the_node"), {}, "needs its first 1 inputs"),
    "unknown input": (node("Relu", "z"), {}, "'z' is made by nothing before it"),
    "output twice": (node("Relu", "x", "x"), {"outputs": ("x",)}, "'x' is there already"),
    "unknown output": (node("Relu"), {"outputs": ("z",)}, "'z' is made by no node"),
    "volumes": (node("MaxPool", kernel_shape=[2, 2, 2]), {"inputs": {"x": (FLOAT, [1, 1, 4, 4, 4])}}, "3 spatial axes"),
    "dilated pooling": (node("MaxPool", kernel_shape=[2, 2], dilations=[2, 2]), {"inputs": IMAGES}, "dilations other"),
    "padding": (node("MaxPool", kernel_shape=[2, 2], pads=[1]), {"inputs": IMAGES}, "pads must be 4 numbers"),
    "negative padding": (node("MaxPool", kernel_shape=[2, 2], pads=[-1] * 4), {"inputs": IMAGES}, "from 0 up"),
    "strides": (node("MaxPool", kernel_shape=[2, 2], strides=[0, 1]), {"inputs": IMAGES}, "strides must be 2 positive"),
    "antialias": (node("Resize", "x", antialias=1, mode="linear"), {"inputs": IMAGES}, "antialias=1"),
    "batch statistics": (node("BatchNormalization", "x x x x x", training_mode=1), {}, "training_mode=1"),
    "peepholes": (node("LSTM", "x x x x x x x x", hidden_size=2), {}, "peepholes"),
    "clipped cell": (node("LSTM", "x x x", hidden_size=2, clip=1.0), {}, "clip is not supported"),
    "activations": (node("GRU", "x x x", hidden_size=2, activations=["Relu", "Tanh"]), {}, "activations"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    proto, options, message = REFUSED[name]
    path = write(tmp_path / "model.onnx", [proto], **options)
    with pytest.raises(OnnxError, match=message):
        tg.io.load_onnx(path)


def test_what_is_no_model(tmp_path: Path) -> None:
    for content in (b"", b"\xff" * 100, b"no model", bytes(1000)):
        (tmp_path / "model.onnx").write_bytes(content)
        with pytest.raises(OnnxError, match="ONNX"):
            tg.io.load_onnx(tmp_path / "model.onnx")
    with pytest.raises(FileNotFoundError):
        tg.io.load_onnx(tmp_path / "none.onnx")
    with pytest.raises(tg.ArgumentError, match="image_layout"):
        tg.io.load_onnx(tmp_path / "model.onnx", image_layout="hwcn")


def tensor(dims: list[int], data: bytes, kind: int = FLOAT, **entries: str) -> Any:
    proto = onnx.TensorProto(name="w", dims=dims, data_type=kind)
    if entries:
        proto.data_location = onnx.TensorProto.EXTERNAL
        for key, value in entries.items():
            proto.external_data.add(key=key, value=value)
    else:
        proto.raw_data = data
    return proto


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (tensor([4], b"\0" * 12), "needs 4 numbers"),
        (tensor([4], b"\0" * 20), "needs 4 numbers"),
        (tensor([1 << 40, 1 << 20], b"\0" * 16), "needs .* numbers"),
        (tensor([-4], b"\0" * 16), "must not be negative"),
        (tensor([4], b"\0" * 4, onnx.TensorProto.INT8), "INT8"),
        (tensor([4], b"\0" * 4, 99), "99"),
        (tensor([4], b"", location="../secret"), "must lie in the model's folder"),
        (tensor([4], b"", location="/etc/passwd"), "must lie in the model's folder"),
        (tensor([4], b"", location="a/../../secret"), "must lie in the model's folder"),
        (tensor([4], b"", location="C:\\secret"), "must lie in the model's folder"),
        (tensor([4], b"", location="none.bin"), "is not there"),
        (tensor([4], b"", location="short.bin"), "needs 16 bytes"),
        (tensor([4], b"", location="long.bin", offset="8"), "needs 16 bytes"),
        (tensor([4], b"", location="long.bin", offset="-8"), "needs 16 bytes"),
        (tensor([4], b"", location="long.bin", length="8"), "needs 16 bytes"),
        (tensor([4], b"", location="long.bin", offset="x"), "must be integers"),
        (tensor([4], b"", location="link.bin"), "link out of the model's folder"),
    ],
)
def test_tensors_are_not_trusted(made: Any, message: str, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(16))
    (folder / "short.bin").write_bytes(bytes(12))
    (folder / "long.bin").write_bytes(bytes(16))
    (folder / "link.bin").symlink_to(tmp_path / "secret")
    path = write(folder / "model.onnx", [node("Add", "x w")], initializers=[made])
    with pytest.raises(OnnxError, match=message):
        tg.io.load_onnx(path)


def test_external_data(tmp_path: Path) -> None:
    """Beside the model, with an offset."""
    (tmp_path / "weights.bin").write_bytes(bytes(4) + np.arange(4, dtype=np.float32).tobytes())
    made = tensor([4], b"", location="weights.bin", offset="4", length="16")
    model = tg.io.load_onnx(write(tmp_path / "model.onnx", [node("Add", "x w")], initializers=[made]))
    assert model(tg.zeros((1, 4))).tolist() == [[0.0, 1.0, 2.0, 3.0]]


def test_inputs_are_checked(tmp_path: Path) -> None:
    model = tg.io.load_onnx(write(tmp_path / "model.onnx", [node("Relu")]))
    wrong: list[tuple[Callable[[], Any], type[Exception], str]] = [
        (lambda: model(), tg.ArgumentError, "'x' must be a tensor, found nothing"),
        (lambda: model(np.zeros((1, 4))), tg.ArgumentError, "must be a tensor, found ndarray"),
        (lambda: model(tg.zeros((1, 4)), tg.zeros(1)), tg.ArgumentError, "found 2 by position"),
        (lambda: model(z=tg.zeros((1, 4))), tg.ArgumentError, "z by name"),
        (lambda: model(tg.zeros((1, 4), "float64")), tg.DTypeError, "must be float32, found float64"),
        (lambda: model(tg.zeros((1, 5))), tg.ShapeError, r"must be \[any, 4\], found \[1, 5\]"),
    ]
    for call, kind, message in wrong:
        with pytest.raises(kind, match=message):
            call()


def test_errors_of_a_run_name_the_node(tmp_path: Path) -> None:
    shape = onnx.numpy_helper.from_array(np.array([3, 3]), "s")
    model = tg.io.load_onnx(write(tmp_path / "model.onnx", [node("Reshape", "x s")], initializers=[shape]))
    with pytest.raises(tg.ShapeError, match="the_node"):
        model(tg.zeros((1, 4)))


def test_changed_files_raise_typed_errors(tmp_path: Path) -> None:
    """Any bytes changed: the right value, another one, or an error of ours, and nothing else."""
    path = tmp_path / "model.onnx"
    tg.io.save_onnx(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 2)), path, (6, 6, 1))
    content, rng, outcomes = path.read_bytes(), np.random.default_rng(0), Counter[str]()
    for _ in range(300):
        changed = bytearray(content)
        for place in rng.integers(0, len(changed), int(rng.integers(1, 4))):
            changed[place] = rng.integers(0, 256)
        path.write_bytes(changed if rng.random() < 0.8 else changed[: rng.integers(0, len(changed))])
        try:
            tg.io.load_onnx(path)(tg.zeros((1, 1, 6, 6)))
            outcomes["read"] += 1
        except tg.TilegradError as error:
            outcomes[type(error).__name__] += 1
        except MemoryError:
            outcomes["memory"] += 1
    assert outcomes["OnnxError"] > 20
