"""The zoo: published numbers of parameters, shapes, training at the models' own sizes, files, preprocessing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import models, nn
from tilegrad.io import architecture

from .processes import run_python

# As published, or as torchvision documents them.
PARAMETERS = {
    "alexnet": 61_100_840,
    "vgg11": 132_863_336,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "googlenet": 6_624_904,
    "inception_v3": 23_834_568,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "densenet121": 7_978_856,
    "mobilenet_v2": 3_504_872,
}
WITH_OPTIONS = {
    ("vgg11", "batch_norm"): 132_868_840,
    ("vgg16", "batch_norm"): 138_365_992,
    ("vgg19", "batch_norm"): 143_678_248,
    ("googlenet", "aux_heads"): 13_004_888,
    ("inception_v3", "aux_heads"): 27_161_264,
}
SMALL = {"resnet20": 0.27e6, "resnet56": 0.85e6, "resnet110": 1.7e6}  # table 6 of the paper
FEATURES = {
    "alexnet": 256, "vgg11": 512, "vgg16": 512, "vgg19": 512, "googlenet": 1024, "inception_v3": 2048, "resnet18": 512,
    "resnet34": 512, "resnet50": 2048, "resnet101": 2048, "resnet152": 2048, "densenet121": 1024, "mobilenet_v2": 1280,
    "resnet20": 64, "resnet56": 64, "resnet110": 64,
}  # fmt: skip
ALL = [*PARAMETERS, *SMALL]


@pytest.fixture
def zeros_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Zeros in place of drawn weights, where the numbers do not matter."""
    monkeypatch.setattr(tg.nn.init, "he_truncated_normal", lambda shape, fan_in: tg.zeros(shape))


def make(name: str, **options: Any) -> Any:
    return getattr(models, name)(**options)


def size_of(model: nn.Module) -> int:
    return sum(parameter.size for parameter in model.parameters())


@pytest.mark.usefixtures("zeros_at_first")
def test_numbers_of_parameters() -> None:
    assert {name: size_of(make(name)) for name in PARAMETERS} == PARAMETERS
    assert {key: size_of(make(key[0], **{key[1]: True})) for key in WITH_OPTIONS} == WITH_OPTIONS
    for name, published in SMALL.items():
        assert abs(size_of(make(name)) / published - 1) < 0.02


@pytest.mark.parametrize("name", ALL)
def test_training_at_its_own_size(name: str) -> None:
    tg.manual_seed(1)
    options = {"aux_heads": True} if name in ("googlenet", "inception_v3") else {}
    model = make(name, **options)
    batch = 2 if name == "inception_v3" else 1  # its head normalises one pixel a sample
    x = tg.randn((batch, *model.preprocessing.size, 3))
    found = model(x)
    classes = 1000 if name in PARAMETERS else 10
    assert isinstance(found, models.Outputs) == bool(options)
    assert (found.logits if options else found).shape == (batch, classes)
    loss = models.AuxiliaryLoss(nn.CrossEntropyLoss())(found, tg.zeros(batch, dtype="int64"))
    loss.backward()
    # He's initialisation keeps the signal: the loss is that of some guess, not of a network that exploded or died.
    assert 0 < loss.item() < 100
    for path, parameter in model.named_parameters():
        assert parameter.grad is not None, path
        assert bool(tg.all(tg.isfinite(parameter.grad)).item()), path


@pytest.mark.usefixtures("zeros_at_first")
@pytest.mark.parametrize("name", ALL)
def test_without_top(name: str) -> None:
    model = make(name, include_top=False).eval()
    height, width = (8, 12) if name in SMALL else (139, 171)
    found = model(tg.zeros((1, height, width, 3)))
    assert found.ndim == 4
    assert found.shape[-1] == FEATURES[name]
    assert not any(isinstance(module, nn.Linear) for module in model.modules())


@pytest.mark.usefixtures("zeros_at_first")
@pytest.mark.parametrize("name", ALL)
def test_architecture_comes_back(name: str) -> None:
    options = {"aux_heads": True} if name in ("googlenet", "inception_v3") else {}
    model = make(name, num_classes=4, **options)
    again: Any = architecture.decode(architecture.encode(model))
    assert repr(again) == repr(model)
    assert again.preprocessing == model.preprocessing
    assert again.heads == model.heads
    assert [(path, p.shape) for path, p in again.named_parameters()] == [
        (path, p.shape) for path, p in model.named_parameters()
    ]


@pytest.mark.parametrize("name", ["googlenet", "resnet20", "densenet121", "mobilenet_v2", "Perceptron", "resnet50"])
def test_files(name: str, tmp_path: Path) -> None:
    arguments = {"in_features": 2} if name == "Perceptron" else {"num_classes": 3}
    model = make(name, **arguments).eval()
    tg.save(model, tmp_path / "m")
    again = tg.load(tmp_path / "m")
    assert not again.training
    x = tg.ones((1, 2)) if name == "Perceptron" else tg.ones((1, 64, 64, 3))
    with tg.no_grad():
        assert again(x).tolist() == model(x).tolist()


