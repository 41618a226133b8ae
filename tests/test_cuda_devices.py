"""Several GPUs: each has its own memory and stream, and tensors go from one to another."""

from __future__ import annotations

import numpy as np
import pytest

import tilegrad as tg
from tilegrad import nn

from .targets import NEEDS_GPU

NEEDS_TWO_GPUS = pytest.mark.skipif(tg.cuda.device_count() < 2, reason="there are not two GPUs")


@NEEDS_TWO_GPUS
def test_two_devices_compute_apart() -> None:
    x, w = np.random.default_rng(1).normal(size=(2, 40, 30)).astype(np.float32)
    there = [tg.tensor(x, device=device) for device in ("cuda:1", "cuda")]
    assert [t.device for t in there] == ["cuda:1", "cuda"]
    products = [(t @ tg.tensor(w, device=t.device).T).sum(axis=1) for t in there]
    assert [p.device for p in products] == ["cuda:1", "cuda"]
    assert products[0].tolist() == products[1].tolist()
    for mix in (lambda a, b: a + b, lambda a, b: a @ b.T):
        with pytest.raises(tg.DeviceError, match=r"on cuda:1 .*on cuda |on cuda:1 and cuda"):
            mix(*there)
    for join in (tg.concat, tg.stack):
        with pytest.raises(
            tg.DeviceError, match=r"tensors\[1\] is on cuda and tensors\[0\] is on cuda:1; move one with"
        ):
            join(there)
    assert tg.cuda.memory_stats("cuda:1")["bytes_in_use"] > 0
    assert tg.cuda.properties("cuda:1")["compute_capability"] >= (8, 0)


@NEEDS_TWO_GPUS
def test_tensors_go_from_one_device_to_another() -> None:
    expected = np.zeros(20_000, np.float32)
    total = tg.zeros(20_000, device="cuda:1")
    for turn in range(12):  # memory of the source is somebody else's as soon as the copy has been asked for
        part = tg.full((20_000,), float(turn), device="cuda") * 2.0
        total = total + part.to("cuda:1")
        del part
        expected += 2 * turn
    assert total.cpu().tolist() == expected.tolist()
    there = tg.tensor([1.0, 2.0], requires_grad=True, device="cuda:1")
    (there.to("cuda") * 3.0).sum().backward()
    assert there.grad is not None
    assert (there.grad.device, there.grad.tolist()) == ("cuda:1", [3.0, 3.0])


@NEEDS_TWO_GPUS
def test_training_on_the_second_device() -> None:
    def fit(device: str) -> tuple[list[float], list[str]]:
        tg.manual_seed(5)
        model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3)).to(device)
        trainer = tg.train.Trainer(model, tg.cross_entropy, tg.optim.Adam(model.parameters(), lr=0.05), capture=True)
        x = np.random.default_rng(0).normal(size=(96, 6)).astype(np.float32)
        y = (x[:, 0] > 0).astype(np.int64) + (x[:, 1] > 0)
        history = trainer.fit((x, y), epochs=3, batch_size=32, verbose=0)
        return history["loss"], [p.device for p in model.parameters()]

    (first, _), (second, devices) = fit("cuda"), fit("cuda:1")
    assert devices == ["cuda:1"] * 4
    assert first == second


@NEEDS_TWO_GPUS
def test_draws_go_on_from_device_to_device() -> None:
    tg.manual_seed(9)
    expected = [tg.dropout(tg.ones(40), 0.5, True).tolist() for _ in range(4)]
    tg.manual_seed(9)
    devices = ("cuda:1", "cpu", "cuda", "cuda:1")
    assert [tg.dropout(tg.ones(40, device=device), 0.5, True).tolist() for device in devices] == expected


@NEEDS_TWO_GPUS
def test_bad_label_on_the_second_device_is_raised() -> None:
    logits = tg.ones((2, 4), device="cuda:1")
    tg.cross_entropy(logits, tg.tensor([1, 7], device="cuda:1"))
    with pytest.raises(IndexError, match=r"target\[1\] is 7"):
        tg.cuda.synchronize()
    assert tg.cross_entropy(logits, tg.tensor([1, 3], device="cuda:1")).item() == pytest.approx(np.log(4))


@NEEDS_GPU
def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(tg.DeviceError, match=r"device 'cuda:15' is not available: the last .* is 'cuda:\d+'"):
        tg.ones(3, device="cuda:15")
