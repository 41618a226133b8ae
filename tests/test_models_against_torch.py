"""Every network of the zoo beside its own definition in PyTorch: outputs, and gradients of all parameters.

Both have the same random weights, which tg.io.load_torch has copied over, in float64. The images are small where the
network takes small images: its layers are the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import models

torch = pytest.importorskip("torch")

from .reference_models import alexnet, densenet, inception, mobilenet, resnet, vgg  # noqa: E402

HIDDEN = 96  # of VGG's dense layers here: at 4096 one of them has four fifths of all numbers, and the test's time
# Rounding errors of 2^-53 grow through a hundred layers of normalisation over few values; wrong networks differ by 1.
TOLERANCE = 1e-7


class Case(NamedTuple):
    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    batch: int
    size: int
    image: Mapping[str, tuple[int, int, int]] = MappingProxyType({})  # what is flattened, [H, W, C], before which layer


def _vgg(layers: int, norm: bool) -> Case:
    make = {11: models.vgg11, 16: models.vgg16, 19: models.vgg19}[layers]
    return Case(
        lambda: make(num_classes=3, batch_norm=norm, dropout=0.0),
        lambda: vgg.VGG(layers, norm, 3, HIDDEN),
        2,
        64,
        {"classifier.0": (7, 7, 512)},
    )


def _resnet(make: Callable[..., Any], depths: list[int], bottleneck: bool) -> Case:
    return Case(lambda: make(num_classes=5), lambda: resnet.ResNet(depths, bottleneck, 5), 2, 40)


def _small_resnet(make: Callable[..., Any], depth: int) -> Case:
    return Case(make, lambda: resnet.ResNet([depth] * 3, False, 10, small=True), 2, 32)


CASES = {
    "alexnet": Case(
        lambda: models.alexnet(num_classes=3, dropout=0.0), lambda: alexnet.AlexNet(3), 1, 224,
        {"classifier.1": (6, 6, 256)},
    ),
    "vgg11": _vgg(11, False),
    "vgg16": _vgg(16, False),
    "vgg19": _vgg(19, False),
    "vgg11_bn": _vgg(11, True),
    "vgg16_bn": _vgg(16, True),
    "vgg19_bn": _vgg(19, True),
    "googlenet": Case(
        lambda: models.googlenet(num_classes=5, aux_heads=True, dropout=0.0, aux_dropout=0.0),
        lambda: inception.GoogLeNet(5), 1, 224, {"aux1.fc1": (4, 4, 128), "aux2.fc1": (4, 4, 128)},
    ),
    "inception_v3": Case(
        lambda: models.inception_v3(num_classes=5, aux_heads=True, dropout=0.0), lambda: inception.InceptionV3(5),
        2, 299,
    ),
    "resnet18": _resnet(models.resnet18, [2, 2, 2, 2], False),
    "resnet34": _resnet(models.resnet34, [3, 4, 6, 3], False),
    "resnet50": _resnet(models.resnet50, [3, 4, 6, 3], True),
    "resnet101": _resnet(models.resnet101, [3, 4, 23, 3], True),
    "resnet152": _resnet(models.resnet152, [3, 8, 36, 3], True),
    "resnet20": _small_resnet(models.resnet20, 3),
    "resnet56": _small_resnet(models.resnet56, 9),
    "resnet110": _small_resnet(models.resnet110, 18),
    "densenet121": Case(lambda: models.densenet121(num_classes=5), lambda: densenet.DenseNet121(5), 2, 64),
    "mobilenet_v2": Case(
        lambda: models.mobilenet_v2(num_classes=5, dropout=0.0), lambda: mobilenet.MobileNetV2(5), 2, 64
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_first_weights(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Weights are copied over anyway: drawing hundreds of millions takes most of the time."""
    monkeypatch.setattr(models.vgg, "HIDDEN", HIDDEN)
    monkeypatch.setattr(tg.nn.init, "he_truncated_normal", lambda shape, fan_in: tg.zeros(shape, dtype="float64"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several would spin beside ours
    yield
    torch.set_num_threads(threads)


def with_random_weights(make: Callable[[], Any]) -> Any:
    """A network of PyTorch in float64, whose every number is a random one; the state of running statistics too."""
    rng = np.random.default_rng(7)
    draws = rng.normal(size=1_000_003)
    with torch.device("meta"):
        model = make()
    model = model.to(torch.float64).to_empty(device="cpu")
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if not tensor.dtype.is_floating_point:
                tensor.zero_()
                continue
            start = int(rng.integers(1000))
            values = torch.from_numpy(np.resize(draws[start:], tensor.numel())).reshape(tensor.shape)
            if tensor.ndim > 1:
                tensor.copy_(values * (2 / (tensor.numel() // tensor.shape[0])) ** 0.5)
            elif name.endswith("running_var"):
                tensor.copy_(0.5 + values**2)
            else:  # scales around 1, shifts and means around 0
                tensor.copy_((tensor.ndim == 1 and _is_scale(model, name)) + 0.2 * values)
    return model


def _is_scale(model: Any, name: str) -> bool:
    path, _, kind = name.rpartition(".")
    return kind == "weight" and isinstance(model.get_submodule(path), torch.nn.BatchNorm2d)


def in_our_layout(gradient: Any, image: tuple[int, int, int] | None) -> np.ndarray[Any, Any]:
    array = gradient.numpy()
    if array.ndim == 4:
        return array.transpose(2, 3, 1, 0)
    if array.ndim == 2 and image is not None:
        H, W, C = image
        return array.reshape(-1, C, H, W).transpose(2, 3, 1, 0).reshape(H * W * C, -1)
    return array.T


def outputs(found: Any) -> list[Any]:
    if isinstance(found, models.Outputs):
        return [found.logits, *found.auxiliary]
    return list(found) if isinstance(found, tuple) else [found]


def assert_near(
    found: np.ndarray[Any, Any], expected: np.ndarray[Any, Any], what: str, magnitude: float = 1e-30
) -> None:
    assert found.shape == expected.shape, what
    error, magnitude = np.abs(found - expected).max(), max(np.abs(expected).max(), magnitude)
    assert error <= TOLERANCE * magnitude, f"{what}: {error} of {magnitude}"


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "inception_v3" else name for name in CASES]
)
def test_outputs_and_gradients(name: str) -> None:
    check(CASES[name])


@pytest.mark.slow
@pytest.mark.parametrize("layers", [11, 16, 19])
def test_vgg_as_it_is_published(layers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With dense layers of 4096 and 1000 classes: some gigabytes of float64."""
    monkeypatch.setattr(models.vgg, "HIDDEN", 4096)
    make = {11: models.vgg11, 16: models.vgg16, 19: models.vgg19}[layers]
    check(Case(lambda: make(dropout=0.0), lambda: vgg.VGG(layers, False, 1000), 1, 32, {"classifier.0": (7, 7, 512)}))


def check(case: Case) -> None:
    theirs = with_random_weights(case.theirs)
    ours = case.ours().to("float64")
    assert tg.io.load_torch(theirs.state_dict(), into=ours) == ([], [])
    rng = np.random.default_rng(3)
    images = rng.normal(size=(case.batch, case.size, case.size, 3))
    x, image = tg.tensor(images), torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    with tg.no_grad(), torch.no_grad():
        assert_near(ours.eval()(x).numpy(), theirs.eval()(image).numpy(), "output in evaluation")

    ours.train()
    theirs.train()
    found, expected = outputs(ours(x)), outputs(theirs(image))
    weights = [rng.normal(size=tuple(y.shape)) for y in expected]
    for y, z in zip(found, expected, strict=True):
        assert_near(y.detach().numpy(), z.detach().numpy(), "output in training")
    loss: Any = 0.0
    for y, w in zip(found, weights, strict=True):
        loss = loss + tg.sum(y * tg.tensor(w))
    loss.backward()
    sum((z * torch.from_numpy(w)).sum() for z, w in zip(expected, weights, strict=True)).backward()

    parameters = dict(ours.named_parameters())
    their_parameters = dict(theirs.named_parameters())
    assert set(parameters) == set(their_parameters)
    # Shifts in front of a normalisation have gradients of zero but for rounding: sums of what is not zero.
    rounded = 1e-4 * max(float(parameter.grad.abs().max()) for parameter in their_parameters.values())
    for path, parameter in their_parameters.items():
        flattened = case.image.get(path.rpartition(".")[0])
        gradient = parameters[path].grad
        assert gradient is not None, path
        assert_near(gradient.numpy(), in_our_layout(parameter.grad, flattened), path, rounded)
    buffers = dict(ours.named_buffers())
    for path, buffer in theirs.named_buffers():
        if not path.endswith("num_batches_tracked"):
            assert_near(buffers[path].numpy(), buffer.numpy(), path)


def test_inception_v3_without_its_head_and_the_head_alone() -> None:
    theirs = with_random_weights(lambda: inception.InceptionV3(5))
    ours: Any = models.inception_v3(num_classes=5, dropout=0.0).to("float64")
    whole = theirs.state_dict()
    with pytest.raises(tg.StateDictError, match=r"unexpected: AuxLogits\.conv0\.conv\.weight"):
        tg.io.load_torch(whole, into=ours)
    assert tg.io.load_torch(whole, into=ours, strict=False).missing == []
    images = np.random.default_rng(3).normal(size=(2, 107, 91, 3))
    with tg.no_grad(), torch.no_grad():
        image = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
        assert_near(ours.eval()(tg.tensor(images)).numpy(), theirs.eval()(image).numpy(), "output")

    head: Any = models.inception_v3(num_classes=5, aux_heads=True).AuxLogits.to("float64")
    tg.io.load_torch(theirs.AuxLogits.state_dict(), into=head)
    features = np.random.default_rng(3).normal(size=(2, 17, 17, 768))
    y = head.train()(tg.tensor(features))
    z = theirs.AuxLogits.train()(torch.from_numpy(features.transpose(0, 3, 1, 2).copy()))
    assert_near(y.detach().numpy(), z.detach().numpy(), "head")


def test_first_densenet_names() -> None:
    """Files of torchvision before its modules were renamed."""
    theirs = with_random_weights(lambda: densenet.DenseNet121(5))
    state = {
        re.sub(r"(denselayer\d+)\.(norm|conv)(\d)", r"\1.\2.\3", name): value
        for name, value in theirs.state_dict().items()
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in state
    ours = models.densenet121(num_classes=5).to("float64")
    assert tg.io.load_torch(state, into=ours) == ([], [])