def test_a_file_is_read_where_the_zoo_was_not_imported(tmp_path: Path) -> None:
    tg.save(models.resnet20(), tmp_path / "m")
    run_python(f"""
        import sys, tilegrad as tg
        assert "tilegrad.models" not in sys.modules
        assert tg.load({str(tmp_path / "m")!r}).preprocessing.size == (32, 32)
    """)


def test_a_replaced_head_is_saved(tmp_path: Path) -> None:
    model = models.resnet20()
    model.fc = nn.Linear(64, 3)
    tg.save(model, tmp_path / "m")
    again: Any = tg.load(tmp_path / "m")
    assert again(tg.zeros((2, 32, 32, 3))).shape == (2, 3)
    assert again.preprocessing.mean == (0.4914, 0.4822, 0.4465)


@pytest.mark.parametrize(
    "name", ["alexnet", "vgg11", "googlenet", "inception_v3", "resnet18", "resnet50", "resnet20", "densenet121",
             "mobilenet_v2"]
)  # fmt: skip
def test_compiled_for_inference(name: str) -> None:
    tg.manual_seed(2)
    model = make(name, include_top=False)
    rng = np.random.default_rng(0)
    for buffer in model.buffers():
        buffer.add_(tg.tensor(rng.uniform(0, 0.5, buffer.shape).astype("float32")))
    x = tg.randn((2, 80, 80, 3))
    with tg.no_grad():
        expected = model.eval()(x).numpy()
    found = tg.compile_for_inference(model)(x).numpy()
    # Folding rounds each weight once more; a hundred layers add up.
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


def test_a_captured_step_gives_the_same_bits() -> None:
    x, y = tg.randn((4, 32, 32, 3)), tg.tensor(np.int64([0, 1, 2, 3]))
    found = []
    for capture in (False, True):
        tg.manual_seed(5)
        model = models.resnet20()
        optimizer, loss = tg.optim.SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss()

        def step(x: tg.Tensor, y: tg.Tensor) -> tg.Tensor:
            optimizer.zero_grad()
            value = loss(model(x), y)
            value.backward()
            optimizer.step()
            return value

        run = tg.capture(step) if capture else step
        found.append([run(x, y).item() for _ in range(3)])
    assert found[0] == found[1]


def test_arguments() -> None:
    with pytest.raises(tg.ArgumentError, match="resnet50: num_classes must be a positive integer, found 0"):
        models.resnet50(num_classes=0)
    with pytest.raises(tg.ArgumentError, match="Dropout: p must be at least 0"):
        models.mobilenet_v2(dropout=1.5)
    with pytest.raises(tg.ArgumentError, match="heads name the part 'b'"):
        models.ImageModel({"a": nn.ReLU()}, heads={"a": "b"})
    with pytest.raises(tg.ShapeError, match=r"features\.12 "):
        models.alexnet(include_top=False)(tg.zeros((1, 40, 40, 3)))


# The small ones.


@pytest.mark.parametrize(("gate", "target"), [("AND", [0, 0, 0, 1]), ("OR", [0, 1, 1, 1]), ("NAND", [1, 1, 1, 0])])
def test_perceptron_learns_gates_exactly(gate: str, target: list[int]) -> None:
    x = np.float32([[0, 0], [0, 1], [1, 0], [1, 1]])
    unit = models.Perceptron(2)
    mistakes = unit.fit(x, target)
    assert mistakes[-1] == 0
    assert unit(tg.tensor(x)).tolist() == target
    assert unit.fit(tg.tensor(x), tg.tensor(target)) == [0]


def test_perceptron_by_hand_and_its_limits() -> None:
    unit = models.Perceptron(2).to("float64")
    # At (1, 1) the score 0 is no 1: one correction, then all is right.
    assert unit.fit([[1, 1], [-1, -1]], [1, 0], epochs=9, lr=0.5) == [1, 0]
    assert unit.weight.detach().tolist() == [[0.5], [0.5]]
    assert unit.bias.detach().tolist() == [0.5]
    assert len(models.Perceptron(2).fit([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0], epochs=20)) == 20  # XOR
    for x, target, error in (
        ([[1.0]], [1], tg.ShapeError), ([[1.0, 2.0]], [1, 0], tg.ShapeError), ([[1.0, 2.0]], [2], tg.OutOfRangeError),
    ):  # fmt: skip
        with pytest.raises(error):
            unit.fit(x, target)
    with pytest.raises(tg.ArgumentError, match="lr must be positive"):
        unit.fit([[1.0, 2.0]], [1], lr=0)


@pytest.mark.parametrize("seed", range(3))
def test_xor_net_learns_xor_exactly(seed: int) -> None:
    tg.manual_seed(seed)
    x, y = tg.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), tg.tensor([[0.0], [1.0], [1.0], [0.0]])
    model, loss = models.xor_net(), nn.BCEWithLogitsLoss()
    optimizer = tg.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
    assert (model(x).detach().numpy() > 0).tolist() == [[False], [True], [True], [False]]


