"""The numerics contract for whole networks: the same bits for any threads, on any ISA, in any batch."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn

from .targets import AVAILABLE, ISAS, THREADS, running_on

datasets = pytest.importorskip("sklearn.datasets")
Made = Callable[[], nn.Sequential]


def digits_network() -> nn.Sequential:
    """The network of examples/digits.py."""
    path = Path(__file__).parents[1] / "examples" / "digits.py"
    spec = importlib.util.spec_from_file_location("digits_example", path)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    network: nn.Sequential = example.network()
    return network


def normalised_network() -> nn.Sequential:
    """With batch normalisation, average pooling, and the other activations."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding="same", bias=False), nn.BatchNorm2d(8), nn.SiLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 12, 3, groups=2, activation="gelu"), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(None, 20),
        nn.BatchNorm1d(20), nn.Tanh(), nn.Linear(20, 10),
    ).build((8, 8, 1))  # fmt: skip


@cache
def digits() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    found = datasets.load_digits()
    return np.float32(found.images / 16.0)[..., None], np.int64(found.target)


def trained(make: Made, steps: int, folder: Path, batch_size: int = 16) -> tuple[list[bytes], bytes, bytes]:
    """Losses, weights and the saved file's bytes after some steps of Adam, on the ISA and threads of the moment."""
    tg.manual_seed(11)
    model = make().build((8, 8, 1))
    optimizer = tg.optim.Adam(model.parameters(), lr=3e-3)
    loader = tg.data.DataLoader(digits(), batch_size=batch_size, shuffle=True, seed=5)
    losses = []
    for _, (x, y) in zip(range(steps), loader, strict=False):
        optimizer.zero_grad()
        loss = nn.CrossEntropyLoss()(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach().numpy().tobytes())
    weights = b"".join(tensor.numpy().tobytes() for tensor in model.state_dict().values())
    tg.save(model, folder / "model")
    return losses, weights, (folder / "model").read_bytes()


@pytest.mark.parametrize("isa", ISAS)
def test_fifty_steps_have_the_same_bits_for_any_threads_and_isa(isa: str, tmp_path: Path) -> None:
    with running_on(AVAILABLE[-1], threads=1):
        expected = trained(digits_network, 50, tmp_path)
    assert len(set(expected[0])) > 40  # it does train
    for threads in THREADS:
        with running_on(isa, threads):
            found = trained(digits_network, 50, tmp_path)
        assert found[0] == expected[0], f"losses differ on {isa} with {threads} threads"
        assert found[1] == expected[1], f"weights differ on {isa} with {threads} threads"
        assert found[2] == expected[2], f"the saved files differ on {isa} with {threads} threads"


@pytest.mark.parametrize("isa", ISAS)
def test_a_few_steps_of_a_network_with_every_kind_of_layer(isa: str, tmp_path: Path) -> None:
    with running_on(AVAILABLE[-1], threads=1):
        expected = trained(normalised_network, 8, tmp_path)
    for threads in THREADS:
        with running_on(isa, threads):
            assert trained(normalised_network, 8, tmp_path) == expected, f"on {isa} with {threads} threads"


@pytest.mark.parametrize("make", [digits_network, normalised_network, tg.models.lenet5])
@pytest.mark.parametrize("isa", ISAS)
def test_a_sample_has_the_same_bits_alone_and_in_any_batch(isa: str, make: Made) -> None:
    tg.manual_seed(2)
    size = 28 if make is tg.models.lenet5 else 8
    model = make().build((size, size, 1)).eval()
    x = np.random.default_rng(0).normal(size=(256, size, size, 1)).astype(np.float32)

    def predict(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        with tg.no_grad():
            found: np.ndarray[Any, Any] = model(tg.tensor(rows)).numpy()
        return found

    with running_on(isa, threads=2):
        together = predict(x)
        sevens = [predict(x[start : start + 7]) for start in range(0, 35, 7)]
        alone = [predict(x[row : row + 1]) for row in range(35)]
    assert np.array_equal(np.concatenate(sevens).view(np.uint32), together[:35].view(np.uint32))
    assert np.array_equal(np.concatenate(alone).view(np.uint32), together[:35].view(np.uint32))


@pytest.mark.parametrize("isa", ISAS)
def test_outputs_that_are_streamed_have_the_same_bits(isa: str) -> None:
    """From 32 MB on, outputs go past the caches: ends that are not whole lines, and any share, are written too."""
    size = (32 << 20) // 4 + 37
    x = np.random.default_rng(0).normal(size=size + 1).astype(np.float32)
    with running_on(isa, threads=3):
        for start in (0, 1):  # a line's start, and one element behind it
            a = tg.from_numpy(x[start : start + size])
            assert np.array_equal(tg.relu(a).numpy(), np.maximum(a.numpy(), 0))
            assert np.array_equal(tg.add(a, a).numpy(), a.numpy() * 2)
            out = np.full(size + 2, 7, np.float32)
            tg.from_numpy(out[1:-1]).copy_(a)
            assert np.array_equal(out[1:-1], a.numpy())
            assert out[0] == out[-1] == 7