@pytest.mark.parametrize(
    ("build", "classes"),
    [
        (lambda: models.softmax_regression(4, 6), 4),
        (lambda: models.mlp(4, (8, 7), 6, activation="tanh", dropout=0.1), 4),
        (lambda: models.mlp(4, hidden=()), 4),
        (lambda: models.logistic_regression(), 1),
    ],
)
def test_dense_models(build: Callable[[], nn.Sequential], classes: int, tmp_path: Path) -> None:
    model = build().build((6,)).eval()
    x = tg.randn((3, 6))
    assert model(x).shape == (3, classes)
    tg.save(model, tmp_path / "m")
    assert tg.load(tmp_path / "m")(x).tolist() == model(x).tolist()


# Preprocessing.


def test_preprocessing_by_its_formula() -> None:
    prepare = models.resnet20(include_top=False).preprocessing
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    expected = (images / 255.0 - np.float64(prepare.mean)) / np.float64(prepare.std)
    np.testing.assert_allclose(prepare(images).numpy(), expected, rtol=0, atol=2e-6)
    np.testing.assert_array_equal(prepare(tg.tensor(images[0])).numpy(), prepare(images[:1]).numpy())
    assert prepare(images[:0]).shape == (0, 32, 32, 3)


def test_preprocessing_resizes_the_shorter_side_and_crops_the_middle() -> None:
    pytest.importorskip("PIL")
    prepare = models.Preprocessing((4, 4), resize=6, mean=(0.0,), std=(1.0,))
    ramp = np.repeat(np.arange(0, 240, 10, dtype=np.uint8)[None, :, None], 12, axis=0)  # 12 x 24, dark to bright
    found = prepare([ramp, np.full((6, 6, 1), 51, np.uint8)]).numpy()
    assert found.shape == (2, 4, 4, 1)
    np.testing.assert_allclose(found[1], 0.2, rtol=1e-6)
    # Of 12 columns of two the middle 4 are left: 4 to 7, whose centres are at 8.5, 10.5, ... of the ramp.
    np.testing.assert_allclose(found[0, 0, :, 0] * 255, [85, 105, 125, 145], atol=1)
    np.testing.assert_allclose(found[0], np.broadcast_to(found[0, :1], (4, 4, 1)))


def test_bad_images() -> None:
    prepare = models.Preprocessing((4, 4))
    with pytest.raises(tg.DTypeError, match="images must be uint8 from 0 to 255, found float32"):
        prepare(np.zeros((4, 4, 3), np.float32))
    with pytest.raises(tg.ShapeError, match=r"an image must be \[H, W, 3\], found \[4, 4, 1\]"):
        prepare(np.zeros((4, 4, 1), np.uint8))
    with pytest.raises(tg.ShapeError, match="an image is 5 x 4, expected 4 x 4"):
        prepare(np.zeros((5, 4, 3), np.uint8))
    with pytest.raises(tg.ArgumentError, match="mean and std must have one value per channel"):
        models.Preprocessing((4, 4), mean=(0.5,))
    with pytest.raises(tg.ArgumentError, match="none above resize"):
        models.Preprocessing((8, 8), resize=4)


def test_an_auxiliary_loss_adds_its_heads() -> None:
    loss = models.AuxiliaryLoss(nn.MSELoss(), weight=0.25)
    found = loss(models.Outputs(tg.full(2, 1.0), (tg.full(2, 2.0), tg.full(2, 4.0))), tg.zeros(2))
    assert found.item() == 1 + 0.25 * 4 + 0.25 * 16


@pytest.mark.parametrize(
    ("name", "size", "features"),
    [
        ("resnet18", 65, (3, 512)),  # ceil(65 / 32)
        ("resnet20", 33, (9, 64)),  # ceil(33 / 4)
        ("mobilenet_v2", 33, (2, 1280)),  # ceil(33 / 32)
        ("vgg11", 63, (1, 512)),  # 63 // 32
        ("densenet121", 61, (2, 1024)),  # ceil(61 / 4) // 8
    ],
)
def test_features_of_sizes_that_32_does_not_divide(name: str, size: int, features: tuple[int, int]) -> None:
    model = make(name, include_top=False).eval()
    assert model(tg.zeros((1, size, size, 3))).shape == (1, features[0], features[0], features[1])


def test_characters_and_their_indices() -> None:
    model = models.char_lstm("abc", hidden_size=4)
    assert model.encode("cab").tolist() == [2, 0, 1]
    assert model.decode([2, 0, 1]) == model.decode(tg.tensor([2, 0, 1])) == "cab"
    assert model.decode([]) == ""
    with pytest.raises(tg.ArgumentError, match=r"char_lstm: 'x' \(character 1 of the text\) is not in the vocabulary"):
        model.encode("ax")
    for bad in (3, -1):
        with pytest.raises(tg.OutOfRangeError, match=f"char_lstm: index {bad} at position 1 is out of range"):
            model.decode([0, bad])
